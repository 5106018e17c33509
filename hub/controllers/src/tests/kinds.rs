//! The manifests of our kinds, through the API machinery: what is accepted, and what is said about
//! what is not.

use roadstead_machinery::validate;

use super::*;

/// What the API says about an object: fields it does not know, then faults.
fn say(object: &Value) -> Vec<String> {
    let registry = Registry::hub(CRDS).unwrap();
    let (group, version) = object["apiVersion"]
        .as_str()
        .unwrap()
        .split_once('/')
        .unwrap();
    let resource = registry
        .by_gvk(group, version, object["kind"].as_str().unwrap())
        .unwrap();
    let mut object = object.clone();
    match validate::fit(resource, &mut object) {
        Ok(unknown) => {
            let unknown = unknown
                .into_iter()
                .map(|path| format!("unknown field {path}"));
            let faults = validate::object(resource, &object);
            unknown
                .chain(faults.into_iter().map(|fault| fault.to_string()))
                .collect()
        }
        Err(mismatch) => vec![mismatch.to_string()],
    }
}

fn with(pointer: &str, value: Value) -> Value {
    let mut policy = weighted("p", &[("prod", 1)]);
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    match policy.pointer_mut(pointer) {
        Some(there) => *there = value,
        None => policy.pointer_mut(parent).unwrap()[field] = value,
    }
    policy
}

fn check(object: &Value, expected: &[&str]) {
    assert_eq!(say(object), expected);
}

#[test]
fn a_good_policy_is_accepted() {
    check(&weighted("p", &[("prod", 90), ("dr", 10)]), &[]);
    check(&with("/spec/conflictResolution", json!("Overwrite")), &[]);
    check(
        &with("/spec/conflictResolution", json!("AdoptIfEqual")),
        &[],
    );
}

#[test]
fn a_bad_policy_is_refused_with_path_value_and_what_is_allowed() {
    check(
        &with("/spec/conflictResolution", json!("Merge")),
        &[
            "spec.conflictResolution: Unsupported value: \"Merge\": supported values: \"Abort\", \"AdoptIfEqual\", \"Overwrite\"",
        ],
    );
    let weight = "/spec/placement/replicaScheduling/weightPreference/staticWeightList/0";
    let mut negative = weighted("p", &[("prod", 1)]);
    negative.pointer_mut(weight).unwrap()["weight"] = json!(-1);
    check(
        &negative,
        &[
            "spec.placement.replicaScheduling.weightPreference.staticWeightList[0].weight: Invalid value: -1: spec.placement.replicaScheduling.weightPreference.staticWeightList[0].weight in body should be greater than or equal to 0",
        ],
    );
    check(
        &with("/spec/resourceSelectors", json!([])),
        &[
            "spec.resourceSelectors: Invalid value: 0: spec.resourceSelectors in body should have at least 1 items",
        ],
    );
    check(
        &with("/spec/resourceSelectors/0", json!({"kind": "Deployment"})),
        &["spec.resourceSelectors[0].apiVersion: Required value"],
    );
    check(
        &with("/spec/placement/spread", json!(1)),
        &["unknown field spec.placement.spread"],
    );
}

/// The folder beside the repository that holds what users of Kurator have; `None` where it is not.
fn shared(path: &str) -> Option<Vec<Value>> {
    let path = format!("{}/../../../shared/{path}", env!("CARGO_MANIFEST_DIR"));
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: {path} is not there");
        return None;
    };
    let documents = text.split("\n---\n").filter(|part| !part.trim().is_empty());
    Some(
        documents
            .map(|part| serde_saphyr::from_str(part).unwrap())
            .collect(),
    )
}

#[test]
fn what_users_have_is_accepted_as_it_is() {
    for path in [
        "seed/distribution-policy.yaml",
        "kurator/examples/application/common/attachedcluster.yaml",
        "kurator/examples/application/common/fleet.yaml",
        "kurator/examples/fleet/fleet.yaml",
    ] {
        for mut object in shared(path).into_iter().flatten() {
            // What a client puts there where nothing is said.
            object["metadata"]["namespace"] = json!("default");
            check(&object, &[]);
        }
    }
}

#[test]
fn twins_differ_in_scope_only() {
    let registry = Registry::hub(CRDS).unwrap();
    for (one, twin) in [
        ("DistributionPolicy", "ClusterDistributionPolicy"),
        ("OverridePolicy", "ClusterOverridePolicy"),
    ] {
        let of = |kind: &str| {
            registry
                .by_kind("policy.kurator.dev", kind)
                .unwrap()
                .clone()
        };
        assert!(of(one).namespaced && !of(twin).namespaced);
        let columns = |kind: &str| {
            of(kind)
                .columns
                .iter()
                .map(|c| c.name.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(columns(one), columns(twin));
    }
}

#[test]
fn names_collide_with_nobodys() {
    let registry = Registry::hub(CRDS).unwrap();
    let mut names: Vec<(String, String)> = Vec::new();
    for resource in registry.iter() {
        let own = resource
            .short_names
            .iter()
            .chain([&resource.plural, &resource.singular]);
        names.extend(own.map(|name| (name.clone(), resource.kind.clone())));
    }
    names.sort();
    names.dedup();
    let ours: Vec<&str> = vec!["acl", "flt", "dpol", "cdpol", "opol", "copol", "dec"];
    for name in ours {
        assert_eq!(names.iter().filter(|(n, _)| n == name).count(), 1, "{name}");
    }
}
