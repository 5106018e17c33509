//! What the policies want for a template, before it is rendered and before anything is known about
//! removals: which policy, which clusters, how many replicas.

use std::collections::BTreeMap;

use roadstead_protocol::api::decision::SAMPLES_MAX;
use serde_json::Value;

use crate::affinity::{Chosen, Reading, Refused, select};
use crate::claim::{claim, overriding};
use crate::cluster::Cluster;
use crate::division::{Claimant, divide};
use crate::finding::{Cause, Finding};
use crate::policy::{Overrides, Policy, Replicas};
use crate::template::{Template, is_template};
use crate::weights::weigh;
use crate::world::World;

/// What is wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Intent<'a> {
    pub(crate) winner: Option<&'a Policy>,
    pub(crate) contenders: Vec<&'a Policy>,
    pub(crate) overrides: Vec<&'a Overrides>,
    pub(crate) targets: Vec<Wanted<'a>>,
    pub(crate) refused: Vec<(&'a Cluster, Refused)>,
    /// Whether the policy names a cluster that is not there or is not one, so that whoever it no
    /// longer chooses may be meant.
    pub(crate) unresolved: bool,
    /// Why nothing may change at all.
    pub(crate) blocked: Option<Cause>,
    pub(crate) findings: Vec<Finding>,
}

/// A cluster that is to get it.
#[derive(Clone, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) chosen: Chosen,
    pub(crate) weight: Option<u32>,
    pub(crate) replicas: Option<u32>,
}

/// What the policies want for a template.
pub(crate) fn intend<'a>(world: &'a World, template: &Template<'a>) -> Intent<'a> {
    let mut intent = Intent::default();
    let Some(object) = template.object else {
        return intent;
    };
    if let Some(blocker) = blocker(world, template) {
        intent.blocked = Some(Cause::PolicyUnreadable);
        intent.findings.push(blocker);
        return intent;
    }
    let labels = template.metadata().labels;
    if !is_template(&template.key, &labels) {
        intent.findings.push(Finding::NoPolicy);
        return intent;
    }
    let claims = claim(world, &template.key, &labels);
    intent.contenders = claims.contenders;
    let Some((policy, _)) = claims.winner else {
        intent.findings.push(Finding::NoPolicy);
        return intent;
    };
    intent.winner = Some(policy);
    intent.overrides = overriding(world, &template.key, &labels);
    choose(world, policy, &mut intent);
    share(world, policy, template, object, &mut intent);
    intent
}

/// The unreadable policy that keeps this template from being decided about: one that put it where
/// it runs, or one that might change what it says.
fn blocker(world: &World, template: &Template<'_>) -> Option<Finding> {
    let mut policies = template.former.iter().flat_map(|f| &f.policies);
    let claimed = policies.find_map(|uid| world.unreadable(uid));
    let changing = || {
        world.unreadable.iter().filter(|u| u.overrides()).find(|u| {
            u.identity
                .namespace
                .as_ref()
                .is_none_or(|ns| *ns == template.key.namespace)
        })
    };
    let found = claimed.or_else(changing)?;
    let policy = found.identity.to_string();
    Some(Finding::Unreadable {
        policy,
        problem: found.problem.clone(),
    })
}

/// Chooses clusters.
fn choose<'a>(world: &'a World, policy: &'a Policy, intent: &mut Intent<'a>) {
    let selection = select(world, policy.identity.viewpoint(), &policy.affinity);
    let wanted = selection
        .chosen
        .into_iter()
        .map(|(cluster, chosen)| Wanted {
            cluster,
            chosen,
            weight: None,
            replicas: None,
        });
    intent.targets = wanted.collect();
    intent.refused = selection.refused;
    intent.unresolved = !selection.unknown.is_empty() || !selection.ambiguous.is_empty();
    if !selection.unknown.is_empty() {
        let names = selection.unknown.into_iter().take(SAMPLES_MAX).collect();
        intent.findings.push(Finding::UnknownClusters(names));
    }
    for (name, several) in selection.ambiguous.into_iter().take(SAMPLES_MAX) {
        let clusters = several.iter().take(SAMPLES_MAX).map(|c| c.path()).collect();
        intent
            .findings
            .push(Finding::AmbiguousCluster { name, clusters });
    }
    if intent.targets.is_empty() {
        intent.findings.push(Finding::NoCluster);
    }
}

/// Shares out replicas, where there are any to share.
fn share<'a>(
    world: &'a World,
    policy: &'a Policy,
    template: &Template<'a>,
    object: &Value,
    intent: &mut Intent<'a>,
) {
    let (Replicas::Divided(list), Some(path)) = (&policy.replicas, template.replicas_path) else {
        return;
    };
    let Some(total) = replicas(object, path) else {
        intent.findings.push(Finding::BadReplicas(path.to_owned()));
        intent.blocked = Some(Cause::BadReplicas);
        intent.targets.clear();
        return;
    };
    intent.unresolved |= list.iter().flatten().any(|entry| {
        Reading::new(world, policy.identity.viewpoint(), &entry.target_cluster).unresolved()
    });
    let clusters: Vec<&Cluster> = intent.targets.iter().map(|t| t.cluster).collect();
    let weights = weigh(
        world,
        policy.identity.viewpoint(),
        list.as_deref(),
        &clusters,
    );
    if !clusters.is_empty() && weights.iter().all(|w| *w == 0) {
        intent.findings.push(Finding::ZeroWeights);
        intent.blocked = Some(Cause::ZeroWeights);
        intent.targets.clear();
        return;
    }
    let weighed = std::mem::take(&mut intent.targets).into_iter().zip(weights);
    let (some, none): (Vec<_>, Vec<_>) = weighed.partition(|(_, weight)| *weight > 0);
    intent.refused.extend(
        none.into_iter()
            .map(|(w, _)| (w.cluster, Refused::ZeroWeight)),
    );
    let former: BTreeMap<&str, u32> = template
        .former
        .iter()
        .map(|f| (f.cluster.as_str(), f.replicas.unwrap_or(0)))
        .collect();
    let former = |uid: &str| former.get(uid).copied().unwrap_or(0);
    let claimants: Vec<Claimant> = some
        .iter()
        .map(|(w, weight)| Claimant {
            weight: *weight,
            former: former(&w.cluster.uid),
        })
        .collect();
    let shares = divide(total, &claimants).unwrap_or_default();
    let shared = some
        .into_iter()
        .zip(shares)
        .map(|((wanted, weight), share)| Wanted {
            weight: Some(weight),
            replicas: Some(share),
            ..wanted
        });
    intent.targets = shared.collect();
}

/// How many replicas an object wants: one where nothing is said, `None` where it is no number.
fn replicas(object: &Value, path: &str) -> Option<u32> {
    match object.pointer(&path.replace('.', "/")) {
        None | Some(Value::Null) => Some(1),
        Some(said) => said
            .as_i64()
            .and_then(|n| i32::try_from(n).ok())
            .and_then(|n| u32::try_from(n).ok()),
    }
}
