//! Workloads that want to be together, or apart: those of one namespace with the same value of a label.
//!
//! Who is placed already stays where it is; only what is new is kept with its peers, or from them.

use std::collections::{BTreeMap, BTreeSet};

use roadstead_protocol::api::decision::Spec;
use roadstead_protocol::wire::ItemKey;

use crate::policy::Policy;
use crate::world::World;

/// UIDs of the clusters on which peers of a template are, by the key of the label that they share.
pub type Peers = BTreeMap<String, BTreeSet<String>>;

/// The labels that any policy of the world makes groups of.
pub fn labels(world: &World) -> BTreeSet<&str> {
    let policies = world.policies.iter();
    policies.flat_map(|policy| of_policy(policy)).collect()
}

/// The labels that a policy makes groups of.
fn of_policy(policy: &Policy) -> impl Iterator<Item = &str> {
    let workload = &policy.selecting.workload;
    let both = workload.together.iter().chain(&workload.apart);
    both.map(String::as_str)
}

/// The groups of a template with these labels, as its policy makes them: the label's key and value.
pub(crate) fn groups(
    policy: &Policy,
    labels: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let keys = of_policy(policy);
    keys.filter_map(|key| Some((key.to_owned(), labels.get(key)?.clone())))
        .collect()
}

/// Where the peers of a template are, by the decisions of its namespace.
pub fn peers<'d>(
    item: &ItemKey,
    labels: &BTreeMap<String, String>,
    decisions: impl Iterator<Item = &'d Spec>,
) -> Peers {
    let mut peers = Peers::new();
    for spec in decisions {
        let template = &spec.template;
        let group = template.api_version.split_once('/').map_or("", |(g, _)| g);
        let itself =
            (group, &template.kind, &template.name) == (&*item.group, &item.kind, &item.name);
        if itself || template.namespace != item.namespace {
            continue;
        }
        for (key, value) in &spec.groups {
            if labels.get(key) == Some(value) {
                let clusters = spec.clusters.iter().map(|target| target.uid.clone());
                peers.entry(key.clone()).or_default().extend(clusters);
            }
        }
    }
    peers
}
