//! One object that people wrote, what selects it, and what was decided about it before.

use std::collections::BTreeMap;

use roadstead_protocol::api::names::TEMPLATE_LABEL;
use roadstead_protocol::api::policy::ResourceSelector;
use roadstead_protocol::api::{LabelSelector, ObjectMeta};
use roadstead_protocol::wire::{Digest, ItemKey};
use serde::Deserialize;
use serde_json::Value;

use crate::confirmation::Loss;
use crate::policy::Identity;

/// One object that may be sent to clusters.
#[derive(Clone, Debug)]
pub struct Template<'a> {
    /// What names it, here and on every cluster.
    pub key: ItemKey,
    /// The object; `None` where it is not there (any more).
    pub object: Option<&'a Value>,
    /// Where its wanted number of replicas stands, as a JSON path like `.spec.replicas`; `None`
    /// for a kind that has none.
    pub replicas_path: Option<&'a str>,
    /// What clusters were given, or are still to lose nothing of.
    pub former: Vec<Former>,
}

/// What a cluster was given by an earlier decision: an entry of its ledger that is a put.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Former {
    /// UID of the cluster.
    pub cluster: String,
    /// Namespace and name of the cluster at that time, for people.
    pub path: (String, String),
    /// UID of the template.
    pub template: String,
    /// UIDs of the policies that claimed it.
    pub policies: Vec<String>,
    /// What was given; `None` where it is not known.
    pub digest: Option<Digest>,
    /// Its share of the replicas, where they were divided.
    pub replicas: Option<u32>,
    /// Whether the template asked that its removal deletes what is inside it.
    pub delete_contents: bool,
}

impl Former {
    /// What the cluster would lose with it.
    pub(crate) fn loss(&self, item: &ItemKey) -> Loss {
        Loss {
            cluster: self.cluster.clone(),
            item: item.clone(),
            template: self.template.clone(),
        }
    }
}

impl Template<'_> {
    /// Its metadata; empty where the object is not there.
    pub fn metadata(&self) -> ObjectMeta {
        let metadata = self.object.and_then(|o| o.get("metadata"));
        ObjectMeta::deserialize(metadata.unwrap_or(&Value::Null)).unwrap_or_default()
    }
}

/// How narrowly a selector chose: what is named goes before what has labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Specificity {
    /// Everything of the kind.
    Kind,
    /// By labels.
    Labels,
    /// By name.
    Name,
}

/// Whether objects of a kind are templates only where they carry the template label from their
/// creation: kinds that the hub itself obeys, and all that is cluster-scoped.
pub fn needs_label(group: &str, kind: &str, namespaced: bool) -> bool {
    !namespaced
        || matches!(
            group,
            "rbac.authorization.k8s.io" | "admissionregistration.k8s.io"
        )
        || (group.is_empty() && kind == "ServiceAccount")
}

/// Whether an object is a template, given its kind.
pub fn is_template(key: &ItemKey, labels: &BTreeMap<String, String>) -> bool {
    !needs_label(&key.group, &key.kind, !key.namespace.is_empty())
        || labels.get(TEMPLATE_LABEL).is_some_and(|v| v == "true")
}

/// How narrowly a policy selects an object, if it does.
pub fn selected(
    policy: &Identity,
    selectors: &[ResourceSelector],
    key: &ItemKey,
    labels: &BTreeMap<String, String>,
) -> Option<Specificity> {
    if policy
        .namespace
        .as_ref()
        .is_some_and(|ns| *ns != key.namespace)
    {
        return None;
    }
    selectors
        .iter()
        .filter_map(|selector| select(selector, key, labels))
        .max()
}

fn select(
    selector: &ResourceSelector,
    key: &ItemKey,
    labels: &BTreeMap<String, String>,
) -> Option<Specificity> {
    let group = selector
        .api_version
        .split_once('/')
        .map_or("", |(group, _)| group);
    if group != key.group || selector.kind != key.kind {
        return None;
    }
    if !selector.namespace.is_empty() && selector.namespace != key.namespace {
        return None;
    }
    if !selector.name.is_empty() {
        return (selector.name == key.name).then_some(Specificity::Name);
    }
    match &selector.label_selector {
        Some(wanted) if !LabelSelector::is_empty(wanted) => {
            wanted.matches(labels).then_some(Specificity::Labels)
        }
        Some(_) | None => Some(Specificity::Kind),
    }
}
