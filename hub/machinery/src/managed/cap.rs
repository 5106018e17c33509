//! A bound on the number of entries: updates of long ago share one.

use crate::merge::Owned;

use super::entries::{Id, Managed, Operation};

/// The most entries of updaters that an object has. Appliers have no bound of their own: each is
/// a manager with a purpose.
const MAX_UPDATERS: usize = 10;

/// Who owns what the oldest updaters did.
const ANCIENT: &str = "ancient-changes";

/// Folds the oldest updaters of each version into one, until there are few enough.
pub(super) fn cap_updaters(managed: &mut Managed) {
    let updaters = managed
        .managers
        .0
        .iter()
        .filter(|(_, owned)| !owned.applied);
    let mut updaters: Vec<_> = updaters
        .map(|(id, _)| (managed.seconds(id), id.clone()))
        .collect();
    updaters.sort();
    let mut count = updaters.len();
    let mut first_of_version: Vec<(String, String)> = Vec::new();
    for (_, id) in updaters {
        if count <= MAX_UPDATERS {
            return;
        }
        let Some(owned) = managed.managers.0.get(&id).cloned() else {
            continue;
        };
        let known = first_of_version
            .iter()
            .find(|(version, _)| *version == owned.version);
        let Some((_, first)) = known.cloned() else {
            first_of_version.push((owned.version, id));
            continue;
        };
        fold(managed, &id, &first, &owned);
        count -= 1;
    }
}

fn fold(managed: &mut Managed, id: &str, first: &str, owned: &Owned) {
    let bucket = Id {
        manager: ANCIENT.to_owned(),
        operation: Operation::Update,
        api_version: owned.version.clone(),
        subresource: String::new(),
    };
    let bucket = bucket.to_key();
    let managers = &mut managed.managers.0;
    let mut ancient = match managers.remove(&bucket).or_else(|| managers.remove(first)) {
        Some(ancient) => ancient,
        None => owned.clone(),
    };
    managers.remove(id);
    ancient.set.extend(&owned.set);
    managers.insert(bucket.clone(), ancient);
    let time = managed.times.get(id).copied();
    match time {
        Some(time) => managed.times.insert(bucket, time),
        None => managed.times.remove(&bucket),
    };
}
