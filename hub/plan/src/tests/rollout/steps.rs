//! Steps of a run, one by one.

use std::collections::BTreeMap;
use std::time::Duration;

use roadstead_protocol::api::rollout::Phase;

use super::rollout;
use super::stepping::{Fleet, One, ROLLOUTS};
use crate::budget::Spare;
use crate::rollout::advance::{Clock, Said, Step, advance};

fn plain(count: usize) -> Vec<One> {
    let one = One {
        labelled: false,
        admitted: false,
        runs: true,
        away: false,
        well: true,
    };
    vec![one; count]
}

#[test]
fn what_does_not_move_on_has_failed_and_what_does_has_not() {
    let said = "{progressDeadlineSeconds: 100, stages: [{name: rest, maxConcurrent: 1}]}";
    let mut fleet = Fleet::new(rollout(said).unwrap(), plain(3));
    assert_eq!(fleet.step().admit.len(), 1);
    for seconds in [0, 60, 39] {
        fleet.now += Duration::from_secs(seconds);
        let step = fleet.step();
        assert_eq!((step.failed, step.admit.len()), (None, 0));
    }
    fleet.all[0].well = true;
    assert_eq!(fleet.step().admit.len(), 1, "the next one");
    fleet.now += Duration::from_secs(99);
    assert_eq!(fleet.step().again, Some(Duration::from_secs(1)));
    fleet.now += Duration::from_secs(1);
    let step = fleet.step();
    let why = "nothing moved on for 100 s: default/c01: it is ill";
    assert_eq!(step.failed.as_deref(), Some(why));
}

/// What was let to the change and waits because something else is not well is no failure of the change.
#[test]
fn who_waits_for_the_budget_is_not_blamed() {
    let said = "{progressDeadlineSeconds: 100}";
    let fleet = Fleet::new(rollout(said).unwrap(), plain(2));
    let mut members = fleet.members();
    members[0].admitted = true;
    members[0].well = Err("it waits".to_owned());
    let spare = Spare {
        most: 1,
        down: std::iter::once("uid-elsewhere".to_owned()).collect(),
        ..Spare::default()
    };
    let said = Said {
        spare: Some(spare),
        ..Said::default()
    };
    for (waits, fails) in [(true, false), (false, true)] {
        members[0].waits = waits;
        let mut clock = Clock::default();
        let mut step = |at: u64| {
            let (now, mut run) = (Duration::from_secs(at), fleet.run.clone());
            advance(&fleet.rollout, &mut run, &said, &members, &mut clock, now)
        };
        assert_eq!(step(0).admit, [] as [&str; 0], "there is no budget");
        assert_eq!(step(200).failed.is_some(), fails);
    }
}

#[test]
fn a_hub_that_hears_of_nobody_lets_nobody_go_further() {
    let said = "{stages: [{name: canary, share: 1}]}";
    let mut fleet = Fleet::new(rollout(said).unwrap(), plain(4));
    fleet.all.iter_mut().for_each(|one| one.away = true);
    for _ in 0..5 {
        fleet.now += Duration::from_secs(10_000);
        let step = fleet.step();
        assert_eq!((step.admit.len(), step.stage), (0, 0));
        assert!(step.message.contains("no news"), "{}", step.message);
    }
    // One that is away holds up nobody, and does not let anybody through either.
    fleet.all[1].away = false;
    fleet.step();
    assert_eq!(fleet.run.stage, 0);
}

#[test]
fn a_selector_that_takes_nobody_lets_nobody_through() {
    let mut fleet = Fleet::new(rollout(ROLLOUTS[4]).unwrap(), plain(3));
    let step = fleet.step();
    assert_eq!((step.admit.len(), step.stage), (0, 0));
    assert!(
        step.message.contains("takes no cluster"),
        "{}",
        step.message
    );
}

#[test]
fn stages_say_how_far_they_are() {
    let mut fleet = Fleet::new(rollout(ROLLOUTS[1]).unwrap(), plain(4));
    let shown = |step: &Step| {
        let stages: Vec<String> = step
            .stages
            .iter()
            .map(|s| {
                format!(
                    "{} {} {}/{}/{}",
                    s.name, s.state, s.ready, s.updated, s.clusters
                )
            })
            .collect();
        format!("{}: {}", step.phase.name(), stages.join(", "))
    };
    assert_eq!(
        shown(&fleet.step()),
        "Progressing: canary Progressing 0/1/1, half Waiting 0/0/1, rest Waiting 0/0/2"
    );
    fleet.all[0].well = true;
    let step = fleet.step();
    assert_eq!(step.again, Some(Duration::from_secs(20)));
    assert_eq!(
        shown(&step),
        "Soaking: canary Soaking 1/1/1, half Waiting 0/0/1, rest Waiting 0/0/2"
    );
    fleet.now += Duration::from_secs(20);
    assert_eq!(
        shown(&fleet.step()),
        "Progressing: canary Passed 1/1/1, half Progressing 0/1/1, rest Waiting 0/0/2"
    );
}

#[test]
fn shares_add_up_over_stages_and_come_first_to_who_has_the_change() {
    let said = "{stages: [{name: a, share: 25%}, {name: b, share: 50%}]}";
    let mut fleet = Fleet::new(rollout(said).unwrap(), plain(8));
    let counts = |fleet: &Fleet| {
        let mut counts: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for member in fleet.members() {
            counts.entry(member.stage).or_default().push(member.path);
        }
        counts.into_values().map(|v| v.len()).collect::<Vec<_>>()
    };
    assert_eq!(counts(&fleet), [2, 2, 4]);
    fleet.all[7].admitted = true;
    assert_eq!(counts(&fleet), [2, 2, 4]);
    assert_eq!(fleet.members()[7].stage, 0);
    assert_eq!(fleet.members()[1].stage, 1);
}

#[test]
fn a_stage_is_known_by_its_name_when_people_change_the_stages() {
    let prod = "{name: prod, share: 3, approval: Required}";
    let said = format!("{{stages: [{{name: canary, share: 1}}, {prod}]}}");
    let mut fleet = Fleet::new(rollout(&said).unwrap(), plain(6));
    fleet.edited = true;
    fleet.step();
    fleet.all[0].well = true;
    assert_eq!(fleet.step().phase, Phase::WaitingForApproval);
    // The first is taken out.
    fleet.rollout = rollout(&format!("{{stages: [{prod}]}}")).unwrap();
    let step = fleet.step();
    assert_eq!(
        (step.phase, step.admit.len()),
        (Phase::WaitingForApproval, 0)
    );
    // Another is put before it: it is walked through, and nothing behind it before.
    let said = format!("{{stages: [{{name: first, share: 2}}, {prod}]}}");
    fleet.rollout = rollout(&said).unwrap();
    let step = fleet.step();
    assert_eq!((step.stage, step.admit.len()), (0, 1));
    fleet.all.iter_mut().for_each(|one| one.well = true);
    assert_eq!(fleet.step().phase, Phase::WaitingForApproval);
    fleet.approved.insert("prod".to_owned());
    assert_eq!(fleet.step().admit.len(), 1);
}

#[test]
fn who_is_added_to_a_stage_that_has_to_be_approved_of_waits_for_that() {
    let stages = |prod: &str| format!("{{stages: [{{name: prod, {prod}}}, {{name: rest}}]}}");
    let mut fleet = Fleet::new(rollout(&stages("share: 1")).unwrap(), plain(4));
    fleet.edited = true;
    fleet.run.passed.insert("prod".to_owned());
    (fleet.all[0].admitted, fleet.run.stage) = (true, 1);
    fleet.rollout = rollout(&stages("share: 3, approval: Required")).unwrap();
    let step = fleet.step();
    assert_eq!((step.stage, step.admit.len()), (0, 0));
    assert_eq!(step.phase, Phase::WaitingForApproval);
}

#[test]
fn who_falls_silent_after_the_change_holds_up_the_others() {
    let lose = |fleet: &mut Fleet, count: usize| {
        let admitted = fleet.all.iter_mut().filter(|one| one.admitted);
        for one in admitted.take(count) {
            (one.away, one.well) = (true, false);
        }
    };
    let few = [
        "{stages: [{name: rest, maxConcurrent: 2}]}",
        "{maxUnavailable: 2}",
    ];
    for said in few {
        let mut fleet = Fleet::new(rollout(said).unwrap(), plain(9));
        assert_eq!(fleet.step().admit.len(), 2, "{said}");
        lose(&mut fleet, 2);
        for _ in 0..5 {
            fleet.now += Duration::from_secs(1000);
            let step = fleet.step();
            assert_eq!((step.admit.len(), step.failed), (0, None), "{said}");
        }
        fleet.all.iter_mut().for_each(|one| {
            (one.away, one.well) = (false, true);
        });
        assert_eq!(fleet.step().admit.len(), 2, "there is news of them");
    }
    let mut fleet = Fleet::new(rollout("{}").unwrap(), plain(5));
    assert_eq!(fleet.step().admit.len(), 5);
    fleet.all.iter_mut().for_each(|one| one.well = true);
    lose(&mut fleet, 4);
    let step = fleet.step();
    assert_eq!(
        step.phase,
        Phase::Progressing,
        "one well cluster is no proof"
    );
    assert!(step.message.contains("no news of 4"), "{}", step.message);
    (fleet.all[0].away, fleet.all[0].well) = (false, true);
    (fleet.all[1].away, fleet.all[1].well) = (false, true);
    assert_eq!(fleet.step().phase, Phase::Succeeded, "nearly all are well");
}

#[test]
fn who_was_away_has_its_time_when_it_is_back() {
    let said = "{progressDeadlineSeconds: 600, stages: [{name: canary, share: 1}]}";
    let mut fleet = Fleet::new(rollout(said).unwrap(), plain(3));
    fleet.step();
    fleet.now += Duration::from_secs(10);
    fleet.step();
    fleet.all[0].away = true;
    fleet.step();
    fleet.now += Duration::from_secs(900);
    fleet.all[0].away = false;
    assert_eq!(fleet.step().failed, None);
    fleet.now += Duration::from_secs(600);
    assert!(fleet.step().failed.is_some());
}
