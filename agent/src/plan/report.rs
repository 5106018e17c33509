//! What is said to the hub about an item.

use std::borrow::Cow;

use bytes::Bytes;
use roadstead_protocol::wire::Stamp;
use roadstead_protocol::wire::item::ItemKey;
use roadstead_protocol::wire::limits::MESSAGE_BYTES_MAX;
use roadstead_protocol::wire::report::{Health, ItemReport, ItemState};

use super::live::Live;
use crate::store::record::{Item, Offer};

/// Reason of what was changed on the member, and is left so.
pub const DRIFTED: &str = "Drifted";
/// How the words about what was changed on the member begin.
pub const CHANGED: &str = "it was changed on the member at ";

/// Reason of what is gone because it removes itself.
pub const EXPIRED: &str = "Expired";

/// How the latest attempt at a key ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How far it got.
    pub state: ItemState,
    /// A CamelCase reason.
    pub reason: Cow<'static, str>,
    /// For people.
    pub message: String,
    /// The stamp of what is on the spot, where that is what counts and not the item's.
    pub spot: Option<Stamp>,
}

impl Outcome {
    /// An outcome with a reason and words.
    pub fn new(
        state: ItemState,
        reason: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            state,
            reason: reason.into(),
            message: message.into(),
            spot: None,
        }
    }

    /// About what has `stamp` on the member, whatever the item's is.
    #[must_use]
    pub fn at(self, stamp: Option<Stamp>) -> Self {
        Self {
            spot: stamp,
            ..self
        }
    }
}

/// What was said about a key, as it is kept: there is one of it for every object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The stamp of what is applied, or of what was tried.
    pub stamp: Stamp,
    /// How far it got.
    pub state: ItemState,
    /// A CamelCase reason.
    pub reason: Cow<'static, str>,
    /// For people.
    pub message: Box<str>,
    /// The object's generation when this was observed; 0 where unknown.
    pub generation: i64,
    /// How the object is.
    pub health: Health,
    /// The raw JSON of its `.status`.
    pub status: Bytes,
}

impl Said {
    /// The report about `key` that says so.
    pub fn of(&self, key: &ItemKey) -> ItemReport {
        ItemReport {
            key: key.clone(),
            stamp: self.stamp,
            state: self.state,
            reason: self.reason.clone().into_owned(),
            message: self.message.clone().into(),
            generation: self.generation,
            health: self.health,
            status: self.status.clone(),
        }
    }
}

impl Said {
    /// Of what removed itself: how it was when it was seen last. What had failed stays so; all else
    /// ended well, though its end may not have been seen.
    pub fn keep(&mut self, before: &Self) {
        let same = before.stamp == self.stamp || before.reason == EXPIRED;
        if self.reason == EXPIRED && same {
            self.generation = before.generation;
            if before.health == Health::Degraded {
                self.health = Health::Degraded;
            }
            self.status = before.status.clone();
        }
    }
}

impl Said {
    /// Adds words to the message, within its bound.
    pub fn add(&mut self, words: &str) {
        if !words.is_empty() {
            let message = format!("{}{}", self.message, beside(words));
            self.message = cut(message, MESSAGE_BYTES_MAX).into();
        }
    }

    /// Takes away words that were [added](Self::add).
    pub fn unsay(&mut self, words: &str) {
        let added = beside(words);
        if let Some(before) = self
            .message
            .strip_suffix(&added)
            .filter(|_| !words.is_empty())
        {
            self.message = before.into();
        }
    }
}

fn beside(words: &str) -> String {
    format!(" ({words})")
}

/// What to say of an item. `live` is what is on the member where that is ours.
pub fn report(item: Option<&Item>, live: Option<&Live>, outcome: &Outcome) -> Said {
    let mut outcome = outcome.clone();
    if let Some(item) = item {
        overlay(item, &mut outcome);
    }
    let stamp = outcome.spot.or_else(|| item.map(|i| i.stamp));
    let stamp = stamp.or_else(|| live.and_then(|l| l.stamp));
    let live = live.filter(|l| l.is_ours());
    let message = match live {
        Some(live) if outcome.message.is_empty() => live.why.clone(),
        Some(_) | None => outcome.message,
    };
    // Nothing but its being gone is left to tell how it was, after a restart: it removes itself when it
    // has ended.
    let gone = if outcome.reason == EXPIRED {
        Health::Healthy
    } else {
        Health::Unknown
    };
    Said {
        stamp: stamp.unwrap_or_default(),
        state: outcome.state,
        reason: outcome.reason,
        message: cut(message, MESSAGE_BYTES_MAX).into(),
        generation: live.map(|l| l.generation).unwrap_or_default(),
        health: live.map_or(gone, |l| l.health),
        status: live.map(|l| l.status.clone()).unwrap_or_default(),
    }
}

/// A refused offer, and an item that the hub does not name, are said first of all. An order that is
/// to end either names the stamp of the item.
fn overlay(item: &Item, outcome: &mut Outcome) {
    let way_out = "it is kept as it is until someone writes the object again or reconciles";
    if let Some(Offer {
        stamp, same_stamp, ..
    }) = item.held
    {
        let here = if item.is_tombstone() {
            "by which it was removed here"
        } else {
            "which runs here"
        };
        let (reason, message) = if same_stamp {
            let message = format!(
                "the hub gave something else under the stamp {stamp} that is here already; {way_out}"
            );
            ("SameStampDiffers", message)
        } else {
            let message = format!(
                "the hub offers stamp {stamp} but does not know {}, {here}; {way_out}",
                item.stamp
            );
            ("OtherHistory", message)
        };
        *outcome = Outcome::new(ItemState::Held, reason, message);
    } else if !item.listed && outcome.state == ItemState::Applied {
        let message = format!(
            "the hub does not name it; it was given with stamp {} and {way_out}",
            item.stamp
        );
        *outcome = Outcome::new(ItemState::Unclaimed, "NotInHub", message);
    }
}

/// Cuts `text` to at most `bytes`, between characters.
pub fn cut(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        let end = (0..=bytes)
            .rev()
            .find(|i| text.is_char_boundary(*i))
            .unwrap_or(0);
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use roadstead_protocol::wire::{Epoch, Revision};

    #[test]
    fn a_message_is_cut_between_characters() {
        assert_eq!(cut("aé".to_owned(), 2), "a");
        assert_eq!(cut("aé".to_owned(), 3), "aé");
    }

    #[test]
    fn a_hold_is_said_whatever_the_object_is_like() {
        let stamp = |epoch, revision| Stamp {
            epoch: Epoch(epoch),
            revision: Revision(revision),
        };
        let offer = Offer {
            stamp: stamp(2, 9),
            digest: None,
            same_stamp: false,
        };
        let item = Item {
            stamp: stamp(1, 5),
            digest: None,
            meta: vec![],
            listed: true,
            held: Some(offer),
        };
        let applied = Outcome::new(ItemState::Applied, "Applied", "");
        let said = report(Some(&item), None, &applied);
        assert_eq!(
            (said.state, said.reason.as_ref(), said.stamp),
            (ItemState::Held, "OtherHistory", stamp(1, 5))
        );
        let unlisted = Item {
            listed: false,
            held: None,
            ..item
        };
        assert_eq!(
            report(Some(&unlisted), None, &applied).state,
            ItemState::Unclaimed
        );
    }
}
