//! A simulated member cluster as a process of its own: ports, keys, what it prints.

use std::io::Write as _;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use roadstead_authority::Authority;
use roadstead_protocol::host::system;
use roadstead_protocol::host::tls::Crypto;
use roadstead_store::{Backend, Store};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{Member, Options};
use crate::config::SimulatedMember;
use crate::https;
use crate::process::{KUBECONFIG_FILE, absolute, identify, write_secret};

/// The file of its keys in the data folder.
const KEYS_FILE: &str = "member.redb";

/// Runs a simulated cluster until SIGTERM or Ctrl-C.
///
/// # Errors
/// When the folder or the port cannot be used.
pub async fn run(args: SimulatedMember) -> Result<()> {
    let SimulatedMember {
        data_dir,
        listen,
        nodes,
    } = args;
    std::fs::create_dir_all(&data_dir)
        .with_context(|| format!("failed to make the data folder {}", data_dir.display()))?;
    let env = system::env();
    let crypto = Crypto::ring(&env);
    let keys = Backend::Redb(roadstead_store::file(data_dir.join(KEYS_FILE)));
    let keys = Store::open(env.clone(), keys, roadstead_store::Options::default()).await?;
    let authority = Authority::load_or_create(&keys, &env).await?;
    let options = Options {
        nodes: usize::from(nodes),
        ..Options::default()
    };
    let member = Member::start(env, options).await?;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("failed to listen on TCP {listen}; choose one with --listen"))?;
    let server = format!("https://{}", listener.local_addr()?);
    let kubeconfig = data_dir.join(KUBECONFIG_FILE);
    write_secret(&kubeconfig, &authority.admin_kubeconfig(&server)?)?;
    let tls = Arc::new(authority.rest_server(&crypto, &[listen.ip().to_string()])?);
    let (stop, stopping) = watch::channel(false);
    let serving = tokio::spawn(https::serve(
        listener,
        tls,
        member.rest.clone(),
        identify(),
        stopping,
    ));
    let mut out = std::io::stdout();
    writeln!(
        out,
        "A simulated cluster serves the Kubernetes API at {server}; its objects live in memory.\n\n  \
         kubectl --kubeconfig {} get nodes",
        absolute(&kubeconfig).display()
    )?;
    out.flush()?;
    system::shutdown()
        .await
        .context("failed to listen to signals")?;
    stop.send_replace(true);
    serving.await.context("the API ended badly")?;
    keys.close().await;
    Ok(())
}
