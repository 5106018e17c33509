//! What the hub shows to users: what is held, so that an act on it is an answer.

use roadstead_store::records::{HoldRecord, decode, holds_prefix, parse_hold_key};

use crate::act::Act;
use crate::model::{Kind, Name};
use crate::user::User;
use crate::world::{Site, World, lock};

/// What a cluster is shown to hold back.
pub fn held(world: &World, site: &Site) -> Vec<Name> {
    let volatile = lock(&world.hub.volatile).clone();
    let (Some(volatile), Some(uid)) = (volatile, lock(&site.uid).clone()) else {
        return Vec::new();
    };
    let snapshot = volatile.snapshot();
    let mut held = Vec::new();
    for entry in snapshot.range(&holds_prefix(&uid)) {
        let Some((_, key)) = parse_hold_key(entry.key.as_str()) else {
            continue;
        };
        if !decode::<HoldRecord>(entry).is_ok_and(|hold| hold.is_hold()) {
            continue;
        }
        let kind = Kind::of(&key.kind, &key.namespace);
        held.extend(kind.map(|kind| (kind, key.name.clone())));
    }
    held
}

/// Notes which holds an act is an answer to: those of the very object, or of what its policy sends.
pub fn answers(world: &World, user: &mut User, act: &Act) {
    for site in &world.sites {
        for name in held(world, site) {
            let answers = match act {
                Act::Put(about, _) | Act::Scale(about, _) | Act::Delete(about) => *about == name,
                // Of any that may have sent it there.
                Act::PutPolicy(kind, ..) | Act::DeletePolicy(kind, _) => {
                    *kind == name.0 || (name.0 == Kind::Part && *kind == Kind::Deployment)
                }
                Act::PutOverride(..)
                | Act::DeleteOverride(_)
                | Act::Freeze(..)
                | Act::Stand(..)
                | Act::Rebalance(..) => false,
            };
            if answers {
                user.acts.answered.insert((site.name.clone(), name));
            }
        }
    }
}
