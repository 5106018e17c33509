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
