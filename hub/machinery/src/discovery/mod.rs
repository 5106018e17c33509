//! The documents in which clients look up what is served: aggregated (one document for all) and
//! legacy (one per group and version).
//!
//! Both are made from a [`Registry`] and depend on nothing else, so they change only with it.

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use crate::resource::{Origin, Registry, Resource};

/// The form of the aggregated document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregated {
    /// `apidiscovery.k8s.io/v2`
    V2,
    /// `apidiscovery.k8s.io/v2beta1`, which clients up to 1.36 offer as second choice.
    V2Beta1,
}

impl Aggregated {
    /// The version, as in `v2`.
    pub fn version(self) -> &'static str {
        match self {
            Self::V2 => "v2",
            Self::V2Beta1 => "v2beta1",
        }
    }

    /// The media type that the answer must carry: without its parameters clients take the body for
    /// a legacy one.
    pub fn media_type(self) -> String {
        let version = self.version();
        format!("application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList")
    }
}

/// Which part of the aggregated document: the core group stands under `/api`, the others under
/// `/apis`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `/api`
    Core,
    /// `/apis`
    Groups,
}

/// The aggregated document of `/api` or `/apis`.
pub fn aggregated(registry: &Registry, part: Part, form: Aggregated) -> Value {
    let wanted = |group: &str| (part == Part::Core) == group.is_empty();
    let items: Vec<Value> = registry
        .groups()
        .into_iter()
        .filter(|(group, _)| wanted(group))
        .map(|(group, versions)| {
            let versions = versions.iter().map(|version| {
                let served = in_version(registry, group, version);
                let resources: Vec<Value> = served.map(aggregated_resource).collect();
                json!({"version": version, "resources": resources, "freshness": "Current"})
            });
            let versions: Vec<Value> = versions.collect();
            let mut metadata = Map::new();
            if !group.is_empty() {
                metadata.insert("name".to_owned(), group.into());
            }
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": format!("apidiscovery.k8s.io/{}", form.version()),
        "metadata": {},
        "items": items,
    })
}

/// The legacy document of `/api`. `address` is how clients reach this server, as in `host:port`.
pub fn core_versions(registry: &Registry, address: &str) -> Value {
    let groups = registry.groups();
    let core = groups.into_iter().find(|(group, _)| group.is_empty());
    json!({
        "kind": "APIVersions",
        "versions": core.map(|(_, versions)| versions).unwrap_or_default(),
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    })
}

/// The legacy document of `/apis`.
pub fn groups(registry: &Registry) -> Value {
    let groups = registry.groups().into_iter();
    let named = groups.filter(|(group, _)| !group.is_empty());
    let groups: Vec<Value> = named
        .map(|(group, versions)| of_group(group, &versions))
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// The legacy document of `/apis/group`.
pub fn group(registry: &Registry, group: &str) -> Option<Value> {
    let found = registry
        .groups()
        .into_iter()
        .find(|(name, _)| *name == group);
    let (name, versions) = found.filter(|(name, _)| !name.is_empty())?;
    let mut document = of_group(name, &versions);
    if let Value::Object(map) = &mut document {
        map.insert("kind".to_owned(), "APIGroup".into());
        map.insert("apiVersion".to_owned(), "v1".into());
    }
    Some(document)
}

/// The legacy document of `/apis/group/version`, or `/api/version` for the core group.
pub fn resources(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    if !registry.serves(group, version) {
        return None;
    }
    let served = in_version(registry, group, version);
    let resources: Vec<Value> = served.flat_map(legacy_resources).collect();
    Some(json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version(group, version),
        "resources": resources,
    }))
}

fn in_version<'a>(
    registry: &'a Registry,
    group: &'a str,
    version: &'a str,
) -> impl Iterator<Item = &'a Resource> {
    let all = registry.iter().map(AsRef::as_ref);
    all.filter(move |r: &&Resource| r.group == group && r.version == version)
}

fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

fn of_group(group: &str, versions: &[&str]) -> Value {
    let version =
        |version: &&str| json!({"groupVersion": group_version(group, version), "version": version});
    let listed: Vec<Value> = versions.iter().map(version).collect();
    json!({"name": group, "preferredVersion": listed.first(), "versions": listed})
}

/// What a subresource answers with, and its verbs.
struct Sub {
    name: &'static str,
    /// Group, version and kind; empty group and version mean those of the resource.
    kind: (String, String, String),
    verbs: &'static [&'static str],
}

const SUB_VERBS: &[&str] = &["get", "patch", "update"];

fn subresources(resource: &Resource) -> Vec<Sub> {
    let own = own_kind(resource);
    let status = resource.status.then_some(Sub {
        name: "status",
        kind: own,
        verbs: SUB_VERBS,
    });
    let scale = resource.scale.is_some().then(|| Sub {
        name: "scale",
        kind: (
            "autoscaling".to_owned(),
            "v1".to_owned(),
            "Scale".to_owned(),
        ),
        verbs: SUB_VERBS,
    });
    scale.into_iter().chain(status).collect()
}

fn own_kind(resource: &Resource) -> (String, String, String) {
    // A real server leaves the group and version of built-in kinds out.
    let (group, version) = match resource.origin {
        Origin::BuiltIn => (String::new(), String::new()),
        Origin::Own | Origin::Custom => (resource.group.clone(), resource.version.clone()),
    };
    (group, version, resource.kind.clone())
}

fn aggregated_resource(resource: &Resource) -> Value {
    let kind = |(group, version, kind): (String, String, String)| json!({"group": group, "version": version, "kind": kind});
    let scope = if resource.namespaced {
        "Namespaced"
    } else {
        "Cluster"
    };
    let mut out = json!({
        "resource": resource.plural,
        "responseKind": kind(own_kind(resource)),
        "scope": scope,
        "singularResource": resource.singular,
        "verbs": resource.verbs,
    });
    let subresources = subresources(resource).into_iter().map(
        |sub| json!({"subresource": sub.name, "responseKind": kind(sub.kind), "verbs": sub.verbs}),
    );
    let subresources: Vec<Value> = subresources.collect();
    if let Value::Object(map) = &mut out {
        insert_list(map, "shortNames", &resource.short_names);
        insert_list(map, "categories", &resource.categories);
        if !subresources.is_empty() {
            map.insert("subresources".to_owned(), subresources.into());
        }
    }
    out
}

fn legacy_resources(resource: &Resource) -> Vec<Value> {
    let mut main = json!({
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": resource.verbs,
    });
    if let Value::Object(map) = &mut main {
        insert_list(map, "shortNames", &resource.short_names);
        insert_list(map, "categories", &resource.categories);
    }
    let mut out = vec![main];
    for sub in subresources(resource) {
        let mut entry = json!({
            "name": format!("{}/{}", resource.plural, sub.name),
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": sub.kind.2,
            "verbs": sub.verbs,
        });
        if let Value::Object(map) = &mut entry
            && sub.name == "scale"
        {
            map.insert("group".to_owned(), sub.kind.0.into());
            map.insert("version".to_owned(), sub.kind.1.into());
        }
        out.push(entry);
    }
    out
}

fn insert_list(map: &mut Map<String, Value>, key: &str, items: &[String]) {
    if !items.is_empty() {
        map.insert(key.to_owned(), items.into());
    }
}
