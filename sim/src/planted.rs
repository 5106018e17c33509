//! The bugs that are planted on purpose, and which checker has to find each.
//!
//! They are in a build with `--cfg planted` only (`sim/planted.sh`); there, `roadstead-sim planted`
//! wakes one after the other.

use crate::shrink::checker;
use crate::swarm::{meta, swarm};

/// Seeds within which a planted bug has to be found.
pub const SEEDS_MAX: u64 = 50;

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bug {
    /// What it is called where it is planted.
    pub name: &'static str,
    /// The checker that has to find it; `meta` for two processes that differ.
    pub checker: &'static str,
}

const fn bug(name: &'static str, checker: &'static str) -> Bug {
    Bug { name, checker }
}

/// All of them.
pub const BUGS: &[Bug] = &[
    // QUIC's own draws come from the system.
    bug("unseeded-endpoint", "meta"),
    // The agent acknowledges before its disk has it.
    bug("ack-before-commit", "what an agent acknowledged is durable"),
    // The hub answers before its disk has it.
    bug("reply-before-sync", "acked is durable"),
    // An agent takes for deleted what a comparison does not name.
    bug("absence-deletes", "absence never deletes"),
    // The plan takes a policy for deleted that is missing without a deletion record.
    bug("missing-policy-deletes", "absence never deletes"),
    // An agent lets a hub act over what is from a history which that hub does not know.
    bug("other-history-acts", "never backwards"),
    // The hub serves the ledgers of all clusters to each.
    bug("others-ledger", "an agent sees only its own cluster"),
    // A restarted agent waits for its hub before it puts anything right.
    bug("drift-waits-for-hub", "autonomy"),
    // The agent writes its position though it has not moved.
    bug("useless-write", "idle is quiet"),
    // A silent cluster stays ready.
    bug("ready-for-ever", "ready means ready"),
    // What is said of an older revision is taken for this one's.
    bug("applied-unseen", "applied means applied"),
    // An agent takes a commit that failed for one that did not.
    bug(
        "failed-commit-counts",
        "what an agent acknowledged is durable",
    ),
    // An agent says that its cluster is frozen, and goes on.
    bug("frozen-acts", "frozen means frozen"),
    // An agent hears that its cluster was detached, and goes on.
    bug("detached-acts", "detached means left alone"),
    // What was held is shown for ever.
    bug("held-for-ever", "nothing is stuck"),
    // After 410 an agent watches no more.
    bug("expired-watch-ends", "agreement"),
    // A cordoned cluster is given what is new.
    bug("cordoned-takes", "nothing new where there is to be none"),
    // Replicas are shared out by another rule than Webster's.
    bug("other-divisors", "agreement"),
    // Whoever labels or taints a cluster has to wait until something else happens.
    bug("cluster-wakes-nothing", "agreement"),
    // An agent forgets which cluster it was before it was joined again.
    bug("past-forgotten", "agreement"),
    // What is drained leaves before there is anything in its place.
    bug("old-before-new", "new before old"),
    // A change reaches all clusters of a stage at once.
    bug("stages-at-once", "stages are kept in order"),
    // What waits for something is given at once.
    bug(
        "waits-for-nothing",
        "what waits for something comes after it",
    ),
    // A hub that hears of nobody takes that for their being stopped.
    bug("never-suspects", "cut off, a hub moves nothing"),
    // What failed over goes back as soon as it has.
    bug("fails-back-at-once", "what failed over stays away"),
    // A disruption budget holds nothing back.
    bug("budget-forgotten", "no act is beyond its budget"),
    // A certificate is renewed neither in time nor after its end.
    bug("never-renewed", "agreement"),
];

/// Wakes a bug in this process.
///
/// # Errors
/// In a build without planted bugs, and for a name that is none.
pub fn choose(name: &str) -> Result<(), String> {
    if !BUGS.iter().any(|bug| bug.name == name) {
        return Err(format!("no bug of the name {name:?} is planted"));
    }
    #[cfg(planted)]
    roadstead_protocol::planted::choose(name);
    if cfg!(planted) {
        Ok(())
    } else {
        Err("this build has no planted bugs; sim/planted.sh makes one that has".to_owned())
    }
}

/// Looks for the bug that is awake; the first seed with which its own checker fired.
pub fn find(bug: &Bug, jobs: usize) -> Option<u64> {
    if bug.checker == "meta" {
        return meta(1, Some(bug.name)).is_err().then_some(1);
    }
    let seeds: Vec<u64> = (1..=SEEDS_MAX).collect();
    seeds.chunks(jobs.max(1)).find_map(|chunk| {
        let total = swarm(chunk, jobs, |_, _| {});
        let mut by_its_own = total
            .failures
            .iter()
            .filter(|(_, what)| checker(what) == bug.checker)
            .map(|(seed, _)| *seed);
        by_its_own.next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_bugs_says_so() {
        assert!(choose("no such bug").is_err());
        assert_eq!(choose("useless-write").is_ok(), cfg!(planted));
    }
}
