//! The decision about one key: what it is to be, what it is, what was done last → what to do next.
//!
//! A worker calls this again after every step until it says that there is nothing to do; so each
//! answer needs only to be right about the next step.

use roadstead_protocol::wire::item::{ItemKey, Meta, Propagation};
use roadstead_protocol::wire::{Lineage, Stamp};

use super::live::Live;
use super::order;
use crate::store::record::{Inventory, Item};

/// What is known of the object on the member.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// Nothing, or not enough.
    Unknown,
    /// There is none.
    Absent,
    /// This, from a watch, which may be late.
    Watched(&'a Live),
    /// This, read just now.
    Read(&'a Live),
}

/// Everything that the decision about a key needs.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The key.
    pub key: &'a ItemKey,
    /// What it is to be; `None` where it is in no list.
    pub item: Option<&'a Item>,
    /// What was put on the member.
    pub inventory: Option<&'a Inventory>,
    /// What is on the member.
    pub seen: Seen<'a>,
    /// The hub's history.
    pub lineage: &'a Lineage,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing: the member has it as it was given.
    Applied,
    /// Nothing: it is gone, or let go.
    Removed,
    /// Nothing: it is on the member under our label and in no list.
    Unclaimed,
    /// Nothing: it is none of ours.
    Ignore,
    /// Nothing: something that is not ours is in its place.
    Conflict(String),
    /// Nothing: what is on the member is from another history, or newer.
    Hold(String),
    /// Nothing until it is gone.
    AwaitDeletion,
    /// Look at the member.
    Read,
    /// Compare what was just read with the content; apply with force if it differs.
    Verify,
    /// Apply the content.
    Apply {
        /// Whether fields that others own are taken.
        force: bool,
    },
    /// Note on the disk that what was read is ours, before it is deleted.
    Claim,
    /// Delete what was read.
    Delete(Propagation),
    /// Take our label and our ownership of fields off what was read, and leave it.
    Release,
    /// Drop the note that we put it there.
    Forget,
}

/// Decides.
pub fn diff(input: &Input<'_>) -> Action {
    match input.item {
        None => unlisted(input),
        Some(item) if item.is_tombstone() => remove(input, item),
        // The hub knows this history and names the item no more: it was removed, and this disk missed
        // it. Nothing says so about the object, so what is there stays, and nothing is made anew.
        Some(item) if !item.listed && input.lineage.contains(item.stamp) => unlisted(input),
        Some(item) => keep(input, item),
    }
}

fn unlisted(input: &Input<'_>) -> Action {
    match input.seen {
        // What a controller made from an object of ours may carry its labels: it is none of ours.
        Seen::Watched(live) | Seen::Read(live)
            if live.owned && live.stamp.is_some() && !live.controlled =>
        {
            Action::Unclaimed
        }
        Seen::Unknown | Seen::Absent | Seen::Watched(_) | Seen::Read(_) => Action::Ignore,
    }
}

fn keep(input: &Input<'_>, item: &Item) -> Action {
    let (live, fresh) = match input.seen {
        Seen::Unknown => return Action::Read,
        Seen::Absent => return Action::Apply { force: false },
        Seen::Watched(live) => (live, false),
        Seen::Read(live) => (live, true),
    };
    let same = input
        .inventory
        .filter(|i| i.uid == live.uid && Some(i.digest) == item.digest);
    if live.owned && !live.deleting && same.is_some_and(|i| i.mark == live.mark) {
        return Action::Applied;
    }
    if !fresh {
        return Action::Read;
    }
    let recorded = input.inventory.is_some_and(|i| i.uid == live.uid);
    let ours = live.owned || recorded || live.made_here;
    if !ours && !item.meta.contains(&Meta::Overwrite) {
        return Action::Conflict(
            "an object of this name that is not ours is there already; delete it there, or say `conflictResolution: Overwrite` in the policy to take it over".to_owned(),
        );
    }
    if live.deleting {
        return Action::AwaitDeletion;
    }
    if let Some(why) = backwards(input.lineage, live, item) {
        return Action::Hold(why);
    }
    if live.owned && same.is_some() {
        Action::Verify
    } else {
        Action::Apply { force: true }
    }
}

/// Why acting on `item` would go back behind what is on the member.
fn backwards(lineage: &Lineage, live: &Live, item: &Item) -> Option<String> {
    #[cfg(planted)]
    if roadstead_protocol::planted::is("other-history-acts") {
        return None;
    }
    let there = live.stamp.filter(|_| live.owned)?;
    if there == item.stamp || replaces(item, there) {
        return None;
    }
    if !lineage.contains(there) {
        return Some(format!(
            "what runs here has stamp {there}, from a history that the hub does not know"
        ));
    }
    (there.revision > item.stamp.revision).then(|| {
        format!(
            "what runs here has stamp {there}, which is newer than {}",
            item.stamp
        )
    })
}

fn replaces(item: &Item, stamp: Stamp) -> bool {
    item.meta.contains(&Meta::Replaces(stamp))
}

fn remove(input: &Input<'_>, item: &Item) -> Action {
    let (live, fresh) = match (input.seen, input.inventory) {
        (Seen::Unknown, _) => return Action::Read,
        (Seen::Absent, None) => return Action::Removed,
        (Seen::Absent, Some(_)) => return Action::Forget,
        (Seen::Watched(live), _) => (live, false),
        (Seen::Read(live), _) => (live, true),
    };
    if !fresh {
        return Action::Read;
    }
    if !live.owned {
        // Somebody took our label off, or put another object in its place: it is theirs.
        return if input.inventory.is_some() {
            Action::Forget
        } else {
            Action::Removed
        };
    }
    if let Some(why) = backwards(input.lineage, live, item) {
        return Action::Hold(why);
    }
    if live.deleting {
        return Action::AwaitDeletion;
    }
    if input.inventory.is_none_or(|i| i.uid != live.uid) {
        // Ours by label and stamp, but not on our disk, as after a crash or on an emptied one.
        return if live.stamp.is_some() && !live.controlled {
            Action::Claim
        } else {
            Action::Unclaimed
        };
    }
    match propagation(item) {
        Some(propagation) if !item.meta.contains(&Meta::Release) => Action::Delete(propagation),
        None if !item.meta.contains(&Meta::Release) && !order::holds_others(input.key) => {
            Action::Delete(Propagation::Background)
        }
        Some(_) | None => Action::Release,
    }
}

/// How the hub said that the object is to be deleted. For what holds others, saying so at all is the
/// confirmation that its contents go too.
fn propagation(item: &Item) -> Option<Propagation> {
    item.meta.iter().find_map(|meta| match meta {
        Meta::Propagation(propagation) => Some(*propagation),
        Meta::Release
        | Meta::ActAs { .. }
        | Meta::Overwrite
        | Meta::IgnoreFields(_)
        | Meta::Replaces(_) => None,
    })
}

#[cfg(test)]
mod tests;
