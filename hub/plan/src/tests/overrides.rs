//! What override policies make of an object on each cluster.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::variables;

/// Sends the Deployments and the like of namespace `default` everywhere.
pub(super) fn everywhere() -> Vec<Value> {
    policy(
        "p",
        "{resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}, {apiVersion: v1, kind: ConfigMap}, {apiVersion: batch/v1, kind: CronJob}, {apiVersion: ai.example/v1, kind: Model}]}",
    )
}

/// An override policy with one rule in YAML flow.
pub(super) fn over(name: &str, rule: &str) -> Vec<Value> {
    over_of(
        name,
        "{apiVersion: apps/v1, kind: Deployment}, {apiVersion: v1, kind: ConfigMap}, {apiVersion: batch/v1, kind: CronJob}, {apiVersion: ai.example/v1, kind: Model}",
        rule,
    )
}

fn over_of(name: &str, selectors: &str, rule: &str) -> Vec<Value> {
    yaml(&format!(
        "
apiVersion: policy.kurator.dev/v1alpha1
kind: OverridePolicy
metadata: {{name: {name}, namespace: default, uid: uid-{name}}}
spec: {{resourceSelectors: [{selectors}], overrideRules: [{rule}]}}
"
    ))
}

/// What a cluster is given.
pub(super) fn given(case: &Case, cluster: &str) -> Value {
    let placement = case.place();
    let target = placement.targets.iter().find(|t| t.path.1 == cluster);
    let target = target.unwrap_or_else(|| panic!("{:?}", placement.findings));
    serde_json::from_slice(&target.content.bytes).unwrap()
}

/// The words about clusters for which it cannot be made.
fn problems(case: &Case) -> Vec<String> {
    let findings = case.place().findings;
    let failed = findings.iter().filter(|f| f.reason() == "OverrideFailed");
    failed.map(ToString::to_string).collect()
}

/// What one rule makes of the Deployment `web` on cluster `a`.
fn made(rule: &str) -> Value {
    let text = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default, uid: uid-web, labels: {app: web, tier: front}}
spec:
  template:
    spec:
      initContainers: [{name: init, image: 'busybox:1'}]
      containers:
        - {name: web, image: 'registry.example:5000/shop/web:1.2', command: [serve], args: [--port, '80'], env: [{name: LEVEL, value: info}]}
        - {name: side, image: proxy}
";
    let case = Case::new(&[&clusters(&["a"]), &everywhere(), &over("o", rule)], text);
    let world = case.world();
    assert!(world.unreadable.is_empty(), "{:?}", world.unreadable);
    match case.place().targets.first() {
        Some(target) => serde_json::from_slice(&target.content.bytes).unwrap(),
        None => problems(&case).join("\n").into(),
    }
}

fn images(object: &Value) -> Vec<&str> {
    let spec = &object["spec"]["template"]["spec"];
    let lists = ["initContainers", "containers"].map(|field| spec[field].as_array().unwrap());
    let all = lists.into_iter().flatten();
    all.map(|c| c["image"].as_str().unwrap()).collect()
}

#[test]
fn an_image_overrider_reaches_every_container() {
    let made = made(
        "{overriders: {imageOverrider: [{component: Registry, operator: replace, value: mirror.example}, {component: Tag, operator: replace, value: '7'}]}}",
    );
    assert_eq!(
        images(&made),
        [
            "mirror.example/busybox:7",
            "mirror.example/shop/web:7",
            "mirror.example/proxy:7"
        ]
    );
}

#[test]
fn an_image_overrider_finds_the_pods_of_a_cron_job_and_what_it_is_shown() {
    let rule = "{overriders: {imageOverrider: [{component: Tag, operator: replace, value: '7'}]}}";
    let cron = "
apiVersion: batch/v1
kind: CronJob
metadata: {name: c, namespace: default, uid: u}
spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: a, image: a}]}}}}}
";
    let case = Case::new(&[&clusters(&["a"]), &everywhere(), &over("o", rule)], cron);
    let image = "/spec/jobTemplate/spec/template/spec/containers/0/image";
    assert_eq!(given(&case, "a").pointer(image), Some(&json!("a:7")));
    let model = "
apiVersion: ai.example/v1
kind: Model
metadata: {name: m, namespace: default, uid: u}
spec: {server: {image: llm:1}}
";
    let case = Case::new(&[&clusters(&["a"]), &everywhere(), &over("o", rule)], model);
    assert!(
        problems(&case)[0].contains("no containers"),
        "{:?}",
        problems(&case)
    );
    let shown = rule.replace(
        "{component",
        "{predicate: {path: /spec/server/image}, component",
    );
    let case = Case::new(
        &[&clusters(&["a"]), &everywhere(), &over("o", &shown)],
        model,
    );
    assert_eq!(given(&case, "a")["spec"]["server"]["image"], "llm:7");
}

#[test]
fn words_of_one_container_change() {
    let made = made(
        "{overriders: {commandOverrider: [{containerName: web, operator: replace, value: [sh, -c]}], argsOverrider: [{containerName: web, operator: remove, value: ['80']}, {containerName: web, operator: add, value: ['${cluster.name}', '${HOME}']}, {containerName: init, operator: add, value: [x]}]}}",
    );
    let spec = &made["spec"]["template"]["spec"];
    assert_eq!(spec["containers"][0]["command"], json!(["sh", "-c"]));
    assert_eq!(
        spec["containers"][0]["args"],
        json!(["--port", "a", "${HOME}"])
    );
    assert_eq!(spec["initContainers"][0]["args"], json!(["x"]));
    assert_eq!(
        spec["containers"][1],
        json!({"name": "side", "image": "proxy"})
    );
}

#[test]
fn a_change_that_cannot_be_made_names_its_place_and_why() {
    let cases = [
        (
            "{overriders: {argsOverrider: [{containerName: nobody, operator: add, value: [x]}]}}",
            "spec.overrideRules[0].overriders.argsOverrider[0]: there is no container \"nobody\"",
        ),
        (
            "{overriders: {envOverrider: [{containerName: web, operator: replace, value: [{name: NONE, value: x}]}]}}",
            "envOverrider[0]: container \"web\" has no variable \"NONE\" to replace",
        ),
        (
            "{overrides: [{path: /spec/a, value: 1}, {path: /spec/x/y, op: replace, value: 1}]}",
            "spec.overrideRules[0].overrides[1]: there is nothing at /spec/x/y",
        ),
        (
            "{overrides: [{path: /spec/a, value: '${cluster.nmae}'}]}",
            "${cluster.nmae} is unknown",
        ),
        (
            "{overrides: [{path: /spec/a, value: [{b: '${cluster.region}'}]}]}",
            "the cluster has no region",
        ),
        (
            "{overrides: [{path: /spec/a, value: '${cluster.labels.team}'}]}",
            "the cluster has no labels.team",
        ),
        (
            "{overrides: [{path: /metadata/name, value: other}]}",
            "an override changes what the object is",
        ),
        (
            "{overrides: [{path: /spec/replicas, value: -1}]}",
            "an override makes /spec/replicas no number of replicas",
        ),
        (
            "{overriders: {mergePatch: {metadata: {labels: x}}, labelsOverrider: [{operator: add, value: {a: b}}]}, overrides: [{path: /metadata/labels/a, op: add, value: b}]}",
            "overrides[0]: ",
        ),
    ];
    for (rule, expected) in cases {
        let found = made(rule);
        let text = found.as_str().unwrap_or_else(|| panic!("{rule}: {found}"));
        assert!(text.contains(expected), "{text}");
        assert!(text.starts_with("on default/a: "), "{text}");
    }
}

#[test]
fn variables_of_containers_are_set_changed_and_taken_away() {
    let made = made(
        "{overriders: {envOverrider: [{operator: add, value: [{name: CLUSTER, value: '${cluster.namespace}/${cluster.name}'}]}, {containerName: web, operator: replace, value: [{name: LEVEL, valueFrom: {fieldRef: {fieldPath: x}}}]}, {containerName: side, operator: remove, value: [{name: CLUSTER}]}]}}",
    );
    let spec = &made["spec"]["template"]["spec"];
    assert_eq!(
        spec["containers"][0]["env"],
        json!([
            {"name": "LEVEL", "valueFrom": {"fieldRef": {"fieldPath": "x"}}},
            {"name": "CLUSTER", "value": "default/a"},
        ])
    );
    assert_eq!(spec["containers"][1].get("env"), None);
    assert_eq!(spec["initContainers"][0]["env"][0]["value"], "default/a");
}

#[test]
fn labels_and_annotations_change_by_key() {
    let made = made(
        "{overriders: {labelsOverrider: [{operator: add, value: {cluster: '${cluster.name}'}}, {operator: replace, value: {tier: back, none: x}}, {operator: remove, value: {app: ''}}], annotationsOverrider: [{operator: add, value: {a/b: '$${cluster.name}'}}]}}",
    );
    assert_eq!(
        made["metadata"],
        json!({
            "name": "web", "namespace": "default",
            "labels": {"cluster": "a", "tier": "back"},
            "annotations": {"a/b": "${cluster.name}"},
        })
    );
}

#[test]
fn a_merge_patch_merges_and_paths_come_after_it() {
    let made = made(
        "{overrides: [{path: /spec/strategy/type, value: Recreate}], overriders: {mergePatch: {spec: {strategy: {type: x, of: '${cluster.name}'}, template: {spec: {initContainers: null}}}}}}",
    );
    assert_eq!(
        made["spec"]["strategy"],
        json!({"type": "Recreate", "of": "a"})
    );
    assert_eq!(made["spec"]["template"]["spec"].get("initContainers"), None);
}

#[test]
fn what_belongs_to_the_hubs_copy_cannot_be_written() {
    let made = made(
        "{overriders: {mergePatch: {status: {a: b}, metadata: {uid: x, finalizers: [a/b], ownerReferences: [{}], labels: {roadstead.dev/owner: x}}}}}",
    );
    assert_eq!(
        made["metadata"],
        json!({"name": "web", "namespace": "default", "labels": {"app": "web", "tier": "front"}})
    );
    assert_eq!(made.get("status"), None);
}

#[test]
fn policies_accumulate_from_broad_to_specific_and_then_by_name() {
    let rule = |value: &str| {
        format!(
            "{{overrides: [{{path: /spec/order/{value}, value: 1}}, {{path: /spec/last, value: {value}}}]}}"
        )
    };
    let kind = "{apiVersion: apps/v1, kind: Deployment}";
    let labels =
        "{apiVersion: apps/v1, kind: Deployment, labelSelector: {matchLabels: {app: web}}}";
    let named = "{apiVersion: apps/v1, kind: Deployment, name: web}";
    let mut cluster_scoped = over_of("zz", named, &rule("wide"));
    cluster_scoped[0]["kind"] = "ClusterOverridePolicy".into();
    cluster_scoped[0]["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("namespace");
    let mut newer = over_of("b", labels, &rule("b"));
    newer[0]["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z".into();
    let order = ["zz", "k", "l", "a", "b", "c", "named"];
    let all = [
        over_of("named", named, &rule("named")),
        over_of("c", labels, &rule("c")),
        newer,
        over_of("a", labels, &rule("a")),
        over_of("l", kind, &rule("l")),
        over_of("k", kind, &rule("k")),
        cluster_scoped,
    ];
    let case = Case::new(
        &[&clusters(&["a"]), &everywhere(), &all.concat()],
        &deployment(1),
    );
    let names: Vec<String> = case.place().overrides.into_iter().map(|o| o.name).collect();
    assert_eq!(names, order);
    let made = given(&case, "a");
    assert_eq!(made["spec"]["last"], "named");
    assert_eq!(made["spec"]["order"].as_object().unwrap().len(), 7);
    let without = [&all[1..], &[]].concat().concat();
    let case = Case::new(
        &[&clusters(&["a"]), &everywhere(), &without],
        &deployment(1),
    );
    assert_eq!(given(&case, "a")["spec"]["last"], "c");
}

#[test]
fn a_rule_reaches_its_clusters_and_one_that_fails_holds_back_that_cluster_alone() {
    let rules = "{targetClusters: {labelSelector: {matchLabels: {env: edge}}}, overrides: [{path: /metadata/labels/site, value: '${cluster.labels.site}'}]}";
    let joined = clusters(&["a", "b env=edge site=north", "c env=edge"]);
    let mut case = Case::new(&[&joined, &everywhere(), &over("o", rules)], &deployment(1));
    assert_eq!(given(&case, "a")["metadata"]["labels"].get("site"), None);
    assert_eq!(given(&case, "b")["metadata"]["labels"]["site"], "north");
    check(
        &case,
        "a
         b
         refused 1: OverrideFailed (default/c)
         ! OverrideFailed",
    );
    // Where it ran it stays as it was.
    case.world = [clusters(&["a", "b", "c"]), everywhere()].concat();
    let before = case.place();
    case.carry_out(&before);
    case.world = [joined, everywhere(), over("o", rules)].concat();
    let after = case.place();
    assert_eq!(after.kept.len(), 1);
    assert_eq!(after.kept[0].path.1, "c");
    assert_eq!(after.removals, []);
}

#[test]
fn a_policy_that_cannot_be_read_says_where() {
    let cases = [
        (
            "{overrides: [{path: x, value: 1}]}",
            "spec.overrideRules[0].overrides[0].path: ",
        ),
        (
            "{overrides: [{path: /x}]}",
            "spec.overrideRules[0].overrides[0].value: Required",
        ),
        (
            "{overriders: {imageOverrider: [{component: Tag, operator: add}]}}",
            "imageOverrider[0].value: Required",
        ),
        (
            "{overriders: {imageOverrider: [{component: Tag, operator: add, value: a, predicate: {path: x}}]}}",
            "imageOverrider[0].predicate.path: ",
        ),
        (
            "{overriders: {envOverrider: [{operator: add, value: [{value: x}]}]}}",
            "envOverrider[0].value[0].name: Required",
        ),
        ("{overriders: {mergePatch: [1]}}", "mergePatch.Invalid"),
        (
            "{overriders: {imageOverrider: [{component: Nose, operator: add, value: a}]}}",
            "Nose",
        ),
    ];
    for (rule, expected) in cases {
        let world = World::read(over("o", rule), BTreeSet::new(), Limits::default());
        let problem = &world.unreadable.first().unwrap().problem;
        assert!(problem.contains(expected), "{problem}");
    }
}

proptest! {
    #[test]
    fn texts_without_variables_stay_as_they_are(text in "[a-z${}. ]{0,40}") {
        let world = World::read(clusters(&["a"]), BTreeSet::new(), Limits::default());
        prop_assume!(!text.contains("${cluster."));
        prop_assert_eq!(variables::text(&text, &world.clusters[0]), Ok(text));
    }

    #[test]
    fn rules_that_do_different_things_do_them_in_any_order(order in Just(vec![0, 1, 2, 3]).prop_shuffle()) {
        let rules = [
            "{overrides: [{path: /spec/a, value: 1}]}",
            "{overriders: {labelsOverrider: [{operator: add, value: {b: c}}]}}",
            "{overriders: {imageOverrider: [{component: Tag, operator: replace, value: '2'}]}}",
            "{overriders: {mergePatch: {spec: {d: e}}}}",
        ];
        let rules = |order: &[usize]| order.iter().map(|i| rules[*i]).collect::<Vec<_>>().join(", ");
        prop_assert_eq!(made(&rules(&order)), made(&rules(&[0, 1, 2, 3])));
    }
}

#[test]
fn a_cluster_is_named_by_its_spec_and_labels() {
    let mut joined = clusters(&["a team=blue"]);
    joined[0]["spec"]["region"] = "eu".into();
    joined[0]["spec"]["zone"] = "eu-1".into();
    joined[0]["spec"]["provider"] = "own".into();
    let rule = "{overrides: [{path: /spec/said, value: '${cluster.namespace}/${cluster.name} ${cluster.provider} ${cluster.region} ${cluster.zone} ${cluster.labels.team} ${cluster.uid}'}]}";
    let case = Case::new(&[&joined, &everywhere(), &over("o", rule)], &deployment(1));
    let said = given(&case, "a")["spec"]["said"].clone();
    assert_eq!(said, "default/a own eu eu-1 blue uid-default-a");
}
