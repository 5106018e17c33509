//! Conditions, selectors, and the reading of what people write.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::condition::{find, set};
use super::decision::TemplateRef;
use super::meta::{parse_timestamp, timestamp};
use super::policy::{DistributionPolicy, Override, OverrideOp};
use super::selector::LabelSelector;
use super::{CRDS, Condition, ConditionStatus};

fn at(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(second).unwrap()
}

#[test]
fn the_transition_time_moves_with_the_status_only() {
    let mut all = Vec::new();
    let ready = |status, reason| Condition::new("Ready", status, reason, "");
    assert!(set(&mut all, ready(ConditionStatus::True, "A"), at(10)));
    assert!(!set(&mut all, ready(ConditionStatus::True, "A"), at(20)));
    assert!(set(
        &mut all,
        ready(ConditionStatus::True, "B").at(2),
        at(30)
    ));
    assert_eq!(
        find(&all, "Ready").unwrap().last_transition_time,
        "1970-01-01T00:00:10Z"
    );
    assert!(set(&mut all, ready(ConditionStatus::Unknown, "C"), at(40)));
    assert_eq!(
        find(&all, "Ready").unwrap().last_transition_time,
        "1970-01-01T00:00:40Z"
    );
    assert_eq!(all.len(), 1);
}

#[test]
fn a_condition_is_written_as_kubernetes_writes_it() {
    let mut all = Vec::new();
    set(
        &mut all,
        Condition::new("Ready", ConditionStatus::False, "Why", "so").at(3),
        at(0),
    );
    assert_eq!(
        serde_json::to_value(&all).unwrap(),
        json!([{
            "type": "Ready", "status": "False", "reason": "Why", "message": "so",
            "lastTransitionTime": "1970-01-01T00:00:00Z", "observedGeneration": 3,
        }])
    );
}

#[test]
fn timestamps_have_whole_seconds() {
    let text = timestamp(at(7) + jiff::SignedDuration::from_millis(900));
    assert_eq!(text, "1970-01-01T00:00:07Z");
    assert_eq!(parse_timestamp(&text), Some(at(7)));
    assert_eq!(parse_timestamp("yesterday"), None);
}

fn selects(selector: &Value, labels: &[(&str, &str)]) -> bool {
    let selector: LabelSelector = serde_json::from_value(selector.clone()).unwrap();
    assert_eq!(selector.problem(), None);
    let labels: BTreeMap<String, String> = labels
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    selector.matches(&labels)
}

#[test]
fn selectors_match_as_kubernetes_does() {
    let expression = |operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": "env", "operator": operator, "values": values}]});
    let prod = [("env", "prod")];
    assert!(selects(&json!({}), &prod));
    assert!(selects(&json!({"matchLabels": {"env": "prod"}}), &prod));
    assert!(!selects(
        &json!({"matchLabels": {"env": "prod", "x": "y"}}),
        &prod
    ));
    assert!(selects(&expression("In", &["dev", "prod"]), &prod));
    assert!(!selects(&expression("In", &["dev"]), &[]));
    assert!(selects(&expression("NotIn", &["dev"]), &[]));
    assert!(!selects(&expression("NotIn", &["prod"]), &prod));
    assert!(selects(&expression("Exists", &[]), &prod));
    assert!(selects(&expression("DoesNotExist", &[]), &[]));
}

#[test]
fn a_selector_that_says_nothing_clear_is_a_problem() {
    let problem = |operator: &str, values: &[&str]| {
        let selector =
            json!({"matchExpressions": [{"key": "a", "operator": operator, "values": values}]});
        serde_json::from_value::<LabelSelector>(selector)
            .unwrap()
            .problem()
    };
    assert!(problem("In", &[]).unwrap().contains("Required value"));
    assert!(problem("Exists", &["x"]).unwrap().contains("Forbidden"));
    let unknown = json!({"matchExpressions": [{"key": "a", "operator": "Near"}]});
    assert!(serde_json::from_value::<LabelSelector>(unknown).is_err());
}

#[test]
fn unknown_fields_are_passed_over_and_a_null_value_is_a_value() {
    let policy: DistributionPolicy = serde_json::from_value(json!({
        "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "DistributionPolicy",
        "metadata": {"name": "p", "managedFields": []},
        "spec": {"resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap", "later": 1}], "new": {}},
    }))
    .unwrap();
    assert_eq!(policy.spec.resource_selectors.len(), 1);
    let read = |value: Value| serde_json::from_value::<Override>(value).unwrap();
    assert_eq!(
        read(json!({"path": "/a", "value": null})).value,
        Some(Value::Null)
    );
    let remove = read(json!({"path": "/a", "op": "remove"}));
    assert_eq!((remove.op, remove.value), (Some(OverrideOp::Remove), None));
}

/// What may differ between the three kinds of distribution policies: names, and what is selected from.
const OWN: &[&str] = &[
    "  name: ",
    "  group: ",
    "  scope: ",
    "    kind: ",
    "    listKind: ",
    "    plural: ",
    "    singular: ",
    "    shortNames: ",
    "          description: Says which clusters run which objects of ",
    "                        description: May be left out, and can only be ",
    "                        description: Only objects of this namespace; ",
    "                        description: Namespace of the object; that of the object that waits ",
];

#[test]
fn twins_have_one_schema() {
    let shared = |text: &'static str| -> Vec<&'static str> {
        let lines = text.lines();
        lines
            .filter(|line| !OWN.iter().any(|own| line.starts_with(own)))
            .collect()
    };
    let one = shared(include_str!(
        "crds/distributionpolicies.policy.kurator.dev.yaml"
    ));
    let scoped = include_str!("crds/clusterdistributionpolicies.policy.kurator.dev.yaml");
    let of_apps = include_str!("crds/distributionpolicies.apps.kurator.dev.yaml");
    assert_eq!(shared(scoped), one);
    assert_eq!(shared(of_apps), one);
}

#[test]
fn every_manifest_is_one_document_of_its_own() {
    for text in CRDS {
        assert!(text.starts_with("apiVersion: apiextensions.k8s.io/v1\n"));
        assert!(!text.contains("\n---"));
    }
}

#[test]
fn a_template_is_known_by_its_group_and_not_by_its_version() {
    let template = |api_version: &str| TemplateRef {
        api_version: api_version.to_owned(),
        kind: "Kind".to_owned(),
        namespace: "space".to_owned(),
        name: "name".to_owned(),
        ..TemplateRef::default()
    };
    let item = template("apps/v1").item();
    assert_eq!(item, template("apps/v2").item());
    assert_eq!(item.to_string(), "Kind.apps space/name");
    assert_eq!(template("v1").item().group, "");
}
