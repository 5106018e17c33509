//! Stamps: which life of which hub gave something, and when in that life.
//!
//! Each start of a hub mints a random epoch; a lineage is the list of epochs that one history of a
//! store has lived through, each with the revisions that belong to it. A gap between two epochs
//! belongs to neither.

use serde::{Deserialize, Serialize};

use super::bounded;
use super::limits::LINEAGE_MAX;

/// A revision of the hub's store: consecutive within an epoch, never reused in a history.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// One life of a hub: a random number minted at its start.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl std::fmt::Display for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What everything that a hub gives to a cluster carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// The life of the hub that gave it.
    pub epoch: Epoch,
    /// Its revision in that life.
    pub revision: Revision,
}

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.epoch, self.revision)
    }
}

/// The revisions of one epoch, both ends included. `last` is `None` while the epoch lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochRange {
    /// The epoch.
    pub epoch: Epoch,
    /// Its first revision.
    pub first: Revision,
    /// Its last revision on disk, once it has ended.
    pub last: Option<Revision>,
}

/// The epochs of one history, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lineage(
    #[serde(deserialize_with = "bounded::list::<LINEAGE_MAX, _, _>")] pub Vec<EpochRange>,
);

impl Lineage {
    /// The epoch that `revision` belongs to, if any. Sensible only where the lineage is ordered.
    pub fn epoch_of(&self, revision: Revision) -> Option<Epoch> {
        let begun = self.0.partition_point(|range| range.first <= revision);
        let range = self.0.get(begun.checked_sub(1)?)?;
        range
            .last
            .is_none_or(|last| revision <= last)
            .then_some(range.epoch)
    }

    /// The stamp of `revision`, if it belongs to an epoch of this history.
    pub fn stamp(&self, revision: Revision) -> Option<Stamp> {
        self.epoch_of(revision)
            .map(|epoch| Stamp { epoch, revision })
    }

    /// Whether the epochs follow one another without overlap, and only the last one lives.
    pub fn is_ordered(&self) -> bool {
        let each = self
            .0
            .iter()
            .all(|r| r.last.is_none_or(|last| r.first <= last));
        let pairs = self.0.windows(2).all(|pair| match pair {
            [before, after] => before.last.is_some_and(|last| last < after.first),
            _ => true,
        });
        each && pairs
    }

    /// Whether `stamp` was given by this history.
    pub fn contains(&self, stamp: Stamp) -> bool {
        self.epoch_of(stamp.revision) == Some(stamp.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(epoch: u64, first: u64, last: Option<u64>) -> EpochRange {
        EpochRange {
            epoch: Epoch(epoch),
            first: Revision(first),
            last: last.map(Revision),
        }
    }

    #[test]
    fn a_gap_belongs_to_no_epoch() {
        let lineage = Lineage(vec![range(7, 10, Some(20)), range(9, 100, None)]);
        assert_eq!(lineage.epoch_of(Revision(9)), None);
        assert_eq!(lineage.epoch_of(Revision(10)), Some(Epoch(7)));
        assert_eq!(lineage.epoch_of(Revision(20)), Some(Epoch(7)));
        assert_eq!(lineage.epoch_of(Revision(21)), None);
        assert_eq!(lineage.epoch_of(Revision(1_000)), Some(Epoch(9)));
        assert!(!lineage.contains(Stamp {
            epoch: Epoch(9),
            revision: Revision(15)
        }));
    }
}
