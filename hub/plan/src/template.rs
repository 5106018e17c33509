//! One object that people wrote, what selects it, and what was decided about it before.

use std::collections::BTreeMap;
use std::time::Duration;

use roadstead_protocol::api::decision::Spec;
use roadstead_protocol::api::failover::FailedOver;
use roadstead_protocol::api::names::TEMPLATE_LABEL;
use roadstead_protocol::api::policy::ResourceSelector;
use roadstead_protocol::api::{LabelSelector, ObjectMeta};
use roadstead_protocol::wire::{Digest, ItemKey};
use serde::Deserialize;
use serde_json::Value;

use crate::budget::Standing;
use crate::confirmation::Loss;
use crate::deps::order::Awaited;
use crate::deps::requirers::{Needs, REQUIRED, Requirer};
use crate::failover::Failing;
use crate::observed::Observed;
use crate::peers::Peers;
use crate::policy::Identity;
use crate::resources::Pod;
use crate::rollout::Waves;

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
    /// What the former division of its replicas went by.
    pub basis: Option<String>,
    /// What else was promised to clusters and is not yet to be seen in what they say is free.
    pub pledges: Vec<Pledge>,
    /// What belongs to it.
    pub around: Around,
    /// What was decided before, beside that.
    pub decided: Decided,
    /// What was last observed of it, by the UIDs of clusters. May be empty unless
    /// [`Placement::watches`](crate::Placement::watches).
    pub observed: BTreeMap<String, Observed>,
    /// For how long what it fails over by has been so. Nothing unless
    /// [`Placement::watches`](crate::Placement::watches).
    pub failing: Failing,
    /// How the clusters are that hold something of its policy, where that has a disruption budget. May be
    /// `None` unless [`Placement::asks`](crate::Placement::asks).
    pub budget: Option<Standing>,
    /// The rollouts that it has to do with.
    pub rollout: Waves,
    /// The time, counted from the hub's start. Zero where nobody counts.
    pub now: Duration,
}

/// What an earlier decision said of the choice of clusters. Empty where it said nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// UID of the policy that holds the template.
    pub policy: String,
    /// The policy's group of clusters that is in use, where it has several.
    pub affinity: String,
    /// The groups of workloads that it belonged to, as the label's key and value.
    pub groups: BTreeMap<String, String>,
    /// What tells the last rebalancing that was asked for from others.
    pub rebalance: String,
    /// How often something began to wait for what replaces it, and how often that ended: odd while it
    /// does.
    pub moves: u32,
    /// The clusters that it was failed over from.
    pub failed_over: Vec<FailedOver>,
}

impl Decided {
    /// What a Decision says.
    pub fn read(decision: &Spec) -> Self {
        let policy = decision.policy.as_ref();
        Self {
            policy: policy.map(|p| p.uid.clone()).unwrap_or_default(),
            affinity: decision.affinity.clone(),
            groups: decision.groups.clone(),
            rebalance: decision.rebalance.clone(),
            moves: decision.moves,
            failed_over: decision.failed_over.clone(),
        }
    }
}

/// What belongs to an object, as decisions stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// Name of the CustomResourceDefinition of its kind, where it has one.
    pub definition: Option<String>,
    /// What it needed at its last decision.
    pub requires: BTreeMap<ItemKey, Needs>,
    /// Who needs it, or did.
    pub requirers: Vec<Requirer>,
    /// What it waits for.
    pub awaited: Vec<Awaited>,
    /// Where the workloads are that it wants to be with, or apart from.
    pub peers: Peers,
}

/// Pods that a cluster was promised, and has not got yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pledge {
    /// UID of the cluster.
    pub cluster: String,
    /// One of them.
    pub pod: Pod,
    /// How many.
    pub pods: u32,
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
    /// UIDs of the policies that claimed it, and `required` where other objects needed it.
    pub policies: Vec<String>,
    /// What was given; `None` where it is not known.
    pub digest: Option<Digest>,
    /// Its share of the replicas, where they were divided.
    pub replicas: Option<u32>,
    /// For how many of them what its agent says is free accounts; `None` without news.
    pub seen: Option<u32>,
    /// What override policies made of its number of replicas, where they did.
    pub pinned: Option<u32>,
    /// Which rules of override policies that go by what the cluster reports were in force when that was
    /// made.
    pub facts: String,
    /// For how many seconds its taints were tolerated, where these have passed and it is still there.
    pub expired: Option<u64>,
    /// Whether the template asked that its removal deletes what is inside it.
    pub delete_contents: bool,
    /// Replicas that it has beyond its share, until what replaces them was seen healthy elsewhere.
    pub extra: u32,
    /// Whether what it has comes up for what goes elsewhere, and was not seen healthy yet.
    pub arriving: bool,
    /// Whether what it has counts no more: it goes as soon as what replaces it is there.
    pub outside: bool,
    /// How many replicas it was given, where its share was decided anew and not given yet.
    pub given: Option<u32>,
}

impl Former {
    /// Whether a policy of its own put it there, and not only that something needs it there.
    pub(crate) fn is_own(&self) -> bool {
        self.policies.is_empty() || self.policies.iter().any(|uid| uid != REQUIRED)
    }

    /// How many replicas it was given, where it keeps that though its share is this.
    pub(crate) fn given_beside(&self, share: Option<u32>) -> Option<u32> {
        let had = self.replicas.filter(|_| share != self.replicas);
        self.given.or(had)
    }

    /// Whether something needs it there, or did.
    pub(crate) fn is_required(&self) -> bool {
        self.policies.iter().any(|uid| uid == REQUIRED)
    }

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
    if selector.group() != key.group || selector.kind != key.kind {
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
