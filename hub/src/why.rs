//! `POST /roadstead.dev/why`: why an object is where it is, cluster by cluster.
//!
//! Thought anew by the code that decides, from everything that it decides from. For whom a role names it, as it
//! names every cluster.

#![expect(
    clippy::result_large_err,
    reason = "a status is the answer, made once per refused request"
)]

use roadstead_machinery::resource::{Registry, Resource};
use roadstead_machinery::status::Status;
use roadstead_plan::why::Explanation;
use roadstead_protocol::api::decision::ClusterStatus;
use roadstead_protocol::wire::ItemKey;
use roadstead_rest::Page;
use serde::{Deserialize, Serialize};

use crate::hooks::HubHooks;
use crate::page::{Answered, posted};

/// Where it is asked for.
pub(crate) const PATH: &str = "/roadstead.dev/why";
/// Most kinds that are named where none is meant by a word.
const NAMED_MAX: usize = 5;

/// What is asked.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Ask {
    /// Kind or resource, as kubectl takes it.
    pub(crate) kind: String,
    /// The object's namespace; passed over where its kind has none.
    pub(crate) namespace: String,
    /// The object's name.
    pub(crate) name: String,
}

/// Why an object is where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Answer {
    /// The object, as `Kind.group namespace/name`.
    pub(crate) object: String,
    /// The policy that distributes it.
    pub(crate) policy: Option<String>,
    /// Every policy that selects it and gives way.
    pub(crate) contenders: Vec<String>,
    /// Every policy that changes it on some cluster.
    pub(crate) overrides: Vec<String>,
    /// What is to be said about it, in words.
    pub(crate) notes: Vec<String>,
    /// Every cluster, by namespace and name.
    pub(crate) clusters: Vec<Cluster>,
}

/// What is so about one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Cluster {
    /// Namespace.
    pub(crate) namespace: String,
    /// Name.
    pub(crate) name: String,
    /// Whether it is to have the object.
    pub(crate) chosen: bool,
    /// Its share of the replicas, where they are divided.
    pub(crate) replicas: Option<u32>,
    /// Why, in words.
    pub(crate) why: String,
    /// What became of it there, as the Decision says.
    pub(crate) state: Option<ClusterStatus>,
}

/// Answers a request to explain; `None` for any other path.
pub(crate) fn page(hooks: &HubHooks, page: &Page<'_>) -> Option<Answered> {
    (page.path == PATH).then(|| posted(page, "question for a reason", |ask| answer(hooks, ask)))
}

fn answer(hooks: &HubHooks, ask: &Ask) -> Result<Answer, Status> {
    let kinds = hooks.kinds();
    let resource = find(&kinds, &ask.kind).map_err(Status::bad_request)?;
    let namespace = match resource.namespaced {
        true => ask.namespace.clone(),
        false => String::new(),
    };
    let item = ItemKey {
        group: resource.group.clone(),
        kind: resource.kind.clone(),
        namespace,
        name: ask.name.clone(),
    };
    let explained = roadstead_controllers::why(&hooks.parts(), &item);
    let explained = explained.map_err(|error| Status::internal(crate::chain(&error)))?;
    let (explanation, states) =
        explained.ok_or_else(|| Status::not_found(&resource.group, &resource.plural, &ask.name))?;
    Ok(put(&item, explanation, states))
}

fn put(item: &ItemKey, explanation: Explanation, mut states: Vec<ClusterStatus>) -> Answer {
    let mut state = |namespace: &str, name: &str| {
        let at = states
            .iter()
            .position(|s| (s.namespace.as_str(), s.name.as_str()) == (namespace, name));
        at.map(|at| states.swap_remove(at))
    };
    let clusters = explanation.clusters.into_iter().map(|verdict| Cluster {
        state: state(&verdict.namespace, &verdict.name),
        namespace: verdict.namespace,
        name: verdict.name,
        chosen: verdict.runs,
        replicas: verdict.replicas,
        why: verdict.why,
    });
    Answer {
        object: item.to_string(),
        clusters: clusters.collect(),
        policy: explanation.policy,
        contenders: explanation.contenders,
        overrides: explanation.overrides,
        notes: explanation.notes,
    }
}

/// The resource that a word means, as kubectl would find it.
///
/// # Errors
/// For people, where it means none.
pub(crate) fn find<'r>(registry: &'r Registry, word: &str) -> Result<&'r Resource, String> {
    let lower = word.to_lowercase();
    let (name, group) = match lower.split_once('.') {
        Some((name, group)) => (name, Some(group)),
        None => (lower.as_str(), None),
    };
    let fits = |r: &Resource| {
        let named = r.plural == name
            || r.singular == name
            || r.kind.to_lowercase() == name
            || r.short_names.iter().any(|s| s == name);
        named && group.is_none_or(|g| r.group == g)
    };
    if let Some(resource) = registry.iter().find(|r| fits(r)) {
        return Ok(resource);
    }
    let near = registry
        .iter()
        .filter(|r| !name.is_empty() && r.plural.starts_with(name));
    let near: Vec<&str> = near.map(|r| r.plural.as_str()).take(NAMED_MAX).collect();
    let near = match near.as_slice() {
        [] => String::new(),
        near => format!(", such as {}", near.join(", ")),
    };
    Err(format!(
        "kind {word:?}: no such kind is served; see kubectl api-resources{near}"
    ))
}
