//! Removing what an applier applied before and leaves out now.
//!
//! It goes only if nobody owns it any more, and only what the applier really owned: the rest is
//! put back.

use std::collections::BTreeMap;

use super::owners::{Error, Managers, Owned, Request};
use super::{Set, Typed};

/// `merged` without what only `last`, the applier's former fields, kept there.
pub(super) fn prune<'s>(
    merged: Typed<'s>,
    managers: &Managers,
    last: Option<&Owned>,
    request: &Request<'_, 's>,
) -> Result<Typed<'s>, Error> {
    let Some(last) = last.filter(|last| !last.set.is_empty()) else {
        return Ok(merged);
    };
    let Some(converted) = request.convert(&merged, &last.version)? else {
        return Ok(merged);
    };
    let pruned = converted.remove_items(&named(&converted, &last.set));
    let pruned = add_back_owned(&converted, pruned, &last.version, managers, request)?;
    let pruned = add_back_dangling(converted, &pruned, last, request)?;
    // The version was there a moment ago: it is the one that the request speaks.
    Ok(request.convert(&pruned, request.version)?.unwrap_or(merged))
}

/// Puts back what some manager owns, this applier included.
fn add_back_owned<'s>(
    merged: &Typed<'s>,
    pruned: Typed<'s>,
    pruned_version: &str,
    managers: &Managers,
    request: &Request<'_, 's>,
) -> Result<Typed<'s>, Error> {
    let mut by_version: BTreeMap<&str, Set> = BTreeMap::new();
    for owned in managers.0.values() {
        by_version
            .entry(&owned.version)
            .or_default()
            .extend(&owned.set);
    }
    // The pruned version goes first: others may not be convertible without what was pruned.
    let first = by_version.remove(pruned_version);
    let first = first.map(|set| (pruned_version, set));
    let (mut merged, mut pruned) = (merged.clone(), pruned);
    for (version, owned) in first.into_iter().chain(by_version) {
        let Some(merged_here) = request.convert(&merged, version)? else {
            continue;
        };
        merged = merged_here;
        let Some(pruned_here) = request.convert(&pruned, version)? else {
            continue;
        };
        let all = named(&merged, &fields(&merged)?);
        let kept = named(&merged, &fields(&pruned_here)?).union(&named(&merged, &owned));
        pruned = merged.remove_items(&all.difference(&kept));
    }
    Ok(pruned)
}

/// Puts back what went with a field but was not the applier's.
fn add_back_dangling<'s>(
    merged: Typed<'s>,
    pruned: &Typed<'s>,
    last: &Owned,
    request: &Request<'_, 's>,
) -> Result<Typed<'s>, Error> {
    let Some(pruned) = request.convert(pruned, &last.version)? else {
        return Ok(merged);
    };
    let kept = named(&merged, &fields(&pruned)?);
    let all = named(&merged, &fields(&merged)?);
    let gone = all
        .difference(&kept)
        .intersection(&named(&merged, &last.set));
    Ok(merged.remove_items(&gone))
}

fn fields(object: &Typed<'_>) -> Result<Set, Error> {
    object.to_set().map_err(Error::Fields)
}

fn named(object: &Typed<'_>, set: &Set) -> Set {
    set.with_named_fields(object.schema(), Some(object.ty()))
}
