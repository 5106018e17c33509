//! The command line's one entrance: carries out what was parsed.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory as _;
use roadstead_protocol::host::system;

use crate::config::{Cli, Command, LogFormat};
use crate::process::Settings;
use crate::{cli, demo, member, process};

/// What failed, what to do about it, and what the process ends with.
#[derive(Debug)]
pub struct Failure {
    /// For people.
    pub error: anyhow::Error,
    /// For scripts.
    pub code: ExitCode,
}

/// What a command ends with that failed.
const FAILED: u8 = 1;
/// The same, where 1 says something else already.
const PREVIEW_FAILED: u8 = 2;

/// Carries out a command line; what the process ends with.
///
/// # Errors
/// What failed, and what to do about it.
pub async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let previews = matches!(cli.command, Command::Preview(_));
    let failed = if previews { PREVIEW_FAILED } else { FAILED };
    Box::pin(carry_out(cli)).await.map_err(|error| Failure {
        error,
        code: failed.into(),
    })
}

async fn carry_out(cli: Cli) -> Result<ExitCode> {
    let Cli {
        command,
        log_format,
        log,
    } = cli;
    let format = match log_format {
        LogFormat::Text => system::LogFormat::Text,
        LogFormat::Json => system::LogFormat::Json,
    };
    let log = log.unwrap_or_else(|| default_log(&command).to_owned());
    system::telemetry(&log, format, std::io::stderr().is_terminal())?;
    let done = match command {
        Command::Demo(args) => demo::demo(args).await,
        Command::Hub(args) => {
            let settings = Settings::read(args.config.as_deref())?;
            process::hub(args, settings).await
        }
        Command::SimulatedMember(args) => member::process::run(args).await,
        Command::Join(args) => say(&cli::join(&args).await?),
        Command::Detach(args) => say(&cli::detach(&args).await?),
        Command::Backup(args) => say(&cli::backup(&args).await?),
        Command::Restore(args) => say(&cli::restore(&args).await?),
        Command::Keygen(args) => say(&cli::keygen(&args)?),
        Command::RotateAuthority(args) => say(&cli::rotate_authority(&args).await?),
        Command::Reconcile(args) => say(&cli::reconcile(&args).await?),
        Command::Freeze(args) => say(&cli::freeze(&args).await?),
        Command::Unfreeze(args) => say(&cli::unfreeze(&args).await?),
        Command::Suspend(args) => say(&cli::suspend(&args).await?),
        Command::Resume(args) => say(&cli::resume(&args).await?),
        Command::Cordon(args) => say(&cli::cordon(&args).await?),
        Command::Uncordon(args) => say(&cli::uncordon(&args).await?),
        Command::Drain(args) => say(&cli::drain(&args).await?),
        Command::Fence(args) => say(&cli::fence(&args).await?),
        Command::Taint(args) => say(&cli::taint(&args).await?),
        Command::Status(args) => say(&cli::status(&args).await?),
        Command::User(args) => say(&cli::user(&args).await?),
        Command::Why(args) => say(&cli::why(&args).await?),
        Command::Drift(args) => say(&cli::drift(&args).await?),
        Command::Rebalance(args) => say(&cli::rebalance(&args).await?),
        Command::Rollout(args) => {
            let shown = cli::rollout(&args).await?;
            say(&shown.text)?;
            return Ok(ExitCode::from(u8::from(!shown.well)));
        }
        Command::Approve(args) => say(&cli::approve(&args).await?),
        Command::Preview(args) => {
            let shown = cli::preview(&args).await?;
            say(&shown.text)?;
            return Ok(ExitCode::from(u8::from(shown.differs)));
        }
        Command::Completion { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "roadstead", &mut text);
            say(&String::from_utf8_lossy(&text))
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// What is logged where nobody says: a hub's life, but nothing beside what a command prints.
fn default_log(command: &Command) -> &'static str {
    match command {
        // kube logs what then stands in a cluster's conditions, or what a command says in its own words.
        Command::Hub(_) | Command::SimulatedMember(_) => "info,kube_client=off",
        Command::Demo(_)
        | Command::Join(_)
        | Command::Detach(_)
        | Command::Status(_)
        | Command::RotateAuthority(_)
        | Command::Reconcile(_)
        | Command::Suspend(_)
        | Command::Resume(_)
        | Command::Cordon(_)
        | Command::Uncordon(_)
        | Command::Drain(_)
        | Command::Fence(_)
        | Command::Taint(_)
        | Command::Freeze(_)
        | Command::Unfreeze(_)
        | Command::Backup(_)
        | Command::Restore(_)
        | Command::Keygen(_)
        | Command::User(_)
        | Command::Why(_)
        | Command::Drift(_)
        | Command::Rebalance(_)
        | Command::Rollout(_)
        | Command::Approve(_)
        | Command::Preview(_)
        | Command::Completion { .. } => "warn,kube_client=off",
    }
}

fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    // A closed pipe (`roadstead status | head`) is no fault of ours.
    match writeln!(out, "{}", text.trim_end()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
