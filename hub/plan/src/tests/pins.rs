//! Overrides of the number of replicas.

use super::overrides::{everywhere, given, over};
use super::*;

const DIVIDED: &str = "{resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}], placement: {replicaScheduling: {replicaDivisionPreference: Weighted, weightPreference: {staticWeightList: [{targetCluster: {clusterNames: [prod]}, weight: 90}, {targetCluster: {clusterNames: [dr]}, weight: 10}]}}}}";

#[test]
fn an_override_of_replicas_is_a_pin_after_the_division() {
    let pin =
        "{targetClusters: {clusterNames: [dr]}, overrides: [{path: /spec/replicas, value: 1}]}";
    let mut case = Case::new(
        &[
            &clusters(&["prod", "dr"]),
            &policy("p", DIVIDED),
            &over("o", pin),
        ],
        &deployment(20),
    );
    let of = |placement: &Placement| -> Vec<_> {
        let targets = placement.targets.iter();
        targets
            .map(|t| (t.path.1.clone(), t.replicas, t.pinned, t.effective))
            .collect()
    };
    let expected = [
        ("dr".to_owned(), Some(2), Some(1), Some(1)),
        ("prod".to_owned(), Some(18), None, Some(18)),
    ];
    let placement = case.place();
    assert_eq!(of(&placement), expected);
    assert_eq!(given(&case, "dr")["spec"]["replicas"], 1);
    case.carry_out(&placement);
    assert_eq!(case.place(), placement, "a second run changes nothing");
    // Without the pin the share is what it would have been.
    case.world.pop();
    let shares: Vec<_> = case.place().targets.iter().map(|t| t.effective).collect();
    assert_eq!(shares, [Some(2), Some(18)]);
}

#[test]
fn a_pin_of_what_is_not_divided_counts_too() {
    let pin =
        "{targetClusters: {clusterNames: [b]}, overrides: [{path: /spec/replicas, value: 0}]}";
    let case = Case::new(
        &[&clusters(&["a", "b"]), &everywhere(), &over("o", pin)],
        &deployment(4),
    );
    let targets = case.place().targets;
    let found: Vec<_> = targets
        .iter()
        .map(|t| (t.replicas, t.pinned, t.effective))
        .collect();
    assert_eq!(found, [(None, None, Some(4)), (None, Some(0), Some(0))]);
}

/// A pin on clusters that report a version.
fn pin_by_version(version: &str, replicas: u32) -> String {
    format!(
        "{{targetClusters: {{fieldSelector: {{matchExpressions: [{{key: version, operator: In, values: ['{version}']}}]}}}}, overrides: [{{path: /spec/replicas, value: {replicas}}}]}}"
    )
}

/// A case whose cluster reports this version, with one pin.
fn reporting(case: &Case, version: &str, pin: &str) -> Case {
    let cluster = clusters(&[&format!("a version={version}")]);
    Case {
        world: [cluster, everywhere(), over("o", pin)].concat(),
        ..case.clone()
    }
}

fn runs(case: &mut Case) -> Option<u32> {
    let placement = case.place();
    case.carry_out(&placement);
    assert_eq!(case.place(), placement, "a second run changes nothing");
    placement.targets[0].effective
}

#[test]
fn a_changed_report_takes_no_replicas_away() {
    let case = Case::new(&[], &deployment(20));
    let (pin, none) = (pin_by_version("1.31", 1), "v1.30.2");
    let mut case = reporting(&case, none, &pin);
    assert_eq!(runs(&mut case), Some(20));
    case = reporting(&case, "v1.31.0", &pin);
    assert_eq!(runs(&mut case), Some(20), "what runs stays");
    assert_eq!(given(&case, "a")["spec"]["replicas"], 20);
    // What people change goes on to count.
    case.template = yaml(&deployment(12)).pop();
    assert_eq!(runs(&mut case), Some(12));
    // The report that it was made by is back, and goes once more.
    case = reporting(&case, none, &pin);
    assert_eq!(runs(&mut case), Some(12));
    case = reporting(&case, "v1.31.0", &pin);
    assert_eq!(runs(&mut case), Some(12));
    // A user who edits the pin means it.
    case.world.pop();
    let mut edited = over("o", &pin_by_version("1.31", 3));
    edited[0]["metadata"]["generation"] = 2.into();
    case.world.extend(edited);
    assert_eq!(runs(&mut case), Some(3));
}

#[test]
fn a_changed_report_adds_replicas() {
    let case = Case::new(&[], &deployment(2));
    let pin = pin_by_version("1.31", 5);
    let mut case = reporting(&case, "v1.30.2", &pin);
    assert_eq!(runs(&mut case), Some(2));
    case = reporting(&case, "v1.31.0", &pin);
    assert_eq!(runs(&mut case), Some(5));
    case = reporting(&case, "v1.30.2", &pin);
    assert_eq!(runs(&mut case), Some(5), "and they stay");
    // One that has nothing yet is given what the report says.
    case.former.clear();
    assert_eq!(runs(&mut case), Some(2));
}

#[test]
fn what_people_say_of_a_cluster_counts_at_once() {
    let pin = "{targetClusters: {fieldSelector: {matchExpressions: [{key: version, operator: In, values: ['1.31']}]}, labelSelector: {matchLabels: {small: 'yes'}}}, overrides: [{path: /spec/replicas, value: 1}]}";
    let mut case = reporting(&Case::new(&[], &deployment(4)), "v1.31.0", pin);
    assert_eq!(runs(&mut case), Some(4));
    case = reporting(&case, "v1.31.0 small=yes", pin);
    assert_eq!(runs(&mut case), Some(1));
}
