//! What people tell of a kind that the hub does not know.

use roadstead_protocol::wire::report::Health;
use serde_json::{Value, json};

use crate::aggregate::{Subject, aggregate};
use crate::interpreter::Interpreter;
use crate::observed::Observed;

fn told(customizations: &Value) -> Value {
    json!({
        "kind": "ResourceInterpreter",
        "metadata": {"name": "cloneset.apps.kruise.io"},
        "spec": {
            "target": {"apiVersion": "apps.kruise.io/v1alpha1", "kind": "CloneSet"},
            "customizations": customizations,
        },
    })
}

fn read(customizations: &Value) -> Result<Interpreter, String> {
    Interpreter::read(&told(customizations)).map_err(|error| error.to_string())
}

#[test]
fn replicas_are_read_and_written_where_it_says() {
    let told = read(&json!({
        "replicaResource": {"expression": "object.spec.pods + object.spec.spare"},
        "replicaRevision": {"path": "/spec/pods"},
    }))
    .unwrap();
    assert_eq!(told.replicas_path.as_deref(), Some(".spec.pods"));
    let count = |object: Value| told.replicas(&object).unwrap();
    assert_eq!(count(json!({"spec": {"pods": 3, "spare": 2}})), Ok(5));
    assert_eq!(
        count(json!({"spec": {"pods": 3}})),
        Err("No such key: spare".to_owned())
    );
    let less = count(json!({"spec": {"pods": 3, "spare": -4}})).unwrap_err();
    assert_eq!(less, "it gives -1, not a number from 0 to 2147483647");
    assert_eq!(read(&json!({})).unwrap().replicas(&json!({})), None);
}

#[test]
fn health_is_what_the_rule_says_of_what_was_given_and_reported() {
    let health = |rule: &str, status: Value| {
        let told = read(&json!({"healthInterpretation": {"expression": rule}})).unwrap();
        let given = json!({"metadata": {"name": "a"}, "spec": {"replicas": 2}});
        told.health(&given, &status, 4).unwrap()
    };
    let ready = "object.status.ready == object.spec.replicas && object.status.seen == object.metadata.generation";
    let seen = json!({"ready": 2, "seen": 4});
    assert_eq!(health(ready, seen), (Health::Healthy, String::new()));
    assert_eq!(
        health(ready, json!({"ready": 1, "seen": 4})).0,
        Health::Progressing
    );
    assert_eq!(health("'Degraded'", json!({})).0, Health::Degraded);
    let (unknown, why) = health(ready, Value::Null);
    assert_eq!(unknown, Health::Unknown);
    assert!(
        why.starts_with("its ResourceInterpreter does not tell how it is: "),
        "{why}"
    );
    assert!(
        health("'well'", json!({}))
            .1
            .contains("\"well\" is no health")
    );
}

#[test]
fn statuses_are_put_together_as_it_says() {
    let told = read(&json!({"statusAggregation": {
        "expression": "{'ready': statuses.map(s, s.ready).sum(), 'of': object.spec.replicas}",
    }}))
    .unwrap();
    let mut key = super::web();
    key.group = "apps.kruise.io".to_owned();
    key.kind = "CloneSet".to_owned();
    let object = json!({"metadata": {"generation": 9}, "spec": {"replicas": 7}, "status": {"observedGeneration": 8}});
    let subject = Subject {
        key: &key,
        object: &object,
        interpreter: Some(&told),
        pinned: None,
    };
    let says = |ready: u32| Observed {
        applied: true,
        generation: 3,
        status: json!({"ready": ready, "observedGeneration": 3}),
        ..Observed::default()
    };
    let sum = aggregate(subject, &[says(2), says(3)], "").unwrap();
    assert_eq!(sum, json!({"ready": 5, "of": 7, "observedGeneration": 9}));
    // Who is silent is not counted, and what was decided is then not seen everywhere.
    let some = aggregate(subject, &[says(2), Observed::default()], "").unwrap();
    assert_eq!(some, json!({"ready": 2, "of": 7, "observedGeneration": 8}));
    // Where the rule fails, what was said before stays.
    let odd = Observed {
        status: json!({}),
        ..says(1)
    };
    assert_eq!(aggregate(subject, &[odd], ""), None);
}

#[test]
fn what_means_nothing_is_refused_with_its_field() {
    let said = |customizations: Value| read(&customizations).unwrap_err();
    let path = |path: &str| said(json!({"replicaRevision": {"path": path}}));
    for wrong in [
        "spec/replicas",
        "/",
        "/spec//n",
        "/spec/a.b",
        "/spec/a~1b",
        "/status/n",
        "/metadata/n",
    ] {
        let why = path(wrong);
        assert!(
            why.starts_with("spec.customizations.replicaRevision.path: "),
            "{wrong}: {why}"
        );
    }
    let rule = said(json!({"healthInterpretation": {"expression": "objekt.spec"}}));
    assert!(
        rule.starts_with(
            "spec.customizations.healthInterpretation.expression: the expression names \"objekt\""
        ),
        "{rule}"
    );
    let alone = said(json!({"replicaResource": {"expression": "1"}}));
    assert!(alone.contains("nowhere to write"), "{alone}");
    let mut other = told(&json!({}));
    other["metadata"]["name"] = json!("mine");
    let name = Interpreter::read(&other).unwrap_err().to_string();
    assert!(
        name.contains("is called \"cloneset.apps.kruise.io\""),
        "{name}"
    );
    for known in [
        "apps/v1",
        "v1",
        "policy.kurator.dev/v1alpha1",
        "roadstead.dev/v1alpha1",
        "storage.k8s.io/v1",
    ] {
        let mut known_kind = told(&json!({}));
        known_kind["spec"]["target"]["apiVersion"] = json!(known);
        let why = Interpreter::read(&known_kind).unwrap_err().to_string();
        assert!(why.contains("is known to the hub"), "{known}: {why}");
    }
}

#[test]
fn the_example_is_understood() {
    let text = include_str!("../../../../deploy/examples/interpreter.yaml");
    let told = Interpreter::read(&serde_saphyr::from_str(text).unwrap()).unwrap();
    assert_eq!(told.replicas_path.as_deref(), Some(".spec.replicas"));
    let health = |status: Value| told.health(&json!({}), &status, 1).unwrap().0;
    assert_eq!(health(json!({"phase": "Degraded"})), Health::Degraded);
    assert_eq!(health(json!({"phase": "Paused"})), Health::Progressing);
    assert_eq!(health(Value::Null), Health::Progressing);
    let (a, b) = (
        json!({"replicas": 2, "phase": "Healthy"}),
        json!({"readyReplicas": 1}),
    );
    let status = told.status(&json!({}), &[&a, &b]).unwrap();
    assert_eq!(
        status,
        json!({"replicas": 2, "readyReplicas": 1, "phase": "Progressing"})
    );
}

#[test]
fn what_was_divided_stays_so_when_nobody_says_any_more_where_its_replicas_are() {
    use super::{Case, check, clusters, policy};
    let divided = policy(
        "p",
        "{resourceSelectors: [{apiVersion: apps.kruise.io/v1alpha1, kind: CloneSet}], placement: \
         {replicaScheduling: {replicaSchedulingType: Divided}}}",
    );
    let object = "
apiVersion: apps.kruise.io/v1alpha1
kind: CloneSet
metadata: {name: web, namespace: default, uid: uid-web}
spec: {size: 10}
";
    let mut case = Case::new(&[&clusters(&["a", "b"]), &divided], object);
    // Nobody ever said: it goes everywhere whole.
    check(&case, "a\n b");
    let placement = case.place();
    case.carry_out(&placement);
    for former in &mut case.former {
        former.replicas = Some(5);
    }
    check(
        &case,
        "a kept: BadReplicas\n b kept: BadReplicas\n ! BadReplicas\n ! BadReplicas",
    );
    let said = case.place().findings[0].to_string();
    assert!(said.contains("ResourceInterpreter"), "{said}");
    // One that is not understood says nothing either.
    case.world
        .push(told(&json!({"replicaRevision": {"path": "size"}})));
    assert_eq!(case.place().kept.len(), 2);
}
