//! What the policies want for a template, before it is rendered and before anything is known about
//! removals: which policy, which clusters, how many replicas.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use roadstead_protocol::api::decision::Unplaced;
use roadstead_protocol::api::failover::{FailedOver, Failure};
use roadstead_protocol::api::names::REBALANCE_ANNOTATION;
use roadstead_protocol::wire::Digest;
use serde_json::Value;

use crate::affinity::{Chosen, Refused};
use crate::candidates::{choose, verify};
use crate::claim::{claim, holders, overriding};
use crate::cluster::Cluster;
use crate::deps::requirers::{Requirer, needed, require};
use crate::dispatch::understand;
use crate::failover;
use crate::finding::{Cause, Finding};
use crate::policy::{Overrides, Policy};
use crate::reserved::reserved;
use crate::share::share;
use crate::template::{Template, is_template};
use crate::world::World;

/// How many hexadecimal digits the mark of a rebalancing has.
const MARK_DIGITS: usize = 16;

/// What is wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Intent<'a> {
    pub(crate) winner: Option<&'a Policy>,
    pub(crate) contenders: Vec<&'a Policy>,
    pub(crate) overrides: Vec<&'a Overrides>,
    pub(crate) targets: Vec<Wanted<'a>>,
    pub(crate) refused: Vec<(&'a Cluster, Refused)>,
    /// Those that are to lose what they have as far as there is another place for it.
    pub(crate) leaving: Vec<Wanted<'a>>,
    /// UIDs of the stopped clusters that keep what they have, since there is no other place for it.
    pub(crate) unreplaced: BTreeSet<&'a str>,
    /// Those that it is failed over from, by UID.
    pub(crate) failed: BTreeMap<String, FailedOver>,
    /// Those that it would be failed over from, were it granted, by UID.
    pub(crate) failing: BTreeMap<String, Failure>,
    /// Every cluster that users' acts choose, whether it takes anything or not.
    pub(crate) wanted: Vec<&'a Cluster>,
    /// By UID, the clusters on which something else needs the object, and what.
    pub(crate) required: BTreeMap<&'a str, Vec<&'a Requirer>>,
    /// Whether the policy names a cluster that is not there or is not one, so that whoever it no
    /// longer chooses may be meant.
    pub(crate) unresolved: bool,
    /// The policy's group of clusters that is in use, where it has several.
    pub(crate) affinity: String,
    /// What tells the rebalancing that is asked for from others.
    pub(crate) rebalance: String,
    /// Whether what is asked for was not done yet: nothing that runs is then a reason.
    pub(crate) fresh: bool,
    /// After which time the decision is another one, without anything else changing.
    pub(crate) again: Option<Duration>,
    /// For how many seconds taints were tolerated, by the UIDs of clusters where these have passed.
    pub(crate) expired: BTreeMap<String, u64>,
    /// Why nothing may change at all.
    pub(crate) blocked: Option<Cause>,
    pub(crate) findings: Vec<Finding>,
    /// What the division of the replicas goes by.
    pub(crate) basis: Option<String>,
    /// Replicas for which there is no place.
    pub(crate) unplaced: Option<Unplaced>,
    /// Why clusters take no more, or nothing, by their UIDs, where there are figures for it.
    pub(crate) figures: BTreeMap<String, String>,
}

/// A cluster that is to get it.
#[derive(Clone, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) chosen: Chosen,
    /// Whether it takes more than it has.
    pub(crate) open: bool,
    pub(crate) weight: Option<u32>,
    pub(crate) replicas: Option<u32>,
    /// Why it takes nothing more, where it does not.
    pub(crate) shut: Option<Refused>,
    /// Whether it has it already.
    pub(crate) has: bool,
    /// Whether what it has counts no more.
    pub(crate) outside: bool,
    /// Replicas that it keeps beyond its share for now.
    pub(crate) extra: u32,
    /// How many replicas it gets at least, where they are divided.
    pub(crate) floor: u32,
}

impl<'a> Wanted<'a> {
    /// A cluster that is chosen, and nothing else known yet.
    pub(crate) fn new(cluster: &'a Cluster, chosen: Chosen) -> Self {
        Self {
            cluster,
            chosen,
            open: true,
            shut: None,
            has: false,
            outside: false,
            extra: 0,
            floor: 0,
            weight: None,
            replicas: None,
        }
    }

    /// How many replicas it is given, with those that it keeps beyond its share.
    pub(crate) fn given(&self) -> Option<u32> {
        self.replicas.map(|share| share.saturating_add(self.extra))
    }
}

/// What the policies want for a template at a time, counted from the hub's start.
pub(crate) fn intend<'a>(
    world: &'a World,
    template: &'a Template<'_>,
    now: Duration,
) -> Intent<'a> {
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
    let kind_of_secret = object.get("type").and_then(Value::as_str);
    if let Some(why) = reserved(&template.key, kind_of_secret.unwrap_or_default()) {
        intent.blocked = Some(Cause::Reserved);
        intent.findings.push(Finding::Reserved(why));
        return intent;
    }
    let claims = claim(world, &template.key, &labels, &holders(template));
    intent.contenders = claims.contenders;
    intent.required = needed(&template.around.requirers);
    intent.winner = claims.winner.map(|(policy, _)| policy);
    if intent.winner.is_none() && intent.required.is_empty() {
        intent.findings.push(Finding::NoPolicy);
        return intent;
    }
    intent.overrides = overriding(world, &template.key, &labels);
    if let Some(policy) = intent.winner {
        intent.rebalance = rebalance(template, policy);
        let asked = !intent.rebalance.is_empty();
        intent.fresh = asked && intent.rebalance != template.decided.rebalance;
        let failing = failover::judge(world, policy, template);
        let marked = failing.marks.keys().cloned().collect();
        intent.failed = failing.marks;
        intent.failing = failing.asks;
        intent.findings.extend(failing.finding);
        choose(world, policy, (template, now), &mut intent);
        let stuck = failover::stuck(&marked, &mut intent);
        let again = [intent.again, failing.again, stuck];
        intent.again = again.into_iter().flatten().min();
        understand(world, policy, &mut intent);
        share(world, policy, template, object, &mut intent);
        verify(policy, &mut intent);
    }
    require(world, &mut intent);
    intent
}

/// What tells the rebalancing that the template and its policy ask for from others; empty where none
/// does.
fn rebalance(template: &Template<'_>, policy: &Policy) -> String {
    let of_template = template.metadata().annotations;
    let asked = [&of_template, &policy.identity.annotations];
    let asked = asked.map(|annotations| annotations.get(REBALANCE_ANNOTATION));
    if asked.iter().all(Option::is_none) {
        return String::new();
    }
    let words = asked.map(|word| word.map_or("", String::as_str));
    let digest = Digest::of(words.join("\0").as_bytes()).to_string();
    digest.chars().take(MARK_DIGITS).collect()
}

/// The unreadable policy that keeps this template from being decided about: one that put it where
/// it runs, or holds it, or one that might change what it says.
fn blocker(world: &World, template: &Template<'_>) -> Option<Finding> {
    let policies = template.former.iter().flat_map(|f| &f.policies);
    let mut policies = policies.chain([&template.decided.policy]);
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
