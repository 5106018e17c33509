//! Who is chosen, who may get something new, and who leaves.

use super::*;

const SELECT: &str = "resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]";
const DIVIDED: &str = "replicaScheduling: {replicaSchedulingType: Divided}";

fn placing(placement: &str) -> Vec<Value> {
    policy("p", &format!("{{{SELECT}, placement: {{{placement}}}}}"))
}

fn case(joined: &[&str], placement: &str) -> Case {
    Case::new(&[&clusters(joined), &placing(placement)], &deployment(6))
}

/// The same with other clusters, or with another policy.
fn with(case: &Case, joined: &[&str], placement: &str) -> Case {
    let mut case = case.clone();
    case.world = [clusters(joined), placing(placement)].concat();
    case
}

fn carried_out(mut case: Case) -> Case {
    let placement = case.place();
    case.carry_out(&placement);
    case
}

fn unreadable(placement: &str) -> String {
    let world = World::read(placing(placement), BTreeSet::new(), Limits::default());
    let unreadable = world.unreadable.first();
    unreadable.map(|u| u.problem.clone()).unwrap_or_default()
}

#[test]
fn a_cordoned_cluster_gets_nothing_new_and_loses_nothing() {
    let fresh = case(&["a", "b cordoned"], "");
    check(&fresh, "a\n refused 1: Cordoned (default/b)");
    let running = carried_out(case(&["a", "b"], ""));
    check(&with(&running, &["a", "b cordoned"], ""), "a\n b");
    let alone = case(&["b cordoned"], "");
    check(&alone, "refused 1: Cordoned (default/b)\n ! NothingOpen");
    let said = alone.place().findings.pop().unwrap().to_string();
    assert_eq!(
        said,
        "the cluster that it chooses takes nothing new (default/b: it is cordoned)"
    );
}

#[test]
fn a_taint_keeps_away_and_one_that_executes_removes() {
    let joined = ["a", "b taint=gpu=true:NoSchedule", "c taint=bad:NoExecute"];
    check(
        &case(&joined, ""),
        "a\n refused 2: TaintNotTolerated (default/b default/c)",
    );
    let running = carried_out(case(&["a", "b", "c"], ""));
    check(
        &with(&running, &joined, ""),
        "a
         b
         c removed: NotChosen
         refused 1: TaintNotTolerated (default/c)",
    );
    for tolerated in [
        "{operator: Exists}",
        "{key: gpu, value: 'true'}, {key: bad, operator: Exists}",
        "{key: gpu, operator: Exists, effect: NoSchedule}, {key: bad, effect: NoExecute}",
    ] {
        let policy = format!("clusterTolerations: [{tolerated}]");
        check(&case(&joined, &policy), "a\n b\n c");
    }
    check(
        &case(
            &joined,
            "clusterTolerations: [{key: gpu, value: other}, {key: bad, effect: NoSchedule}]",
        ),
        "a\n refused 2: TaintNotTolerated (default/b default/c)",
    );
}

#[test]
fn a_toleration_of_some_seconds_ends_and_says_when() {
    let policy = "clusterTolerations: [{key: bad, operator: Exists, effect: NoExecute, tolerationSeconds: 30}]";
    let joined = ["a", "b taint=bad:NoExecute"];
    // What would have to leave again does not go there.
    check(
        &case(&joined, policy),
        "a\n refused 1: TaintNotTolerated (default/b)",
    );
    let running = carried_out(case(&["a", "b"], policy));
    let mut tainted = with(&running, &joined, policy);
    tainted.now = Duration::from_secs(12);
    check(&tainted, "a\n b");
    assert_eq!(tainted.place().again, Some(Duration::from_secs(18)));
    tainted.now = Duration::from_secs(30);
    check(
        &tainted,
        "a
         b removed: NotChosen
         refused 1: TaintNotTolerated (default/b)",
    );
    assert_eq!(tainted.place().again, None);
}

#[test]
fn what_is_leaving_counts_in_a_review_from_the_start() {
    let names: Vec<String> = (0..30).map(|i| format!("c{i:02}")).collect();
    let tainted: Vec<String> = names
        .iter()
        .map(|n| format!("{n} taint=bad:NoExecute"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut tainted: Vec<&str> = tainted.iter().map(String::as_str).collect();
    tainted[0] = "c00";
    let policy =
        "clusterTolerations: [{operator: Exists, effect: NoExecute, tolerationSeconds: 5}]";
    let running = carried_out(case(&names, policy));
    let mut tainted = with(&running, &tainted, policy);
    assert_eq!(tainted.place().targets.len(), 30);
    tainted.now = Duration::from_secs(5);
    let placement = tainted.place();
    assert_eq!((placement.targets.len(), placement.kept.len()), (1, 29));
}

#[test]
fn fields_that_people_say_choose_and_those_that_are_reported_only_keep_away() {
    let joined = [
        "a topology.kubernetes.io/region=eu provider=aws version=v1.30.4",
        "b topology.kubernetes.io/region=eu version=v1.29.1",
        "c topology.kubernetes.io/region=us version=v1.31.0",
        "d",
    ];
    let fields =
        |of: &str| format!("clusterAffinity: {{fieldSelector: {{matchExpressions: [{of}]}}}}");
    check(
        &case(
            &joined,
            &fields("{key: region, operator: In, values: [eu]}"),
        ),
        "a\n b\n refused 2: FieldsDiffer (default/c default/d)",
    );
    check(
        &case(&joined, &fields("{key: provider, operator: Exists}")),
        "a\n refused 3: FieldsDiffer (default/b default/c default/d)",
    );
    let new = fields("{key: version, operator: Gt, values: ['1.29']}");
    check(
        &case(&joined, &new),
        "a\n c\n refused 2: FactsDiffer (default/b default/d)",
    );
    for (operator, value, chosen) in [
        ("In", "1.30", "a"),
        ("In", "v1.30.4", "a"),
        ("In", "1.30.5", ""),
        ("Lt", "1.30", "b"),
        ("Gt", "1.30", "c"),
        ("NotIn", "1.30", "b c"),
    ] {
        let version = format!("{{key: version, operator: {operator}, values: ['{value}']}}");
        let placement = case(&joined, &fields(&version)).place();
        let names: Vec<&str> = placement
            .targets
            .iter()
            .map(|t| t.path.1.as_str())
            .collect();
        assert_eq!(names.join(" "), chosen, "{operator} {value}");
    }
    let running = carried_out(case(&["a version=v1.31.0", "c version=v1.31.0"], &new));
    let older = ["a version=v1.28.0", "c version=v1.31.0"];
    check(&with(&running, &older, &new), "a\n c");
    let moved = fields("{key: region, operator: NotIn, values: [eu]}");
    let running = carried_out(case(&["a", "c"], &moved));
    check(
        &with(
            &running,
            &["a topology.kubernetes.io/region=eu", "c"],
            &moved,
        ),
        "c\n a removed: NotChosen\n refused 1: FieldsDiffer (default/a)",
    );
    let gateway = fields("{key: apiGroup, operator: In, values: [gateway.networking.k8s.io]}");
    check(
        &case(
            &[
                "a serves=v1,apps/v1",
                "b serves=v1,apps/v1,gateway.networking.k8s.io/v1",
                "c",
            ],
            &gateway,
        ),
        "b\n refused 2: FactsDiffer (default/a default/c)",
    );
}

#[test]
fn an_object_does_not_go_where_its_api_is_not() {
    let joined = ["a serves=v1,apps/v1", "b serves=v1", "c"];
    // Who has not said yet what it serves is believed.
    check(
        &case(&joined, ""),
        "a\n c\n refused 1: ApiMissing (default/b)",
    );
    let running = carried_out(case(&["a", "b"], ""));
    check(&with(&running, &joined, ""), "a\n b\n c");
}

#[test]
fn who_is_given_the_definition_may_get_the_objects() {
    let shop = "{apiVersion: shop.example.com/v1, kind: Ware, metadata: {name: w, namespace: default, uid: u}}";
    let of = "{resourceSelectors: [{apiVersion: shop.example.com/v1, kind: Ware}]}";
    let joined = clusters(&["a serves=v1", "b serves=v1"]);
    let mut case = Case::new(&[&joined, &policy("p", of)], shop);
    check(
        &case,
        "refused 2: ApiMissing (default/a default/b)\n ! NothingOpen",
    );
    case.world.push(serde_json::json!({
        "kind": "Decision",
        "spec": {
            "template": {"kind": "CustomResourceDefinition", "name": "wares.shop.example.com"},
            "clusters": [{"uid": "uid-default-b"}],
        },
    }));
    check(&case, "b\n refused 1: ApiMissing (default/a)");
}

#[test]
fn fleets_choose_their_members() {
    let fleet = |members: &str| {
        yaml(&format!(
            "{{apiVersion: fleet.kurator.dev/v1alpha1, kind: Fleet, metadata: {{name: f, namespace: default}}, spec: {{clusters: [{members}]}}}}"
        ))
    };
    let of = "clusterAffinity: {fleets: [f]}";
    let mut case = case(&["a", "b", "c"], of);
    check(
        &case,
        "refused 3: NotInFleet (default/a default/b default/c)\n ! UnknownClusters\n ! NoCluster",
    );
    case.world
        .extend(fleet("{name: a, kind: Cluster}, {name: b}"));
    check(&case, "a\n b\n refused 1: NotInFleet (default/c)");
    let mut case = carried_out(case);
    case.world.pop();
    // A fleet that is gone, or a member that is no cluster, may be meant otherwise.
    assert_eq!(case.place().kept.len(), 2);
    case.world.extend(fleet("{name: a}, {name: bb}"));
    check(
        &case,
        "a\n b kept: UnknownNames\n refused 2: NotInFleet (default/b default/c)\n ! UnknownClusters\n ! UnknownNames",
    );
    case.world.pop();
    case.world.extend(fleet("{name: a}"));
    check(
        &case,
        "a\n b removed: NotChosen\n refused 2: NotInFleet (default/b default/c)",
    );
}

const GROUPS: &str = "clusterAffinities: [\
    {affinityName: near, clusterNames: [a, b]}, \
    {affinityName: far, clusterNames: [c]}]";

#[test]
fn the_first_group_that_is_possible_is_used_and_what_runs_stays() {
    let near = case(&["a", "b", "c"], GROUPS);
    check(&near, "a\n b\n refused 1: NotNamed (default/c)");
    assert_eq!(near.place().affinity, "near");
    let down = ["a !ready", "b cordoned", "c"];
    let far = case(&down, GROUPS);
    check(&far, "c\n refused 2: NotNamed (default/a default/b)");
    assert_eq!(far.place().affinity, "far");
    // The first is possible again: what runs stays until somebody asks for a rebalance.
    let far = carried_out(far);
    let back = with(&far, &["a", "b", "c"], GROUPS);
    check(&back, "c\n refused 2: NotNamed (default/a default/b)");
    let mut asked = back;
    asked.template.as_mut().unwrap()["metadata"]["annotations"] =
        serde_json::json!({"roadstead.dev/rebalance": "now"});
    check(
        &asked,
        "a\n b\n c kept: Replacing\n refused 1: NotNamed (default/c)\n ! Replacing",
    );
    let mut asked = carried_out(asked);
    swap::settle(&mut asked);
    let down = with(&asked, &down, GROUPS);
    let mut down = Case {
        template: asked.template,
        ..down
    };
    // Once it was done it is no reason any more.
    check(&down, "a\n b\n refused 1: NotNamed (default/c)");
    // Nothing of it is wanted any more.
    down = with(
        &down,
        &["a taint=x:NoExecute", "b taint=x:NoExecute", "c"],
        GROUPS,
    );
    check(
        &down,
        "c
         a kept: Replacing
         b kept: Replacing
         refused 2: NotNamed (default/a default/b)
         ! Replacing",
    );
}

#[test]
fn a_cluster_that_is_not_ready_is_passed_over_where_there_is_a_choice() {
    let joined = ["a", "b !ready", "c silent"];
    check(&case(&joined, ""), "a\n b\n c");
    check(
        &case(&joined, DIVIDED),
        "a 6\n refused 2: NotReady (default/b default/c)",
    );
    let running = carried_out(case(&["a", "b", "c"], DIVIDED));
    let placement = with(&running, &joined, DIVIDED).place();
    assert_eq!(placement.targets.len(), 3, "{}", show(&placement));
}

#[test]
fn bad_selections_say_what_is_wrong() {
    let said = |placement: &str, words: &str| {
        let problem = unreadable(placement);
        assert!(problem.contains(words), "{placement}: {problem:?}");
    };
    said(&format!("clusterAffinity: {{}}, {GROUPS}"), "only one of");
    said("clusterAffinities: [{clusterNames: [a]}]", "affinityName");
    said(
        "clusterAffinities: [{affinityName: x}, {affinityName: x}]",
        "clusterAffinities[1].affinityName",
    );
    said(
        "clusterTolerations: [{value: x}]",
        "clusterTolerations[0].operator",
    );
    said(
        "clusterTolerations: [{key: x, tolerationSeconds: 3}]",
        "clusterTolerations[0].effect",
    );
    said(
        "spreadConstraints: [{minGroups: 1}]",
        "spreadByField or spreadByLabel",
    );
    said(
        "spreadConstraints: [{spreadByField: region, minGroups: 3, maxGroups: 2}]",
        "spreadConstraints[0].maxGroups",
    );
    said(
        "spreadConstraints: [{spreadByField: zone}, {spreadByField: zone}]",
        "Duplicate",
    );
    let fields =
        |of: &str| format!("clusterAffinity: {{fieldSelector: {{matchExpressions: [{of}]}}}}");
    said(&fields("{key: region, operator: In}"), "values: Required");
    said(
        &fields("{key: region, operator: Gt, values: [x]}"),
        "operator",
    );
    said(&fields("{key: apiGroup, operator: Exists}"), "operator");
    said(
        &fields("{key: version, operator: In, values: [new]}"),
        "not a version",
    );
    let weight = "replicaScheduling: {weightPreference: {staticWeightList: [{weight: 1, targetCluster: {fieldSelector: {matchExpressions: [{key: version, operator: Exists}]}}}]}}";
    said(weight, "without anybody's doing");
}

#[test]
fn why_says_what_keeps_more_away_from_who_has_it() {
    let running = carried_out(case(&["a", "b"], DIVIDED));
    let cordoned = with(
        &running,
        &["a", "b cordoned", "c taint=x=y:NoSchedule"],
        DIVIDED,
    );
    let world = cordoned.world();
    let explained = crate::why::why(&world, &cordoned.template(&world), &cordoned.place());
    let lines: Vec<&str> = explained.clusters.iter().map(|v| v.why.as_str()).collect();
    assert_eq!(
        lines,
        [
            "the policy takes all clusters that it may name; weight 1 makes 3 replicas",
            "the policy takes all clusters that it may name; weight 1 makes 3 replicas; \
             no more goes there: it is cordoned",
            "its taint x=y:NoSchedule is not tolerated",
        ]
    );
}
