//! Explains a decision cluster by cluster: the whole of what a Decision shows bounded.

use crate::affinity::{Reading, Refused};
use crate::placement::{Placement, Target};
use crate::template::{Template, selected};
use crate::world::World;

/// The explanation of one template's decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The policy that distributes it, with why it goes first.
    pub policy: Option<String>,
    /// Every policy that selects it and gives way.
    pub contenders: Vec<String>,
    /// Every policy that changes it on some cluster.
    pub overrides: Vec<String>,
    /// What is to be said about it, in words.
    pub notes: Vec<String>,
    /// Every cluster, by namespace and name.
    pub clusters: Vec<Verdict>,
}

/// What is so about one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Whether it is to have the object.
    pub runs: bool,
    /// Its share of the replicas, where they are divided.
    pub replicas: Option<u32>,
    /// Why, in words.
    pub why: String,
}

/// Explains `placement`, which [`place`](crate::place) made of this world and template.
pub fn why(world: &World, template: &Template<'_>, placement: &Placement) -> Explanation {
    let name = |p: &roadstead_protocol::api::decision::PolicyRef| {
        if p.namespace.is_empty() {
            format!("{} {}", p.kind, p.name)
        } else {
            format!("{} {}/{}", p.kind, p.namespace, p.name)
        }
    };
    Explanation {
        policy: placement.policy.as_ref().map(name),
        contenders: placement.contenders.iter().map(name).collect(),
        overrides: placement.overrides.iter().map(name).collect(),
        notes: placement.findings.iter().map(ToString::to_string).collect(),
        clusters: verdicts(world, template, placement),
    }
}

fn verdicts(world: &World, template: &Template<'_>, placement: &Placement) -> Vec<Verdict> {
    let policy = placement.policy.as_ref().and_then(|p| world.policy(&p.uid));
    let reading = policy.map(|p| Reading::new(world, p.identity.viewpoint(), &p.affinity));
    let labels = template.metadata().labels;
    let unselected = world
        .policies
        .iter()
        .all(|p| selected(&p.identity, &p.selectors, &template.key, &labels).is_none());
    let verdict = |cluster: &crate::cluster::Cluster| {
        let (runs, replicas, why) =
            if let Some(t) = placement.targets.iter().find(|t| t.cluster == cluster.uid) {
                (true, t.replicas, chosen(t))
            } else if let Some(k) = placement.kept.iter().find(|k| k.cluster == cluster.uid) {
                (
                    true,
                    k.replicas,
                    format!("kept as it is: {}", k.cause.text()),
                )
            } else if let Some(r) = placement.removals.iter().find(|r| r.cluster == cluster.uid) {
                (false, None, format!("removed: {}", r.reason.text()))
            } else if unselected {
                (false, None, "no policy selects the object".to_owned())
            } else {
                let judged = reading.as_ref().map(|reading| reading.judge(cluster));
                let refused = match judged {
                    Some(Err(refused)) => refused.text(),
                    Some(Ok(_)) => not_given(placement, cluster),
                    None => "nothing is decided: a policy cannot be read",
                };
                (false, None, refused.to_owned())
            };
        let (namespace, name) = (cluster.namespace.clone(), cluster.name.clone());
        Verdict {
            namespace,
            name,
            runs,
            replicas,
            why,
        }
    };
    world.clusters.iter().map(verdict).collect()
}

/// Why a cluster that the affinity chooses still gets nothing.
fn not_given(placement: &Placement, cluster: &crate::cluster::Cluster) -> &'static str {
    let named = |refused: Refused| {
        let path = cluster.path();
        placement.findings.iter().any(|f| match f {
            crate::Finding::NotRendered { cluster, .. } => {
                refused == Refused::NotRendered && *cluster == path
            }
            crate::Finding::ZeroWeights => refused == Refused::ZeroWeight,
            crate::Finding::NoPolicy
            | crate::Finding::NothingSelected
            | crate::Finding::Unreadable { .. }
            | crate::Finding::Outranked { .. }
            | crate::Finding::UnknownClusters(_)
            | crate::Finding::AmbiguousCluster { .. }
            | crate::Finding::NoCluster
            | crate::Finding::BadReplicas(_)
            | crate::Finding::Held { .. } => false,
        })
    };
    if named(Refused::NotRendered) {
        Refused::NotRendered.text()
    } else {
        Refused::ZeroWeight.text()
    }
}

fn chosen(target: &Target) -> String {
    match (target.weight, target.replicas) {
        (Some(weight), Some(replicas)) => {
            format!(
                "{}; weight {weight} makes {replicas} replicas",
                target.chosen.text()
            )
        }
        (Some(_), None) | (None, Some(_) | None) => target.chosen.text().to_owned(),
    }
}
