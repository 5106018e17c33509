//! What is said to the hub about an item.

use roadstead_protocol::wire::item::ItemKey;
use roadstead_protocol::wire::limits::MESSAGE_BYTES_MAX;
use roadstead_protocol::wire::report::{Health, ItemReport, ItemState};

use super::live::Live;
use crate::store::record::{Item, Offer};

/// How the latest attempt at a key ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How far it got.
    pub state: ItemState,
    /// A CamelCase reason.
    pub reason: String,
    /// For people.
    pub message: String,
}

impl Outcome {
    /// An outcome with a reason and words.
    pub fn new(state: ItemState, reason: &str, message: impl Into<String>) -> Self {
        Self {
            state,
            reason: reason.to_owned(),
            message: message.into(),
        }
    }
}

/// The report about `key`. `live` is what is on the member where that is ours.
pub fn report(
    key: &ItemKey,
    item: Option<&Item>,
    live: Option<&Live>,
    outcome: &Outcome,
) -> ItemReport {
    let stamp = item.map(|i| i.stamp).or_else(|| live.and_then(|l| l.stamp));
    let mut outcome = outcome.clone();
    if let Some(item) = item {
        overlay(item, &mut outcome);
    }
    let live = live.filter(|l| l.owned);
    let message = match live {
        Some(live) if outcome.message.is_empty() => live.why.clone(),
        Some(_) | None => outcome.message,
    };
    ItemReport {
        key: key.clone(),
        stamp: stamp.unwrap_or_default(),
        state: outcome.state,
        reason: outcome.reason,
        message: cut(message, MESSAGE_BYTES_MAX),
        generation: live.map(|l| l.generation).unwrap_or_default(),
        health: live.map_or(Health::Unknown, |l| l.health),
        status: live.map(|l| l.status.clone()).unwrap_or_default(),
    }
}

/// A refused offer, and an item that the hub does not name, are said first of all.
fn overlay(item: &Item, outcome: &mut Outcome) {
    if let Some(Offer {
        stamp, same_stamp, ..
    }) = item.held
    {
        outcome.state = ItemState::Held;
        (outcome.reason, outcome.message) = if same_stamp {
            let message = format!(
                "the hub gave something else under the stamp {stamp} that is here already; what runs is kept"
            );
            ("SameStampDiffers".to_owned(), message)
        } else {
            let message = format!(
                "the hub offers stamp {stamp} but does not know {}, which runs here; it is kept as it is until someone writes the object again or reconciles",
                item.stamp
            );
            ("OtherHistory".to_owned(), message)
        };
    } else if !item.listed && outcome.state == ItemState::Applied {
        outcome.state = ItemState::Unclaimed;
        outcome.reason = "NotInHub".to_owned();
        outcome.message = format!(
            "the hub does not name it; it was given with stamp {} and is kept as it is",
            item.stamp
        );
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
    use roadstead_protocol::wire::{Epoch, Revision, Stamp};

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
        let key = ItemKey {
            group: String::new(),
            kind: "Secret".into(),
            namespace: "a".into(),
            name: "b".into(),
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
        let said = report(&key, Some(&item), None, &applied);
        assert_eq!(
            (said.state, said.reason.as_str(), said.stamp),
            (ItemState::Held, "OtherHistory", stamp(1, 5))
        );
        let unlisted = Item {
            listed: false,
            held: None,
            ..item
        };
        assert_eq!(
            report(&key, Some(&unlisted), None, &applied).state,
            ItemState::Unclaimed
        );
    }
}
