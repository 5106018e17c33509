//! Steps of a run, against a slow model of what may happen.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use roadstead_protocol::api::rollout::Phase;

use super::rollout;
use crate::budget::Spare;
use crate::rollout::Rollout;
use crate::rollout::advance::{Clock, Member, Said, Step, advance};
use crate::rollout::stages::{Candidate, assign};
use crate::rollout::state::Run;
use crate::tests::clusters;
use crate::{Limits, World};

/// A cluster of the model.
#[derive(Clone, Debug)]
pub(super) struct One {
    pub(super) labelled: bool,
    pub(super) admitted: bool,
    pub(super) runs: bool,
    pub(super) away: bool,
    /// Whether all is well with what it has.
    pub(super) well: bool,
}

/// A fleet with a run.
pub(super) struct Fleet {
    pub(super) rollout: Rollout,
    /// Whether people changed the stages: others may be behind it then.
    pub(super) edited: bool,
    world: World,
    pub(super) all: Vec<One>,
    pub(super) run: Run,
    pub(super) approved: BTreeSet<String>,
    paused: bool,
    clock: Clock,
    pub(super) now: Duration,
    /// What the disruption budget leaves.
    spare: Option<Spare>,
    /// Since when, by the model, nothing was amiss with what was let to it.
    calm: Duration,
}

impl Fleet {
    pub(super) fn new(rollout: Rollout, all: Vec<One>) -> Self {
        let names = all.iter().enumerate();
        let names: Vec<String> = names
            .map(|(i, one)| format!("c{i:02}{}", if one.labelled { " tier=canary" } else { "" }))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Self {
            rollout,
            edited: false,
            world: World::read(clusters(&names), BTreeSet::new(), Limits::default()),
            all,
            run: Run {
                target: "new".to_owned(),
                ..Run::default()
            },
            approved: BTreeSet::new(),
            paused: false,
            clock: Clock::default(),
            now: Duration::from_secs(1),
            spare: None,
            calm: Duration::ZERO,
        }
    }

    pub(super) fn members(&self) -> Vec<Member> {
        let candidates: Vec<Candidate<'_>> = self
            .world
            .clusters
            .iter()
            .zip(&self.all)
            .map(|(cluster, one)| Candidate {
                cluster,
                admitted: one.admitted,
            })
            .collect();
        let from = crate::cluster::Viewpoint(Some("default"));
        let stages = assign(&self.world, from, &self.rollout, &candidates);
        assert_eq!(stages.len(), self.all.len(), "each is in one stage");
        let each = self.world.clusters.iter().zip(&self.all);
        each.map(|(cluster, one)| Member {
            cluster: cluster.uid.clone(),
            path: cluster.path(),
            stage: stages[cluster.uid.as_str()],
            admitted: one.admitted,
            runs: one.runs,
            away: one.away,
            waits: false,
            well: one.well.then_some(()).ok_or_else(|| "it is ill".to_owned()),
        })
        .collect()
    }

    pub(super) fn step(&mut self) -> Step {
        let members = self.members();
        let said = Said {
            approved: self.approved.iter().map(String::as_str).collect(),
            paused: self.paused,
            spare: self.spare.clone(),
        };
        let step = advance(
            &self.rollout,
            &mut self.run,
            &said,
            &members,
            &mut self.clock,
            self.now,
        );
        self.check(&members, &step);
        for (member, one) in members.iter().zip(&mut self.all) {
            if step.admit.contains(&member.cluster) {
                // It is changed, and nobody has said yet how that went.
                (one.admitted, one.runs, one.well) = (true, true, false);
            }
        }
        self.run.stage = step.stage;
        if step.phase == Phase::Succeeded {
            // What is good is this now, also for those that were away.
            self.all.iter_mut().for_each(|one| one.admitted = true);
        }
        step
    }

    /// What must never happen, counted the slow way.
    fn check(&mut self, members: &[Member], step: &Step) {
        let rollout = &self.rollout;
        let counts = |m: &&Member| rollout.wait_for_away || !m.away;
        let forth = self.edited || step.stage >= self.run.stage;
        assert!(forth, "it goes forth only");
        let lost = |m: &&Member| m.admitted && m.well.is_err() && !counts(m);
        let lost = members.iter().filter(lost).count();
        if step.phase == Phase::Succeeded {
            let all = members.iter().filter(counts);
            let mut missing = all.filter(|m| !m.admitted || m.well.is_err());
            assert!(self.run.stage == step.stage || missing.next().is_none());
        }
        if self.paused {
            assert!(step.admit.is_empty() && step.stage == self.run.stage);
        }
        let behind = |stage: usize| {
            let due = members.iter().filter(move |m| m.stage <= stage);
            due.filter(counts)
        };
        let amiss = |stage: usize| behind(stage).any(|m| !m.admitted || m.well.is_err());
        for stage in self.run.stage..step.stage {
            assert!(!amiss(stage), "past a stage that is not well");
            let passed = &rollout.stages[stage];
            let empty = !members.iter().any(|m| m.stage == stage);
            assert!(empty || !passed.approval || self.approved.contains(&passed.name));
            let seen = members.iter().filter(counts);
            let seen = seen.filter(|m| m.admitted && m.well.is_ok()).count();
            assert!(seen > 0, "nobody was seen to be well");
            assert!(empty || lost < seen, "as many fell silent");
            if stage == self.run.stage && !empty {
                assert!(self.now - self.calm >= passed.soak, "it has not soaked");
            }
        }
        let present = step.stage.min(rollout.stages.len() - 1);
        if amiss(present) || self.paused || step.stage != self.run.stage {
            self.calm = self.now;
        }
        let admitted: Vec<&Member> = members
            .iter()
            .filter(|m| step.admit.contains(&m.cluster))
            .collect();
        assert_eq!(admitted.len(), step.admit.len());
        let stage = &rollout.stages[present];
        assert!(
            admitted
                .iter()
                .all(|m| m.stage <= step.stage && !m.admitted)
        );
        assert!(admitted.iter().all(&counts));
        if !admitted.is_empty() {
            assert!(!stage.approval || self.approved.contains(&stage.name));
        }
        if let Some(most) = stage.max_concurrent.filter(|_| !admitted.is_empty()) {
            let ill = behind(present)
                .filter(|m| m.admitted && m.well.is_err())
                .count();
            let here = members.iter().filter(|m| m.stage == present).count();
            let todo = behind(present).filter(|m| !m.admitted).count();
            assert!(ill + lost + admitted.len() <= most.at_least(here.max(todo)));
        }
        if let Some(most) = rollout.max_unavailable {
            let down = members.iter().filter(|m| m.runs && m.well.is_err());
            let down = down.filter(|m| m.admitted || counts(m)).count();
            let taken = admitted.iter().filter(|m| m.runs && m.well.is_ok()).count();
            let running = members.iter().filter(|m| m.runs).count();
            assert!(taken == 0 || down + taken <= most.at_most(running));
        }
        self.check_spare(members, &admitted);
    }

    /// What the disruption budget leaves, counted the slow way.
    fn check_spare(&self, members: &[Member], admitted: &[&Member]) {
        let Some(spare) = &self.spare else { return };
        let unwell = members.iter().filter(|m| m.runs && m.well.is_err());
        let mut down: BTreeSet<&str> = unwell.map(|m| m.cluster.as_str()).collect();
        down.extend(spare.down.iter().map(String::as_str));
        let taken = admitted.iter().filter(|m| m.runs && m.well.is_ok());
        let taken: Vec<&str> = taken.map(|m| m.cluster.as_str()).collect();
        down.extend(&taken);
        assert!(taken.is_empty() || down.len() <= spare.most);
    }
}

pub(super) const ROLLOUTS: [&str; 6] = [
    "{}",
    "{stages: [{name: canary, share: 1, soakSeconds: 20}, {name: half, share: 50%, maxConcurrent: 2}]}",
    "{maxUnavailable: 1, stages: [{name: canary, share: 10%}, {name: rest, maxConcurrent: 1}]}",
    "{maxUnavailable: 30%, waitForAway: true, stages: [{name: half, share: 50%, approval: Required}]}",
    "{stages: [{name: canary, clusterAffinity: {labelSelector: {matchLabels: {tier: canary}}}, \
     soakSeconds: 5}, {name: rest, approval: Required, soakSeconds: 10, maxConcurrent: 50%}]}",
    "{waitForAway: true, progressDeadlineSeconds: 2592000, stages: [{name: a, share: 2, \
     maxConcurrent: 1}, {name: b, share: 3, soakSeconds: 30}]}",
];

fn one() -> impl Strategy<Value = One> {
    (any::<bool>(), any::<bool>(), prop::bool::weighted(0.2)).prop_map(|(labelled, runs, away)| {
        One {
            labelled,
            admitted: false,
            runs,
            away,
            well: runs,
        }
    })
}

/// Something that happens: which cluster, and what.
fn acts() -> impl Strategy<Value = Vec<(usize, u8)>> {
    prop::collection::vec((0..12_usize, 0..12_u8), 0..60)
}

fn happen(fleet: &mut Fleet, (which, what): (usize, u8)) {
    let count = fleet.all.len();
    let stages = fleet.rollout.stages.clone();
    let one = &mut fleet.all[which % count];
    match what {
        0..=3 => one.well = one.runs,
        4 => one.well = false,
        5 => one.away = !one.away,
        6 => fleet.paused = !fleet.paused,
        7 => {
            let stage = &stages[which % stages.len()];
            fleet.approved.insert(stage.name.clone());
        }
        // The hub starts anew: what the time ran from is gone.
        8 => {
            fleet.clock = Clock::default();
            fleet.calm = fleet.now;
        }
        9 => fleet.now += Duration::from_secs(60),
        _ => fleet.now += Duration::from_secs(3),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever happens, no step does what it must not; and once all is well, it comes to its end.
    #[test]
    fn no_step_goes_too_far_and_all_come_to_the_end(
        said in 0..ROLLOUTS.len(),
        mut all in prop::collection::vec(one(), 1..12),
        spare in prop::option::of((1..4_usize, prop::collection::btree_set(0..4_usize, 0..3))),
        acts in acts(),
    ) {
        // A stage of its own that takes nobody waits for somebody to look at it.
        all[0].labelled = true;
        let mut fleet = Fleet::new(rollout(ROLLOUTS[said]).unwrap(), all);
        fleet.spare = spare.map(|(most, down)| Spare {
            most,
            // Of clusters beside those of the run too.
            down: down.iter().map(|i| format!("uid-default-c{:02}", i * 5)).collect(),
            ..Spare::default()
        });
        for act in acts {
            happen(&mut fleet, act);
            fleet.step();
        }
        fleet.paused = false;
        if let Some(spare) = &mut fleet.spare {
            spare.down.clear();
        }
        for one in &mut fleet.all {
            one.away = false;
        }
        fleet.approved = fleet.rollout.stages.iter().map(|s| s.name.clone()).collect();
        let mut phase = Phase::Progressing;
        for _ in 0..100 {
            for one in fleet.all.iter_mut() {
                one.well = one.runs;
            }
            fleet.now += Duration::from_secs(11);
            phase = fleet.step().phase;
            if phase == Phase::Succeeded {
                break;
            }
        }
        prop_assert_eq!(phase, Phase::Succeeded);
        prop_assert!(fleet.all.iter().all(|one| one.admitted));
    }

    /// The same fleet in another order makes the same step.
    #[test]
    fn the_order_of_clusters_does_not_matter(
        said in 0..ROLLOUTS.len(),
        all in prop::collection::vec(one(), 1..12),
    ) {
        let fleet = Fleet::new(rollout(ROLLOUTS[said]).unwrap(), all);
        let step = |members: &[Member]| {
            let mut clock = Clock::default();
            advance(&fleet.rollout, &mut fleet.run.clone(), &Said::default(), members, &mut clock, fleet.now)
        };
        let mut members = fleet.members();
        let one = step(&members);
        members.reverse();
        prop_assert_eq!(one, step(&members));
    }
}
