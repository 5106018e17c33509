//! What goes along with what needs it, and leaves with it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use roadstead_protocol::api::policy::ConflictResolution::{Abort, AdoptIfEqual, Overwrite};

use super::*;
use crate::deps::references::required;
use crate::deps::requirers::Requirer;

pub(super) const SELECT: &str = "resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]";

pub(super) fn key(kind: &str, name: &str) -> ItemKey {
    let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
    ItemKey {
        group: group.to_owned(),
        kind: kind.to_owned(),
        namespace: "default".to_owned(),
        name: name.to_owned(),
    }
}

fn needs(object: &str, definition: Option<&str>) -> Vec<String> {
    let object = yaml(object).pop().unwrap();
    let key = identity(&object).unwrap();
    let found = required(&object, &key, definition).unwrap();
    found.iter().map(ToString::to_string).collect()
}

pub(super) const PODS: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default, uid: uid-web, labels: {app: web}}
spec:
  template:
    spec:
      serviceAccountName: runner
      imagePullSecrets: [{name: pull}]
      volumes:
        - {name: a, configMap: {name: files}}
        - {name: b, secret: {secretName: keys}}
        - {name: c, persistentVolumeClaim: {claimName: data}}
        - {name: d, projected: {sources: [{configMap: {name: kube-root-ca.crt}}, {secret: {name: token}}, {serviceAccountToken: {path: x}}]}}
        - {name: e, emptyDir: {}}
        - {name: f, cephfs: {monitors: [x], secretRef: {name: ceph}}}
      initContainers: [{name: i, envFrom: [{configMapRef: {name: env}}]}]
      containers:
        - name: web
          image: web:1
          envFrom: [{secretRef: {name: from}}]
          env:
            - {name: A, valueFrom: {configMapKeyRef: {name: values, key: a}}}
            - {name: B, valueFrom: {secretKeyRef: {name: secrets, key: b}}}
            - {name: C, value: c}
";

#[test]
fn what_pods_name_goes_along() {
    assert_eq!(
        needs(PODS, None),
        [
            "ConfigMap default/env",
            "ConfigMap default/files",
            "ConfigMap default/values",
            "PersistentVolumeClaim default/data",
            "Secret default/ceph",
            "Secret default/from",
            "Secret default/keys",
            "Secret default/pull",
            "Secret default/secrets",
            "Secret default/token",
            "ServiceAccount default/runner",
        ]
    );
}

#[test]
fn other_kinds_name_what_they_need_and_nothing_names_itself() {
    let cases = [
        (
            "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db, namespace: default}, spec: {serviceName: db, template: {spec: {serviceAccountName: default}}}}",
            None,
            vec!["Service default/db"],
        ),
        (
            "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: in, namespace: default}, spec: {tls: [{secretName: cert}, {hosts: [x]}]}}",
            None,
            vec!["Secret default/cert"],
        ),
        (
            "{apiVersion: v1, kind: ServiceAccount, metadata: {name: sa, namespace: default}, imagePullSecrets: [{name: pull}], secrets: [{name: sa-token}]}",
            None,
            vec!["Secret default/pull"],
        ),
        (
            "{apiVersion: batch/v1, kind: CronJob, metadata: {name: c, namespace: default}, spec: {jobTemplate: {spec: {template: {spec: {volumes: [{configMap: {name: a}}]}}}}}}",
            None,
            vec!["ConfigMap default/a"],
        ),
        (
            "{apiVersion: ai.example/v1, kind: Model, metadata: {name: m, namespace: default}, spec: {template: {spec: {volumes: [{configMap: {name: a}}]}}}}",
            Some("models.ai.example"),
            vec![
                "ConfigMap default/a",
                "CustomResourceDefinition.apiextensions.k8s.io models.ai.example",
            ],
        ),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: default}}",
            None,
            vec![],
        ),
        (
            "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {serviceAccountName: x}}",
            None,
            vec![],
        ),
        (
            "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: default}, spec: {volumes: 7, containers: {a: b}, serviceAccountName: 3}}",
            None,
            vec![],
        ),
    ];
    for (object, definition, expected) in cases {
        assert_eq!(needs(object, definition), expected, "{object}");
    }
}

#[test]
fn more_than_can_go_along_is_an_error() {
    let volume = |i| json!({"configMap": {"name": format!("c{i}")}});
    let volumes: Vec<Value> = (0..600).map(volume).collect();
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "d"}, "spec": {"volumes": volumes}});
    assert!(required(&pod, &identity(&pod).unwrap(), None).is_err());
}

#[test]
fn a_policy_that_follows_says_what_goes_where() {
    let spec = format!(
        "{{{SELECT}, propagateDeps: true, placement: {{clusterAffinity: {{clusterNames: [a, b]}}}}}}"
    );
    let over = yaml(
        "
apiVersion: policy.kurator.dev/v1alpha1
kind: OverridePolicy
metadata: {name: o, namespace: default, uid: uid-o}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]
  overrideRules:
    - targetClusters: {clusterNames: [b]}
      overrides: [{path: /spec/template/spec/imagePullSecrets/0/name, value: mirror}]
",
    );
    let joined = clusters(&["a", "b", "c"]);
    let mut case = Case::new(&[&joined, &policy("p", &spec), &over], PODS);
    let placement = case.place();
    let on = |key: &ItemKey| -> Vec<String> {
        let needs = placement.requires.get(key).cloned().unwrap_or_default();
        needs.on.into_iter().collect()
    };
    let both = ["uid-default-a", "uid-default-b"];
    assert_eq!(on(&key("ConfigMap", "files")), both);
    assert_eq!(on(&key("Secret", "pull")), both[..1]);
    assert_eq!(on(&key("Secret", "mirror")), both[1..]);
    case.carry_out(&placement);
    assert_eq!(case.place().requires, placement.requires);
    // Without the option nothing goes along.
    case.world = [joined, policy("p", &spec.replace("true", "false")), over].concat();
    assert_eq!(case.place().requires, BTreeMap::new());
}

#[test]
fn what_is_kept_as_it_is_needs_what_it_needed() {
    let spec = |on: &str| {
        format!(
            "{{{SELECT}, propagateDeps: true, placement: {{clusterAffinity: {{clusterNames: [{on}]}}}}}}"
        )
    };
    let joined = clusters(&["a"]);
    let mut case = Case::new(&[&joined, &policy("p", &spec("a"))], PODS);
    let placement = case.place();
    case.carry_out(&placement);
    case.world = [joined, policy("p", &spec("elsewhere"))].concat();
    let kept = case.place();
    assert_eq!(kept.kept.len(), 1, "{}", show(&kept));
    assert_eq!(kept.requires, placement.requires);
}

/// A ConfigMap that `web` of policy `p` needs on `needs`, being itself on `clusters`.
pub(super) fn needed(world: &[&[Value]], needs: &[&str], clusters: &[&str]) -> Case {
    let map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: files, namespace: default, uid: uid-files}}";
    let mut case = Case::new(world, map);
    let uids = |names: &[&str]| {
        let uid = |name: &&str| format!("uid-default-{name}");
        names.iter().map(uid).collect::<BTreeSet<_>>()
    };
    case.around.requirers = vec![Requirer {
        key: web(),
        template: "uid-web".to_owned(),
        decided: true,
        policy: Some("uid-p".to_owned()),
        clusters: uids(clusters),
        needs: uids(needs),
        released: BTreeSet::new(),
    }];
    case
}

pub(super) fn following(more: &str) -> Vec<Value> {
    policy("p", &format!("{{{SELECT}, propagateDeps: true{more}}}"))
}

#[test]
fn what_is_needed_goes_where_it_is_needed_and_where_its_own_policy_sends_it() {
    let joined = clusters(&["a", "b", "c"]);
    let case = needed(&[&joined, &following("")], &["a", "b"], &["a", "b"]);
    check(&case, "a\n b");
    assert_eq!(case.place().required_by, [web()]);
    let own = policy(
        "own",
        "{resourceSelectors: [{apiVersion: v1, kind: ConfigMap}], placement: {clusterAffinity: {clusterNames: [b, c]}}}",
    );
    let both = needed(&[&joined, &following(""), &own], &["a", "b"], &["a", "b"]);
    check(&both, "a\n b\n c");
    let policies: Vec<Vec<String>> = both
        .place()
        .targets
        .into_iter()
        .map(|t| t.policies)
        .collect();
    assert_eq!(
        policies,
        [
            vec!["required"],
            vec!["uid-own", "required"],
            vec!["uid-own"]
        ]
    );
}

#[test]
fn it_leaves_with_the_last_that_needs_it_and_without_a_question() {
    let joined = clusters(&["a", "b"]);
    let mut case = needed(&[&joined, &following("")], &["a", "b"], &["a", "b"]);
    let placement = case.place();
    case.carry_out(&placement);
    // It has left b.
    case.around = needed(&[], &["a"], &["a"]).around;
    check(&case, "a\n b removed: NotNeeded");
    // It no longer names it anywhere.
    case.around = needed(&[], &[], &["a", "b"]).around;
    check(
        &case,
        "a removed: NotNeeded\n b removed: NotNeeded\n ! NoPolicy",
    );
    // Another still needs it on b.
    let mut other = case.around.requirers[0].clone();
    other.template = "uid-other".to_owned();
    other.needs = BTreeSet::from(["uid-default-b".to_owned()]);
    case.around.requirers.push(other);
    check(&case, "b\n a removed: NotNeeded");
}

#[test]
fn switching_it_off_takes_nothing_away_unasked() {
    let joined = clusters(&["a"]);
    let mut case = needed(&[&joined, &following("")], &["a"], &["a"]);
    let placement = case.place();
    case.carry_out(&placement);
    case.world = [joined, policy("p", &format!("{{{SELECT}}}"))].concat();
    case.around = needed(&[], &[], &["a"]).around;
    check(
        &case,
        "a kept: RemovalNeedsConfirmation
         ! NoPolicy
         ! RemovalNeedsConfirmation",
    );
}

#[test]
fn a_requirer_that_is_missing_takes_nothing_away_and_one_that_was_deleted_does() {
    let joined = clusters(&["a"]);
    let mut case = needed(&[&joined, &following("")], &["a"], &["a"]);
    let placement = case.place();
    case.carry_out(&placement);
    let expected = "a kept: PolicyMissing\n ! NoPolicy\n ! PolicyMissing";
    case.around = Around::default();
    check(&case, expected);
    case.around = needed(&[], &[], &[]).around;
    case.around.requirers[0].decided = false;
    check(&case, expected);
    case.deleted.insert("uid-web".to_owned());
    check(&case, "a removed: NotNeeded\n ! NoPolicy");
}

#[test]
fn of_all_that_want_it_the_strictest_counts() {
    let joined = clusters(&["a"]);
    let cases = [
        (", conflictResolution: Overwrite", "Overwrite", Overwrite),
        (", conflictResolution: Overwrite", "Abort", Abort),
        (
            ", conflictResolution: AdoptIfEqual",
            "Overwrite",
            AdoptIfEqual,
        ),
        (
            ", conflictResolution: Overwrite",
            "AdoptIfEqual",
            AdoptIfEqual,
        ),
        (", conflictResolution: AdoptIfEqual", "Abort", Abort),
        ("", "Overwrite", Abort),
    ];
    for (requirers, own, expected) in cases {
        let own = policy(
            "own",
            &format!(
                "{{resourceSelectors: [{{apiVersion: v1, kind: ConfigMap}}], conflictResolution: {own}}}"
            ),
        );
        let case = needed(&[&joined, &following(requirers), &own], &["a"], &["a"]);
        assert_eq!(case.place().targets[0].conflicts, expected);
    }
    let alone = needed(&[&joined, &following(cases[0].0)], &["a"], &["a"]);
    assert_eq!(alone.place().targets[0].conflicts, Overwrite);
}

#[test]
fn what_is_needed_takes_along_what_it_needs_itself() {
    let joined = clusters(&["a"]);
    let mut case = needed(&[&joined, &following("")], &["a"], &["a"]);
    case.template = yaml("{apiVersion: v1, kind: ServiceAccount, metadata: {name: files, namespace: default, uid: u, labels: {roadstead.dev/template: 'true'}}, imagePullSecrets: [{name: pull}]}").pop();
    let found = case.place().requires;
    assert_eq!(found.keys().collect::<Vec<_>>(), [&key("Secret", "pull")]);
}

#[test]
fn why_says_with_what_it_goes_along() {
    let joined = clusters(&["a", "b"]);
    let case = needed(&[&joined, &following("")], &["a"], &["a"]);
    let world = case.world();
    let explained = crate::why::why(&world, &case.template(&world), &case.place());
    assert_eq!(
        explained.notes,
        ["it goes along with Deployment.apps default/web"]
    );
    let lines: Vec<String> = explained
        .clusters
        .iter()
        .map(|v| format!("{} {} {}", v.name, v.runs, v.why))
        .collect();
    assert_eq!(lines[0], "a true another object there needs it");
}

#[test]
fn who_needs_it_no_more_is_forgotten_once_nothing_can_follow_from_it() {
    use crate::deps::requirers::spent;
    let deleted = BTreeSet::from(["uid-gone".to_owned()]);
    let world = World::read(following(""), deleted, Limits::default());
    let of = |needs: &[&str], on: &[&str]| needed(&[], needs, on).around.requirers.remove(0);
    let mut gone = of(&[], &[]);
    gone.decided = false;
    let lost = gone.clone();
    gone.template = "uid-gone".to_owned();
    let cases = [
        (of(&["a"], &["a"]), false, "it needs it"),
        (
            of(&[], &["a"]),
            false,
            "its policy may have been switched off",
        ),
        (of(&[], &[]), true, "it is nowhere"),
        (gone, true, "it was deleted"),
        (lost, false, "nobody deleted it"),
    ];
    for (one, expected, why) in cases {
        let others = [one.clone(), of(&["b"], &["b"])];
        assert_eq!(spent(&world, &others, &one), expected, "{why}");
        let alone = std::slice::from_ref(&one);
        assert!(!spent(&world, alone, &one), "the last: {why}");
    }
}
