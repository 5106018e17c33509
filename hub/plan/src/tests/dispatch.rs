//! What is waited for, what is held back, what stays.

use proptest::prelude::*;

use super::deps::{PODS, SELECT, following, key, needed};
use super::*;
use crate::deps::order::{Awaited, Standing, circle, waits};
use crate::deps::requirers::Needs;

fn awaited(standing: &[(&str, Option<&str>)]) -> Vec<Awaited> {
    let of = |(name, why): &(&str, Option<&str>)| {
        let standing = match why {
            None => Standing::Done,
            Some(why) => Standing::Pending((*why).to_owned()),
        };
        (format!("uid-default-{name}"), standing)
    };
    vec![Awaited {
        key: key("Job.batch", "migrate"),
        clusters: standing.iter().map(of).collect(),
        circle: Vec::new(),
    }]
}

#[test]
fn what_is_awaited_holds_back_each_cluster_by_itself() {
    let joined = clusters(&["a", "b", "c"]);
    let spec = format!("{{{SELECT}}}");
    let mut case = Case::new(&[&joined, &policy("p", &spec)], &deployment(1));
    case.around.awaited = awaited(&[("a", None), ("b", Some("Progressing"))]);
    check(
        &case,
        "a
         refused 2: Awaiting (default/b default/c)
         ! Awaiting
         ! Awaiting",
    );
    let said: Vec<String> = case
        .place()
        .findings
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        said,
        [
            "on 1 cluster (default/b) it waits for Job.batch default/migrate: Progressing",
            "on 1 cluster (default/c) it waits for Job.batch default/migrate: no decision sends it there",
        ]
    );
    let before = case.place();
    case.carry_out(&before);
    // What was given stays, though what it waited for is not well any more.
    case.around.awaited = awaited(&[("a", Some("Degraded"))]);
    let again = case.place();
    assert_eq!((again.targets.len(), again.kept.len()), (1, 0));
    // A change waits where it runs, and takes nothing away.
    case.template = yaml(&deployment(2)).pop();
    let changed = case.place();
    assert_eq!((changed.targets.len(), changed.kept.len()), (0, 1));
    assert_eq!(changed.kept[0].cause.reason(), "Awaiting");
    assert_eq!(changed.removals, []);
}

#[test]
fn a_circle_of_waiting_is_said() {
    let mut one = awaited(&[("a", None)]);
    one[0].circle = vec![key("Job.batch", "migrate"), web()];
    let (_, why) = waits(&one, "uid-default-a", "").unwrap();
    assert!(
        why.contains("Job.batch default/migrate → Deployment.apps default/web"),
        "{why}"
    );
}

#[test]
fn what_is_suspended_keeps_what_it_has_and_gets_and_loses_nothing() {
    let joined = clusters(&["a", "b", "c"]);
    let on = |clusters: &str, suspension: &str| {
        policy(
            "p",
            &format!(
                "{{{SELECT}, suspension: {suspension}, placement: {{clusterAffinity: {{clusterNames: [{clusters}]}}}}}}"
            ),
        )
    };
    let mut case = Case::new(&[&joined, &on("a, b", "{}")], &deployment(1));
    let placement = case.place();
    case.carry_out(&placement);
    // Nothing changed: nothing is held back.
    case.world = [joined.clone(), on("a, b", "{dispatching: true}")].concat();
    check(&case, "a\n b\n refused 1: NotNamed (default/c)");
    // A change, a new cluster and one that is to lose it.
    case.template = yaml(&deployment(3)).pop();
    case.world = [joined.clone(), on("b, c", "{dispatching: true}")].concat();
    check(
        &case,
        "a kept: Suspended
         b kept: Suspended
         refused 1: NotNamed (default/a)
         refused 1: Suspended (default/c)
         ! Suspended
         ! Suspended",
    );
    case.world = [
        joined.clone(),
        on("b, c", "{dispatchingOnClusters: {clusterNames: [a, b]}}"),
    ]
    .concat();
    check(
        &case,
        "c
         a kept: Suspended
         b kept: Suspended
         refused 1: NotNamed (default/a)
         ! Suspended",
    );
    // A deletion waits too, and is carried out when it is lifted.
    case.world = [joined.clone(), on("a, b", "{dispatching: true}")].concat();
    case.template = None;
    case.deleted.insert("uid-web".to_owned());
    check(&case, "a kept: Suspended\n b kept: Suspended\n ! Suspended");
    case.world = [joined, on("a, b", "{}")].concat();
    check(
        &case,
        "a removed: TemplateDeleted\n b removed: TemplateDeleted",
    );
}

#[test]
fn a_name_that_suspends_nothing_is_said_and_nothing_is_removed_meanwhile() {
    let joined = clusters(&["a", "b"]);
    let on = |clusters: &str, names: &str| {
        let spec = format!(
            "{{{SELECT}, suspension: {{dispatchingOnClusters: {{clusterNames: [{names}]}}}}, placement: {{clusterAffinity: {{clusterNames: [{clusters}]}}}}}}"
        );
        policy("p", &spec)
    };
    let mut case = Case::new(&[&joined, &on("a, b", "")], &deployment(1));
    let placement = case.place();
    case.carry_out(&placement);
    case.world = [joined.clone(), on("a", "bb")].concat();
    check(
        &case,
        "a
         b kept: UnknownNames
         refused 1: NotNamed (default/b)
         ! UnknownClusters
         ! UnknownNames",
    );
    case.world = [joined, on("a", "a")].concat();
    check(
        &case,
        "a\n b removed: NotChosen\n refused 1: NotNamed (default/b)",
    );
}

#[test]
fn what_a_policy_preserves_is_let_go_when_it_or_the_template_is_deleted() {
    let joined = clusters(&["a", "b"]);
    let on = |clusters: &str| {
        policy(
            "p",
            &format!(
                "{{{SELECT}, preserveResourcesOnDeletion: true, placement: {{clusterAffinity: {{clusterNames: [{clusters}]}}}}}}"
            ),
        )
    };
    let mut case = Case::new(&[&joined, &on("a, b")], &deployment(1));
    let placement = case.place();
    case.carry_out(&placement);
    // An edit is no deletion.
    case.world = [joined.clone(), on("a")].concat();
    check(
        &case,
        "a\n b removed: NotChosen\n refused 1: NotNamed (default/b)",
    );
    case.world = [joined.clone(), on("a, b")].concat();
    let template = case.template.take();
    case.deleted.insert("uid-web".to_owned());
    check(
        &case,
        "a released: TemplateDeleted\n b released: TemplateDeleted",
    );
    case.template = template;
    case.world = joined;
    case.deleted = BTreeSet::from(["uid-p".to_owned()]);
    check(
        &case,
        "a removed: PolicyDeleted\n b removed: PolicyDeleted\n ! NoPolicy",
    );
    case.preserved = case.deleted.clone();
    check(
        &case,
        "a released: PolicyDeleted\n b released: PolicyDeleted\n ! NoPolicy",
    );
}

#[test]
fn what_went_along_is_let_go_with_what_it_went_along_with() {
    let joined = clusters(&["a"]);
    let spec = format!("{{{SELECT}, propagateDeps: true, preserveResourcesOnDeletion: true}}");
    let mut case = Case::new(&[&joined, &policy("p", &spec)], PODS);
    let placement = case.place();
    case.carry_out(&placement);
    case.world = joined.clone();
    case.deleted.insert("uid-p".to_owned());
    case.preserved = case.deleted.clone();
    let let_go = case.place();
    let files = &let_go.requires[&key("ConfigMap", "files")];
    let a = BTreeSet::from(["uid-default-a".to_owned()]);
    let expected = Needs {
        on: BTreeSet::new(),
        released: a.clone(),
    };
    assert_eq!(*files, expected);
    let mut map = needed(&[&joined, &following("")], &["a"], &["a"]);
    let placement = map.place();
    map.carry_out(&placement);
    map.world = joined;
    map.deleted.insert("uid-p".to_owned());
    map.around = needed(&[], &[], &[]).around;
    map.around.requirers[0].released = a;
    check(&map, "a released: NotNeeded\n ! NoPolicy");
}

#[test]
fn what_went_along_is_let_go_though_the_policy_or_the_decision_is_gone_already() {
    let joined = clusters(&["a"]);
    let mut map = needed(&[&joined, &following("")], &["a"], &["a"]);
    let placement = map.place();
    map.carry_out(&placement);
    // The policy and the map were deleted, and nothing was decided about what needs it.
    map.world = joined;
    map.template = None;
    map.deleted = ["uid-p", "uid-files"].map(str::to_owned).into();
    map.around = needed(&[], &["a"], &["a"]).around;
    let shown = |map: &Case| {
        let world = map.world();
        let mut template = map.template(&world);
        template.key = key("ConfigMap", "files");
        show(&place(&world, &template, None))
    };
    assert_eq!(shown(&map), "a removed: TemplateDeleted");
    map.preserved = BTreeSet::from(["uid-p".to_owned()]);
    assert_eq!(shown(&map), "a released: TemplateDeleted");
    // What needed it is deleted too, and its decision is gone with its namespace.
    map.deleted.insert("uid-web".to_owned());
    map.preserved = BTreeSet::from(["uid-web".to_owned()]);
    map.around = needed(&[], &[], &[]).around;
    assert_eq!(shown(&map), "a released: TemplateDeleted");
    // It is on another cluster only.
    map.around = needed(&[], &["b"], &["b"]).around;
    assert_eq!(shown(&map), "a removed: TemplateDeleted");
}

#[test]
fn what_was_to_stay_when_the_template_was_deleted_stays() {
    let joined = clusters(&["a"]);
    let mut case = Case::new(
        &[&joined, &policy("p", &format!("{{{SELECT}}}"))],
        &deployment(1),
    );
    let placement = case.place();
    case.carry_out(&placement);
    case.template = None;
    case.deleted.insert("uid-web".to_owned());
    check(&case, "a removed: TemplateDeleted");
    case.preserved.insert("uid-web".to_owned());
    check(&case, "a released: TemplateDeleted");
}

#[test]
fn what_a_policy_leaves_to_others_goes_with_what_is_given() {
    let joined = clusters(&["a"]);
    let left = |drift: &str| -> Vec<String> {
        let spec = format!("{{{SELECT}, drift: {drift}}}");
        let case = Case::new(&[&joined, &policy("p", &spec)], &deployment(1));
        case.place().targets.remove(0).left
    };
    assert_eq!(left("{}"), [""; 0]);
    let fields = "{ignoreFields: [/spec/replicas, /spec/paused]}";
    assert_eq!(left(fields), ["/spec/paused", "/spec/replicas"]);
    assert_eq!(left("{correction: Report}"), [""]);
    // What something else needs there is put right.
    let own = policy(
        "own",
        "{resourceSelectors: [{apiVersion: v1, kind: ConfigMap}], drift: {correction: Report}}",
    );
    let case = needed(&[&joined, &following(""), &own], &["a"], &["a"]);
    assert_eq!(case.place().targets[0].left, [""; 0]);
}

#[test]
fn what_cannot_be_waited_for_or_left_is_said() {
    let cases = [
        (
            "drift: {ignoreFields: [/spec/replicas, /metadata/name]}",
            "spec.drift.ignoreFields[1]: Invalid value: \"/metadata/name\": says what the object is",
        ),
        (
            "drift: {ignoreFields: [spec]}",
            "spec.drift.ignoreFields[0]: Invalid",
        ),
        (
            "dependsOn: [{apiVersion: batch/v1, kind: Job}]",
            "spec.dependsOn[0]: Required",
        ),
        (
            "dependsOn: [{apiVersion: batch/v1, kind: Job, name: a, namespace: other}]",
            "spec.dependsOn[0].namespace: Invalid",
        ),
    ];
    for (more, expected) in cases {
        let world = World::read(
            policy("p", &format!("{{{SELECT}, {more}}}")),
            BTreeSet::new(),
            Limits::default(),
        );
        let problem = &world.unreadable.first().unwrap().problem;
        assert!(problem.contains(expected), "{problem}");
    }
}

proptest! {
    /// Against walking all ways of up to so many steps.
    #[test]
    fn circles_are_found_where_there_are_any(edges in proptest::collection::vec((0..6_u8, 0..6_u8), 0..12)) {
        let node = |i: u8| key("Job.batch", &i.to_string());
        let after = |k: &ItemKey| -> Vec<ItemKey> {
            let steps = edges.iter().filter(|(a, _)| node(*a) == *k);
            steps.map(|(_, b)| node(*b)).collect()
        };
        let mut reached = BTreeSet::from([node(0)]);
        for _ in 0..6 {
            let more: Vec<ItemKey> = reached.iter().flat_map(after).collect();
            reached.extend(more);
        }
        let found = circle(&node(0), &node(5), after);
        prop_assert_eq!(found.is_some(), reached.contains(&node(5)));
        if let Some(way) = found {
            prop_assert_eq!((way.first(), way.last()), (Some(&node(0)), Some(&node(5))));
            for pair in way.windows(2) {
                prop_assert!(after(&pair[0]).contains(&pair[1]));
            }
        }
    }
}
