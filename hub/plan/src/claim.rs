//! Which policy distributes a template, where several select it.
//!
//! One policy takes a template whole: shares of one number cannot come from two hands. Who holds it
//! keeps it while it selects it; only a policy of a higher priority with `preemption: Always` takes it
//! over. What nobody holds goes by priority; then to who names it before who selects it by labels
//! before who takes all of a kind; then to a policy of its namespace before a cluster-scoped one; then
//! to the older one; then by name.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};

use roadstead_protocol::wire::ItemKey;

use crate::policy::{Overrides, Policy};
use crate::template::{Specificity, Template, selected};
use crate::world::World;

/// Who claims a template.
#[derive(Clone, Debug, Default)]
pub struct Claim<'a> {
    /// Who distributes it.
    pub winner: Option<(&'a Policy, Option<Specificity>)>,
    /// Who would, and has to give way; the next in line first.
    pub contenders: Vec<&'a Policy>,
}

/// The claims on a template with these labels, which one of `holders` (UIDs) holds, if it still
/// selects it.
pub fn claim<'a>(
    world: &'a World,
    key: &ItemKey,
    labels: &BTreeMap<String, String>,
    holders: &BTreeSet<&str>,
) -> Claim<'a> {
    let mut claims: Vec<(Specificity, &Policy)> = claims(world, key, labels).collect();
    claims.sort_by(order);
    if claims.is_empty() {
        return Claim::default();
    }
    let (specificity, winner) = claims.remove(first(&claims, holders));
    Claim {
        winner: Some((winner, Some(specificity))),
        contenders: claims.into_iter().map(|(_, policy)| policy).collect(),
    }
}

/// Who distributes a template with these labels, without looking for who would.
pub fn winner<'a>(
    world: &'a World,
    key: &ItemKey,
    labels: &BTreeMap<String, String>,
    holders: &BTreeSet<&str>,
) -> Option<&'a Policy> {
    let held = |policy: &Policy| holders.contains(policy.identity.uid.as_str());
    let all: Vec<(Specificity, &Policy)> = claims(world, key, labels).collect();
    let holder = all
        .iter()
        .filter(|(_, p)| held(p))
        .min_by(|a, b| order(a, b));
    let priority = holder.map(|(_, holder)| holder.priority);
    let takes = |policy: &Policy| {
        priority.is_none_or(|priority| policy.preempts && policy.priority > priority)
    };
    let taker = all
        .iter()
        .filter(|(_, p)| takes(p))
        .min_by(|a, b| order(a, b));
    taker.or(holder).map(|(_, policy)| *policy)
}

/// The policies that select a template, in no order.
fn claims<'a>(
    world: &'a World,
    key: &ItemKey,
    labels: &BTreeMap<String, String>,
) -> impl Iterator<Item = (Specificity, &'a Policy)> {
    let policies = world.policies_of(key);
    policies.filter_map(move |p| Some((selected(&p.identity, &p.selectors, key, labels)?, p)))
}

/// The order for what nobody holds.
fn order((a_width, a): &(Specificity, &Policy), (b_width, b): &(Specificity, &Policy)) -> Ordering {
    fn rank(policy: &Policy, width: Specificity) -> impl Ord {
        let id = &policy.identity;
        let scope = id.namespace.is_none();
        let names = (&id.created, &id.name, &id.group, &id.uid);
        (Reverse(policy.priority), Reverse(width), scope, names)
    }
    rank(a, *a_width).cmp(&rank(b, *b_width))
}

/// The place of the winner among `claims`, which are in the order for what nobody holds.
fn first(claims: &[(Specificity, &Policy)], holders: &BTreeSet<&str>) -> usize {
    let held = claims
        .iter()
        .position(|(_, policy)| holders.contains(policy.identity.uid.as_str()));
    let Some(held) = held else {
        return 0;
    };
    let priority = claims.get(held).map(|(_, holder)| holder.priority);
    let taken = claims
        .iter()
        .position(|(_, policy)| policy.preempts && Some(policy.priority) > priority);
    taken.unwrap_or(held)
}

/// UIDs of the policies that may hold a template: the one that an earlier decision names, or those
/// that put it where it runs.
pub fn holders<'a>(template: &'a Template<'_>) -> BTreeSet<&'a str> {
    match template.decided.policy.as_str() {
        "" => {
            let policies = template.former.iter().flat_map(|f| &f.policies);
            policies.map(String::as_str).collect()
        }
        holder => BTreeSet::from([holder]),
    }
}

/// The override policies that select a template, in the order in which they are applied, where what
/// comes later wins: cluster-scoped ones first, then from broad to specific, then by name.
pub fn overriding<'a>(
    world: &'a World,
    key: &ItemKey,
    labels: &BTreeMap<String, String>,
) -> Vec<&'a Overrides> {
    overriding_of(&world.overrides, key, labels)
}

/// Those of `all` that select a template, in the order in which they are applied.
pub(crate) fn overriding_of<'a>(
    all: &'a [Overrides],
    key: &ItemKey,
    labels: &BTreeMap<String, String>,
) -> Vec<&'a Overrides> {
    let mut found: Vec<(Specificity, &Overrides)> = all
        .iter()
        .filter_map(|o| Some((selected(&o.identity, &o.selectors, key, labels)?, o)))
        .collect();
    found.sort_by_key(|(specificity, overrides)| {
        let id = &overrides.identity;
        (id.namespace.is_some(), *specificity, id.name.clone())
    });
    found.into_iter().map(|(_, overrides)| overrides).collect()
}
