//! The faults of a run: a plan drawn from the seed before anything happens, so that it can be
//! printed, and a run with fewer of them repeated.
//!
//! Each seed enables a random half of the sorts and draws how dense they are ("swarm").

use std::fmt;
use std::time::Duration;

use crate::rng::Rng;

/// A sort of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// Packets of a site vanish.
    Loss,
    /// Packets of a site are sent twice.
    Duplication,
    /// The way to a site is slow, which also reorders.
    Latency,
    /// Nothing gets through between hub and a site.
    Partition,
    /// What the hub sends does not arrive at a site.
    PartitionDown,
    /// What a site sends does not arrive at the hub.
    PartitionUp,
    /// The hub's power goes out; it comes back after a while.
    HubCrash,
    /// The same, inside a commit.
    HubCrashInCommit,
    /// A site's power goes out, with all of its agents.
    AgentCrash,
    /// The power goes out inside the commit of one of a site's agents.
    AgentCrashInCommit,
    /// A member's API answers late.
    SlowMember,
    /// A member's API refuses with 503.
    RefusingMember,
    /// A user of a member changes or deletes one of our objects there.
    Drift,
    /// A template or a policy vanishes from the hub's store without anyone deleting it, and comes
    /// back after a while.
    Vanish,
}

/// All sorts.
pub const SORTS: &[Sort] = &[
    Sort::Loss,
    Sort::Duplication,
    Sort::Latency,
    Sort::Partition,
    Sort::PartitionDown,
    Sort::PartitionUp,
    Sort::HubCrash,
    Sort::HubCrashInCommit,
    Sort::AgentCrash,
    Sort::AgentCrashInCommit,
    Sort::SlowMember,
    Sort::RefusingMember,
    Sort::Drift,
    Sort::Vanish,
];

impl Sort {
    /// The name of its counter.
    pub fn counter(self) -> &'static str {
        match self {
            Self::Loss => "fault: loss",
            Self::Duplication => "fault: duplication",
            Self::Latency => "fault: latency",
            Self::Partition => "fault: partition",
            Self::PartitionDown => "fault: one-way partition, hub to agents",
            Self::PartitionUp => "fault: one-way partition, agents to hub",
            Self::HubCrash => "fault: hub crash",
            Self::HubCrashInCommit => "fault: hub crash inside a commit",
            Self::AgentCrash => "fault: agents crash",
            Self::AgentCrashInCommit => "fault: agent crash inside a commit",
            Self::SlowMember => "fault: slow member",
            Self::RefusingMember => "fault: refusing member",
            Self::Drift => "fault: drift",
            Self::Vanish => "fault: an object vanishes from the hub's store",
        }
    }
}

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When it begins, in simulated time.
    pub at: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// What it is.
    pub sort: Sort,
    /// Which site or member, modulo how many there are.
    pub who: u64,
    /// How bad: parts per million, milliseconds, or the I/O operation to fail in.
    pub how: u64,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at,
            lasts,
            sort,
            who,
            how,
        } = self;
        write!(f, "{at:?} {sort:?} who={who} how={how} for {lasts:?}")
    }
}

/// The plan of a seed, over the time in which there are faults.
pub fn plan(rng: &Rng, span: Duration) -> Vec<Fault> {
    let mut rng = rng.fork("faults");
    let mut enabled: Vec<Sort> = SORTS.iter().copied().filter(|_| rng.one_in(2)).collect();
    if enabled.is_empty() {
        enabled.extend(rng.pick(SORTS));
    }
    let gap = rng.within(1_500, 8_000);
    let mut at = Duration::from_secs(3);
    let mut faults = Vec::new();
    loop {
        at += rng.millis(gap / 4, gap * 2);
        if at >= span {
            return faults;
        }
        let Some(sort) = rng.pick(&enabled).copied() else {
            return faults;
        };
        let how = match sort {
            Sort::Loss | Sort::Duplication => rng.within(10_000, 400_000),
            Sort::Latency => rng.within(50, 700),
            Sort::SlowMember => rng.within(100, 6_000),
            Sort::HubCrashInCommit | Sort::AgentCrashInCommit => rng.within(0, 40),
            Sort::Partition
            | Sort::PartitionDown
            | Sort::PartitionUp
            | Sort::HubCrash
            | Sort::AgentCrash
            | Sort::RefusingMember
            | Sort::Drift
            | Sort::Vanish => rng.next(),
        };
        let lasts = match sort {
            Sort::HubCrash
            | Sort::HubCrashInCommit
            | Sort::AgentCrash
            | Sort::AgentCrashInCommit => rng.millis(10, 6_000),
            Sort::Loss
            | Sort::Duplication
            | Sort::Latency
            | Sort::Partition
            | Sort::PartitionDown
            | Sort::PartitionUp
            | Sort::SlowMember
            | Sort::RefusingMember
            | Sort::Drift
            | Sort::Vanish => rng.millis(500, 30_000),
        };
        faults.push(Fault {
            at,
            lasts,
            sort,
            who: rng.next(),
            how,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_repeats_and_stays_in_its_span() {
        let span = Duration::from_secs(60);
        for seed in 0..50 {
            let faults = plan(&Rng::new(seed), span);
            assert_eq!(faults, plan(&Rng::new(seed), span));
            assert!(faults.iter().all(|f| f.at < span));
        }
    }

    #[test]
    fn every_sort_is_drawn() {
        let span = Duration::from_secs(60);
        let all: Vec<Fault> = (0..200).flat_map(|s| plan(&Rng::new(s), span)).collect();
        assert!(SORTS.iter().all(|s| all.iter().any(|f| f.sort == *s)));
    }
}
