//! What an object waits for on each cluster (`dependsOn`), and circles of waiting.
//!
//! Only what would be given anew waits: what runs goes on as it is, and what was given once stays
//! given, however what it waited for fares later.

use std::collections::{BTreeMap, BTreeSet};

use roadstead_protocol::wire::ItemKey;

/// Most objects that are looked at in search of a circle.
pub const CIRCLE_LOOKED_MAX: usize = 256;

/// How it is where an awaited object's change is held back, be it for now or for good, and what ends that.
const BEHIND: &str = "its rollout has not let its change there (see roadstead rollout status); where that was \
                      aborted, rolled back or undone, take its change back, or make another";

/// An object that another waits for, as its decision stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// Which.
    pub key: ItemKey,
    /// How far it got on each cluster that is to have it, by UID.
    pub clusters: BTreeMap<String, Standing>,
    /// The way from it back to whoever waits, where waiting goes in a circle.
    pub circle: Vec<ItemKey>,
}

/// How far an awaited object got on a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is there as decided, and healthy: a Job is complete.
    Done,
    /// So it is, as an earlier release says it, which is named here: that is enough for what is given of the
    /// same release.
    Behind(String),
    /// It is not, for people.
    Pending(String),
}

/// What `cluster` (a UID) still waits for before it is given something of `release`, and how that is, for
/// people.
pub fn waits<'a>(
    awaited: &'a [Awaited],
    cluster: &str,
    release: &str,
) -> Option<(&'a ItemKey, String)> {
    awaited.iter().find_map(|awaited| {
        let why = match awaited.clusters.get(cluster) {
            _ if !awaited.circle.is_empty() => circle_text(&awaited.circle),
            Some(Standing::Done) => return None,
            Some(Standing::Behind(of)) if of == release => return None,
            Some(Standing::Behind(_)) => BEHIND.to_owned(),
            Some(Standing::Pending(why)) => why.clone(),
            None => "no decision sends it there".to_owned(),
        };
        Some((&awaited.key, why))
    })
}

fn circle_text(circle: &[ItemKey]) -> String {
    let way: Vec<String> = circle.iter().map(ToString::to_string).collect();
    format!("the waiting goes in a circle: {}", way.join(" → "))
}

/// The way from `from` back to `to`, if what is awaited leads there; `awaited` says what an object
/// waits for. The shortest one; none where more than [`CIRCLE_LOOKED_MAX`] objects are on the way.
pub fn circle(
    from: &ItemKey,
    to: &ItemKey,
    awaited: impl Fn(&ItemKey) -> Vec<ItemKey>,
) -> Option<Vec<ItemKey>> {
    let mut ways: Vec<Vec<ItemKey>> = vec![vec![from.clone()]];
    let mut seen = BTreeSet::from([from.clone()]);
    let mut next = 0;
    while let Some(way) = ways.get(next).cloned() {
        next += 1;
        let last = way.last()?;
        if last == to {
            return Some(way);
        }
        for step in awaited(last) {
            if seen.len() < CIRCLE_LOOKED_MAX && seen.insert(step.clone()) {
                ways.push([way.as_slice(), &[step]].concat());
            }
        }
    }
    None
}
