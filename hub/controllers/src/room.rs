//! When what clusters have free is written down: pods come and go all the time, and a durable write for
//! each would never let the hub rest.
//!
//! A change of nothing but what is free waits until [`FREE_EVERY`] after the cluster's last such write,
//! unless replicas wait for room. When was the last is kept in memory: a hub that starts writes at once.
//! Deliberately absent: who waits, which is [`wake`](crate::wake)'s.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use roadstead_protocol::api::facts::NodeShape;
use tokio::time::Instant;

use crate::work::Name;

/// How often a cluster's status is written for nothing but what is free there, at most.
pub(crate) const FREE_EVERY: Duration = Duration::from_secs(300);

/// What is known of the clusters' room.
#[derive(Default)]
pub(crate) struct Room(Mutex<Inner>);

/// One entry for each cluster at most.
#[derive(Default)]
struct Inner {
    /// Whether replicas wait for room.
    wanted: bool,
    /// When each cluster's shapes were written last, by UID.
    written: BTreeMap<String, Instant>,
    /// Clusters whose news wait, by UID.
    held: BTreeMap<String, Name>,
}

impl Room {
    /// For how long the news of what is free on a cluster still wait; `None` where they are to be
    /// written now. What waits is named by [`wanted`](Self::wanted) as soon as somebody needs it.
    pub(crate) fn hold(&self, (uid, name): (&str, &Name), now: Instant) -> Option<Duration> {
        let mut inner = self.inner();
        if inner.wanted {
            return None;
        }
        let due = *inner.written.get(uid)? + FREE_EVERY;
        let left = due.checked_duration_since(now).filter(|l| !l.is_zero())?;
        inner.held.insert(uid.to_owned(), name.clone());
        Some(left)
    }

    /// A cluster's shapes were written.
    pub(crate) fn wrote(&self, uid: &str, now: Instant) {
        let mut inner = self.inner();
        inner.held.remove(uid);
        inner.written.insert(uid.to_owned(), now);
    }

    /// Whether replicas wait for room from here on. The clusters whose news waited and must not any
    /// more.
    pub(crate) fn wanted(&self, wanted: bool) -> Vec<Name> {
        let mut inner = self.inner();
        inner.wanted = wanted;
        if wanted {
            std::mem::take(&mut inner.held).into_values().collect()
        } else {
            Vec::new()
        }
    }

    /// Forgets about a cluster that is gone.
    pub(crate) fn forget(&self, uid: &str) {
        let mut inner = self.inner();
        inner.held.remove(uid);
        inner.written.remove(uid);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether two reports are of the same nodes, whatever is free on them: that none of a node's room can
/// be used, or that nobody knows how much of it, is no matter of pods that come and go.
pub(crate) fn same_nodes(one: &[NodeShape], other: &[NodeShape]) -> bool {
    nodes(one) == nodes(other)
}

/// How many nodes there are of each kind, where their room does not tell them apart.
fn nodes(shapes: &[NodeShape]) -> BTreeMap<(NodeShape, Option<bool>), u64> {
    let mut nodes = BTreeMap::new();
    for shape in shapes {
        let kind = NodeShape {
            count: 0,
            free: None,
            ..shape.clone()
        };
        let usable = shape.free.as_ref().map(|free| !free.is_empty());
        *nodes.entry((kind, usable)).or_default() += u64::from(shape.count);
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconciler::instant;

    fn shape(count: u32, free: Option<&[&str]>) -> NodeShape {
        let one = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let free = free.map(|free| free.iter().map(|value| one(("cpu", value))).collect());
        NodeShape {
            count,
            allocatable: [one(("cpu", "8"))].into(),
            free,
            ..NodeShape::default()
        }
    }

    #[test]
    fn nodes_are_the_same_however_their_pods_part_them() {
        let all = [shape(3, Some(&["8"]))];
        let parted = [shape(1, Some(&["7"])), shape(2, Some(&["8"]))];
        assert!(same_nodes(&all, &parted));
        assert!(!same_nodes(&all, &parted[..1]), "there are fewer");
        assert!(!same_nodes(&all, &[shape(3, Some(&[]))]), "none takes pods");
        assert!(!same_nodes(&all, &[shape(3, None)]), "nobody knows");
        let mut tainted = all.clone();
        tainted[0].taints.push(Default::default());
        assert!(!same_nodes(&all, &tainted));
    }

    #[tokio::test(start_paused = true)]
    async fn news_wait_for_their_time_or_for_somebody_who_needs_them() {
        let room = Room::default();
        let name = Name {
            namespace: "default".to_owned(),
            name: "a".to_owned(),
        };
        let hold = || room.hold(("uid", &name), instant());
        assert_eq!(hold(), None, "it was never written");
        room.wrote("uid", instant());
        assert_eq!(hold(), Some(FREE_EVERY));
        tokio::time::advance(FREE_EVERY / 2).await;
        assert_eq!(hold(), Some(FREE_EVERY / 2));
        assert_eq!(room.wanted(true), std::slice::from_ref(&name));
        assert_eq!((hold(), room.wanted(true)), (None, Vec::new()));
        assert_eq!(room.wanted(false), []);
        assert!(hold().is_some());
        tokio::time::advance(FREE_EVERY / 2).await;
        assert_eq!(hold(), None, "it is due");
        room.wrote("uid", instant());
        assert!(hold().is_some());
        room.forget("uid");
        assert_eq!((hold(), room.wanted(true)), (None, Vec::new()));
    }
}
