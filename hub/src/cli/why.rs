//! `roadstead why`: why an object runs where it runs, and why not elsewhere.
//!
//! A Decision shows a bounded extract; this reads what the decision was made from and recomputes the
//! whole, with the very function that the hub uses.

use std::collections::{BTreeMap, BTreeSet};

use roadstead_machinery::resource::{Registry, Resource};
use roadstead_plan::peers::{Peers, peers as peers_of};
use roadstead_plan::why::{Explanation, why as explain};
use roadstead_plan::{Decided, Former, Template, World, place};
use roadstead_protocol::api::{self, decision};
use roadstead_protocol::wire::ItemKey;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::beside::around;
use super::status::{plain, trimmed};
use crate::client::{Api, Error};
use crate::config::{Output, Why};

/// What a decision is made from, beside the template.
const WORLD: &[&str] = &[
    "/apis/policy.kurator.dev/v1alpha1/distributionpolicies",
    "/apis/policy.kurator.dev/v1alpha1/clusterdistributionpolicies",
    "/apis/apps.kurator.dev/v1alpha1/distributionpolicies",
    "/apis/policy.kurator.dev/v1alpha1/overridepolicies",
    "/apis/policy.kurator.dev/v1alpha1/clusteroverridepolicies",
    "/apis/cluster.kurator.dev/v1alpha1/attachedclusters",
    "/apis/fleet.kurator.dev/v1alpha1/fleets",
    "/apis/roadstead.dev/v1alpha1/decisions",
    "/api/v1/namespaces",
];
const DECISIONS: &str = "/apis/roadstead.dev/v1alpha1/decisions";

/// Recomputes the decision about an object and gives the text to print.
///
/// # Errors
/// When the kind or the object is not known, or the hub does not answer, or refuses.
pub async fn why(args: &Why) -> Result<String, Error> {
    let registry = Registry::hub(api::CRDS)
        .map_err(|e| Error::Flag(format!("the kinds of this program are damaged: {e}")))?;
    let resource = find(&registry, &args.kind)?;
    let hub = Api::connect(&args.target).await?;
    let namespace = match resource.namespaced {
        true => args
            .namespace
            .clone()
            .unwrap_or_else(|| hub.namespace.clone()),
        false => String::new(),
    };
    let object = hub.get(&path(&resource, &namespace, &args.name)).await?;
    let mut objects = Vec::new();
    let mut decisions = Vec::new();
    for path in WORLD {
        let list = hub.list(path).await?.into_iter().map(|o| typed(path, o));
        if *path == DECISIONS {
            decisions.extend(list);
        } else {
            objects.extend(list);
        }
    }
    let world = World::read(
        objects.iter().chain(&decisions),
        BTreeSet::new(),
        roadstead_plan::world::Limits::default(),
    );
    let key = ItemKey {
        group: resource.group.clone(),
        kind: resource.kind.clone(),
        namespace,
        name: args.name.clone(),
    };
    let scale = resource.scale.as_ref().map(|s| s.spec_replicas.as_str());
    let found = states(&key, &decisions);
    let former = former(&key, &decisions);
    let read = decisions
        .iter()
        .filter_map(|d| decision::Decision::deserialize(d).ok());
    let read: Vec<decision::Decision> = read.collect();
    let around = around(&key, &read);
    let stands = read.into_iter().find(|d| is_about(&d.spec, &key));
    let template = Template {
        key: key.clone(),
        object: Some(&object),
        replicas_path: scale,
        former,
        decided: stands
            .as_ref()
            .map(|d| Decided::read(&d.spec))
            .unwrap_or_default(),
        now: std::time::Duration::ZERO,
        basis: stands.and_then(|d| d.spec.basis),
        pledges: Vec::new(),
        around: roadstead_plan::Around {
            peers: peers(&key, &object, &decisions),
            ..around
        },
    };
    let placement = place(&world, &template, None);
    let explanation = explain(&world, &template, &placement);
    Ok(match args.output {
        Output::Text => text(&key, &explanation, &found),
        Output::Json => as_json(&key, &explanation, &found),
    })
}

/// The resource that a word of the command line names, as kubectl would find it.
pub(super) fn find(registry: &Registry, word: &str) -> Result<Resource, Error> {
    let word = word.to_lowercase();
    let (name, group) = match word.split_once('.') {
        Some((name, group)) => (name, Some(group)),
        None => (word.as_str(), None),
    };
    let named = |r: &&std::sync::Arc<Resource>| {
        let fits = r.plural == name
            || r.singular == name
            || r.kind.to_lowercase() == name
            || r.short_names.iter().any(|s| s == name);
        fits && group.is_none_or(|g| r.group == g)
    };
    match registry.iter().find(named) {
        Some(resource) => Ok(Resource::clone(resource)),
        None => Err(Error::NotFound(format!(
            "no kind {word:?} is known; see kubectl api-resources"
        ))),
    }
}

pub(super) fn path(resource: &Resource, namespace: &str, name: &str) -> String {
    let root = match resource.group.as_str() {
        "" => format!("/api/{}", resource.version),
        group => format!("/apis/{group}/{}", resource.version),
    };
    match namespace {
        "" => format!("{root}/{}/{name}", resource.plural),
        namespace => format!("{root}/namespaces/{namespace}/{}/{name}", resource.plural),
    }
}

/// Items of a list do not say their kind; the plan wants to know it.
fn typed(path: &str, mut object: Value) -> Value {
    let kind = match path.rsplit('/').next() {
        Some("distributionpolicies") => "DistributionPolicy",
        Some("clusterdistributionpolicies") => "ClusterDistributionPolicy",
        Some("overridepolicies") => "OverridePolicy",
        Some("clusteroverridepolicies") => "ClusterOverridePolicy",
        Some("attachedclusters") => "AttachedCluster",
        Some("fleets") => "Fleet",
        Some("decisions") => "Decision",
        _ => "Namespace",
    };
    if let Some(map) = object.as_object_mut() {
        map.insert("kind".into(), json!(kind));
        if let Some((version, _)) = path.strip_prefix("/apis/").and_then(|p| p.rsplit_once('/')) {
            map.insert("apiVersion".into(), json!(version));
        }
    }
    object
}

/// What clusters were given by the decision that stands.
fn former(key: &ItemKey, decisions: &[Value]) -> Vec<Former> {
    let decisions = decisions
        .iter()
        .filter_map(|d| decision::Decision::deserialize(d).ok());
    let about = decisions.filter(|d| is_about(&d.spec, key));
    let mut out = Vec::new();
    for decision::Decision { spec, status, .. } in about {
        let seen = |c: &decision::Target| {
            let mut clusters = status.clusters.iter();
            let at = clusters.find(|s| (&s.namespace, &s.name) == (&c.namespace, &c.name))?;
            u32::try_from(at.replicas?).ok()
        };
        out.extend(spec.clusters.iter().map(|c| Former {
            cluster: c.uid.clone(),
            path: (c.namespace.clone(), c.name.clone()),
            template: spec.template.uid.clone(),
            policies: spec.policy.iter().map(|p| p.uid.clone()).collect(),
            digest: None,
            replicas: c.replicas,
            seen: seen(c),
            pinned: c.pinned,
            expired: c.tolerated_seconds,
            delete_contents: spec.template.delete_contents,
        }));
    }
    out
}

/// Where the workloads are that the object wants to be with, or apart from.
fn peers(key: &ItemKey, object: &Value, decisions: &[Value]) -> Peers {
    let metadata = object.get("metadata").unwrap_or(&Value::Null);
    let labels = api::ObjectMeta::deserialize(metadata)
        .unwrap_or_default()
        .labels;
    let decisions = decisions
        .iter()
        .filter_map(|d| decision::Decision::deserialize(d).ok());
    let specs: Vec<decision::Spec> = decisions.map(|d| d.spec).collect();
    peers_of(key, &labels, specs.iter())
}

/// What became of the object, by the cluster's namespace and name.
type States = BTreeMap<(String, String), decision::ClusterStatus>;

/// What the decision that stands says became of the object.
fn states(key: &ItemKey, decisions: &[Value]) -> States {
    let about = decisions
        .iter()
        .filter_map(|d| decision::Decision::deserialize(d).ok())
        .filter(|d| is_about(&d.spec, key));
    about
        .flat_map(|d| d.status.clusters)
        .map(|c| ((c.namespace.clone(), c.name.clone()), c))
        .collect()
}

/// Whether a decision is about the object.
fn is_about(spec: &decision::Spec, key: &ItemKey) -> bool {
    let t = &spec.template;
    let group = t.api_version.split_once('/').map_or("", |(group, _)| group);
    (group, &t.kind, &t.namespace, &t.name) == (&*key.group, &key.kind, &key.namespace, &key.name)
}

/// The state on a cluster, with the member's own words where something is not right.
fn state(found: &States, namespace: &str, name: &str) -> String {
    match found.get(&(namespace.to_owned(), name.to_owned())) {
        None => "-".to_owned(),
        Some(c) if c.message.is_empty() => format!("{}, {}", c.state, c.health),
        Some(c) => format!("{}, {}: {}", c.state, c.health, c.message),
    }
}

fn text(key: &ItemKey, explanation: &Explanation, found: &States) -> String {
    let mut lines = vec![match &explanation.policy {
        Some(policy) => format!("{key} is distributed by {policy}."),
        None => format!("No policy distributes {key}."),
    }];
    if !explanation.contenders.is_empty() {
        lines.push(format!(
            "Also selected by, and these give way: {}.",
            explanation.contenders.join(", ")
        ));
    }
    if !explanation.overrides.is_empty() {
        lines.push(format!(
            "Changed on some cluster by {}.",
            explanation.overrides.join(", ")
        ));
    }
    lines.extend(explanation.notes.iter().cloned());
    if explanation.clusters.is_empty() {
        lines.push("There are no clusters yet: roadstead join NAME".to_owned());
        return lines.join("\n");
    }
    let mut table = plain(&["CLUSTER", "CHOSEN", "REPLICAS", "WHY", "STATE"]);
    for c in &explanation.clusters {
        table.add_row(vec![
            format!("{}/{}", c.namespace, c.name),
            if c.runs { "yes" } else { "no" }.to_owned(),
            c.replicas.map(|n| n.to_string()).unwrap_or_default(),
            c.why.clone(),
            state(found, &c.namespace, &c.name),
        ]);
    }
    format!("{}\n\n{}", lines.join("\n"), trimmed(&table))
}

fn as_json(key: &ItemKey, explanation: &Explanation, found: &States) -> String {
    let clusters: Vec<Value> = explanation
        .clusters
        .iter()
        .map(|c| {
            json!({
                "namespace": c.namespace,
                "name": c.name,
                "chosen": c.runs,
                "replicas": c.replicas,
                "why": c.why,
                "state": found.get(&(c.namespace.clone(), c.name.clone())),
            })
        })
        .collect();
    let all = json!({
        "object": key.to_string(),
        "policy": explanation.policy,
        "contenders": explanation.contenders,
        "overrides": explanation.overrides,
        "notes": explanation.notes,
        "clusters": clusters,
    });
    format!("{all:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_found_as_kubectl_finds_them() {
        let registry = Registry::hub(api::CRDS).unwrap();
        let check = |word: &str, kind: &str| {
            assert_eq!(find(&registry, word).unwrap().kind, kind, "{word}")
        };
        check("deploy", "Deployment");
        check("Deployment", "Deployment");
        check("deployments.apps", "Deployment");
        check("cm", "ConfigMap");
        assert!(find(&registry, "nope").is_err());
    }
}
