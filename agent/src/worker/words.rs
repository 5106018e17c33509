//! What is said to the hub about a key, in which words.
//!
//! Where something waits for a person, the words name the way out.

use roadstead_protocol::wire::item::ItemKey;
use roadstead_protocol::wire::report::ItemState;

use crate::member::{Class, Error};
use crate::plan::drift::Difference;
use crate::plan::report::{CHANGED, DRIFTED, Outcome};
use crate::plan::{Hold, Live};

/// Reason of a tombstone that was taken and is not carried out yet.
pub(super) const DELETION_PENDING: &str = "DeletionPending";
const FROZEN: &str = "Frozen";
/// Reason of what was changed on the member and is left so.
/// Most differences that are named.
pub(super) const DIFFERENCES_MAX: usize = 10;

/// Where an object differs from what was given, with both values; those of a Secret are not told.
pub(super) fn places(key: &ItemKey, differences: &[Difference]) -> String {
    let secret = key.group.is_empty() && key.kind == "Secret";
    let hidden =
        |path: &str| secret && (path.starts_with(".data") || path.starts_with(".stringData"));
    let one = |difference: &Difference| {
        let Difference { path, given, found } = difference;
        if hidden(path) {
            path.clone()
        } else {
            format!("{path} ({given} given, {found} there)")
        }
    };
    let all: Vec<String> = differences.iter().map(one).collect();
    match all.as_slice() {
        [] => "the ownership of its fields".to_owned(),
        all => all.join(", "),
    }
}

/// Nothing is done because the cluster is frozen.
pub(super) fn frozen(reason: &str) -> Outcome {
    let message = format!(
        "the cluster is frozen{}; it waits until that is lifted",
        why(reason)
    );
    Outcome::new(ItemState::Pending, FROZEN, message)
}

/// What differs stays because the cluster is frozen.
pub(super) fn drift_frozen(reason: &str, place: &str) -> Outcome {
    let message = format!(
        "{CHANGED}{place}, and the cluster is frozen{}; it is put right when that is lifted",
        why(reason)
    );
    Outcome::new(ItemState::Pending, FROZEN, message)
}

/// What differs stays, since its policy only wants to hear of it.
pub(super) fn left(place: &str) -> Outcome {
    let message = format!(
        "{CHANGED}{place}, and is left so, as its policy's drift.correction says; new content from the hub puts it right"
    );
    Outcome::new(ItemState::Conflict, DRIFTED, message)
}

/// It is gone, and its policy only wants to hear of it.
pub(super) fn left_deleted() -> Outcome {
    let message = "it was deleted on the member, and is left so, as its policy's drift.correction says; new content from the hub makes it anew";
    Outcome::new(ItemState::Conflict, DRIFTED, message)
}

/// What is there is not ours, and not as it is given.
pub(super) fn not_equal(place: &str) -> Outcome {
    let message = format!(
        "an object of this name that is not ours is there already, and is not taken over since it differs: {place}; make both equal, or say `conflictResolution: Overwrite` in the policy"
    );
    Outcome::new(ItemState::Conflict, "ForeignObjectDiffers", message)
}

fn why(reason: &str) -> String {
    if reason.is_empty() {
        String::new()
    } else {
        format!(" ({reason})")
    }
}

/// What is on the member is not acted over.
pub(super) fn held(hold: Hold) -> Outcome {
    let reason = if hold.newer {
        "NewerHere"
    } else {
        "OtherHistory"
    };
    let message = format!(
        "{}; it is kept as it is until someone writes the object again or reconciles",
        hold.why
    );
    Outcome::new(ItemState::Held, reason, message).at(Some(hold.there))
}

/// It is on the member under our label and in no list.
pub(super) fn unclaimed(live: Option<&Live>) -> Outcome {
    let message = if live.is_some_and(|live| live.former) {
        "it was put there before this cluster was detached and joined again, and the hub does not name it any more; it is left as it is until someone reconciles or writes the object"
    } else {
        "it carries our label, and the hub does not name it; it is left as it is until someone reconciles or writes the object"
    };
    let outcome = Outcome::new(ItemState::Unclaimed, "Unclaimed", message);
    outcome.at(live.and_then(|live| live.stamp))
}

/// It is being deleted; by a `tombstone`, or by somebody else.
pub(super) fn being_deleted(tombstone: bool, live: Option<&Live>) -> Outcome {
    let finalizers = live
        .map(|live| live.finalizers.join(", "))
        .unwrap_or_default();
    let waits = if finalizers.is_empty() {
        "it is being deleted on the member".to_owned()
    } else {
        format!("it is being deleted on the member and waits for its finalizers: {finalizers}")
    };
    if tombstone {
        return Outcome::new(ItemState::Pending, DELETION_PENDING, waits);
    }
    let message = format!("{waits}; it is made anew when it is gone");
    Outcome::new(ItemState::Pending, "BeingDeleted", message)
}

/// A tombstone waits until an earlier request, whose answer never came, cannot take effect any more.
pub(super) fn unanswered() -> Outcome {
    let message = "an earlier request about it was never answered, and may still take effect";
    Outcome::new(ItemState::Pending, DELETION_PENDING, message)
}

/// It changes faster than it can be looked at.
pub(super) fn contended(tombstone: bool) -> Outcome {
    let message = "it changes on the member faster than it can be acted on; it is tried again";
    let reason = if tombstone {
        DELETION_PENDING
    } else {
        "Contended"
    };
    Outcome::new(ItemState::Pending, reason, message)
}

/// A request about it failed.
pub(super) fn failed(tombstone: bool, error: &Error) -> Outcome {
    if tombstone {
        let mut message = format!("{}: {}", error.reason, error.message);
        if error.class == Class::KindUnknown {
            message.push_str(" (the object is removed once the kind is served again)");
        }
        return Outcome::new(ItemState::Pending, DELETION_PENDING, message);
    }
    let state = match error.class {
        Class::Conflict => ItemState::Conflict,
        Class::Forbidden if error.reason == Error::NAMESPACE_TERMINATING => ItemState::Pending,
        Class::NotFound
        | Class::NamespaceMissing
        | Class::AlreadyExists
        | Class::Forbidden
        | Class::Invalid
        | Class::Expired
        | Class::Busy
        | Class::Internal
        | Class::KindUnknown
        | Class::Unreachable
        | Class::Answer => ItemState::Failed,
    };
    Outcome::new(state, error.reason.clone(), error.message.clone())
}
