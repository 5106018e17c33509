//! How many of the replicas that a cluster has what it says is free accounts for.
//!
//! An agent reports an object's status at once, and what is free seldom: replicas that came since are still
//! to be taken away from it, else they are promised again. So a decision's status notes, as replicas come
//! up, how many there were before and which of the cluster's words about its nodes that was under. As soon
//! as the cluster says something newer the note means nothing; it is not taken back, for that would be a
//! write in every decision for each word of a cluster.

use std::collections::BTreeMap;

use roadstead_plan::World;
use roadstead_protocol::api::decision::{ClusterStatus, Counted, Decision};

/// Notes it for the clusters of one decision. Where no policy goes by what is free nothing is noted.
pub(crate) struct Counting<'a> {
    world: &'a World,
    /// What was said before, by the clusters' namespaces and names.
    before: Option<BTreeMap<(&'a str, &'a str), &'a ClusterStatus>>,
}

impl<'a> Counting<'a> {
    pub(crate) fn new(world: &'a World, decision: &'a Decision) -> Self {
        let mut policies = world.policies.iter();
        let by_room = policies.any(|policy| policy.scheduling.goes_by_room());
        let before = by_room.then(|| {
            let clusters = decision.status.clusters.iter();
            clusters
                .map(|c| ((c.namespace.as_str(), c.name.as_str()), c))
                .collect()
        });
        Self { world, before }
    }

    /// What is noted of the cluster with this UID, namespace and name, which reports so many replicas.
    pub(crate) fn note(
        &self,
        uid: &str,
        (namespace, name): &(String, String),
        replicas: Option<u64>,
    ) -> Option<Counted> {
        let before = self.before.as_ref()?;
        let before = before.get(&(namespace.as_str(), name.as_str())).copied();
        let told = self.world.cluster(uid).map_or(0, |cluster| cluster.told);
        note(before, replicas, told)
    }
}

/// What is noted of a cluster that now reports so many replicas, over what its status said `before`, under
/// its words of this `generation`; 0 where it never said anything.
fn note(before: Option<&ClusterStatus>, replicas: Option<u64>, generation: u64) -> Option<Counted> {
    let noted = before.and_then(|before| before.counted);
    let Some(replicas) = replicas.filter(|_| generation > 0) else {
        return noted;
    };
    // Who comes back tells nothing new.
    if before.is_some_and(|before| before.state == "Unknown") {
        return noted;
    }
    let had = before.and_then(|before| before.replicas).unwrap_or(0);
    if replicas > had {
        let same = noted.filter(|noted| noted.generation == generation);
        return Some(Counted {
            replicas: same.map_or(had, |noted| noted.replicas.min(had)),
            generation,
        });
    }
    noted.filter(|noted| noted.replicas < replicas)
}

/// How many of a cluster's replicas what it says is free accounts for, under its words of this
/// `generation`; `None` where it reports none.
pub(crate) fn shown(at: &ClusterStatus, generation: u64) -> Option<u64> {
    let replicas = at.replicas?;
    let noted = current(at, generation);
    Some(noted.map_or(replicas, |noted| noted.min(replicas)))
}

/// The same where fewer than all are accounted for, as it was noted.
pub(crate) fn current(at: &ClusterStatus, generation: u64) -> Option<u64> {
    let noted = at
        .counted
        .filter(|noted| noted.generation == generation && generation > 0);
    noted.map(|noted| noted.replicas)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(state: &str, replicas: Option<u64>, counted: Option<Counted>) -> ClusterStatus {
        ClusterStatus {
            state: state.to_owned(),
            replicas,
            counted,
            ..ClusterStatus::default()
        }
    }

    fn counted(replicas: u64, generation: u64) -> Option<Counted> {
        Some(Counted {
            replicas,
            generation,
        })
    }

    #[test]
    fn what_came_since_the_last_word_is_not_accounted_for() {
        let mut at = status("Applied", Some(5), None);
        assert_eq!(shown(&at, 3), Some(5));
        at = status("Applied", Some(8), note(Some(&at), Some(8), 3));
        assert_eq!((at.counted, shown(&at, 3)), (counted(5, 3), Some(5)));
        at = status("Applied", Some(9), note(Some(&at), Some(9), 3));
        assert_eq!(shown(&at, 3), Some(5), "more of the same word");
        assert_eq!(note(Some(&at), Some(9), 3), at.counted, "nothing is new");
        assert_eq!(shown(&at, 4), Some(9), "it said something newer");
        at = status("Applied", Some(10), note(Some(&at), Some(10), 4));
        assert_eq!(shown(&at, 4), Some(9));
        assert_eq!(note(Some(&at), Some(9), 4), None, "what came has gone");
    }

    #[test]
    fn the_first_replicas_are_new_and_those_of_who_comes_back_are_not() {
        assert_eq!(note(None, Some(2), 1), counted(0, 1));
        let pending = status("Pending", None, None);
        assert_eq!(note(Some(&pending), Some(2), 1), counted(0, 1));
        let away = status("Unknown", None, counted(1, 1));
        assert_eq!(note(Some(&away), Some(2), 1), counted(1, 1));
        let away = status("Unknown", None, None);
        assert_eq!(note(Some(&away), Some(2), 1), None);
        assert_eq!(note(None, Some(2), 0), None, "nobody says what is free");
        assert_eq!(note(None, None, 1), None);
    }
}
