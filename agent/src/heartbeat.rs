//! The agent's pulse, for who probes it: a small file that says when its event loop last turned, and
//! how far the agent is.
//!
//! A file and not a listener: an agent opens no port. It may be in memory, so that a full disk, which
//! an agent lives with, does not have it restarted. Says nothing of the hub, on purpose: an agent
//! whose hub is away is well, and must not be restarted for it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use roadstead_protocol::env::Env;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// How often the file is written.
pub const EVERY: Duration = Duration::from_secs(10);
/// How old it may be, in seconds, before the agent counts as stuck.
pub const STALE_SECONDS: i64 = 60;
/// What the file is called while it is written.
const UNFINISHED: &str = "new";
/// Longest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 4 * 1024;

/// How far an agent is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vitals {
    /// It has an identity.
    pub joined: bool,
    /// It has read and written its member's position object since it started.
    pub member: bool,
}

/// One beat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Beat {
    at: jiff::Timestamp,
    #[serde(flatten)]
    vitals: Vitals,
}

/// Why a probe fails.
#[derive(Debug, thiserror::Error)]
pub enum Unwell {
    /// There is no readable file.
    #[error("no heartbeat at {}: is the agent running with this --heartbeat?", .0.display())]
    None(PathBuf, #[source] std::io::Error),
    /// The file is not ours.
    #[error("the heartbeat in {} is not readable", .0.display())]
    Unreadable(PathBuf),
    /// The event loop stands still.
    #[error("the last heartbeat was at {0}, more than {STALE_SECONDS} s from now")]
    Stale(jiff::Timestamp),
    /// It runs and has not joined.
    #[error("the agent has not joined its hub yet")]
    NotJoined,
    /// It runs and does not reach its member.
    #[error("the agent has not reached its cluster's API yet")]
    NoMember,
}

/// Writes the file every [`EVERY`], until it is dropped. A file that cannot be written is no reason to
/// end: it grows stale, which says as much.
pub async fn run(env: Env, file: PathBuf, vitals: watch::Receiver<Vitals>) {
    loop {
        let beat = Beat {
            at: env.clock.now(),
            vitals: *vitals.borrow(),
        };
        let file = file.clone();
        let written = env.blocking.run(Box::new(move || {
            if let Err(error) = write(&file, &beat) {
                tracing::warn!(%error, "the heartbeat could not be written");
            }
        }));
        written.await;
        tokio::time::sleep(EVERY).await;
    }
}

fn write(file: &Path, beat: &Beat) -> std::io::Result<()> {
    let unfinished = file.with_extension(UNFINISHED);
    std::fs::write(&unfinished, serde_json::to_vec(beat)?)?;
    std::fs::rename(&unfinished, file)
}

/// Whether the agent that writes this file is well; with `ready`, also whether it can do its work.
///
/// # Errors
/// What is not well.
pub fn check(file: &Path, now: jiff::Timestamp, ready: bool) -> Result<(), Unwell> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(file)
        .and_then(|opened| opened.take(FILE_BYTES_MAX).read_to_end(&mut bytes))
        .map_err(|error| Unwell::None(file.to_owned(), error))?;
    let Ok(Beat { at, vitals }) = serde_json::from_slice(&bytes) else {
        return Err(Unwell::Unreadable(file.to_owned()));
    };
    let distance = now.as_second().saturating_sub(at.as_second());
    if distance.abs() > STALE_SECONDS {
        return Err(Unwell::Stale(at));
    }
    match vitals {
        Vitals { joined: false, .. } if ready => Err(Unwell::NotJoined),
        Vitals { member: false, .. } if ready => Err(Unwell::NoMember),
        Vitals { .. } => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_tells_alive_from_ready_and_stuck() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("heartbeat");
        let now = jiff::Timestamp::from_second(1_000_000).unwrap();
        let check = |late: i64, ready: bool| {
            let now = jiff::Timestamp::from_second(1_000_000 + late).unwrap();
            check(&file, now, ready)
        };
        assert!(matches!(check(0, false), Err(Unwell::None(..))));
        let say = |joined, member| {
            let vitals = Vitals { joined, member };
            write(&file, &Beat { at: now, vitals }).unwrap();
        };
        say(false, false);
        assert!(check(0, false).is_ok());
        assert!(matches!(check(0, true), Err(Unwell::NotJoined)));
        say(true, false);
        assert!(matches!(check(0, true), Err(Unwell::NoMember)));
        say(true, true);
        assert!(check(STALE_SECONDS, true).is_ok());
        for late in [STALE_SECONDS + 1, -STALE_SECONDS - 1] {
            assert!(matches!(check(late, false), Err(Unwell::Stale(_))));
        }
        std::fs::write(&file, "x").unwrap();
        assert!(matches!(check(0, false), Err(Unwell::Unreadable(_))));
    }
}
