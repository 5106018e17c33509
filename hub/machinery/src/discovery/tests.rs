use std::path::PathBuf;

use super::*;

/// Everything that the recorded server says of the groups that are served here as well.
fn recorded() -> Option<Vec<(String, bool, Value)>> {
    let path = "../../../shared/apiserver/golden/01-discovery.jsonl";
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: the recordings are not at {}", path.display());
        return None;
    };
    let exchanges = text.lines().map(|line| {
        let exchange: Value = serde_json::from_str(line).unwrap();
        let aggregated = exchange["req"]["headers"]["Accept"].is_string();
        let path = exchange["req"]["path"].as_str().unwrap().to_owned();
        (path, aggregated, exchange["resp"]["body"].clone())
    });
    Some(exchanges.collect())
}

fn registry() -> Registry {
    let registry = Registry::member().unwrap();
    let path = "../../../shared/apiserver/golden/crd.json";
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    match std::fs::read_to_string(path) {
        Ok(text) => registry
            .with_crd(&serde_json::from_str(&text).unwrap())
            .unwrap(),
        Err(_) => registry,
    }
}

/// Lists of which the order means nothing are sorted, what is not served here is left out.
fn normal(mut value: Value, ours: &[&str]) -> Value {
    if let Some(Value::Array(verbs)) = value.get_mut("verbs") {
        verbs.sort_by_key(ToString::to_string);
    }
    if let Some(Value::Array(subs)) = value.get_mut("subresources") {
        subs.retain(|s| ours.contains(&s["subresource"].as_str().unwrap()));
        subs.sort_by_key(|s| s["subresource"].to_string());
        let none = subs.is_empty();
        if none {
            value.as_object_mut().unwrap().remove("subresources");
        }
    }
    if let Value::Object(map) = &mut value {
        map.remove("storageVersionHash");
    }
    value
}

#[test]
fn aggregated_discovery_is_that_of_a_real_server() {
    let Some(recorded) = recorded() else { return };
    let registry = registry();
    let mut compared = 0;
    for (path, _, theirs) in recorded.iter().filter(|(_, aggregated, _)| *aggregated) {
        let part = match path.as_str() {
            "/api" => Part::Core,
            "/apis" => Part::Groups,
            _ => continue,
        };
        let ours = aggregated(&registry, part, Aggregated::V2);
        assert_eq!(ours["apiVersion"], theirs["apiVersion"]);
        for group in ours["items"].as_array().unwrap() {
            let theirs = theirs["items"].as_array().unwrap();
            let theirs = theirs
                .iter()
                .find(|g| g["metadata"] == group["metadata"])
                .unwrap();
            for version in group["versions"].as_array().unwrap() {
                let theirs = theirs["versions"].as_array().unwrap();
                let theirs = theirs
                    .iter()
                    .find(|v| v["version"] == version["version"])
                    .unwrap();
                for resource in version["resources"].as_array().unwrap() {
                    let theirs = theirs["resources"].as_array().unwrap();
                    let theirs = theirs
                        .iter()
                        .find(|r| r["resource"] == resource["resource"]);
                    let subs = ["status", "scale"];
                    let theirs = normal(theirs.unwrap().clone(), &subs);
                    assert_eq!(normal(resource.clone(), &subs), theirs);
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 50, "only {compared} resources");
}

#[test]
fn legacy_discovery_is_that_of_a_real_server() {
    let Some(recorded) = recorded() else { return };
    let registry = registry();
    let theirs = |path: &str| {
        let found = recorded
            .iter()
            .find(|(p, aggregated, _)| p == path && !aggregated);
        found.unwrap().2.clone()
    };
    assert_eq!(core_versions(&registry, "127.0.0.1:18443"), theirs("/api"));
    assert_eq!(
        group(&registry, "spike.example.io").unwrap(),
        theirs("/apis/spike.example.io")
    );
    for (path, name, version) in [
        ("/apis/spike.example.io/v1", "spike.example.io", "v1"),
        (
            "/apis/authorization.k8s.io/v1",
            "authorization.k8s.io",
            "v1",
        ),
    ] {
        let sorted = |list: Value| {
            let resources = list["resources"].as_array().unwrap().iter();
            let mut resources: Vec<Value> = resources.map(|r| normal(r.clone(), &[])).collect();
            resources.sort_by_key(|r| r["name"].to_string());
            resources
        };
        let ours = resources(&registry, name, version).unwrap();
        assert_eq!(ours["groupVersion"], theirs(path)["groupVersion"]);
        assert_eq!(sorted(ours), sorted(theirs(path)));
    }
    let groups = groups(&registry);
    let apps = groups["groups"]
        .as_array()
        .unwrap()
        .iter()
        .find(|g| g["name"] == "apps");
    let recorded = theirs("/apis");
    let recorded = recorded["groups"]
        .as_array()
        .unwrap()
        .iter()
        .find(|g| g["name"] == "apps");
    assert_eq!(apps, recorded);
}

#[test]
fn what_is_not_served_has_no_document() {
    let registry = Registry::member().unwrap();
    assert_eq!(group(&registry, "nosuch"), None);
    assert_eq!(group(&registry, ""), None);
    assert_eq!(resources(&registry, "apps", "v2"), None);
    let v2beta1 = Aggregated::V2Beta1.media_type();
    assert_eq!(
        v2beta1,
        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
    );
}
