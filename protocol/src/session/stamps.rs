//! Stamps and holds: may what a hub offers act over what the agent has?
//!
//! One pure function, decided key by key, so that a restored hub, an empty one in its place, or two
//! hubs from one copy overwrite and remove nothing. It knows no disk and no member.

use std::collections::BTreeSet;

use crate::wire::limits::LINEAGE_KNOWN_MAX;
use crate::wire::stamp::{Epoch, EpochRange};
use crate::wire::{Digest, Lineage, Meta, Stamp};

use super::change::Change;

/// What the agent has recorded for a key, a carried-out or pending tombstone included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Given when.
    pub stamp: Stamp,
    /// Its content; `None` for a tombstone.
    pub digest: Option<Digest>,
}

/// What to do about an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Record it and carry it out.
    Act,
    /// Record the new stamp (and meta); content is as it is.
    Restamp,
    /// It is recorded already: do nothing.
    Same,
    /// Something newer of the same history is recorded: ignore it.
    Older,
    /// Refuse it, keep what is there going, and show that.
    Hold,
    /// Same stamp, other content: refuse it and report it as an error.
    SameStampDiffers,
}

/// Judges `offer` over `held` in the history `lineage` of the hub that offers it.
pub fn verdict(lineage: &Lineage, offer: &Change, held: Option<&Held>) -> Verdict {
    if !lineage.contains(offer.stamp) {
        return Verdict::Hold;
    }
    let Some(held) = held else {
        return Verdict::Act;
    };
    let equal = held.digest == offer.digest();
    if held.stamp == offer.stamp {
        return if equal {
            Verdict::Same
        } else {
            Verdict::SameStampDiffers
        };
    }
    if lineage.contains(held.stamp) {
        let newer = offer.stamp.revision > held.stamp.revision;
        return if newer { Verdict::Act } else { Verdict::Older };
    }
    if equal {
        return Verdict::Restamp;
    }
    #[cfg(planted)]
    if crate::planted::is("other-history-acts") {
        return Verdict::Act;
    }
    if replaces(offer).any(|stamp| stamp == held.stamp) {
        Verdict::Act
    } else {
        Verdict::Hold
    }
}

/// The history that `offered`, a hub's lineage, stands for, as far as an agent can know that has
/// `recorded` an earlier one of it.
///
/// A hub names no more than so many epochs, and leaves out old ones in which it has nothing any more.
/// The newest of them that is also recorded, with the same beginning, is where both are one history:
/// a life begins once, and has one past. What either knows before it belongs to both. Where there is
/// none the two may be strangers, and nothing is added. From the common epoch on, the hub's word
/// counts: a copy may have ended an epoch elsewhere. At most `LINEAGE_KNOWN_MAX` epochs are kept, the
/// newest.
pub fn extend(recorded: &Lineage, offered: &Lineage) -> Lineage {
    let common = offered.0.iter().enumerate().rev().find_map(|(at, range)| {
        let same = |other: &EpochRange| (other.epoch, other.first) == (range.epoch, range.first);
        let known = recorded.0.iter().position(same)?;
        Some((recorded.0.get(..known)?, offered.0.get(..at)?))
    });
    let (known, said) = common.unwrap_or_default();
    let mut epochs = offered.0.clone();
    let told: BTreeSet<Epoch> = said.iter().map(|range| range.epoch).collect();
    epochs.extend(known.iter().filter(|range| !told.contains(&range.epoch)));
    epochs.sort_by_key(|range| range.first);
    let surplus = epochs.len().saturating_sub(LINEAGE_KNOWN_MAX);
    epochs.drain(..surplus);
    let whole = Lineage(epochs);
    // What was recorded may be damaged; the offered one was checked when it was welcomed.
    if whole.is_ordered() {
        whole
    } else {
        offered.clone()
    }
}

/// The stamps that an order names as replaced.
fn replaces(offer: &Change) -> impl Iterator<Item = Stamp> {
    offer.meta.iter().filter_map(|meta| match meta {
        Meta::Replaces(stamp) => Some(*stamp),
        Meta::Release
        | Meta::Propagation(_)
        | Meta::ActAs { .. }
        | Meta::Overwrite
        | Meta::AdoptIfEqual
        | Meta::IgnoreFields(_) => None,
    })
}

#[cfg(test)]
mod tests;
