//! The faults of a run: a plan drawn from the seed before anything happens, so that it can be
//! printed, and a run with fewer of them repeated.
//!
//! Each seed enables a random part of the sorts and draws how dense they are ("swarm").

use std::fmt;
use std::time::Duration;

use crate::rng::Rng;

/// A day, in seconds.
const DAY: u64 = 24 * 3600;
/// In one run of so many there are members that do not run what they were given.
const STOPS_ONE_IN: u64 = 3;
/// How often that is so at most.
const STOPS_MAX: u64 = 3;

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
    /// The hub is stopped in an orderly way, and started again.
    HubRestart,
    /// A site's power goes out, with all of its agents.
    AgentCrash,
    /// The power goes out inside the commit of one of a site's agents.
    AgentCrashInCommit,
    /// The power goes out everywhere, and comes back everywhere at once.
    Herd,
    /// The hub's disk is full.
    HubDiskFull,
    /// Operations of the hub's disk fail.
    HubDiskFails,
    /// An agent's disk is full.
    AgentDiskFull,
    /// Operations of an agent's disk fail.
    AgentDiskFails,
    /// The wall clock of the hub or of an agent is ahead for a while: it jumps forward, then back.
    ClockAhead,
    /// It is behind for a while.
    ClockBehind,
    /// Days pass at once, for everybody and for good: certificates expire meanwhile.
    TimePasses,
    /// An agent is of an older release for a while, then upgraded.
    OldAgent,
    /// The hub is of an older release for a while, then upgraded.
    OldHub,
    /// The controllers look at everything whenever anything changes.
    EverythingDirty,
    /// A member's API answers late.
    SlowMember,
    /// A member's API refuses with 503.
    RefusingMember,
    /// A member's API refuses writes with 409.
    ConflictingMember,
    /// A member's API refuses with 429.
    BusyMember,
    /// A member's API answers 500, also to what it did.
    BrokenMember,
    /// A member's API never answers.
    MuteMember,
    /// A member's API carries out writes long after they were sent.
    LateMember,
    /// A member forgets its history: watches end, and cannot go on from where they were.
    Compaction,
    /// A member forgets objects of ours, and tells nobody.
    Forgetting,
    /// A user of a member deletes a namespace that is there because of us.
    Namespace,
    /// A user of a member changes or deletes one of our objects there.
    Drift,
    /// A template or a policy vanishes from the hub's store without anyone deleting it, and comes
    /// back after a while.
    Vanish,
    /// A member does not run what it was given, or only a part of it.
    Stop,
}

/// All sorts, with the names of their counters.
const TABLE: &[(Sort, &str)] = &[
    (Sort::Loss, "fault: loss"),
    (Sort::Duplication, "fault: duplication"),
    (Sort::Latency, "fault: latency"),
    (Sort::Partition, "fault: partition"),
    (
        Sort::PartitionDown,
        "fault: one-way partition, hub to agents",
    ),
    (Sort::PartitionUp, "fault: one-way partition, agents to hub"),
    (Sort::HubCrash, "fault: hub crash"),
    (Sort::HubCrashInCommit, "fault: hub crash inside a commit"),
    (Sort::HubRestart, "fault: hub restart"),
    (Sort::AgentCrash, "fault: agents crash"),
    (
        Sort::AgentCrashInCommit,
        "fault: agent crash inside a commit",
    ),
    (Sort::Herd, "fault: everybody comes back at once"),
    (Sort::HubDiskFull, "fault: the hub's disk is full"),
    (Sort::HubDiskFails, "fault: the hub's disk fails"),
    (Sort::AgentDiskFull, "fault: an agent's disk is full"),
    (Sort::AgentDiskFails, "fault: an agent's disk fails"),
    (Sort::ClockAhead, "fault: a clock is ahead"),
    (Sort::ClockBehind, "fault: a clock is behind"),
    (Sort::TimePasses, "fault: days pass at once"),
    (Sort::OldAgent, "fault: an agent of an older release"),
    (Sort::OldHub, "fault: a hub of an older release"),
    (Sort::EverythingDirty, "fault: everything is dirty"),
    (Sort::SlowMember, "fault: slow member"),
    (Sort::RefusingMember, "fault: refusing member"),
    (Sort::ConflictingMember, "fault: conflicting member"),
    (Sort::BusyMember, "fault: busy member"),
    (Sort::BrokenMember, "fault: broken member"),
    (Sort::MuteMember, "fault: member that never answers"),
    (Sort::LateMember, "fault: member that acts late"),
    (Sort::Compaction, "fault: member forgets its history"),
    (Sort::Forgetting, "fault: member forgets objects"),
    (Sort::Namespace, "fault: a namespace is deleted on a member"),
    (Sort::Drift, "fault: drift"),
    (
        Sort::Vanish,
        "fault: an object vanishes from the hub's store",
    ),
    (Sort::Stop, "fault: nothing runs on a member"),
];

impl Sort {
    /// All sorts.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|(sort, _)| *sort)
    }

    /// The name of its counter.
    pub fn counter(self) -> &'static str {
        let found = TABLE.iter().find(|(sort, _)| *sort == self);
        found.map_or("fault", |(_, name)| name)
    }

    /// How bad it is, drawn.
    fn draw(self, rng: &mut Rng) -> u64 {
        match self {
            Self::Loss | Self::Duplication => rng.within(10_000, 400_000),
            Self::Latency => rng.within(50, 700),
            Self::SlowMember => rng.within(100, 6_000),
            Self::HubCrashInCommit | Self::AgentCrashInCommit => rng.within(0, 40),
            Self::HubDiskFails | Self::AgentDiskFails => rng.within(5_000, 400_000),
            // Over the life of an agent's certificate, and far beyond; together with all the time that
            // passes at once no more than for how long a certificate can be renewed after its end.
            Self::ClockAhead => rng.within(1, 140 * DAY),
            Self::TimePasses => rng.within(1, 300 * DAY),
            Self::ClockBehind => rng.within(1, 60 * DAY),
            Self::Partition
            | Self::PartitionDown
            | Self::PartitionUp
            | Self::HubCrash
            | Self::HubRestart
            | Self::AgentCrash
            | Self::Herd
            | Self::HubDiskFull
            | Self::AgentDiskFull
            | Self::OldAgent
            | Self::OldHub
            | Self::EverythingDirty
            | Self::RefusingMember
            | Self::ConflictingMember
            | Self::BusyMember
            | Self::BrokenMember
            | Self::MuteMember
            | Self::LateMember
            | Self::Compaction
            | Self::Forgetting
            | Self::Namespace
            | Self::Drift
            | Self::Vanish
            | Self::Stop => rng.next(),
        }
    }

    /// Whether it is an outage, which is short.
    fn is_outage(self) -> bool {
        matches!(
            self,
            Self::HubCrash
                | Self::HubCrashInCommit
                | Self::AgentCrash
                | Self::AgentCrashInCommit
                | Self::Herd
        )
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
    /// How bad: parts per million, milliseconds, seconds, or the I/O operation to fail in.
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
    let stops = stops(rng.fork("stops"), span);
    let mut faults = usual(&mut rng, span);
    faults.extend(stops);
    faults.sort_by_key(|fault| fault.at);
    faults
}

/// Members that do not run what they were given; drawn apart, so that the other faults of a seed are what
/// they were before there were any of these.
fn stops(mut rng: Rng, span: Duration) -> Vec<Fault> {
    let last = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let many = if rng.one_in(STOPS_ONE_IN) {
        rng.within(1, STOPS_MAX)
    } else {
        0
    };
    let one = |_| Fault {
        at: rng.millis(3_000, last.saturating_sub(1)),
        lasts: rng.millis(500, 30_000),
        sort: Sort::Stop,
        who: rng.next(),
        how: rng.next(),
    };
    (0..many).map(one).collect()
}

fn usual(rng: &mut Rng, span: Duration) -> Vec<Fault> {
    // Some seeds have a few sorts that meet often, others many.
    let one_in = rng.pick(&[2, 3, 6]).copied().unwrap_or(2);
    let all = Sort::all().filter(|sort| *sort != Sort::Stop);
    let mut enabled: Vec<Sort> = all.filter(|_| rng.one_in(one_in)).collect();
    if enabled.is_empty() {
        enabled.extend(Sort::all().next());
    }
    let gap = rng.within(1_000, 6_000);
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
        let how = sort.draw(rng);
        let lasts = if sort.is_outage() {
            rng.millis(10, 6_000)
        } else {
            rng.millis(500, 30_000)
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
    fn every_sort_is_drawn_and_has_a_name_of_its_own() {
        let span = Duration::from_secs(60);
        let all: Vec<Fault> = (0..300).flat_map(|s| plan(&Rng::new(s), span)).collect();
        assert!(Sort::all().all(|s| all.iter().any(|f| f.sort == s)));
        let names: std::collections::BTreeSet<&str> = Sort::all().map(Sort::counter).collect();
        assert_eq!(names.len(), TABLE.len());
    }
}
