//! Spreading over groups of clusters: at least so many regions (zones, providers, clusters, values of
//! a label), at most so many.
//!
//! What holds something stays chosen: only more groups of those than a constraint allows take anything
//! from it ([`staying`]), and never that another cluster may get something. Groups are taken
//! in the order of preference, each only if the other constraints can still be met afterwards; that is
//! exact for constraints of which the groups of one lie within the groups of the other (clusters within
//! regions, zones within regions), and never wrong for others, but it may then miss a choice.

use std::collections::{BTreeMap, BTreeSet};

use roadstead_protocol::api::selection::{SpreadConstraint, SpreadField};

use crate::cluster::Cluster;

/// Most constraints of one policy.
const CONSTRAINTS_MAX: usize = 8;

/// Among how many groups of clusters something is spread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    /// What makes clusters a group.
    pub by: By,
    /// At least so many groups get something.
    pub min: usize,
    /// At most so many.
    pub max: usize,
}

/// What makes clusters a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// Each cluster is one.
    Cluster,
    /// Those of a region.
    Region,
    /// Those of a zone.
    Zone,
    /// Those of a provider.
    Provider,
    /// Those with the same value of this label.
    Label(String),
}

impl By {
    /// The group of a cluster, if it is in any.
    pub(crate) fn group<'a>(&self, cluster: &'a Cluster) -> Option<&'a str> {
        match self {
            Self::Cluster => Some(&cluster.uid),
            Self::Region => cluster.region.as_deref(),
            Self::Zone => cluster.zone.as_deref(),
            Self::Provider => cluster.provider.as_deref(),
            Self::Label(label) => cluster.labels.get(label).map(String::as_str),
        }
    }
}

impl std::fmt::Display for By {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cluster => f.write_str("cluster"),
            Self::Region => f.write_str("region"),
            Self::Zone => f.write_str("zone"),
            Self::Provider => f.write_str("provider"),
            Self::Label(label) => write!(f, "value of the label {label}"),
        }
    }
}

/// Reads constraints.
///
/// # Errors
/// What is wrong with them, with the path below the list.
pub(crate) fn parse(said: &[SpreadConstraint]) -> Result<Vec<Spread>, String> {
    if said.len() > CONSTRAINTS_MAX {
        return Err(format!(": Too many: at most {CONSTRAINTS_MAX} constraints"));
    }
    let mut spreads: Vec<Spread> = Vec::new();
    for (i, one) in said.iter().enumerate() {
        let spread = read(one).map_err(|problem| format!("[{i}]{problem}"))?;
        if spreads.iter().any(|other| other.by == spread.by) {
            return Err(format!("[{i}]: Duplicate value: by {} twice", spread.by));
        }
        spreads.push(spread);
    }
    Ok(spreads)
}

fn read(said: &SpreadConstraint) -> Result<Spread, String> {
    let by = match (said.spread_by_field, said.spread_by_label.as_str()) {
        (Some(_), label) if !label.is_empty() => {
            return Err(": Forbidden: only one of spreadByField and spreadByLabel".to_owned());
        }
        (Some(SpreadField::Cluster), _) => By::Cluster,
        (Some(SpreadField::Region), _) => By::Region,
        (Some(SpreadField::Zone), _) => By::Zone,
        (Some(SpreadField::Provider), _) => By::Provider,
        (None, "") => {
            return Err(": Required value: spreadByField or spreadByLabel".to_owned());
        }
        (None, label) => By::Label(label.to_owned()),
    };
    let number = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    let min = said.min_groups.map_or(1, number);
    let max = said.max_groups.map_or(usize::MAX, number);
    if max == 0 || min > max {
        return Err(format!(
            ".maxGroups: Invalid value: {max} must be at least 1 and at least minGroups ({min})"
        ));
    }
    Ok(Spread { by, min, max })
}

/// A cluster that may be chosen, with its group of each constraint.
#[derive(Clone, Debug)]
pub(crate) struct Candidate<'a> {
    /// Its group of each constraint, in their order.
    pub(crate) groups: Vec<&'a str>,
    /// Whether it has something that is to stay.
    pub(crate) has: bool,
    /// Whether it may get something.
    pub(crate) open: bool,
    /// Whether it may, as far as people say.
    pub(crate) able: bool,
    /// How much it is preferred to others.
    pub(crate) score: u64,
}

/// A constraint that cannot be met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unmet {
    /// Which, by its place.
    pub(crate) constraint: usize,
    /// How many groups there can be.
    pub(crate) found: usize,
}

/// Chooses among candidates: for each, whether it is chosen. Who may get nothing and has nothing
/// counts for no group; it is chosen where its groups are.
pub(crate) fn choose(spreads: &[Spread], candidates: &[Candidate<'_>]) -> Result<Vec<bool>, Unmet> {
    let counts = |c: &Candidate<'_>| c.has || c.open;
    let mut left: Vec<usize> = (0..candidates.len())
        .filter(|i| candidates.get(*i).is_some_and(counts))
        .collect();
    let mut order: Vec<usize> = (0..spreads.len()).collect();
    // The wider groups first: what lies within them is chosen from what is left.
    order.sort_by_key(|constraint| groups(candidates, &left, *constraint).len());
    for constraint in &order {
        left = narrow(spreads, candidates, left, *constraint);
    }
    for (constraint, spread) in spreads.iter().enumerate() {
        let found = groups(candidates, &left, constraint).len();
        if found < spread.min {
            return Err(Unmet { constraint, found });
        }
    }
    let mut chosen = vec![false; candidates.len()];
    let mut taken: Vec<BTreeSet<&str>> = (0..spreads.len())
        .map(|constraint| groups(candidates, &left, constraint))
        .collect();
    for at in left {
        if let Some(chosen) = chosen.get_mut(at) {
            *chosen = true;
        }
    }
    for (chosen, candidate) in chosen.iter_mut().zip(candidates) {
        let fits = |((taken, group), spread): ((&BTreeSet<&str>, &&str), &Spread)| {
            taken.contains(*group) || taken.len() < spread.max
        };
        let all = || taken.iter().zip(&candidate.groups).zip(spreads);
        if !*chosen && !counts(candidate) && all().all(fits) {
            *chosen = true;
            for (taken, group) in taken.iter_mut().zip(&candidate.groups) {
                taken.insert(group);
            }
        }
    }
    Ok(chosen)
}

/// Like [`choose`], where all that have something are chosen.
pub(crate) fn choose_with(
    spreads: &[Spread],
    candidates: &[Candidate<'_>],
) -> Result<Vec<bool>, Unmet> {
    let chosen = choose(spreads, candidates)?;
    let dropped = |(c, chosen): (&Candidate<'_>, &bool)| c.has && !chosen;
    if !candidates.iter().zip(&chosen).any(dropped) {
        return Ok(chosen);
    }
    // Not with them: how far it comes when nothing is asked for but that they stay.
    let most = choose(&at_least_none(spreads), candidates).unwrap_or_default();
    let counts = |at: &usize| {
        let counted = candidates.get(*at).is_some_and(|c| c.has || c.open);
        counted && most.get(*at) == Some(&true)
    };
    let left: Vec<usize> = (0..candidates.len()).filter(counts).collect();
    let mut found = spreads.iter().enumerate().map(|(constraint, spread)| {
        let found = groups(candidates, &left, constraint).len();
        (found < spread.min, Unmet { constraint, found })
    });
    let first = found.clone().next().map(|(_, unmet)| unmet);
    let unmet = found.find_map(|(short, unmet)| short.then_some(unmet));
    Err(unmet.or(first).unwrap_or(Unmet {
        constraint: 0,
        found: 0,
    }))
}

/// Who of those that have something keeps it: all, but where they are in more groups than is allowed.
/// Who may get something has no say in it, so that facts take nothing away.
pub(crate) fn staying(spreads: &[Spread], candidates: &[Candidate<'_>]) -> Vec<bool> {
    let shut = candidates.iter().cloned();
    let shut = shut.map(|c| Candidate { open: false, ..c });
    let kept = |chosen: Vec<bool>| -> Vec<bool> {
        let each = candidates.iter().zip(chosen);
        each.map(|(c, chosen)| c.has && chosen).collect()
    };
    let all: Vec<bool> = candidates.iter().map(|c| c.has).collect();
    let alone = choose(&at_least_none(spreads), &shut.collect::<Vec<_>>());
    let alone = alone.map_or_else(|_| all.clone(), kept);
    if alone == all {
        return all;
    }
    let could = choose(spreads, &opened(candidates)).map(kept);
    could.ok().filter(|k| k.contains(&true)).unwrap_or(alone)
}

/// The candidates if no fact kept anything away from them.
pub(crate) fn opened<'a>(candidates: &[Candidate<'a>]) -> Vec<Candidate<'a>> {
    let each = candidates.iter().cloned();
    let open = each.map(|c| Candidate { open: c.able, ..c });
    open.collect()
}

fn at_least_none(spreads: &[Spread]) -> Vec<Spread> {
    let each = spreads.iter().cloned();
    each.map(|spread| Spread { min: 0, ..spread }).collect()
}

/// The groups of one constraint among the candidates at `at`.
fn groups<'a>(candidates: &[Candidate<'a>], at: &[usize], constraint: usize) -> BTreeSet<&'a str> {
    let found = at.iter().filter_map(|i| candidates.get(*i));
    found
        .filter_map(|c| c.groups.get(constraint).copied())
        .collect()
}

/// Takes as many groups of one constraint as it allows, and leaves the other candidates out.
fn narrow(
    spreads: &[Spread],
    candidates: &[Candidate<'_>],
    left: Vec<usize>,
    constraint: usize,
) -> Vec<usize> {
    let Some(max) = spreads.get(constraint).map(|spread| spread.max) else {
        return left;
    };
    let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for at in &left {
        let group = candidates.get(*at).and_then(|c| c.groups.get(constraint));
        members
            .entry(group.copied().unwrap_or_default())
            .or_default()
            .push(*at);
    }
    if members.len() <= max {
        return left;
    }
    let mut groups: Vec<(&str, Vec<usize>)> = members.into_iter().collect();
    groups.sort_by_cached_key(|(_, at)| {
        let members = || at.iter().filter_map(|at| candidates.get(*at));
        let has = members().filter(|c| c.has).count();
        let score = members().fold(0, |sum: u64, c| sum.saturating_add(c.score));
        let open = members().filter(|c| c.open).count();
        let least = std::cmp::Reverse((has > 0, score, has, open));
        (least, at.first().copied())
    });
    let mut chosen: Vec<usize> = Vec::new();
    let mut taken = 0;
    let mut met = None;
    for (at, (_, members)) in groups.iter().enumerate() {
        if taken == max {
            break;
        }
        let with: Vec<usize> = chosen.iter().chain(members).copied().collect();
        let rest: Vec<&[usize]> = groups
            .iter()
            .skip(at + 1)
            .map(|(_, m)| m.as_slice())
            .collect();
        let possible = spreads.iter().enumerate().all(|(other, spread)| {
            other == constraint
                || coverage(candidates, &with, &rest, (other, max - taken - 1)) >= spread.min
        });
        // What cannot be met is not met by leaving this out either.
        let can = || reachable(spreads, candidates, &groups, (constraint, max));
        if possible || !*met.get_or_insert_with(can) {
            chosen = with;
            taken += 1;
        }
    }
    chosen
}

/// Whether the other constraints can be met by any choice of groups of this one.
fn reachable(
    spreads: &[Spread],
    candidates: &[Candidate<'_>],
    groups: &[(&str, Vec<usize>)],
    (constraint, max): (usize, usize),
) -> bool {
    let all: Vec<&[usize]> = groups.iter().map(|(_, m)| m.as_slice()).collect();
    spreads.iter().enumerate().all(|(other, spread)| {
        other == constraint || coverage(candidates, &[], &all, (other, max)) >= spread.min
    })
}

/// How many groups of a constraint `chosen` has with the best `slots` of `rest`.
fn coverage(
    candidates: &[Candidate<'_>],
    chosen: &[usize],
    rest: &[&[usize]],
    (constraint, slots): (usize, usize),
) -> usize {
    let mut covered = groups(candidates, chosen, constraint);
    let mut rest: Vec<BTreeSet<&str>> = rest
        .iter()
        .map(|members| groups(candidates, members, constraint))
        .collect();
    for _ in 0..slots.min(rest.len()) {
        let news = |set: &BTreeSet<&str>| set.difference(&covered).count();
        let best = rest
            .iter()
            .enumerate()
            .max_by_key(|(at, set)| (news(set), std::cmp::Reverse(*at)));
        let Some((at, _)) = best.filter(|(_, set)| news(set) > 0) else {
            break;
        };
        covered.extend(rest.swap_remove(at));
    }
    covered.len()
}

/// Where the floor is laid: for each candidate how many replicas it gets at least, so that each
/// constraint's smallest number of groups gets one. Candidates that are not chosen get none.
pub(crate) fn floors(
    spreads: &[Spread],
    candidates: &[Candidate<'_>],
    chosen: &[bool],
) -> Vec<u32> {
    let mut floors = vec![0; candidates.len()];
    let able: Vec<usize> = candidates
        .iter()
        .enumerate()
        .filter(|(at, c)| chosen.get(*at) == Some(&true) && (c.open || c.has))
        .map(|(at, _)| at)
        .collect();
    let mut order: Vec<usize> = (0..spreads.len()).collect();
    order.sort_by_key(|constraint| groups(candidates, &able, *constraint).len());
    for constraint in order {
        let Some(spread) = spreads.get(constraint).filter(|spread| spread.min > 1) else {
            continue;
        };
        let mut ranked = able.clone();
        ranked.sort_by_key(|at| {
            let c = candidates.get(*at);
            std::cmp::Reverse((c.is_some_and(|c| c.has), c.map_or(0, |c| c.score)))
        });
        let given: Vec<usize> = (able.iter().copied())
            .filter(|at| floors.get(*at).is_some_and(|floor| *floor > 0))
            .collect();
        let mut covered = groups(candidates, &given, constraint);
        for at in ranked {
            let group = candidates.get(at).and_then(|c| c.groups.get(constraint));
            if covered.len() < spread.min
                && let (Some(group), Some(floor)) = (group, floors.get_mut(at))
                && covered.insert(group)
            {
                *floor = 1;
            }
        }
    }
    floors
}
