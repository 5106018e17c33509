//! Who loses it: only by a user's act, and large or last removals only when confirmed.

use super::*;

const ALL: &str = "{resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, labelSelector: {matchLabels: {app: web}}}]}";

fn only(names: &str) -> String {
    ALL.replace(
        "]}",
        &format!("], placement: {{clusterAffinity: {{clusterNames: [{names}]}}}}}}"),
    )
}

/// A case that runs on clusters a and b by policy p.
fn running() -> Case {
    let joined = clusters(&["a", "b"]);
    let mut case = Case::new(&[&joined, &policy("p", ALL)], &deployment(1));
    let placement = case.place();
    assert_eq!(show(&placement), "a\nb");
    case.carry_out(&placement);
    case
}

fn without(case: &mut Case, uid: &str) {
    case.world
        .retain(|o| o.pointer("/metadata/uid").and_then(Value::as_str) != Some(uid));
}

#[test]
fn a_deletion_record_removes_and_an_absence_does_not() {
    let mut case = running();
    case.template = None;
    check(
        &case,
        "a kept: TemplateMissing\n b kept: TemplateMissing\n ! TemplateMissing",
    );
    case.deleted.insert("uid-web".to_owned());
    check(
        &case,
        "a removed: TemplateDeleted\n b removed: TemplateDeleted",
    );
}

#[test]
fn a_policy_that_is_gone_removes_only_with_its_record() {
    let mut case = running();
    without(&mut case, "uid-p");
    check(
        &case,
        "a kept: PolicyMissing\n b kept: PolicyMissing\n ! NoPolicy\n ! PolicyMissing",
    );
    case.deleted.insert("uid-p".to_owned());
    check(
        &case,
        "a removed: PolicyDeleted\n b removed: PolicyDeleted\n ! NoPolicy",
    );
}

#[test]
fn what_moves_from_policy_to_policy_is_never_removed_between() {
    let mut case = running();
    without(&mut case, "uid-p");
    case.deleted.insert("uid-p".to_owned());
    case.world.extend(policy("q", ALL));
    check(&case, "a\n b");
}

#[test]
fn an_edit_removes_what_it_no_longer_chooses() {
    let mut case = running();
    without(&mut case, "uid-p");
    case.world.extend(policy("p", &only("a")));
    check(
        &case,
        "a\n b removed: NotChosen\n refused 1: NotNamed (default/b)",
    );
}

#[test]
fn an_edit_that_leaves_no_cluster_waits_for_a_confirmation() {
    let mut case = running();
    without(&mut case, "uid-p");
    case.world.extend(policy("p", &only("nowhere")));
    check(
        &case,
        "a kept: RemovalNeedsConfirmation
         b kept: RemovalNeedsConfirmation
         refused 2: NotNamed (default/a default/b)
         ! UnknownClusters
         ! NoCluster
         ! RemovalNeedsConfirmation",
    );
    let held = case.place().findings.pop().unwrap().to_string();
    assert!(
        held.contains("roadstead.dev/confirm-removal: \"2\""),
        "{held}"
    );
    case.template.as_mut().unwrap()["metadata"]["annotations"] =
        serde_json::json!({"roadstead.dev/confirm-removal": "1"});
    assert_eq!(case.place().removals.len(), 0);
    case.template.as_mut().unwrap()["metadata"]["annotations"] =
        serde_json::json!({"roadstead.dev/confirm-removal": "2"});
    assert_eq!(case.place().removals.len(), 2);
}

#[test]
fn a_label_that_no_policy_selects_waits_too() {
    let mut case = running();
    case.template.as_mut().unwrap()["metadata"]["labels"] = serde_json::json!({"app": "other"});
    assert_eq!(case.place().kept.len(), 2);
}

#[test]
fn a_policy_that_cannot_be_read_changes_nothing() {
    let mut case = running();
    let policy = case
        .world
        .iter_mut()
        .find(|o| o["kind"] == "DistributionPolicy")
        .unwrap();
    policy["spec"]["placement"] = serde_json::json!({"clusterAffinity": {"clusterNames": 7}});
    check(
        &case,
        "a kept: PolicyUnreadable
         b kept: PolicyUnreadable
         ! Unreadable
         ! PolicyUnreadable",
    );
}

#[test]
fn a_cluster_that_is_gone_keeps_what_it_has() {
    let mut case = running();
    without(&mut case, "uid-default-b");
    check(&case, "a\n b kept: ClusterMissing\n ! ClusterMissing");
    case.deleted.insert("uid-default-b".to_owned());
    check(&case, "a\n uid-default-b forgotten");
}

#[test]
fn a_large_share_waits_for_a_confirmation_on_the_policy() {
    let names: Vec<String> = (0..30).map(|i| format!("c{i:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let joined = clusters(&names);
    let mut case = Case::new(&[&joined, &policy("p", ALL)], &deployment(1));
    let placement = case.place();
    case.carry_out(&placement);
    without(&mut case, "uid-p");
    case.world.extend(policy("p", &only("c00, c01")));
    let placement = case.place();
    assert_eq!((placement.targets.len(), placement.kept.len()), (2, 28));
    assert_eq!(
        placement.findings.last().unwrap().reason(),
        "LargeRemovalNeedsConfirmation"
    );
    let policy = case.world.last_mut().unwrap();
    policy["metadata"]["annotations"] = serde_json::json!({"roadstead.dev/confirm-removal": "28"});
    assert_eq!(case.place().removals.len(), 28);
}

#[test]
fn without_a_review_an_edit_that_removes_says_so() {
    let mut case = running();
    without(&mut case, "uid-p");
    case.world.extend(policy("p", &only("a")));
    let world = case.world();
    assert!(place(&world, &case.template(&world), None).needs_review);
}

#[test]
fn deciding_again_changes_nothing() {
    let mut case = running();
    let first = case.place();
    case.carry_out(&first);
    assert_eq!(case.place(), first);
}
