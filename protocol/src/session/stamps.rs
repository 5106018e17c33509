//! Stamps and holds: may what a hub offers act over what the agent has?
//!
//! One pure function, decided key by key, so that a restored hub, an empty one in its place, or two
//! hubs from one copy overwrite and remove nothing. It knows no disk and no member.

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

/// The stamps that an order names as replaced.
fn replaces(offer: &Change) -> impl Iterator<Item = Stamp> {
    offer.meta.iter().filter_map(|meta| match meta {
        Meta::Replaces(stamp) => Some(*stamp),
        Meta::Release
        | Meta::Propagation(_)
        | Meta::ActAs { .. }
        | Meta::Overwrite
        | Meta::IgnoreFields(_) => None,
    })
}

#[cfg(test)]
mod tests;
