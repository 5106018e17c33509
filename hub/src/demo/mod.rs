//! `roadstead demo`: what a newcomer sees first, on this machine and with nothing installed.
//!
//! A hub, simulated clusters and their agents over real QUIC and TLS on loopback. The script shows
//! an app distributed by policy, drift put right, and a cut link; each step looks at what it claims.

mod link;
mod script;
mod show;
mod stage;

use anyhow::Result;
use roadstead_protocol::host::system;

use crate::config::Demo;

/// Plays the demo; without `--once` the stage stays up to play with.
///
/// # Errors
/// The step that failed, and why.
pub async fn demo(args: Demo) -> Result<()> {
    let mut show = show::Show::new();
    let stage = script::play(&args, &mut show).await?;
    if !args.once {
        show.say("Play with it; Ctrl-C ends it and removes its folder.")?;
        let end = system::shutdown();
        tokio::select! {
            biased;
            ended = end => ended?,
            watched = show.watch(&stage) => watched?,
        }
    }
    stage.end().await;
    Ok(())
}
