//! What goes over from one policy to another moves like anything else, and claims of volumes hold up
//! no move.

use roadstead_protocol::wire::report::Health;

use super::swap::{decide, report};
use super::*;

/// A policy for all Deployments that sends them to one cluster.
fn on(name: &str, cluster: &str, more: &str) -> Vec<Value> {
    let spec = format!(
        "{{resourceSelectors: [{{apiVersion: apps/v1, kind: Deployment}}], {more}placement: {{clusterAffinity: {{clusterNames: [{cluster}]}}}}}}"
    );
    policy(name, &spec)
}

/// `web` runs on `a` by the policy `first`, which was deleted; `second` sends it to `b`.
fn handed_over(more: &str) -> Case {
    let joined = clusters(&["a", "b"]);
    let mut case = Case::new(&[&joined, &on("first", "a", more)], &deployment(2));
    decide(&mut case);
    case.world.extend(on("second", "b", ""));
    decide(&mut case);
    assert_eq!(case.former[0].path.1, "a", "who holds it keeps it");
    report(&mut case, "a", true, 2);
    case.world = [joined, on("second", "b", "")].concat();
    case.deleted.insert("uid-first".to_owned());
    case
}

#[test]
fn what_another_policy_takes_on_leaves_once_it_is_healthy_there() {
    let mut case = handed_over("");
    let waits = "b
         a kept: Replacing
         refused 1: NotNamed (default/a)
         ! Replacing";
    check(&case, waits);
    decide(&mut case);
    check(&case, waits);
    report(&mut case, "b", false, 1);
    check(&case, waits);
    report(&mut case, "b", true, 2);
    check(
        &case,
        "b
         a removed: PolicyDeleted
         refused 1: NotNamed (default/a)",
    );
}

#[test]
fn what_is_let_go_waits_for_nothing() {
    let mut case = handed_over("preserveResourcesOnDeletion: true, ");
    case.preserved.insert("uid-first".to_owned());
    check(
        &case,
        "b
         a released: PolicyDeleted
         refused 1: NotNamed (default/a)",
    );
}

#[test]
fn what_nobody_takes_on_goes_at_once() {
    let mut case = handed_over("");
    case.world.retain(|o| o["kind"] != "DistributionPolicy");
    check(&case, "a removed: PolicyDeleted\n ! NoPolicy");
}

#[test]
fn a_claim_that_nothing_uses_yet_holds_up_no_move() {
    let claims = |cluster: &str| {
        let spec = format!(
            "{{resourceSelectors: [{{apiVersion: v1, kind: PersistentVolumeClaim}}], placement: {{clusterAffinity: {{clusterNames: [{cluster}]}}}}}}"
        );
        policy("p", &spec)
    };
    let joined = clusters(&["a", "b"]);
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data, namespace: default, uid: uid-data}\nspec: {storageClassName: local}\n";
    let mut case = Case::new(&[&joined, &claims("a")], claim);
    decide(&mut case);
    case.world = [joined, claims("b")].concat();
    decide(&mut case);
    report(&mut case, "a", true, 0);
    report(&mut case, "b", false, 0);
    let seen = case.observed.get_mut("uid-default-b").unwrap();
    assert_eq!(seen.health, Health::Progressing);
    check(
        &case,
        "b\n a removed: NotChosen\n refused 1: NotNamed (default/a)",
    );
    // One that came to nothing is not there.
    let seen = case.observed.get_mut("uid-default-b").unwrap();
    seen.health = Health::Degraded;
    let kept = case.place().kept;
    assert_eq!(kept[0].cause.reason(), "Replacing");
}
