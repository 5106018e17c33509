//! Policies, parsed: what cannot be understood whole is [`Unreadable`], and never acted on.

use std::collections::BTreeMap;

use roadstead_protocol::api::decision::PolicyRef;
use roadstead_protocol::api::policy::{
    self as api, ClusterAffinity, ConflictResolution, DistributionPolicy, Override, OverrideOp,
    OverridePolicy, ReplicaScheduling, ReplicaSchedulingType, ResourceSelector,
};
use roadstead_protocol::api::{LabelSelector, ObjectMeta};
use serde::Deserialize;
use serde_json::Value;

use crate::cluster::Viewpoint;
use crate::pointer::Pointer;

/// Who a policy is, and from where it looks.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// Namespace; `None` for a cluster-scoped policy.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: String,
    /// UID.
    pub uid: String,
    /// Generation.
    pub generation: i64,
    /// When it was created, as RFC 3339 in UTC; such texts order as their times do.
    pub created: String,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

impl Identity {
    fn read(object: &Value) -> Self {
        let metadata = object.get("metadata").unwrap_or(&Value::Null);
        let metadata = ObjectMeta::deserialize(metadata).unwrap_or_default();
        Self {
            namespace: (!metadata.namespace.is_empty()).then_some(metadata.namespace),
            name: metadata.name,
            kind: object
                .get("kind")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            uid: metadata.uid,
            generation: metadata.generation,
            created: metadata.creation_timestamp.unwrap_or_default(),
            annotations: metadata.annotations,
        }
    }

    /// From where its names are understood.
    pub fn viewpoint(&self) -> Viewpoint<'_> {
        Viewpoint(self.namespace.as_deref())
    }

    /// As decisions name it.
    pub fn reference(&self) -> PolicyRef {
        PolicyRef {
            kind: self.kind.clone(),
            namespace: self.namespace.clone().unwrap_or_default(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            generation: self.generation,
        }
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// A policy that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Which.
    pub identity: Identity,
    /// What is wrong with it.
    pub problem: String,
}

impl Unreadable {
    /// Whether it is an override policy.
    pub fn overrides(&self) -> bool {
        self.identity.kind == api::OVERRIDE.0 || self.identity.kind == api::CLUSTER_OVERRIDE.0
    }
}

/// A distribution policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Who it is.
    pub identity: Identity,
    /// What it selects.
    pub selectors: Vec<ResourceSelector>,
    /// Where it sends that.
    pub affinity: ClusterAffinity,
    /// How replicas are shared out.
    pub replicas: Replicas,
    /// Whether what is there already is taken over.
    pub overwrite: bool,
}

/// How replicas are shared out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replicas {
    /// Every cluster gets as many as the template says.
    Duplicated,
    /// By weight; equal weights where no list is given.
    Divided(Option<Vec<api::StaticWeight>>),
}

/// An override policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Overrides {
    /// Who it is.
    pub identity: Identity,
    /// What it selects.
    pub selectors: Vec<ResourceSelector>,
    /// What it changes, in order.
    pub rules: Vec<Rule>,
}

/// What an override policy changes on some clusters.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// On which.
    pub target: ClusterAffinity,
    /// What, in order.
    pub changes: Vec<Change>,
}

/// One change of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Where.
    pub pointer: Pointer,
    /// What.
    pub act: Act,
}

/// What is done at a pointer.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// The value is there afterwards, whatever was there before.
    Set(Value),
    /// The value is added; in a list it is inserted.
    Add(Value),
    /// What is there becomes the value.
    Replace(Value),
    /// What is there goes; nothing there is fine.
    Remove,
}

impl Policy {
    /// Parses a DistributionPolicy or its cluster-scoped twin.
    ///
    /// # Errors
    /// When anything in it is not understood.
    pub fn read(object: &Value) -> Result<Self, Box<Unreadable>> {
        let identity = Identity::read(object);
        parse_distribution(&identity, object)
            .map_err(|problem| Box::new(Unreadable { identity, problem }))
    }
}

impl Overrides {
    /// Parses an OverridePolicy or its cluster-scoped twin.
    ///
    /// # Errors
    /// When anything in it is not understood.
    pub fn read(object: &Value) -> Result<Self, Box<Unreadable>> {
        let identity = Identity::read(object);
        parse_overrides(&identity, object)
            .map_err(|problem| Box::new(Unreadable { identity, problem }))
    }
}

fn parse_distribution(identity: &Identity, object: &Value) -> Result<Policy, String> {
    let read = DistributionPolicy::deserialize(object).map_err(|error| error.to_string())?;
    let spec = read.spec;
    check_selectors(&spec.resource_selectors)?;
    let affinity = spec.placement.cluster_affinity.unwrap_or_default();
    check_affinity(&affinity, "spec.placement.clusterAffinity")?;
    let replicas = replicas(spec.placement.replica_scheduling)?;
    Ok(Policy {
        identity: identity.clone(),
        selectors: spec.resource_selectors,
        affinity,
        replicas,
        overwrite: spec.conflict_resolution == ConflictResolution::Overwrite,
    })
}

fn replicas(said: Option<ReplicaScheduling>) -> Result<Replicas, String> {
    let said = said.unwrap_or_default();
    let preferred = said.replica_division_preference.is_some() || said.weight_preference.is_some();
    let kind = said.replica_scheduling_type.unwrap_or(if preferred {
        ReplicaSchedulingType::Divided
    } else {
        ReplicaSchedulingType::Duplicated
    });
    match kind {
        ReplicaSchedulingType::Duplicated => Ok(Replicas::Duplicated),
        ReplicaSchedulingType::Divided => {
            let list = said.weight_preference.map(|w| w.static_weight_list);
            for (i, weight) in list.iter().flatten().enumerate() {
                let path = format!(
                    "spec.placement.replicaScheduling.weightPreference.staticWeightList[{i}].targetCluster"
                );
                check_affinity(&weight.target_cluster, &path)?;
            }
            Ok(Replicas::Divided(list.filter(|list| !list.is_empty())))
        }
    }
}

fn parse_overrides(identity: &Identity, object: &Value) -> Result<Overrides, String> {
    let read = OverridePolicy::deserialize(object).map_err(|error| error.to_string())?;
    check_selectors(&read.spec.resource_selectors)?;
    let rules = read
        .spec
        .override_rules
        .into_iter()
        .enumerate()
        .map(|(i, rule)| {
            let target = rule.target_clusters.unwrap_or_default();
            check_affinity(&target, &format!("spec.overrideRules[{i}].targetClusters"))?;
            let changes = rule.overrides.into_iter().enumerate().map(|(j, change)| {
                parse_change(change)
                    .map_err(|problem| format!("spec.overrideRules[{i}].overrides[{j}].{problem}"))
            });
            Ok(Rule {
                target,
                changes: changes.collect::<Result<_, String>>()?,
            })
        });
    Ok(Overrides {
        identity: identity.clone(),
        selectors: read.spec.resource_selectors,
        rules: rules.collect::<Result<_, String>>()?,
    })
}

fn parse_change(said: Override) -> Result<Change, String> {
    let pointer = Pointer::parse(&said.path).map_err(|error| format!("path: {error}"))?;
    let value = said
        .value
        .ok_or("value: Required value: needed unless op is \"remove\"");
    let act = match said.op {
        None => Act::Set(value?),
        Some(OverrideOp::Add) => Act::Add(value?),
        Some(OverrideOp::Replace) => Act::Replace(value?),
        Some(OverrideOp::Remove) => Act::Remove,
    };
    Ok(Change { pointer, act })
}

fn check_selectors(selectors: &[ResourceSelector]) -> Result<(), String> {
    for (i, selector) in selectors.iter().enumerate() {
        let path = format!("spec.resourceSelectors[{i}]");
        if selector.kind.is_empty() || selector.api_version.is_empty() {
            return Err(format!("{path}: Required value: apiVersion and kind"));
        }
        check_labels(selector.label_selector.as_ref(), &path)?;
    }
    Ok(())
}

fn check_affinity(affinity: &ClusterAffinity, path: &str) -> Result<(), String> {
    check_labels(affinity.label_selector.as_ref(), path)
}

fn check_labels(selector: Option<&LabelSelector>, path: &str) -> Result<(), String> {
    match selector.and_then(LabelSelector::problem) {
        Some(problem) => Err(format!("{path}.labelSelector.{problem}")),
        None => Ok(()),
    }
}
