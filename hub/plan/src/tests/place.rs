//! Who gets what.

use serde_json::{Value, json};

use super::*;

const SELECT: &str = "resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, labelSelector: {matchLabels: {app: web}}}]";

fn spec(placement: &str) -> String {
    format!("{{{SELECT}, placement: {placement}}}")
}

const WEIGHTED: &str = "{clusterAffinity: {clusterNames: [prod, dr]}, replicaScheduling: {replicaDivisionPreference: Weighted, weightPreference: {staticWeightList: [{targetCluster: {clusterNames: [prod]}, weight: 90}, {targetCluster: {clusterNames: [dr]}, weight: 10}]}}}";

#[test]
fn the_seed_divides_and_overrides() {
    let over = yaml(
        "
apiVersion: policy.kurator.dev/v1alpha1
kind: OverridePolicy
metadata: {name: o, namespace: default, uid: uid-o}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, labelSelector: {matchLabels: {app: web}}}]
  overrideRules:
    - targetClusters: {clusterNames: [dr]}
      overrides: [{path: /spec/replicas, value: 1}]
",
    );
    let joined = clusters(&["prod", "dr", "edge"]);
    let mut case = Case::new(&[&joined, &policy("p", &spec(WEIGHTED))], &deployment(20));
    check(&case, "dr 2\n prod 18\n refused 1: NotNamed (default/edge)");
    case.world.extend(over);
    let placement = case.place();
    let replicas: Vec<(String, Value)> = placement
        .targets
        .iter()
        .map(|t| {
            let object: Value = serde_json::from_slice(&t.content.bytes).unwrap();
            (t.path.1.clone(), object["spec"]["replicas"].clone())
        })
        .collect();
    assert_eq!(
        replicas,
        [("dr".to_owned(), json!(1)), ("prod".to_owned(), json!(18))]
    );
    assert_eq!(placement.overrides.len(), 1);
}

#[test]
fn the_seeds_own_file_is_understood() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/seed/distribution-policy.yaml"
    );
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("skipped: {path} is not there");
        return;
    };
    let world = World::read(yaml(&text), BTreeSet::new(), Limits::default());
    assert_eq!((world.policies.len(), world.overrides.len()), (1, 1));
    assert!(world.unreadable.is_empty(), "{:?}", world.unreadable);
}

#[test]
fn duplicated_is_the_default_and_leaves_replicas_alone() {
    let joined = clusters(&["a", "b env=prod", "c env=prod"]);
    let labels =
        spec("{clusterAffinity: {labelSelector: {matchLabels: {env: prod}}, exclude: [c]}}");
    let case = Case::new(&[&joined, &policy("p", &labels)], &deployment(4));
    check(
        &case,
        "b
         refused 1: LabelsDiffer (default/a)
         refused 1: Excluded (default/c)",
    );
    let all = Case::new(&[&joined, &policy("p", &spec("{}"))], &deployment(4));
    check(&all, "a\n b\n c");
    let contents: BTreeSet<_> = all
        .place()
        .targets
        .iter()
        .map(|t| t.content.digest)
        .collect();
    assert_eq!(contents.len(), 1);
}

#[test]
fn a_cluster_without_weight_is_left_out_and_a_share_of_nothing_is_not() {
    let three = "{replicaScheduling: {replicaSchedulingType: Divided, weightPreference: {staticWeightList: [{targetCluster: {clusterNames: [a]}, weight: 9}, {targetCluster: {clusterNames: [b]}, weight: 1}, {targetCluster: {clusterNames: [c]}, weight: 0}]}}}";
    let joined = clusters(&["a", "b", "c", "d"]);
    let case = Case::new(&[&joined, &policy("p", &spec(three))], &deployment(1));
    check(
        &case,
        "a 1\n b 0\n refused 2: ZeroWeight (default/c default/d)",
    );
}

#[test]
fn weights_of_zero_are_said_and_move_nothing() {
    let joined = clusters(&["prod", "dr"]);
    let mut case = Case::new(&[&joined, &policy("p", &spec(WEIGHTED))], &deployment(20));
    let placement = case.place();
    case.carry_out(&placement);
    case.world = [
        joined,
        policy("p", &spec(&WEIGHTED.replace("90", "0").replace("10", "0"))),
    ]
    .concat();
    check(
        &case,
        "dr kept: ZeroWeights
         prod kept: ZeroWeights
         ! ZeroWeights
         ! ZeroWeights",
    );
}

#[test]
fn names_that_are_unknown_or_mean_several_are_said() {
    let joined = clusters(&["one/x allow=All", "two/x allow=All", "default/own"]);
    let named = spec("{clusterAffinity: {clusterNames: [x, own, none]}}");
    let case = Case::new(&[&joined, &policy("p", &named)], &deployment(1));
    check(
        &case,
        "own
         refused 2: AmbiguousName (one/x two/x)
         ! UnknownClusters
         ! AmbiguousName",
    );
}

#[test]
fn a_decision_names_a_misspelt_cluster_as_it_is_written() {
    let joined = clusters(&["prod"]);
    let named = "placement: {clusterAffinity: {clusterNames: [prodd]}}";
    let suspended = "suspension: {dispatchingOnClusters: {clusterNames: [prood]}}";
    let spec = format!("{{{}, {named}, {suspended}}}", deps::SELECT);
    let case = Case::new(&[&joined, &policy("p", &spec)], &deployment(1));
    let unknown = |name: &str| crate::Finding::UnknownClusters(vec![name.to_owned()]);
    let found = case.place().findings;
    for name in ["prodd", "prood"] {
        assert!(found.contains(&unknown(name)), "{found:?}");
    }
}

#[test]
fn a_namespaces_own_cluster_comes_first_and_others_must_allow() {
    let joined = clusters(&[
        "default/x",
        "other/x allow=All",
        "other/shut",
        "other/some allow=team:blue",
    ]);
    let namespace =
        yaml("{apiVersion: v1, kind: Namespace, metadata: {name: default, labels: {team: blue}}}");
    let named = spec("{clusterAffinity: {clusterNames: [x, shut, some]}}");
    let case = Case::new(&[&joined, &namespace, &policy("p", &named)], &deployment(1));
    check(
        &case,
        "x
         other/some
         refused 1: NotNamed (other/x)
         ! UnknownClusters",
    );
}

#[test]
fn who_names_it_goes_first_then_who_is_older() {
    let joined = clusters(&["a"]);
    let all = "{resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]}";
    let named = "{resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, name: web}]}";
    let case = Case::new(
        &[
            &joined,
            &policy("kind", all),
            &policy("labels", &spec("{}")),
            &policy("name", named),
        ],
        &deployment(1),
    );
    let placement = case.place();
    assert_eq!(placement.policy.unwrap().name, "name");
    let order: Vec<String> = placement.contenders.into_iter().map(|c| c.name).collect();
    assert_eq!(order, ["labels", "kind"]);
}

#[test]
fn without_a_policy_nothing_runs() {
    let case = Case::new(&[&clusters(&["a"])], &deployment(1));
    check(&case, "! NoPolicy");
}

#[test]
fn cluster_scoped_objects_need_the_label_and_a_cluster_scoped_policy() {
    let twin = yaml(
        "
apiVersion: policy.kurator.dev/v1alpha1
kind: ClusterDistributionPolicy
metadata: {name: p, uid: uid-p}
spec: {resourceSelectors: [{apiVersion: v1, kind: Namespace}]}
",
    );
    let joined = clusters(&["a", "other/b"]);
    let live = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, uid: u}}";
    check(&Case::new(&[&joined, &twin], live), "! NoPolicy");
    let template = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, uid: u, labels: {roadstead.dev/template: 'true'}}}";
    let mut case = Case::new(&[&joined, &twin], template);
    check(&case, "a\n other/b");
    let placement = case.place();
    case.carry_out(&placement);
    case.template = None;
    case.deleted.insert("u".to_owned());
    let released = case.place().removals;
    // The key of a case without an object is the Deployment's: only the records matter here.
    assert_eq!(released.len(), 2);
}

#[test]
fn an_override_that_cannot_be_made_holds_that_cluster_alone() {
    let over = |path: &str| {
        yaml(&format!(
            "
apiVersion: policy.kurator.dev/v1alpha1
kind: OverridePolicy
metadata: {{name: o, namespace: default, uid: uid-o}}
spec:
  resourceSelectors: [{{apiVersion: apps/v1, kind: Deployment}}]
  overrideRules:
    - targetClusters: {{clusterNames: [b]}}
      overrides: [{{path: {path}, op: replace, value: x}}]
"
        ))
    };
    let joined = clusters(&["a", "b"]);
    let mut case = Case::new(&[&joined, &policy("p", &spec("{}"))], &deployment(1));
    let placement = case.place();
    case.carry_out(&placement);
    case.world.extend(over("/spec/nothing/here"));
    check(
        &case,
        "a
         b kept: OverrideFailed
         refused 1: OverrideFailed (default/b)
         ! OverrideFailed
         ! OverrideFailed",
    );
    case.world.pop();
    case.world.extend(over("/metadata/name"));
    assert_eq!(case.place().kept.len(), 1);
}

#[test]
fn why_explains_every_cluster() {
    let joined = clusters(&["prod", "dr", "edge", "far/away"]);
    let case = Case::new(&[&joined, &policy("p", &spec(WEIGHTED))], &deployment(20));
    let world = case.world();
    let explained = crate::why::why(&world, &case.template(&world), &case.place());
    let lines: Vec<String> = explained
        .clusters
        .iter()
        .map(|v| format!("{} {} {}", v.name, v.runs, v.why))
        .collect();
    assert_eq!(
        lines,
        [
            "dr true the policy names it; weight 10 makes 2 replicas",
            "edge false the policy's clusterNames do not name it",
            "prod true the policy names it; weight 90 makes 18 replicas",
            "away false its spec.allowedNamespaces does not let the policy's namespace name it",
        ]
    );
}

/// However many clusters there are, a decision names a few of those that do not get it, and counts the rest.
#[test]
fn refusals_are_counted_and_some_are_named() {
    let names: Vec<String> = (0..60).map(|i| format!("c{i:02}")).collect();
    let mut lines: Vec<&str> = names.iter().map(String::as_str).collect();
    let cordoned = format!("{} cordoned", names[1]);
    lines[1] = &cordoned;
    let on = policy(
        "p",
        "{resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}], \
         placement: {clusterAffinity: {clusterNames: [c00, c01]}}}",
    );
    let case = Case::new(&[&clusters(&lines), &on], &deployment(1));
    check(
        &case,
        "c00
         refused 58: NotNamed (default/c02 default/c03 default/c04 default/c05 default/c06)
         refused 1: Cordoned (default/c01)",
    );
}
