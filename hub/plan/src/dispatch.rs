//! What was decided and rendered, and is not given to a cluster yet: dispatching is suspended there,
//! or something that the object waits for is not there yet.
//!
//! Who has the object keeps what it has. What is the same as before is not held back: there is nothing
//! to give. Replicas that are to go from one cluster to another stay where they are until they can
//! come up there.

use std::collections::{BTreeMap, BTreeSet};

use roadstead_protocol::api::decision::SAMPLES_MAX;

use crate::affinity::Refused;
use crate::cluster::Cluster;
use crate::deps::order;
use crate::deps::requirers::Requirer;
use crate::finding::{Cause, Finding, sampled};
use crate::intent::Intent;
use crate::policy::Policy;
use crate::rendering::{Back, Rendered};
use crate::template::{Former, Template};
use crate::world::World;

/// Why something is not given yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    /// Dispatching is suspended.
    Suspended,
    /// This is awaited, and how that is.
    Awaiting(String, String),
}

/// Says which of the names on which a policy suspends dispatching mean nothing, or too much: who is
/// then given something, or loses it, may be meant.
pub(crate) fn understand(world: &World, policy: &Policy, intent: &mut Intent<'_>) {
    let from = policy.identity.viewpoint();
    let (unknown, ambiguous) = policy.options.suspended.unclear(world, from);
    if !unknown.is_empty() {
        intent.unresolved = true;
        let names = unknown.into_iter().take(SAMPLES_MAX).collect();
        intent.findings.push(Finding::UnknownClusters(names));
    }
    for (name, several) in ambiguous.into_iter().take(SAMPLES_MAX) {
        let clusters = several.iter().take(SAMPLES_MAX).map(|c| c.path()).collect();
        let finding = Finding::AmbiguousCluster { name, clusters };
        if !intent.findings.contains(&finding) {
            intent.findings.push(finding);
        }
    }
}

/// Takes out of `rendered` what is not given yet, and says so.
pub(crate) fn hold_back<'a>(
    world: &'a World,
    template: &Template<'_>,
    intent: &mut Intent<'a>,
    rendered: &mut Rendered,
) {
    let former: BTreeMap<&str, &Former> = template
        .former
        .iter()
        .map(|f| (f.cluster.as_str(), f))
        .collect();
    let mut said: BTreeMap<Reason, Vec<String>> = BTreeMap::new();
    for target in std::mem::take(&mut rendered.targets) {
        let had = former.get(target.cluster.as_str());
        let same = had.is_some_and(|f| f.digest.is_none_or(|d| d == target.content.digest));
        let cluster = world.cluster(&target.cluster).filter(|_| !same);
        let why = |c| reason(world, template, intent.winner, c, &target.release);
        let reason = cluster.and_then(|c| Some((c, why(c)?)));
        let Some((cluster, reason)) = reason else {
            rendered.targets.push(target);
            continue;
        };
        intent.targets.retain(|t| t.cluster.uid != cluster.uid);
        let (cause, refused) = match reason {
            Reason::Suspended => (Cause::Suspended, Refused::Suspended),
            Reason::Awaiting(..) => (Cause::Awaiting, Refused::Awaiting),
        };
        if had.is_some() {
            let replicas = target.replicas;
            rendered
                .back
                .insert(cluster.uid.clone(), Back { cause, replicas });
        } else {
            let figure = match &reason {
                Reason::Suspended => refused.text().to_owned(),
                Reason::Awaiting(on, why) => format!("it waits for {on}: {why}"),
            };
            intent.figures.insert(cluster.uid.clone(), figure);
            intent.refused.push((cluster, refused));
        }
        if had.is_none() || reason != Reason::Suspended {
            said.entry(reason).or_default().push(cluster.path());
        }
    }
    intent.findings.extend(said.into_iter().map(finding));
}

/// How many replicas each cluster is to get, by UID, where they are divided.
pub(crate) fn asked(intent: &Intent<'_>) -> BTreeMap<String, u32> {
    let shares = intent.targets.iter();
    shares
        .filter_map(|t| Some((t.cluster.uid.clone(), t.replicas?)))
        .collect()
}

/// The shares that stay as they are, by UID: those that would come down, while what is to come up for
/// them elsewhere is not given yet. None where nothing is held back, or nothing comes down.
pub(crate) fn stay(
    template: &Template<'_>,
    asked: &BTreeMap<String, u32>,
    rendered: &Rendered,
) -> BTreeMap<String, u32> {
    let had: BTreeMap<&str, Option<u32>> = template
        .former
        .iter()
        .map(|f| (f.cluster.as_str(), f.replicas))
        .collect();
    let given: BTreeSet<&str> = rendered
        .targets
        .iter()
        .map(|t| t.cluster.as_str())
        .collect();
    let more = |(uid, share): (&String, &u32)| {
        let had = had.get(uid.as_str());
        !given.contains(uid.as_str())
            && had.is_none_or(|had| had.is_some_and(|n| n < *share))
            && *share > 0
    };
    let mut stay = BTreeMap::new();
    if !asked.iter().any(more) {
        return stay;
    }
    let mut less = false;
    // Who had all of it, undivided, had as many as there are.
    let all = asked.values().copied().fold(0, u32::saturating_add);
    for target in &rendered.targets {
        let had = had.get(target.cluster.as_str());
        let had = had.map(|had| had.unwrap_or(all));
        if let (Some(had), Some(share)) = (had, target.replicas) {
            less |= share < had;
            // Where it goes by room, what comes up now may not be what comes up next.
            if share < had || target.weight.is_none() {
                stay.insert(target.cluster.clone(), had);
            }
        }
    }
    if !less {
        stay.clear();
    }
    stay
}

/// Leaves shares as they are.
pub(crate) fn leave(stay: &BTreeMap<String, u32>, intent: &mut Intent<'_>) {
    for wanted in &mut intent.targets {
        if let Some(had) = stay.get(&wanted.cluster.uid) {
            wanted.replicas = Some(*had);
        }
    }
}

fn reason(
    world: &World,
    template: &Template<'_>,
    winner: Option<&Policy>,
    cluster: &Cluster,
    release: &str,
) -> Option<Reason> {
    let requirers = template.around.requirers.iter();
    let requirers = requirers.filter(|r| r.needs.contains(&cluster.uid));
    let policies = requirers.filter_map(|r| r.policy.as_deref());
    let all = winner
        .into_iter()
        .chain(policies.filter_map(|uid| world.policy(uid)));
    if suspended(world, all, cluster) {
        return Some(Reason::Suspended);
    }
    #[cfg(planted)]
    if roadstead_protocol::planted::is("waits-for-nothing") {
        return None;
    }
    let (on, why) = order::waits(&template.around.awaited, &cluster.uid, release)?;
    Some(Reason::Awaiting(on.to_string(), why))
}

/// Whether any of the policies suspends `cluster`.
fn suspended<'p>(
    world: &World,
    policies: impl IntoIterator<Item = &'p Policy>,
    cluster: &Cluster,
) -> bool {
    policies.into_iter().any(|policy| {
        let from = policy.identity.viewpoint();
        policy.options.suspended.covers(world, from, cluster)
    })
}

/// Whether what a cluster was given is not taken from it, since a policy that gave it, or that
/// distributes the object now, suspends that.
pub(crate) fn holds(
    world: &World,
    winner: Option<&Policy>,
    requirers: &[Requirer],
    former: &Former,
) -> bool {
    let Some(cluster) = world.cluster(&former.cluster) else {
        return false;
    };
    let by = requirers
        .iter()
        .filter(|r| former.is_required() && r.clusters.contains(&former.cluster));
    let by = by.filter_map(|r| r.policy.as_deref());
    let uids = former.policies.iter().map(String::as_str).chain(by);
    let all = winner
        .into_iter()
        .chain(uids.filter_map(|uid| world.policy(uid)));
    suspended(world, all, cluster)
}

fn finding((reason, clusters): (Reason, Vec<String>)) -> Finding {
    let (count, samples) = sampled(clusters);
    match reason {
        Reason::Suspended => Finding::Suspended { count, samples },
        Reason::Awaiting(on, why) => Finding::Awaits {
            on,
            why,
            count,
            samples,
        },
    }
}
