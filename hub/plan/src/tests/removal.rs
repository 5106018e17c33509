//! Who loses it: only by a user's act, and large or last removals only when confirmed.

use super::*;
use crate::removal::manner as manner_of;

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

/// The tokens that the last finding names.
fn tokens(case: &Case) -> Vec<String> {
    let text = case.place().findings.pop().unwrap().to_string();
    let parts = text
        .split("--overwrite roadstead.dev/confirm-removal=")
        .skip(1);
    parts
        .map(|p| p.split(';').next().unwrap().to_owned())
        .collect()
}

fn annotate(object: &mut Value, token: &str) {
    object["metadata"]["annotations"] = serde_json::json!({"roadstead.dev/confirm-removal": token});
}

fn confirm(case: &mut Case, token: &str) {
    annotate(case.template.as_mut().unwrap(), token);
}

const NONE: &str = "{clusterAffinity: {exclude: [a, b]}}";

fn excluding_all() -> String {
    ALL.replace("]}", &format!("], placement: {NONE}}}"))
}

#[test]
fn an_edit_that_leaves_no_cluster_waits_for_a_confirmation() {
    let mut case = running();
    without(&mut case, "uid-p");
    case.world.extend(policy("p", &excluding_all()));
    check(
        &case,
        "a kept: RemovalNeedsConfirmation
         b kept: RemovalNeedsConfirmation
         refused 2: Excluded (default/a default/b)
         ! NoCluster
         ! RemovalNeedsConfirmation",
    );
    let held = case.place().findings.pop().unwrap().to_string();
    let command = "kubectl -n default annotate deployment.apps web --overwrite roadstead.dev/confirm-removal=2-";
    assert!(held.contains(command), "{held}");
    let token = tokens(&case).remove(0);
    for other in ["2", "99", "2-00000000", "3-ffffffff", ""] {
        confirm(&mut case, other);
        assert_eq!(case.place().removals.len(), 0, "{other}");
    }
    confirm(&mut case, &token);
    assert_eq!(case.place().removals.len(), 2);
}

#[test]
fn a_confirmation_is_of_what_was_shown_and_of_nothing_else() {
    let mut case = running();
    without(&mut case, "uid-p");
    case.world.extend(policy("p", &excluding_all()));
    let token = tokens(&case).remove(0);
    confirm(&mut case, &token);
    // A cluster more is another set, and so is one less.
    let mut less = case.clone();
    less.former.pop();
    assert_eq!(less.place().removals.len(), 0);
    let mut more = case.clone();
    more.world.extend(clusters(&["c"]));
    more.former.push(Former {
        cluster: "uid-default-c".to_owned(),
        ..more.former[0].clone()
    });
    without(&mut more, "uid-p");
    let none = excluding_all().replace("[a, b]", "[a, b, c]");
    more.world.extend(policy("p", &none));
    assert_eq!(more.place().removals.len(), 0);
    // The same clusters of an object that was made anew are another set too.
    for former in &mut case.former {
        former.template = "uid-web-before".to_owned();
    }
    assert_eq!(case.place().removals.len(), 0);
}

#[test]
fn what_is_missing_or_unreadable_is_not_to_be_confirmed() {
    let mut case = running();
    without(&mut case, "uid-p");
    case.world.extend(policy("p", &excluding_all()));
    let token = tokens(&case).remove(0);
    confirm(&mut case, &token);
    without(&mut case, "uid-p");
    check(
        &case,
        "a kept: PolicyMissing\n b kept: PolicyMissing\n ! NoPolicy\n ! PolicyMissing",
    );
    assert_eq!(tokens(&case), [""; 0]);
    case.template = None;
    assert_eq!(case.place().kept.len(), 2);
    assert_eq!(tokens(&case), [""; 0]);
}

#[test]
fn a_name_that_is_no_cluster_removes_nothing() {
    let mut case = running();
    without(&mut case, "uid-p");
    case.world.extend(policy("p", &only("a, bb")));
    check(
        &case,
        "a\n b kept: UnknownNames\n refused 1: NotNamed (default/b)\n ! UnknownClusters\n ! UnknownNames",
    );
    let token = tokens(&case).remove(0);
    let mut confirmed = case.clone();
    confirm(&mut confirmed, &token);
    assert_eq!(confirmed.place().removals.len(), 1);
    case.world.extend(clusters(&["bb"]));
    check(
        &case,
        "a\n bb\n b kept: Replacing\n refused 1: NotNamed (default/b)\n ! Replacing",
    );
    swap::decide(&mut case);
    let placement = swap::settle(&mut case);
    assert_eq!((placement.targets.len(), placement.kept.len()), (2, 0));
}

#[test]
fn a_name_that_is_two_clusters_removes_nothing() {
    let mut case = running();
    case.world
        .extend(clusters(&["x/c allow=All", "y/c allow=All"]));
    without(&mut case, "uid-p");
    case.world.extend(policy("p", &only("a, c")));
    let placement = case.place();
    assert_eq!((placement.removals.len(), placement.kept.len()), (0, 1));
    // Left out by a name that is two clusters': neither gets it, and nobody loses it.
    let excluded = ALL.replace("]}", "], placement: {clusterAffinity: {exclude: [c, b]}}}");
    without(&mut case, "uid-p");
    case.world.extend(policy("p", &excluded));
    let placement = case.place();
    assert_eq!((placement.targets.len(), placement.kept.len()), (1, 1));
}

#[test]
fn a_weight_for_a_name_that_is_no_cluster_removes_nothing() {
    let mut case = running();
    without(&mut case, "uid-p");
    let weighed = ALL.replace(
        "]}",
        "], placement: {replicaScheduling: {weightPreference: {staticWeightList: [\
         {targetCluster: {clusterNames: [a]}, weight: 1}, \
         {targetCluster: {clusterNames: [bb]}, weight: 1}]}}}}",
    );
    case.world.extend(policy("p", &weighed));
    let placement = case.place();
    assert_eq!((placement.removals.len(), placement.kept.len()), (0, 1));
}

#[test]
fn what_two_policies_claim_is_not_removed_by_the_second() {
    let mut case = running();
    let narrow = only("a")
        .replace("labelSelector: {matchLabels: {app: web}}", "name: web")
        .replacen('{', "{priority: 1, preemption: Always, ", 1);
    case.world.extend(policy("q", &narrow));
    check(
        &case,
        "a\n b kept: Contended\n refused 1: NotNamed (default/b)\n ! Contended",
    );
    let token = tokens(&case).remove(0);
    let mut confirmed = case.clone();
    confirm(&mut confirmed, &token);
    assert_eq!(confirmed.place().removals.len(), 1);
    // Handed over: what gave it no longer selects it.
    without(&mut case, "uid-p");
    let other = ALL.replace("app: web", "app: other");
    case.world.extend(policy("p", &other));
    check(
        &case,
        "a\n b removed: NotChosen\n refused 1: NotNamed (default/b)",
    );
}

#[test]
fn what_holds_others_is_deleted_with_its_contents_only_where_that_was_said() {
    let former = |delete_contents| Former {
        delete_contents,
        ..Former::default()
    };
    let namespace = identity(&yaml("{apiVersion: v1, kind: Namespace, metadata: {name: x}}")[0]);
    let manner = |contents| manner_of(namespace.as_ref().unwrap(), &former(contents));
    assert_eq!(manner(false), Manner::Release);
    assert_eq!(manner(true), Manner::DeleteContents);
    assert_eq!(manner_of(&web(), &former(true)), Manner::Delete);
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
    let tokens = tokens(&case);
    assert_eq!(tokens.len(), 2);
    annotate(case.world.last_mut().unwrap(), "28");
    assert_eq!(case.place().removals.len(), 0);
    annotate(case.world.last_mut().unwrap(), &tokens[1]);
    assert_eq!(case.place().removals.len(), 28);
}

#[test]
fn a_confirmation_on_the_policy_goes_on_until_all_is_done_and_then_ends() {
    let names: Vec<String> = (0..30).map(|i| format!("c{i:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut case = Case::new(&[&clusters(&names), &policy("p", ALL)], &deployment(1));
    let placement = case.place();
    case.carry_out(&placement);
    without(&mut case, "uid-p");
    case.world.extend(policy("p", &only("c00, c01")));
    let token = tokens(&case).remove(1);
    annotate(case.world.last_mut().unwrap(), &token);
    // As if it were two templates, of which one was carried out already.
    let review = |case: &Case, former: Option<&Review>| {
        let world = case.world();
        let former = former.map(|f| f.approvals().clone()).unwrap_or_default();
        Review::of(&world, [&Part::of(&world, &case.template(&world))], &former)
    };
    let first = review(&case, None);
    let mut half = case.clone();
    half.former.truncate(20);
    let removed = |case: &Case, review: &Review| {
        let world = case.world();
        let template = case.template(&world);
        place(&world, &template, Some(review)).removals.len()
    };
    assert_eq!(removed(&half, &review(&half, None)), 0);
    let second = review(&half, Some(&first));
    assert_eq!(removed(&half, &second), 18);
    // All done: nothing is left of the confirmation, though the annotation is.
    half.former.truncate(2);
    let done = review(&half, Some(&second));
    let mut again = case.clone();
    again.former.truncate(20);
    assert_eq!(removed(&again, &review(&again, Some(&done))), 0);
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
