//! The annotation by which a cluster is frozen, as a record of the same transaction. The record is
//! what agents are told; it stays when the freeze is lifted, so that they are told of that, too.

use roadstead_machinery::resource::{Origin, Resource};
use roadstead_machinery::status::{FieldError, Status};
use roadstead_protocol::api::cluster;
use roadstead_protocol::api::names::{FREEZE_ANNOTATION, FREEZE_REASON_ANNOTATION};
use roadstead_protocol::wire::frame::Freeze;
use roadstead_protocol::wire::limits::MESSAGE_BYTES_MAX;
use roadstead_protocol::wire::report::ItemState;
use roadstead_protocol::wire::{Lineage, Stamp};
use roadstead_rest::{Verb, Write};
use roadstead_store::records::{FreezeRecord, HoldRecord, decode, encode, freeze_key, hold_key};
use roadstead_store::{Op, Snapshot};
use serde_json::Value;

/// What is said about a freeze elsewhere than in the write itself.
pub(super) struct Known<'a> {
    /// What agents report.
    pub(super) reported: &'a Snapshot,
    /// The hub's history.
    pub(super) lineage: &'a Lineage,
}

/// The record that goes with a write of an AttachedCluster, if what it says is new.
pub(super) fn of(write: &Write<'_>, known: &Known<'_>) -> Result<Option<Op>, Status> {
    let counts = is_cluster(write.resource) && write.subresource.is_none();
    let Some(new) = write
        .new
        .as_deref()
        .filter(|_| counts && write.verb != Verb::Delete)
    else {
        return Ok(None);
    };
    let wanted = wanted(new).map_err(|fault| invalid(write, &fault))?;
    let former = former(write.snapshot, uid(new))?;
    let was = former.clone().unwrap_or_default();
    let same = (wanted.frozen, &wanted.reason) == (was.frozen, &was.reason);
    let said_anew = write.old.is_some_and(|old| said(old) != said(new));
    if same && !said_anew {
        return Ok(None);
    }
    record(uid(new), wanted, former, known).map(Some)
}

/// The record that goes with a write that says what is so already: only where the agent keeps to
/// another hub's word about it.
pub(super) fn again(write: &Write<'_>, known: &Known<'_>) -> Result<Option<Op>, Status> {
    let counts = is_cluster(write.resource) && write.subresource.is_none() && !write.dry_run;
    let Some(object) = write.old.filter(|old| counts && said(old).is_some()) else {
        return Ok(None);
    };
    if foreign(uid(object), known).is_none() {
        return Ok(None);
    }
    let wanted = wanted(object).map_err(|fault| invalid(write, &fault))?;
    let former = former(write.snapshot, uid(object))?;
    record(uid(object), wanted, former, known).map(Some)
}

/// A record that names what it replaces on the spot.
pub(super) fn record(
    uid: &str,
    mut wanted: FreezeRecord,
    former: Option<FreezeRecord>,
    known: &Known<'_>,
) -> Result<Op, Status> {
    // What was named before is carried over: the agent may have missed it.
    let before = former.and_then(|former| former.replaces);
    wanted.replaces = foreign(uid, known).or(before);
    Ok(Op::Put {
        key: freeze_key(uid).map_err(Status::internal)?,
        value: encode(&wanted).map_err(Status::internal)?,
    })
}

/// The stamp of another hub's word that the agent keeps to.
pub(super) fn foreign(uid: &str, known: &Known<'_>) -> Option<Stamp> {
    let key = hold_key(uid, &Freeze::key()).ok()?;
    let said: HoldRecord = decode(known.reported.get(key.as_str())?).ok()?;
    let strange = said.state == ItemState::Held || !known.lineage.contains(said.stamp);
    strange.then_some(said.stamp)
}

/// The record of a cluster.
pub(super) fn former(snapshot: &Snapshot, uid: &str) -> Result<Option<FreezeRecord>, Status> {
    let key = freeze_key(uid).map_err(Status::internal)?;
    let entry = snapshot.get(key.as_str());
    entry.map(decode).transpose().map_err(Status::internal)
}

fn is_cluster(resource: &Resource) -> bool {
    resource.kind == cluster::KIND && resource.origin == Origin::Own
}

fn uid(object: &Value) -> &str {
    let uid = object.pointer("/metadata/uid").and_then(Value::as_str);
    uid.unwrap_or_default()
}

fn annotation<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    let annotations = object.pointer("/metadata/annotations")?;
    annotations.get(name)?.as_str()
}

fn said(object: &Value) -> Option<(&str, Option<&str>)> {
    let frozen = annotation(object, FREEZE_ANNOTATION)?;
    Some((frozen, annotation(object, FREEZE_REASON_ANNOTATION)))
}

/// What an object says.
fn wanted(object: &Value) -> Result<FreezeRecord, FieldError> {
    let field = |name: &str| format!("metadata.annotations[{name}]");
    let frozen = match annotation(object, FREEZE_ANNOTATION) {
        Some("true") => true,
        Some("false") | None => false,
        Some(other) => {
            let allowed = ["true", "false"];
            return Err(FieldError::not_supported(
                field(FREEZE_ANNOTATION),
                other,
                &allowed,
            ));
        }
    };
    let reason = annotation(object, FREEZE_REASON_ANNOTATION).unwrap_or_default();
    if reason.len() > MESSAGE_BYTES_MAX {
        let why = format!("must have at most {MESSAGE_BYTES_MAX} bytes");
        let field = field(FREEZE_REASON_ANNOTATION);
        return Err(FieldError::invalid(field, &reason.len().into(), &why));
    }
    Ok(FreezeRecord {
        frozen,
        reason: if frozen {
            reason.to_owned()
        } else {
            String::new()
        },
        replaces: None,
    })
}

fn invalid(write: &Write<'_>, fault: &FieldError) -> Status {
    let resource = write.resource;
    Status::invalid(
        &resource.group,
        &resource.kind,
        write.name,
        std::slice::from_ref(fault),
    )
}
