//! `roadstead rollout status`: how far the newest rollout is, now or once it is over.

use std::io::Write as _;
use std::time::Duration;

use roadstead_protocol::api::rollout::{Phase, Rollout};

use super::{Found, Shown, show};
use crate::client::Error;
use crate::config::RolloutStatus;

/// How often it is looked at how far it got.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How soon after a change its rollout has begun: for so long a newest one that is over is not yet
/// believed to be the one that is meant.
const BEGINS_WITHIN: Duration = Duration::from_secs(2);

/// How far the newest rollout of a policy is, where asked for once it is over or halted.
///
/// # Errors
/// When the policy is not there, the hub does not answer, or the time is up.
pub(super) async fn status(args: &RolloutStatus) -> Result<Shown, Error> {
    let mut found = Found::read(&args.show.of).await?;
    let mut well = true;
    if args.watch {
        well = end(&mut found, args.timeout).await?;
    }
    let policy = (&*found.policy.name, &*found.policy.typed);
    let text = show::status(policy, &found.rollouts, args.show.output);
    Ok(Shown { text, well })
}

/// Waits until it is over or halted; whether all clusters have the change.
async fn end(found: &mut Found, timeout: Option<u64>) -> Result<bool, Error> {
    let started = tokio::time::Instant::now();
    let mut last = String::new();
    loop {
        let newest = found.rollouts.last();
        if let Some(well) = ended(newest, started.elapsed()) {
            return Ok(well);
        }
        let said = newest.map_or_else(String::new, progress);
        if said != last {
            // Whom nobody listens to any more is told nothing.
            let _closed = writeln!(std::io::stderr().lock(), "{said}");
            last.clone_from(&said);
        }
        if timeout.is_some_and(|seconds| started.elapsed() >= Duration::from_secs(seconds)) {
            return Err(Error::Flag(format!(
                "{}: not over after {} s: {said}; it goes on without this command",
                found.policy.name,
                timeout.unwrap_or_default()
            )));
        }
        tokio::time::sleep(LOOK_EVERY).await;
        found.look().await?;
    }
}

/// Whether the newest rollout went well, once nothing more becomes of it by itself; `None` before. One that
/// is over may be the one before a change that was made just now, as long as `waited` is short.
fn ended(newest: Option<&Rollout>, waited: Duration) -> Option<bool> {
    let Some(newest) = newest else {
        // Nothing ever went out, and nothing does.
        return (waited >= BEGINS_WITHIN).then_some(true);
    };
    let over = |well: bool| (waited >= BEGINS_WITHIN).then_some(well);
    match newest.status.phase {
        Phase::Progressing | Phase::WaitingForApproval | Phase::Soaking | Phase::Paused => None,
        Phase::Halted => Some(false),
        Phase::Succeeded => over(true),
        Phase::RolledBack | Phase::Superseded | Phase::Aborted => over(false),
    }
}

/// How far it is, in one line.
fn progress(rollout: &Rollout) -> String {
    let status = &rollout.status;
    let (name, phase) = (&rollout.metadata.name, status.phase.name());
    let (ready, all) = (status.ready, status.clusters);
    format!(
        "{name}: {phase}, {ready} of {all} clusters: {}",
        status.message
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_when_nothing_more_becomes_of_it_and_says_how() {
        let check = |phase: Phase, early: Option<bool>, late: Option<bool>| {
            let mut rollout = Rollout::default();
            rollout.status.phase = phase;
            let ended = |waited: u64| ended(Some(&rollout), Duration::from_secs(waited));
            assert_eq!((ended(0), ended(2)), (early, late), "{phase:?}");
        };
        check(Phase::Progressing, None, None);
        check(Phase::WaitingForApproval, None, None);
        check(Phase::Soaking, None, None);
        check(Phase::Paused, None, None);
        check(Phase::Halted, Some(false), Some(false));
        // Of a change that was made just now the rollout may not have begun.
        check(Phase::Succeeded, None, Some(true));
        check(Phase::RolledBack, None, Some(false));
        check(Phase::Superseded, None, Some(false));
        check(Phase::Aborted, None, Some(false));
        assert_eq!(ended(None, Duration::ZERO), None);
        assert_eq!(ended(None, BEGINS_WITHIN), Some(true));
    }

    #[test]
    fn how_far_it_is_stands_in_one_line() {
        let mut rollout = Rollout::default();
        rollout.metadata.name = "web-2".to_owned();
        rollout.status.message = "stage rest is given the change".to_owned();
        (rollout.status.clusters, rollout.status.ready) = (3, 1);
        assert_eq!(
            progress(&rollout),
            "web-2: Progressing, 1 of 3 clusters: stage rest is given the change"
        );
    }
}
