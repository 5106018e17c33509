//! Which policy distributes a template, where several select it.
//!
//! One policy takes a template whole: shares of one number cannot come from two hands. A policy of
//! the template's namespace goes before a cluster-scoped one; then who names it before who selects
//! it by labels before who takes all of a kind; then the older one; then by name.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use roadstead_protocol::wire::ItemKey;

use crate::policy::{Overrides, Policy};
use crate::template::{Specificity, selected};
use crate::world::World;

/// Who claims a template.
#[derive(Clone, Debug, Default)]
pub struct Claim<'a> {
    /// Who distributes it.
    pub winner: Option<(&'a Policy, Option<Specificity>)>,
    /// Who would, and has to give way; the next in line first.
    pub contenders: Vec<&'a Policy>,
}

/// The claims on a template with these labels.
pub fn claim<'a>(world: &'a World, key: &ItemKey, labels: &BTreeMap<String, String>) -> Claim<'a> {
    let mut claims: Vec<(Specificity, &Policy)> = world
        .policies
        .iter()
        .filter_map(|p| Some((selected(&p.identity, &p.selectors, key, labels)?, p)))
        .collect();
    claims.sort_by_key(|(specificity, policy)| {
        let id = &policy.identity;
        (
            id.namespace.is_none(),
            Reverse(*specificity),
            id.created.clone(),
            id.name.clone(),
        )
    });
    let mut claims = claims.into_iter();
    let winner = claims
        .next()
        .map(|(specificity, policy)| (policy, Some(specificity)));
    Claim {
        winner,
        contenders: claims.map(|(_, policy)| policy).collect(),
    }
}

/// The override policies that select a template, in the order in which they are applied: what is
/// applied later wins, so cluster-scoped ones come first and those that name it last.
pub fn overriding<'a>(
    world: &'a World,
    key: &ItemKey,
    labels: &BTreeMap<String, String>,
) -> Vec<&'a Overrides> {
    let mut found: Vec<(Specificity, &Overrides)> = world
        .overrides
        .iter()
        .filter_map(|o| Some((selected(&o.identity, &o.selectors, key, labels)?, o)))
        .collect();
    found.sort_by_key(|(specificity, overrides)| {
        let id = &overrides.identity;
        (
            id.namespace.is_some(),
            *specificity,
            Reverse(id.created.clone()),
            Reverse(id.name.clone()),
        )
    });
    found.into_iter().map(|(_, overrides)| overrides).collect()
}
