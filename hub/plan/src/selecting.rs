//! How a policy chooses clusters, parsed: what cannot be understood is an error, never a choice.

use std::collections::BTreeSet;

use roadstead_protocol::api::LabelSelector;
use roadstead_protocol::api::policy::{ClusterAffinity, Placement};
use roadstead_protocol::api::selection::{Toleration, WorkloadGroup};

use crate::spread::Spread;
use crate::{fields, spread, toleration};

/// How a policy chooses clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selecting {
    /// The choices, of which the first that is possible is used; at least one.
    pub groups: Vec<Group>,
    /// Which taints are no obstacle.
    pub tolerations: Vec<Toleration>,
    /// Among how many groups of clusters it is spread.
    pub spread: Vec<Spread>,
    /// Which workloads want to be together, and which apart.
    pub workload: Workload,
}

/// Which workloads want to be together, and which apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// Key of the label that says who wants to be together.
    pub together: Option<String>,
    /// Key of the label that says who wants to be apart.
    pub apart: Option<String>,
}

/// One choice of clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Its name; empty where it is the only one.
    pub name: String,
    /// The choice.
    pub affinity: ClusterAffinity,
}

impl Selecting {
    /// Reads it from a placement.
    ///
    /// # Errors
    /// What is wrong, with its path.
    pub(crate) fn read(said: &Placement) -> Result<Self, String> {
        for (i, toleration) in said.cluster_tolerations.iter().enumerate() {
            if let Some(problem) = toleration::problem(toleration) {
                return Err(format!("spec.placement.clusterTolerations[{i}].{problem}"));
            }
        }
        let spread = spread::parse(&said.spread_constraints)
            .map_err(|problem| format!("spec.placement.spreadConstraints{problem}"))?;
        Ok(Self {
            groups: groups(said)?,
            tolerations: said.cluster_tolerations.clone(),
            spread,
            workload: workload(said)?,
        })
    }
}

fn workload(said: &Placement) -> Result<Workload, String> {
    let said = said.workload_affinity.clone().unwrap_or_default();
    let key = |group: Option<WorkloadGroup>| group.map(|group| group.group_by_label_key);
    let (together, apart) = (key(said.affinity), key(said.anti_affinity));
    if together.is_some() && together == apart {
        let both = "spec.placement.workloadAffinity.antiAffinity.groupByLabelKey: Invalid value: \
                    the same workloads cannot be together and apart";
        return Err(both.to_owned());
    }
    Ok(Workload { together, apart })
}

fn groups(said: &Placement) -> Result<Vec<Group>, String> {
    if said.cluster_affinities.is_empty() {
        let affinity = said.cluster_affinity.clone().unwrap_or_default();
        check(&affinity, "spec.placement.clusterAffinity", true)?;
        let name = String::new();
        return Ok(vec![Group { name, affinity }]);
    }
    if said.cluster_affinity.is_some() {
        let both = "spec.placement.clusterAffinities: Forbidden: only one of clusterAffinity and \
                    clusterAffinities";
        return Err(both.to_owned());
    }
    let mut names = BTreeSet::new();
    let terms = said.cluster_affinities.iter().enumerate();
    terms
        .map(|(i, term)| {
            let path = format!("spec.placement.clusterAffinities[{i}]");
            let name = term.affinity_name.clone();
            if name.is_empty() || !names.insert(name.clone()) {
                return Err(format!(
                    "{path}.affinityName: Invalid value: {name:?} must be there and its own"
                ));
            }
            check(&term.affinity, &path, true)?;
            let affinity = term.affinity.clone();
            Ok(Group { name, affinity })
        })
        .collect()
}

/// Checks a choice of clusters at a path. Where `facts` are not allowed it may not ask for what
/// clusters report.
///
/// # Errors
/// What is wrong with it, with its path.
pub(crate) fn check(affinity: &ClusterAffinity, path: &str, facts: bool) -> Result<(), String> {
    let labels = affinity.label_selector.as_ref();
    if let Some(problem) = labels.and_then(LabelSelector::problem) {
        return Err(format!("{path}.labelSelector.{problem}"));
    }
    let fields = affinity.field_selector.as_ref();
    match fields.and_then(|fields| fields::problem(fields, facts)) {
        Some(problem) => Err(format!("{path}.{problem}")),
        None => Ok(()),
    }
}
