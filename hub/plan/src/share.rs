//! The stage that shares out replicas: from the clusters that are to have a template to how many
//! replicas each of them gets, and what is left over.
//!
//! Shares are computed anew only when a user did something that they go by: the policy's way of
//! dividing, a weight, a cluster that is to have the object and did not, a rebalance. The digest of all
//! that is the basis, and is written with the decision; while it is the same nothing moves.

use std::collections::BTreeMap;

use roadstead_protocol::api::decision::{SAMPLES_MAX, Unplaced};
use roadstead_protocol::wire::Digest;
use serde_json::Value;

use crate::affinity::{Chosen, Reading, Refused};
use crate::allotment::{Ask, Claim, Strategy, allot};
use crate::cluster::Cluster;
use crate::count::count;
use crate::finding::{Cause, Finding};
use crate::hardware::{judge, score, suits};
use crate::intent::{Intent, Wanted};
use crate::policy::Policy;
use crate::resources::{Pod, Room};
use crate::scheduling::{By, Replicas};
use crate::template::Template;
use crate::weights::weigh;
use crate::world::World;

/// Hexadecimal digits of a basis.
const BASIS_DIGITS: usize = 16;
/// Why a cluster has a share of nothing, where it would have one if the replicas were divided now.
const KEPT: &str = "its share is 0 because what runs elsewhere stays there; `roadstead rebalance` \
                    divides anew";

/// A cluster with what it may have.
struct Candidate<'a> {
    wanted: Wanted<'a>,
    claim: Claim,
    /// Why it takes no more, where it has figures for that.
    figure: Option<String>,
}

/// Shares out replicas, where there are any to share, and keeps new ones off clusters without the
/// hardware.
pub(crate) fn share<'a>(
    world: &'a World,
    policy: &'a Policy,
    template: &Template<'_>,
    object: &Value,
    intent: &mut Intent<'a>,
) {
    let pod = Pod::of(object);
    equip(policy, template, &pod, intent);
    let Replicas::Divided { by, named } = &policy.scheduling.replicas else {
        return;
    };
    let asked = match count(world, template, object, *named) {
        Ok(Some(count)) => count,
        Ok(None) => return,
        Err(path) => {
            intent.findings.push(Finding::BadReplicas(path));
            block(intent, Cause::BadReplicas);
            return;
        }
    };
    let strategy = match by {
        By::Weights(_) => Strategy::Weights,
        By::Available => Strategy::Available,
        By::Aggregated => Strategy::Aggregated,
    };
    let Some(mut candidates) = weighed(world, policy, by, intent) else {
        return;
    };
    let bounded = strategy != Strategy::Weights || !policy.scheduling.constraints.is_empty();
    for candidate in &mut candidates {
        assess(policy, template, (&pod, asked.total, bounded), candidate);
    }
    let basis = |also: &[&'a Cluster]| {
        let weights = counted(world, policy, by, (&candidates, also), intent);
        basis(policy, strategy, &weights)
    };
    let now = basis(&[]);
    let before = template.basis.as_ref();
    let same = before == Some(&now) || {
        let begins = begins(world, template, intent);
        !begins.is_empty() && before == Some(&basis(&begins))
    };
    let ask = Ask {
        total: asked.total,
        by: strategy,
        keep: same && !intent.fresh,
        once: asked.once,
    };
    intent.basis = Some(now);
    divide(template, &ask, candidates, intent);
}

/// From whom it begins to be failed over just now: what others have stays with them.
fn begins<'a>(world: &'a World, template: &Template<'_>, intent: &Intent<'a>) -> Vec<&'a Cluster> {
    let begins = intent.failed.keys().filter(|uid| {
        let before = &template.decided.failed_over;
        before.iter().all(|mark| mark.uid != **uid)
    });
    begins.filter_map(|uid| world.cluster(uid)).collect()
}

/// The weights of the clusters that count for the basis of a division by weights, with some more.
fn counted<'a>(
    world: &'a World,
    policy: &'a Policy,
    by: &'a By,
    (candidates, also): (&[Candidate<'a>], &[&'a Cluster]),
    intent: &Intent<'a>,
) -> BTreeMap<&'a str, u32> {
    let By::Weights(list) = by else {
        return BTreeMap::new();
    };
    let taken = |cluster: &Cluster| {
        candidates
            .iter()
            .any(|c| c.wanted.cluster.uid == cluster.uid)
    };
    // Its first words may be of a problem; it joined when it first told what it is.
    let joined = |cluster: &Cluster| cluster.version.is_some();
    let wanted = intent.wanted.iter().copied();
    let counted = wanted.filter(|c| joined(c) || taken(c));
    let clusters: Vec<&Cluster> = counted.chain(also.iter().copied()).collect();
    let from = policy.identity.viewpoint();
    let weights = weigh(world, from, list.as_deref(), &clusters);
    let uids = clusters.iter().map(|c| c.uid.as_str());
    uids.zip(weights)
        .filter(|(_, weight)| *weight > 0)
        .collect()
}

fn block(intent: &mut Intent<'_>, cause: Cause) {
    intent.blocked = Some(cause);
    intent.targets.clear();
}

/// What a cluster had of the template by a policy of its own, with its share where it had one.
fn former(template: &Template<'_>, cluster: &Cluster) -> Option<Option<u32>> {
    let mut former = template.former.iter();
    let former = former.find(|f| f.cluster == cluster.uid && f.is_own() && !f.outside)?;
    Some(former.replicas)
}

/// Refuses clusters without the hardware that the policy asks for; those that have the object already
/// keep it, and get no more.
fn equip(policy: &Policy, template: &Template<'_>, pod: &Pod, intent: &mut Intent<'_>) {
    let constraints = &policy.scheduling.constraints;
    if constraints.is_empty() {
        return;
    }
    for mut wanted in std::mem::take(&mut intent.targets) {
        let had = former(template, wanted.cluster);
        let own = had.flatten().unwrap_or(0);
        if let Err(lack) = judge(constraints, &wanted.cluster.resources, pod, own) {
            let uid = wanted.cluster.uid.clone();
            intent.figures.insert(uid, lack.to_string());
            if had.is_none() {
                intent.refused.push((wanted.cluster, Refused::Hardware));
                continue;
            }
            wanted.open = false;
        }
        intent.targets.push(wanted);
    }
}

/// The clusters with their weights, without those that have none. `None` where no division can be.
fn weighed<'a>(
    world: &'a World,
    policy: &'a Policy,
    by: &'a By,
    intent: &mut Intent<'a>,
) -> Option<Vec<Candidate<'a>>> {
    let from = policy.identity.viewpoint();
    let list = match by {
        By::Weights(list) => list.as_deref(),
        By::Available | By::Aggregated => None,
    };
    intent.unresolved |= list
        .into_iter()
        .flatten()
        .any(|entry| Reading::new(world, from, &entry.target_cluster).unresolved());
    let clusters: Vec<&Cluster> = intent.targets.iter().map(|t| t.cluster).collect();
    let weights = weigh(world, from, list, &clusters);
    if !clusters.is_empty() && weights.iter().all(|w| *w == 0) {
        intent.findings.push(Finding::ZeroWeights);
        block(intent, Cause::ZeroWeights);
        return None;
    }
    let mut candidates = Vec::new();
    for (wanted, weight) in std::mem::take(&mut intent.targets).into_iter().zip(weights) {
        if weight == 0 {
            intent.refused.push((wanted.cluster, Refused::ZeroWeight));
            continue;
        }
        candidates.push(Candidate {
            claim: Claim {
                open: wanted.open,
                former: None,
                weight,
                room: u32::MAX,
                score: 0,
                floor: wanted.floor,
            },
            wanted,
            figure: None,
        });
    }
    Some(candidates)
}

/// Finds out what a cluster had and how much it has room for.
fn assess(
    policy: &Policy,
    template: &Template<'_>,
    (pod, total, bounded): (&Pod, u32, bool),
    candidate: &mut Candidate<'_>,
) {
    let cluster = candidate.wanted.cluster;
    let scheduling = &policy.scheduling;
    let claim = &mut candidate.claim;
    // Who had all of it, undivided, had no more than there is.
    claim.former = former(template, cluster).map(|share| share.unwrap_or(total));
    claim.score = score(
        &scheduling.constraints,
        &scheduling.preferences,
        &cluster.resources,
    );
    if !bounded || !claim.open {
        return;
    }
    let had = claim.former.unwrap_or(0);
    let room = room(policy, template, pod, cluster);
    claim.room = had.saturating_add(room.pods);
    candidate.figure = Some(match &room.short {
        Some(short) => short.to_string(),
        None => format!("it has room for {}", claim.room),
    });
}

/// How many more pods fit on a cluster, when all that was promised there has come.
fn room(policy: &Policy, template: &Template<'_>, pod: &Pod, cluster: &Cluster) -> Room {
    let constraints = &policy.scheduling.constraints;
    let mut resources = cluster.resources.clone();
    for pledge in template.pledges.iter().filter(|p| p.cluster == cluster.uid) {
        resources.reserve(&pledge.pod, pledge.pods, |_| true);
    }
    let own = template.former.iter().find(|f| f.cluster == cluster.uid);
    let unseen = own.map_or(0, |f| {
        let promised = f.replicas.unwrap_or(0);
        promised.saturating_sub(f.seen.unwrap_or(0))
    });
    resources.reserve(pod, unseen, |shape| suits(constraints, pod, shape));
    resources.room(pod, |shape| suits(constraints, pod, shape))
}

/// Divides among the candidates, and enters who gets what and what is left.
fn divide<'a>(
    template: &Template<'_>,
    ask: &Ask,
    candidates: Vec<Candidate<'a>>,
    intent: &mut Intent<'a>,
) {
    let claims: Vec<Claim> = candidates.iter().map(|c| c.claim).collect();
    let mut division = allot(ask, &claims);
    division.unplaced = remain(template, (ask.total, division.unplaced), intent);
    let afresh = (ask.keep && !ask.once).then(|| {
        let ask = Ask {
            keep: false,
            ..*ask
        };
        allot(&ask, &claims)
    });
    let afresh = afresh.map(|division| division.shares).unwrap_or_default();
    for ((candidate, share), afresh) in candidates.iter().zip(&division.shares).zip(afresh) {
        if *share == 0 && afresh > 0 {
            let uid = candidate.wanted.cluster.uid.clone();
            intent.figures.insert(uid, KEPT.to_owned());
        }
    }
    if division.unplaced > 0 {
        let why = figures(&candidates, intent);
        let replicas = division.unplaced;
        intent.findings.push(Finding::Unplaced {
            replicas,
            why: why.clone(),
        });
        intent.unplaced = Some(Unplaced { replicas, why });
    }
    for (candidate, share) in candidates.into_iter().zip(division.shares) {
        let cluster = candidate.wanted.cluster;
        if let Some(figure) = candidate.figure {
            intent.figures.entry(cluster.uid.clone()).or_insert(figure);
        }
        let new = candidate.claim.former.is_none();
        let takes = candidate.claim.open && candidate.claim.room > 0;
        match nothing(ask.by, takes, ask.once).filter(|_| new && share == 0) {
            Some(why) => {
                let text = || why.text().to_owned();
                let figure = intent
                    .figures
                    .entry(cluster.uid.clone())
                    .or_insert_with(text);
                if why == Refused::NotNeeded {
                    *figure = text();
                }
                intent.refused.push((cluster, why));
            }
            None => intent.targets.push(Wanted {
                weight: (ask.by == Strategy::Weights).then_some(candidate.claim.weight),
                replicas: Some(share),
                ..candidate.wanted
            }),
        }
    }
}

/// Why a cluster that has nothing, and is given a share of nothing, is left out; `None` where a share of
/// nothing is one.
fn nothing(strategy: Strategy, takes: bool, once: bool) -> Option<Refused> {
    match strategy {
        Strategy::Weights | Strategy::Available if takes && !once => None,
        Strategy::Weights | Strategy::Available | Strategy::Aggregated if takes => {
            Some(Refused::NotNeeded)
        }
        Strategy::Weights | Strategy::Available | Strategy::Aggregated => Some(Refused::NoRoom),
    }
}

/// Leaves on the clusters that are drained what has no place elsewhere; how much is then left.
fn remain(template: &Template<'_>, (total, unplaced): (u32, u32), intent: &mut Intent<'_>) -> u32 {
    let mut left = unplaced;
    for wanted in std::mem::take(&mut intent.leaving) {
        let cluster = wanted.cluster;
        let had = former(template, cluster).map_or(0, |share| share.unwrap_or(total));
        let stays = had.min(left);
        let figure = Refused::Drained.text().to_owned();
        if stays > 0 {
            left -= stays;
            intent.targets.push(Wanted {
                replicas: Some(stays),
                chosen: Chosen::Stays,
                ..wanted
            });
        } else {
            intent.refused.push((cluster, Refused::Drained));
        }
        intent.figures.insert(cluster.uid.clone(), figure);
    }
    left
}

/// What a division goes by, beside the number of replicas.
///
/// Of the clusters all count that users' acts choose, whether they take anything or not: else their
/// coming and going would move what runs. One that never joined does not count yet; that it joins is a
/// user's act too. Where clusters are measured by their room, only the way of dividing counts.
fn basis(policy: &Policy, strategy: Strategy, weights: &BTreeMap<&str, u32>) -> String {
    let mut lines = vec![
        match strategy {
            Strategy::Weights => "weights",
            Strategy::Available => "available",
            Strategy::Aggregated => "aggregated",
        }
        .to_owned(),
        policy.scheduling.said.clone(),
    ];
    lines.extend(
        weights
            .iter()
            .map(|(uid, weight)| format!("{uid} {weight}")),
    );
    let mut digest = Digest::of(lines.join("\n").as_bytes()).to_string();
    digest.truncate(BASIS_DIGITS);
    digest
}

/// Why no more can be placed, by some of the clusters.
fn figures(candidates: &[Candidate<'_>], intent: &Intent<'_>) -> String {
    if candidates.is_empty() && intent.refused.is_empty() {
        return "no cluster is chosen".to_owned();
    }
    let of = |cluster: &Cluster, figure: Option<&str>| match figure {
        Some(figure) => format!("{}: {figure}", cluster.path()),
        None => format!("{} takes no more", cluster.path()),
    };
    let tried = candidates.iter().map(|c| {
        let known = intent.figures.get(&c.wanted.cluster.uid);
        let figure = c.figure.as_ref().or(known);
        of(c.wanted.cluster, figure.map(String::as_str))
    });
    let refused = intent
        .refused
        .iter()
        .filter_map(|(cluster, _)| Some(of(cluster, Some(intent.figures.get(&cluster.uid)?))));
    let all: Vec<String> = tried.chain(refused).take(SAMPLES_MAX + 1).collect();
    let more = if all.len() > SAMPLES_MAX { "; …" } else { "" };
    let shown: Vec<&str> = all.iter().take(SAMPLES_MAX).map(String::as_str).collect();
    format!("{}{more}", shown.join("; "))
}
