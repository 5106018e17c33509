//! Drained and fenced clusters: what they have goes elsewhere where there is a place for it.

use serde_json::json;

use super::overrides::over;
use super::swap::{decide, given, report, shown};
use super::*;
use crate::deps::order::{Awaited, Standing};

fn turn(case: &mut Case, name: &str, field: &str, to: bool) {
    let named = |o: &&mut Value| o["kind"] == "AttachedCluster" && o["metadata"]["name"] == name;
    case.world.iter_mut().find(named).unwrap()["spec"][field] = json!(to);
}

fn on(placement: &str) -> Vec<Value> {
    let select = "resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]";
    policy("p", &format!("{{{select}, placement: {{{placement}}}}}"))
}

const DIVIDED: &str = "replicaScheduling: {replicaSchedulingType: Divided}";
const ONE: &str = "spreadConstraints: [{spreadByField: cluster, minGroups: 1, maxGroups: 1}]";

fn well(case: &mut Case, names: &[&str]) {
    for name in names {
        let ready = given(case).get(*name).copied().unwrap_or(0);
        report(case, name, true, ready);
    }
}

#[test]
fn shares_leave_a_drained_cluster_and_come_back() {
    let mut case = Case::new(&[&clusters(&["a", "b"]), &on(DIVIDED)], &deployment(10));
    decide(&mut case);
    turn(&mut case, "a", "drain", true);
    check(
        &case,
        "b 10
         a kept: Replacing
         refused 1: Drained (default/a)
         ! Replacing",
    );
    decide(&mut case);
    well(&mut case, &["a", "b"]);
    check(
        &case,
        "b 10\n a removed: Drained\n refused 1: Drained (default/a)",
    );
    decide(&mut case);
    assert_eq!(shown(&given(&case)), "b 10");
    turn(&mut case, "a", "drain", false);
    decide(&mut case);
    assert_eq!(shown(&given(&case)), "a 5 b 10");
    well(&mut case, &["a", "b"]);
    decide(&mut case);
    assert_eq!(shown(&given(&case)), "a 5 b 5");
}

#[test]
fn what_waits_to_be_given_is_in_the_place_of_nothing() {
    let awaited = |there: Standing| {
        let clusters = [("a", Standing::Done), ("b", there)];
        let clusters = clusters.map(|(name, standing)| (format!("uid-default-{name}"), standing));
        vec![Awaited {
            key: web(),
            clusters: clusters.into(),
            circle: Vec::new(),
        }]
    };
    let mut case = Case::new(&[&clusters(&["a", "b"]), &on(DIVIDED)], &deployment(10));
    case.around.awaited = awaited(Standing::Done);
    decide(&mut case);
    well(&mut case, &["a", "b"]);
    turn(&mut case, "a", "drain", true);
    case.around.awaited = awaited(Standing::Pending("Progressing".to_owned()));
    for _ in 0..3 {
        // Their agents say how what they have is, not what was decided for them.
        report(&mut case, "a", true, 5);
        report(&mut case, "b", true, 5);
        let placement = decide(&mut case);
        assert_eq!((placement.removals.len(), placement.targets.len()), (0, 0));
        assert!(placement.watches);
    }
    case.around.awaited = awaited(Standing::Done);
    decide(&mut case);
    assert_eq!(given(&case).get("b"), Some(&10));
    case.observed.remove("uid-default-b");
    assert!(decide(&mut case).removals.is_empty());
    report(&mut case, "b", true, 10);
    check(
        &case,
        "b 10\n a removed: Drained\n refused 1: Drained (default/a)",
    );
}

#[test]
fn what_has_no_other_place_stays_on_a_drained_cluster() {
    // Everyone has a whole copy already.
    let mut case = Case::new(&[&clusters(&["a", "b"]), &on("")], &deployment(10));
    decide(&mut case);
    turn(&mut case, "a", "drain", true);
    well(&mut case, &["a", "b"]);
    check(&case, "a\n b");
    // Nothing is left to go to.
    turn(&mut case, "b", "drain", true);
    check(&case, "a\n b");
    let mut divided = Case::new(&[&clusters(&["a", "b"]), &on(DIVIDED)], &deployment(10));
    decide(&mut divided);
    turn(&mut divided, "a", "drain", true);
    turn(&mut divided, "b", "drain", true);
    check(&divided, "a 5\n b 5");
    // What is new goes to neither.
    let mut fresh = divided.clone();
    fresh.former.clear();
    assert_eq!(fresh.place().targets, []);
    // Nor is what ran once run again.
    let job = "
apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: default, uid: uid-once}
spec: {template: {spec: {containers: [{name: web, image: web:1}]}}}
";
    let select = "resourceSelectors: [{apiVersion: batch/v1, kind: Job}]";
    let spec = format!("{{{select}, placement: {{{ONE}}}}}");
    let mut once = Case::new(&[&clusters(&["a", "b"]), &policy("p", &spec)], job);
    decide(&mut once);
    turn(&mut once, "a", "drain", true);
    assert_eq!(once.place().targets[0].path.1, "a");
}

#[test]
fn a_copy_leaves_a_drained_cluster_for_one_that_would_not_have_it() {
    let mut case = Case::new(&[&clusters(&["a", "b", "c"]), &on(ONE)], &deployment(1));
    decide(&mut case);
    assert_eq!(shown(&given(&case)), "a 1");
    turn(&mut case, "a", "drain", true);
    decide(&mut case);
    assert_eq!(shown(&given(&case)), "a 1 b 1");
    decide(&mut case);
    well(&mut case, &["a", "b"]);
    decide(&mut case);
    assert_eq!(shown(&given(&case)), "b 1");
    turn(&mut case, "a", "drain", false);
    decide(&mut case);
    assert_eq!(shown(&given(&case)), "b 1", "what runs stays");
}

#[test]
fn a_group_of_clusters_is_left_where_all_of_it_is_drained() {
    let groups = "clusterAffinities: [{affinityName: near, clusterNames: [a]}, {affinityName: far, clusterNames: [b]}]";
    let mut case = Case::new(&[&clusters(&["a", "b"]), &on(groups)], &deployment(1));
    decide(&mut case);
    turn(&mut case, "a", "drain", true);
    let mut nowhere = case.clone();
    turn(&mut nowhere, "b", "unschedulable", true);
    assert_eq!(nowhere.place().targets[0].path.1, "a");
    decide(&mut case);
    assert_eq!(shown(&given(&case)), "a 1 b 1");
    well(&mut case, &["a", "b"]);
    decide(&mut case);
    assert_eq!(shown(&given(&case)), "b 1");
}

#[test]
fn what_a_drained_cluster_loses_needs_no_further_confirmation() {
    let mut case = Case::new(&[&clusters(&["a", "b"]), &on(DIVIDED)], &deployment(10));
    case.limits = Limits {
        removal_percent: 0,
        removal_min: 0,
    };
    decide(&mut case);
    turn(&mut case, "a", "drain", true);
    decide(&mut case);
    well(&mut case, &["a", "b"]);
    decide(&mut case);
    assert_eq!(shown(&given(&case)), "b 10");
}

#[test]
fn what_a_fenced_cluster_has_counts_no_more_and_goes_when_it_is_back() {
    let mut case = Case::new(&[&clusters(&["a", "b"]), &on(DIVIDED)], &deployment(10));
    decide(&mut case);
    turn(&mut case, "a", "fenced", true);
    decide(&mut case);
    assert_eq!(shown(&given(&case)), "a 5 b 10");
    well(&mut case, &["b"]);
    for _ in 0..2 {
        check(
            &case,
            "b 10
             a kept: Stopped
             refused 1: Fenced (default/a)
             ! Replacing",
        );
        decide(&mut case);
    }
    // It is back before what replaces it is healthy.
    let mut early = case.clone();
    early
        .former
        .iter_mut()
        .for_each(|f| f.arriving = f.path.1 == "b");
    report(&mut early, "b", false, 9);
    report(&mut early, "a", true, 5);
    assert_eq!(early.place().kept[0].cause.reason(), "Stopped");
    // It is said to run again, and is not heard of: what replaced it stays meanwhile.
    let mut lifted = case.clone();
    turn(&mut lifted, "a", "fenced", false);
    decide(&mut lifted);
    assert_eq!(shown(&given(&lifted)), "a 5 b 10");
    well(&mut lifted, &["a"]);
    decide(&mut lifted);
    assert_eq!(shown(&given(&lifted)), "a 5 b 5");
    // It is back.
    well(&mut case, &["a"]);
    check(
        &case,
        "b 10\n a removed: Replaced\n refused 1: Fenced (default/a)",
    );
}

#[test]
fn what_is_replaced_nowhere_stays_on_a_fenced_cluster() {
    let mut case = Case::new(&[&clusters(&["a", "b"]), &on("")], &deployment(10));
    decide(&mut case);
    turn(&mut case, "a", "fenced", true);
    for _ in 0..2 {
        well(&mut case, &["a", "b"]);
        check(
            &case,
            "b\n a kept: Stopped\n refused 1: Fenced (default/a)\n ! Stopped",
        );
        decide(&mut case);
    }
    turn(&mut case, "a", "fenced", false);
    turn(&mut case, "a", "unschedulable", true);
    assert_eq!(case.place().targets.len(), 2, "cordoned, and it has it");
}

#[test]
fn a_taint_takes_away_from_a_drained_cluster_as_from_another() {
    let mut case = Case::new(
        &[
            &clusters(&["a taint=k=v:NoExecute", "b"]),
            &on(
                "clusterTolerations: [{key: k, operator: Exists, effect: NoExecute, tolerationSeconds: 300}]",
            ),
        ],
        &deployment(10),
    );
    let tainted = std::mem::replace(&mut case.world[0]["spec"]["taints"], json!([]));
    decide(&mut case);
    assert_eq!(shown(&given(&case)), "a 1 b 1");
    case.world[0]["spec"]["taints"] = tainted;
    turn(&mut case, "a", "drain", true);
    // There is no other place for it, and it is tolerated for a while.
    let placement = decide(&mut case);
    assert_eq!(placement.targets.len(), 2);
    assert_eq!(placement.again, Some(Duration::from_secs(300)));
    case.now = Duration::from_secs(301);
    check(
        &case,
        "b\n a removed: NotChosen\n refused 1: TaintNotTolerated (default/a)",
    );
    // What has passed before it is removed has passed also once it is drained no more.
    let uid = "uid-default-a".to_owned();
    assert_eq!(case.place().expired.get(&uid), Some(&300));
}

#[test]
fn a_share_of_nothing_that_runs_by_an_override_waits_for_what_replaces_it() {
    let pin = over("o", "{overrides: [{path: /spec/replicas, value: 2}]}");
    let world: [&[Value]; 2] = [&clusters(&["a", "b"]), &on(&format!("{DIVIDED}, {ONE}"))];
    let mut plain = Case::new(&world, &deployment(0));
    let mut case = Case {
        world: [plain.world.clone(), pin].concat(),
        ..plain.clone()
    };
    for case in [&mut plain, &mut case] {
        decide(case);
        well(case, &["a"]);
        turn(case, "a", "drain", true);
    }
    let goes = "b 0
         a removed: Drained
         refused 1: Drained (default/a)
         ! SpreadUnmet";
    check(&plain, goes);
    let waits = "b 0
         a kept: Replacing
         refused 1: Drained (default/a)
         ! Replacing
         ! SpreadUnmet";
    for ready in [None, Some(0), Some(1)] {
        if let Some(ready) = ready {
            report(&mut case, "b", false, ready);
        }
        check(&case, waits);
        let placement = decide(&mut case);
        assert!(placement.watches && placement.targets[0].arriving);
        assert_eq!(placement.targets[0].effective, Some(2));
    }
    report(&mut case, "b", true, 2);
    check(&case, goes);
    decide(&mut case);
    check(&case, "b 0\nrefused 1: Drained (default/a)\n! SpreadUnmet");
}
