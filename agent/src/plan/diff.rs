//! The decision about one key: what it is to be, what it is, what was done last → what to do next.
//!
//! A worker calls this again after every step until it says that there is nothing to do; so each
//! answer needs only to be right about the next step.

use roadstead_protocol::wire::item::{ItemKey, Meta, Propagation};
use roadstead_protocol::wire::{Lineage, Stamp};

use super::live::{Live, Mark};
use super::{content, leave, order};
use crate::store::record::{Inventory, Item};

/// What is known of the object on the member.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// Nothing, or not enough.
    Unknown,
    /// A watch of what is ours shows none. Something that is not ours may be there.
    Unseen,
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
    /// A mark of what a watch saw that was found to be no drift.
    pub accepted: Option<Mark>,
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
    /// Nothing: it is on the member under our label, or one that was ours, and in no list.
    Unclaimed,
    /// Nothing: it is none of ours.
    Ignore,
    /// Nothing: something that is not ours is in its place.
    Conflict(String),
    /// Nothing: what is on the member is from another history, or newer.
    Hold(Hold),
    /// Nothing: it was deleted on the member, and that is only reported.
    Leave,
    /// Nothing until it is gone.
    AwaitDeletion,
    /// Look at the member.
    Read,
    /// Compare what was just read with the content; apply with force if it differs.
    Verify,
    /// Apply the content, without force and only where nothing is.
    Create,
    /// Apply the content, with force on the fields that it names, and only over the version that was
    /// seen.
    Apply,
    /// Compare what was just read, which is not ours, with the content; take it over where it says all of
    /// it.
    Adopt,
    /// Note on the disk that what was read is ours, before it is deleted.
    Claim,
    /// Delete what was read.
    Delete(Propagation),
    /// Take our label and our ownership of fields off what was read, and leave it.
    Release,
    /// Drop the note that we put it there.
    Forget,
}

impl Action {
    /// Whether carrying it out changes something on the member.
    pub fn writes(&self) -> bool {
        match self {
            Self::Create | Self::Apply | Self::Delete(_) | Self::Release => true,
            Self::Applied
            | Self::Removed
            | Self::Unclaimed
            | Self::Ignore
            | Self::Conflict(_)
            | Self::Hold(_)
            | Self::Leave
            | Self::AwaitDeletion
            | Self::Read
            | Self::Verify
            | Self::Adopt
            | Self::Claim
            | Self::Forget => false,
        }
    }
}

/// What is on the member and is not acted over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Its stamp, which an order that is to act over it has to name.
    pub there: Stamp,
    /// Whether it is newer, in the hub's own history; otherwise the hub does not know its history.
    pub newer: bool,
    /// For people.
    pub why: String,
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
            if live.is_ours() && live.stamp.is_some() && !live.controlled =>
        {
            Action::Unclaimed
        }
        Seen::Unknown | Seen::Unseen | Seen::Absent | Seen::Watched(_) | Seen::Read(_) => {
            Action::Ignore
        }
    }
}

fn keep(input: &Input<'_>, item: &Item) -> Action {
    let (live, fresh) = match input.seen {
        Seen::Unknown => return Action::Read,
        Seen::Unseen | Seen::Absent => return missing(input, item),
        Seen::Watched(live) => (live, false),
        Seen::Read(live) => (live, true),
    };
    let recorded = input.inventory.filter(|i| i.uid == live.uid);
    let digest = content::effective(item);
    let no_drift = |i: &&Inventory| i.mark == live.mark || input.accepted == Some(live.mark);
    let as_left = recorded.filter(|i| live.owned && !live.deleting && no_drift(i));
    if as_left.is_some_and(|i| Some(i.digest) == digest) {
        return Action::Applied;
    }
    // An update goes straight over what a watch saw, where that is as this agent left it: what came
    // in between refuses it.
    if !fresh && (as_left.is_none() || backwards(input, live, item).is_some()) {
        return Action::Read;
    }
    let ours = live.is_ours() || recorded.is_some() || live.made_here;
    let says = |meta: Meta| item.meta.contains(&meta);
    let adopts = says(Meta::AdoptIfEqual) && !live.others && !live.deleting;
    if !ours && !says(Meta::Overwrite) && !adopts {
        return Action::Conflict(foreign(input.key, live).to_owned());
    }
    if live.deleting {
        return Action::AwaitDeletion;
    }
    if !ours && !says(Meta::Overwrite) {
        return Action::Adopt;
    }
    if let Some(hold) = backwards(input, live, item) {
        return Action::Hold(hold);
    }
    // That our label was taken off is a change like any other, where changes are only reported; the one
    // from an attachment before is replaced.
    let compared = live.owned || (leave::reports_only(&item.meta) && !live.former);
    if compared && recorded.is_some_and(|i| Some(i.digest) == digest) {
        Action::Verify
    } else {
        Action::Apply
    }
}

/// Why what is in the place of an item is left alone, and the way out: for a claim of a volume one that
/// keeps its data.
fn foreign(key: &ItemKey, live: &Live) -> &'static str {
    let claims = (key.group.as_str(), key.kind.as_str()) == ("", "PersistentVolumeClaim");
    if claims && !live.others {
        "a claim of this name that is not ours is there already, with its data; `conflictResolution: AdoptIfEqual` in the policy takes it over where it is as it is given, `Overwrite` in any case; who deletes it there may delete its data"
    } else if live.others {
        "an object of this name is there already, and another hub, or another cluster's agent, looks after it; let it go there, or say `conflictResolution: Overwrite` in the policy to take it over"
    } else {
        "an object of this name that is not ours is there already; delete it there, or say `conflictResolution: Overwrite` in the policy to take it over, or `AdoptIfEqual` to take it over where it is as it is given"
    }
}

/// What is not there is made, unless it was there as it is now given, and that it went is only reported;
/// that has to be known for certain, for a watch of what is ours does not show what lost our label.
fn missing(input: &Input<'_>, item: &Item) -> Action {
    let was = |i: &Inventory| Some(i.digest) == content::effective(item);
    if !leave::reports_only(&item.meta) || !input.inventory.is_some_and(was) {
        return Action::Create;
    }
    match input.seen {
        Seen::Absent => Action::Leave,
        Seen::Unseen | Seen::Unknown | Seen::Watched(_) | Seen::Read(_) => Action::Read,
    }
}

/// Why acting on `item` would go back behind what is on the member.
fn backwards(input: &Input<'_>, live: &Live, item: &Item) -> Option<Hold> {
    #[cfg(planted)]
    if roadstead_protocol::planted::is("other-history-acts") {
        return None;
    }
    let there = live.stamp.filter(|_| live.is_ours())?;
    if there == item.stamp || replaces(item, there) {
        return None;
    }
    // What this very disk put there was judged whenever something took its place on the disk: the
    // object may carry a stamp of long ago, because equal content under a new one is not written anew.
    let own = |i: &Inventory| i.uid == live.uid && i.stamp == there;
    if input.inventory.is_some_and(own) {
        return None;
    }
    let hold = |newer, why| Some(Hold { there, newer, why });
    if !input.lineage.contains(there) {
        let why =
            format!("what is here has stamp {there}, from a history that the hub does not know");
        return hold(false, why);
    }
    if there.revision <= item.stamp.revision {
        return None;
    }
    let why = format!(
        "what is here has stamp {there}, which is newer than {}",
        item.stamp
    );
    hold(true, why)
}

fn replaces(item: &Item, stamp: Stamp) -> bool {
    item.meta.contains(&Meta::Replaces(stamp))
}

fn remove(input: &Input<'_>, item: &Item) -> Action {
    let (live, fresh) = match (input.seen, input.inventory) {
        (Seen::Unknown | Seen::Unseen, _) => return Action::Read,
        (Seen::Absent, None) => return Action::Removed,
        (Seen::Absent, Some(_)) => return Action::Forget,
        (Seen::Watched(live), _) => (live, false),
        (Seen::Read(live), _) => (live, true),
    };
    if !fresh {
        return Action::Read;
    }
    if !live.is_ours() {
        // Somebody took our label off, or put another object in its place: it is theirs.
        return if input.inventory.is_some() {
            Action::Forget
        } else {
            Action::Removed
        };
    }
    if let Some(hold) = backwards(input, live, item) {
        return Action::Hold(hold);
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
        | Meta::AdoptIfEqual
        | Meta::IgnoreFields(_)
        | Meta::Replaces(_) => None,
    })
}

#[cfg(test)]
mod tests;
