//! Policies, parsed: what cannot be understood whole is [`Unreadable`], and never acted on.

use std::collections::BTreeMap;

use roadstead_protocol::api::decision::PolicyRef;
use roadstead_protocol::api::names::{APPS_GROUP, POLICY_GROUP};
use roadstead_protocol::api::policy::{
    self as api, ConflictResolution, DistributionPolicy, Preemption, ResourceSelector,
};
use roadstead_protocol::api::{LabelSelector, ObjectMeta};
use serde::Deserialize;
use serde_json::Value;

use crate::budget::Budget;
use crate::cluster::Viewpoint;
use crate::failover::Failover;
use crate::options::Options;
use crate::rollout::Rollout;
use crate::scheduling::Scheduling;
use crate::selecting::{self, Selecting};

pub use crate::overrides::rule::{Overrides, Rule};

/// Who a policy is, and from where it looks.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// Namespace; `None` for a cluster-scoped policy.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: String,
    /// Group: `policy.kurator.dev` or `apps.kurator.dev`.
    pub group: String,
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
    pub(crate) fn read(object: &Value) -> Self {
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
            group: group(object).to_owned(),
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
            group: Some(&self.group)
                .filter(|group| group.as_str() == APPS_GROUP)
                .cloned()
                .unwrap_or_default(),
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
        self.reference().fmt(f)
    }
}

/// The group of a policy; lists leave it out where it is the usual one.
fn group(object: &Value) -> &'static str {
    let version = object.get("apiVersion").and_then(Value::as_str);
    let group = version
        .and_then(|v| v.split_once('/'))
        .map(|(group, _)| group);
    if group == Some(APPS_GROUP) {
        APPS_GROUP
    } else {
        POLICY_GROUP
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
    pub selecting: Selecting,
    /// How replicas are shared out, and what hardware is asked for.
    pub scheduling: Scheduling,
    /// What happens to what is on a cluster already and is not ours.
    pub conflicts: ConflictResolution,
    /// Who of several policies takes a template that nobody holds: the highest.
    pub priority: i32,
    /// Whether it takes templates over from holders of a lower priority.
    pub preempts: bool,
    /// How changes reach the clusters; all at once where nothing is said.
    pub rollout: Option<Rollout>,
    /// When its objects move away from a cluster without anybody's doing.
    pub failover: Failover,
    /// How much may be taken from its clusters at a time; no bound where nothing is said.
    pub budget: Option<Budget>,
    /// What else it says.
    pub options: Options,
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

fn parse_distribution(identity: &Identity, object: &Value) -> Result<Policy, String> {
    let read = DistributionPolicy::deserialize(object).map_err(|error| error.to_string())?;
    let spec = read.spec;
    let options = Options::read(&spec, identity.viewpoint())?;
    check_selectors(&spec.resource_selectors)?;
    let scheduling = scheduling(&spec.placement)?;
    let failover = spec.failover.as_ref().map(Failover::read).transpose()?;
    let rollout = spec.rollout.as_ref().map(Rollout::read).transpose()?;
    let budget = spec.disruption_budget.as_ref();
    let budget = budget.map(Budget::read).transpose()?;
    Ok(Policy {
        rollout,
        failover: failover.unwrap_or_default(),
        budget,
        identity: identity.clone(),
        selectors: spec.resource_selectors,
        selecting: Selecting::read(&spec.placement)?,
        scheduling,
        conflicts: spec.conflict_resolution,
        priority: spec.priority,
        preempts: spec.preemption == Preemption::Always,
        options,
    })
}

fn scheduling(placement: &api::Placement) -> Result<Scheduling, String> {
    let scheduling = Scheduling::read(placement)?;
    for (i, weight) in scheduling.replicas.weights().iter().enumerate() {
        let path = format!(
            "spec.placement.replicaScheduling.weightPreference.staticWeightList[{i}].targetCluster"
        );
        selecting::check(&weight.target_cluster, &path, false)?;
    }
    Ok(scheduling)
}

pub(crate) fn check_selectors(selectors: &[ResourceSelector]) -> Result<(), String> {
    for (i, selector) in selectors.iter().enumerate() {
        let path = format!("spec.resourceSelectors[{i}]");
        if selector.kind.is_empty() || selector.api_version.is_empty() {
            return Err(format!("{path}: Required value: apiVersion and kind"));
        }
        check_labels(selector.label_selector.as_ref(), &path)?;
    }
    Ok(())
}

fn check_labels(selector: Option<&LabelSelector>, path: &str) -> Result<(), String> {
    match selector.and_then(LabelSelector::problem) {
        Some(problem) => Err(format!("{path}.labelSelector.{problem}")),
        None => Ok(()),
    }
}
