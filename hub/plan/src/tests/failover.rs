//! Failing over: what agents say does not run, and clusters of which nothing is heard.

mod fleet;
mod limits;

use std::sync::Arc;
use std::time::Duration;

use roadstead_protocol::api::failover::Failure;
use serde_json::json;

use super::swap::{decide, given, report, shown};
use super::*;
use crate::failover::Failing;
use crate::rollout::{Given, Rolling};

const ONE: &str = "spreadConstraints: [{spreadByField: cluster, minGroups: 1, maxGroups: 1}]";
const DIVIDED: &str = "replicaScheduling: {replicaSchedulingType: Divided}";
const STOPS: &str = "application: {decisionConditions: {tolerationSeconds: 300}}";
const SILENCE: &str = "cluster: {tolerationSeconds: 300, allowDuplicates: true}";

fn uid(name: &str) -> String {
    format!("uid-default-{name}")
}

fn on(kind: &str, placement: &str, failover: &str) -> Vec<Value> {
    let select = format!("resourceSelectors: [{{apiVersion: apps/v1, kind: {kind}}}]");
    policy(
        "p",
        &format!("{{{select}, placement: {{{placement}}}, failover: {{{failover}}}}}"),
    )
}

fn case(names: &[&str], placement: &str, failover: &str, replicas: u32) -> Case {
    let policy = on("Deployment", placement, failover);
    let mut case = Case::new(&[&clusters(names), &policy], &deployment(replicas));
    case.failing.known = true;
    decide(&mut case);
    case
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ready(case: &mut Case, name: &str, to: &str) {
    let named = |o: &&mut Value| o["kind"] == "AttachedCluster" && o["metadata"]["name"] == name;
    let cluster = case.world.iter_mut().find(named).unwrap();
    cluster["status"]["conditions"][0]["status"] = json!(to);
}

/// A cluster fell silent so long ago.
fn silent(case: &mut Case, name: &str, long: u64) {
    ready(case, name, "Unknown");
    case.failing.silent.insert(uid(name), seconds(long));
    case.observed.insert(uid(name), Observed::default());
}

/// The agent of a cluster has said for so long that nothing runs there.
fn stopped(case: &mut Case, name: &str, long: u64) {
    report(case, name, false, 0);
    case.failing.stopped.insert(uid(name), seconds(long));
}

/// All that is asked for is granted.
fn granted(case: &mut Case) -> BTreeMap<String, Failure> {
    let asked = case.place().failing;
    case.failing.granted = asked.keys().cloned().collect();
    asked
}

fn marks(placement: &Placement) -> Vec<(&str, Failure)> {
    let marks = placement.failed_over.iter();
    marks.map(|m| (m.name.as_str(), m.reason)).collect()
}

#[test]
fn what_does_not_run_moves_after_its_time_new_before_old() {
    let mut case = case(&["a", "b", "c"], ONE, STOPS, 1);
    assert_eq!(shown(&given(&case)), "a 1");
    stopped(&mut case, "a", 299);
    let placement = case.place();
    assert_eq!(placement.again, Some(seconds(1)));
    assert!(placement.failing.is_empty() && placement.watches);
    stopped(&mut case, "a", 300);
    check(&case, "a\n refused 2: NotInSpread (default/b default/c)");
    assert_eq!(granted(&mut case), [(uid("a"), Failure::Stopped)].into());
    check(
        &case,
        "b
         a kept: FailedOver
         refused 1: NotInSpread (default/c)
         refused 1: FailedOver (default/a)
         ! Replacing",
    );
    assert_eq!(marks(&decide(&mut case)), [("a", Failure::Stopped)]);
    report(&mut case, "b", true, 1);
    check(
        &case,
        "b
         a removed: FailedOver
         refused 1: NotInSpread (default/c)
         refused 1: FailedOver (default/a)",
    );
    decide(&mut case);
    // It is not chosen again, though there is no other place but one more.
    case.failing = Failing {
        known: true,
        marked: [(uid("a"), seconds(2999))].into(),
        ..Failing::default()
    };
    report(&mut case, "b", true, 1);
    let placement = decide(&mut case);
    assert_eq!(placement.again, Some(seconds(1)));
    let named = |o: &&mut Value| o["metadata"]["name"] == "b";
    case.world.iter_mut().find(named).unwrap()["spec"]["drain"] = json!(true);
    assert_eq!(case.place().targets[0].path.1, "c");
    // Until it changes, or for some time.
    let mut later = case.clone();
    later.failing.marked = [(uid("a"), seconds(3000))].into();
    assert_eq!(marks(&later.place()), []);
    assert_eq!(later.place().targets[0].path.1, "a");
    case.template.as_mut().unwrap()["metadata"]["generation"] = json!(2);
    assert_eq!(marks(&case.place()), []);
}

#[test]
fn nothing_moves_unless_it_is_asked_for() {
    for failover in [
        "",
        "cluster: {tolerationSeconds: 60, allowDuplicates: false}",
    ] {
        let mut case = case(&["a", "b"], ONE, failover, 1);
        stopped(&mut case, "a", 86_400);
        assert!(case.place().failing.is_empty());
        silent(&mut case, "a", 86_400);
        assert!(case.place().failing.is_empty());
    }
    let mut stops = case(&["a", "b"], ONE, STOPS, 1);
    silent(&mut stops, "a", 86_400);
    assert!(stops.place().failing.is_empty(), "silence is no stop");
    let mut silence = case(&["a", "b"], ONE, SILENCE, 1);
    stopped(&mut silence, "a", 86_400);
    assert!(silence.place().failing.is_empty());
}

#[test]
fn what_is_silent_is_replaced_and_goes_when_it_is_back() {
    let mut case = case(&["a", "b"], DIVIDED, SILENCE, 10);
    report(&mut case, "b", true, 5);
    silent(&mut case, "a", 300);
    granted(&mut case);
    decide(&mut case);
    assert_eq!(shown(&given(&case)), "a 5 b 10");
    report(&mut case, "b", true, 10);
    case.failing.granted.clear();
    for _ in 0..2 {
        check(
            &case,
            "b 10
             a kept: FailedOver
             refused 1: FailedOver (default/a)
             ! Replacing",
        );
        decide(&mut case);
    }
    // It is back, and stays so for long enough before its share goes back.
    ready(&mut case, "a", "True");
    case.failing.silent.clear();
    case.failing.ready = [(uid("a"), seconds(0))].into();
    report(&mut case, "a", true, 5);
    check(
        &case,
        "b 10\n a removed: FailedOver\n refused 1: FailedOver (default/a)",
    );
    decide(&mut case);
    case.failing.ready = [(uid("a"), seconds(299))].into();
    assert_eq!(decide(&mut case).again, Some(seconds(1)));
    assert_eq!(shown(&given(&case)), "b 10");
    case.failing.ready = [(uid("a"), seconds(300))].into();
    assert_eq!(marks(&decide(&mut case)), []);
    assert_eq!(shown(&given(&case)), "a 5 b 10");
}

#[test]
fn a_hub_that_knows_nothing_begins_nothing_and_ends_nothing() {
    let mut case = case(&["a", "b"], DIVIDED, SILENCE, 10);
    silent(&mut case, "a", 300);
    granted(&mut case);
    decide(&mut case);
    case.failing = Failing::default();
    ready(&mut case, "a", "True");
    assert_eq!(marks(&case.place()), [("a", Failure::Silent)]);
    // A policy that cannot be read changes nothing of it.
    let policy = case.world.last_mut().unwrap();
    policy["spec"]["priority"] = json!("high");
    assert_eq!(marks(&case.place()), [("a", Failure::Silent)]);
}

#[test]
fn who_turns_it_off_ends_it() {
    let mut case = case(&["a", "b"], DIVIDED, SILENCE, 10);
    silent(&mut case, "a", 300);
    granted(&mut case);
    decide(&mut case);
    report(&mut case, "b", true, 10);
    case.world.last_mut().unwrap()["spec"]["failover"] = json!({});
    decide(&mut case);
    // What replaced it stays until there is news of the cluster.
    assert_eq!(shown(&given(&case)), "a 5 b 10");
}

#[test]
fn pods_with_numbers_and_what_runs_once_are_not_there_twice() {
    let set = deployment(1).replace("kind: Deployment", "kind: StatefulSet");
    let both = format!("{STOPS}, {SILENCE}");
    let on = |kind: &str| on(kind, ONE, &both);
    let mut case = Case::new(&[&clusters(&["a", "b"]), &on("StatefulSet")], &set);
    case.failing.known = true;
    decide(&mut case);
    silent(&mut case, "a", 86_400);
    assert!(case.place().failing.is_empty());
    case.failing.silent.clear();
    stopped(&mut case, "a", 86_400);
    let why = "one that is not ready may run, and write, all the same";
    assert!(case.place().failing.is_empty(), "{why}");
    let job = set
        .replace("apps/v1", "batch/v1")
        .replace("StatefulSet", "Job");
    let mut policy = on("Job");
    policy[0]["spec"]["resourceSelectors"][0]["apiVersion"] = json!("batch/v1");
    let mut case = Case::new(&[&clusters(&["a", "b"]), &policy], &job);
    case.failing.known = true;
    decide(&mut case);
    silent(&mut case, "a", 86_400);
    stopped(&mut case, "a", 86_400);
    assert!(case.place().failing.is_empty());
}

#[test]
fn what_has_no_other_place_stays_and_is_kept_up_to_date() {
    for (placement, names) in [(DIVIDED, &["a"][..]), (ONE, &["a"])] {
        let mut case = case(names, placement, STOPS, 4);
        stopped(&mut case, "a", 300);
        assert_eq!(granted(&mut case).len(), 1);
        let placement = case.place();
        assert_eq!(marks(&placement), []);
        assert_eq!(placement.again, Some(seconds(300)), "a place may be found");
        let said = placement.findings.iter().map(ToString::to_string);
        let said: Vec<String> = said.collect();
        assert_eq!(
            said,
            [
                "not failed over from 1 cluster (default/a), since there is no other place for it; let its \
                 policy choose more clusters, or make room on those that it chooses"
            ]
        );
        let why = "its agent said that it does not run there, and there is no other place for it";
        assert_eq!(placement.figures[&uid("a")], why);
        assert_eq!(placement.targets.len(), names.len());
        assert!(placement.kept.is_empty());
    }
    // Who has it on all that it chooses is not asked each time.
    let mut case = case(&["a", "b"], "", &format!("{STOPS}, {SILENCE}"), 4);
    stopped(&mut case, "a", 86_400);
    silent(&mut case, "b", 86_400);
    let placement = case.place();
    assert_eq!((placement.failing.len(), placement.again), (0, None));
    assert!(placement.findings.is_empty());
}

#[test]
fn what_a_rollout_tries_is_the_rollouts_to_judge() {
    let mut case = case(&["a", "b"], DIVIDED, STOPS, 10);
    let given = |release: &str| {
        Some(Arc::new(Given {
            release: release.to_owned(),
            object: case.template.clone(),
            overrides: Vec::new(),
        }))
    };
    let (good, new) = (given("good"), given("new"));
    let mut rolling = Rolling {
        good: good.clone(),
        admitted: [(uid("a"), new)].into(),
        active: true,
        ..Rolling::default()
    };
    stopped(&mut case, "a", 86_400);
    let policies = |rolling: &Rolling| [("uid-p".to_owned(), rolling.clone())].into();
    case.rollout.policies = policies(&rolling);
    assert!(case.place().failing.is_empty());
    // Once it is good it is as any other.
    rolling.admitted = [(uid("a"), good)].into();
    case.rollout.policies = policies(&rolling);
    assert_eq!(case.place().failing.len(), 1);
}

#[test]
fn what_runs_hardly_anywhere_is_left_where_it_is() {
    let mut case = case(&["a", "b", "c", "d", "e", "f", "g"], DIVIDED, STOPS, 14);
    for name in ["a", "b", "c"] {
        stopped(&mut case, name, 300);
    }
    stopped(&mut case, "d", 400);
    // Of seven two may be.
    let asked = granted(&mut case);
    assert_eq!(asked.keys().collect::<Vec<_>>(), [&uid("a"), &uid("d")]);
    let placement = decide(&mut case);
    let held = placement.findings.iter().map(ToString::to_string);
    let held: Vec<String> = held.filter(|f| f.starts_with("not failed over")).collect();
    assert_eq!(
        held,
        [
            "not failed over from 2 clusters (default/b, default/c), since it does not run on too many \
             clusters, so that it is rather its own fault; to have it elsewhere all the same: `roadstead \
             fence` or `roadstead drain` the cluster"
        ]
    );
    // Those that it was failed over from already count.
    case.failing.granted.clear();
    assert!(case.place().failing.is_empty());
}

#[test]
fn a_hub_that_suspects_itself_holds_and_says_so() {
    let mut case = case(&["a", "b", "c"], ONE, SILENCE, 1);
    silent(&mut case, "a", 86_400);
    case.failing.suspects = true;
    check(
        &case,
        "a\n refused 2: NotInSpread (default/b default/c)\n ! FailoverHeld",
    );
    assert!(case.place().failing.is_empty());
    assert!(case.place().again.is_some());
}

#[test]
fn why_says_what_it_was_failed_over_for() {
    let mut case = case(&["a", "b"], ONE, STOPS, 1);
    stopped(&mut case, "a", 300);
    case.observed.get_mut(&uid("a")).unwrap().message = "0/3 nodes are available".to_owned();
    granted(&mut case);
    decide(&mut case);
    case.former.retain(|f| f.path.1 != "a");
    report(&mut case, "b", true, 1);
    let world = case.world();
    let template = case.template(&world);
    let placement = place(&world, &template, None);
    let said = crate::why::why(&world, &template, &placement);
    let of = |name: &str| said.clusters.iter().find(|v| v.name == name).unwrap();
    assert_eq!(
        of("a").why,
        "failed over: its agent said that it does not run there (0/3 nodes are available)"
    );
    assert!(of("b").runs);
}

#[test]
fn seconds_have_bounds() {
    for (said, path) in [
        (STOPS, "application.decisionConditions"),
        (SILENCE, "cluster"),
    ] {
        for (seconds, fits) in [
            ("59", false),
            ("60", true),
            ("86400", true),
            ("86401", false),
        ] {
            let said = on("Deployment", "", &said.replace("300", seconds));
            let read = crate::policy::Policy::read(&said[0]);
            let problem = format!(
                "spec.failover.{path}.tolerationSeconds: Invalid value: {seconds}: must be from 60 to 86400"
            );
            match read {
                Ok(_) => assert!(fits),
                Err(unreadable) => assert_eq!((fits, unreadable.problem), (false, problem)),
            }
        }
    }
}
