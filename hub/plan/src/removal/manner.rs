//! How an object leaves a member: it is deleted, let go, or deleted with all that is inside.

use std::collections::BTreeSet;

use roadstead_protocol::wire::ItemKey;

use super::Reason;
use crate::count::is_claim;
use crate::deps::requirers::{REQUIRED, Requirer};
use crate::template::{Former, Template};
use crate::world::World;

/// What becomes of an object on the member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It is deleted.
    Delete,
    /// The member lets go of it: it would delete everything inside, and nobody said that it may.
    Release,
    /// It is deleted with everything inside, as its template said.
    DeleteContents,
}

/// How an object leaves a member for a reason.
pub(crate) fn leaving(
    world: &World,
    template: &Template<'_>,
    former: &Former,
    reason: Reason,
) -> Manner {
    let stays = is_claim(template) && is_moved(template, former, reason);
    if stays || preserved(world, template, former, reason) {
        Manner::Release
    } else {
        manner(&template.key, former)
    }
}

/// Whether something leaves a cluster because it is elsewhere now, or what needs it is: nobody said that
/// the data behind a claim, which did not move along, may go.
fn is_moved(template: &Template<'_>, former: &Former, reason: Reason) -> bool {
    let elsewhere = |requirer: &Requirer| {
        let clusters = &requirer.clusters;
        requirer.decided && !clusters.is_empty() && !clusters.contains(&former.cluster)
    };
    match reason {
        Reason::Drained | Reason::Replaced | Reason::FailedOver => true,
        Reason::NotNeeded => template.around.requirers.iter().any(elsewhere),
        Reason::TemplateDeleted | Reason::PolicyDeleted | Reason::NotChosen | Reason::Confirmed => {
            false
        }
    }
}

/// How an object leaves a member.
pub(crate) fn manner(key: &ItemKey, former: &Former) -> Manner {
    let container = (key.group.is_empty() && key.kind == "Namespace")
        || (key.group == "apiextensions.k8s.io" && key.kind == "CustomResourceDefinition");
    match (container, former.delete_contents) {
        (false, _) => Manner::Delete,
        (true, false) => Manner::Release,
        (true, true) => Manner::DeleteContents,
    }
}

/// Whether what a user deleted is to stay on the member: a policy that put it there says so, or said so
/// when it was deleted, or what it went along with stays.
fn preserved(world: &World, template: &Template<'_>, former: &Former, reason: Reason) -> bool {
    match reason {
        Reason::TemplateDeleted
            if former.is_own() && world.preserved.contains(&former.template) =>
        {
            return true;
        }
        Reason::TemplateDeleted | Reason::PolicyDeleted | Reason::NotNeeded => {}
        Reason::NotChosen
        | Reason::Confirmed
        | Reason::Drained
        | Reason::Replaced
        | Reason::FailedOver => {
            return false;
        }
    }
    let says = |uid: &str| {
        let now = || world.policy(uid).is_some_and(|p| p.options.preserve);
        world.preserved.contains(uid) || now()
    };
    let here = |clusters: &BTreeSet<String>| clusters.contains(&former.cluster);
    let deleted = reason != Reason::NotNeeded;
    let of_requirer = |r: &Requirer| {
        let by_policy = || r.policy.as_deref().is_some_and(says);
        // Of one whose decision went with its namespace only its record is left.
        let unknown = r.clusters.is_empty() && r.released.is_empty();
        here(&r.released)
            || ((unknown || here(&r.clusters)) && world.preserved.contains(&r.template))
            || (deleted && here(&r.clusters) && by_policy())
    };
    // What another policy left behind goes with the one that held it last.
    let ended = |uid: &&String| reason == Reason::PolicyDeleted && world.deleted.contains(*uid);
    let holder = Some(&template.decided.policy).filter(ended);
    former
        .policies
        .iter()
        .chain(holder)
        .any(|uid| match uid.as_str() {
            REQUIRED => template.around.requirers.iter().any(of_requirer),
            uid => says(uid),
        })
}
