//! Events (core/v1) on what people wrote: few, each told once and counted when it comes again.

use roadstead_protocol::api::{ConditionStatus, meta};
use roadstead_protocol::env::Env;
use roadstead_store::records::object_key;
use roadstead_store::{Op, Snapshot, Txn};
use serde_json::{Value, json};

use crate::copies::COPIED;
use crate::error::Error;
use crate::holds::{DELETING, FROZEN, HELD};
use crate::objects::{self, Turn, text};
use crate::placement::cut;
use crate::reconciler::Reconciler;

/// Who tells it.
pub(crate) const SOURCE: &str = "roadstead";
/// How many hexadecimal digits tell one event of an object from another.
const HASH_DIGITS: usize = 16;
/// Most bytes of an object's name that stand in its event's.
const NAME_MAX: usize = 200;

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    warning: bool,
    reason: String,
    message: String,
}

impl Event {
    /// What is as somebody wanted it.
    pub fn normal(reason: &str, message: &str) -> Self {
        Self {
            warning: false,
            reason: reason.to_owned(),
            message: cut(message),
        }
    }

    pub(crate) fn warning(reason: &str, message: &str) -> Self {
        Self {
            warning: true,
            reason: reason.to_owned(),
            message: cut(message),
        }
    }
}

/// The events that tell how conditions turned. That something is not Ready yet is no news; that it
/// is no longer, is.
pub(crate) fn of_turns(turned: &[Turn]) -> Vec<Event> {
    let worth = |turn: &&Turn| match turn.now.kind.as_str() {
        "Ready" => {
            turn.now.status == ConditionStatus::True || turn.was == Some(ConditionStatus::True)
        }
        "Valid" => turn.now.status != ConditionStatus::True,
        _ => true,
    };
    let event = |turn: &Turn| {
        let fine = match turn.now.status {
            ConditionStatus::True => !is_trouble(&turn.now.kind),
            ConditionStatus::False => is_trouble(&turn.now.kind),
            ConditionStatus::Unknown => false,
        };
        if fine {
            Event::normal(&turn.now.reason, &turn.now.message)
        } else {
            Event::warning(&turn.now.reason, &turn.now.message)
        }
    };
    turned.iter().filter(worth).map(event).collect()
}

/// Whether a condition is one that should not be True.
fn is_trouble(kind: &str) -> bool {
    [FROZEN, HELD, DELETING, COPIED].contains(&kind)
}

/// Adds events about `object` to `txn`. One of the same object and reason is counted up instead, so
/// that there are never more than an object has reasons.
pub(crate) fn add(
    context: &Reconciler,
    snapshot: &Snapshot,
    object: &Value,
    events: Vec<Event>,
    txn: &mut Txn,
) -> Result<(), Error> {
    tell(&context.parts.env, snapshot, object, events, txn)
}

/// As the controllers do it: adds events about `object` to `txn`.
///
/// # Errors
/// When the object's names are no part of a key, or a former event is damaged.
pub fn tell(
    env: &Env,
    snapshot: &Snapshot,
    object: &Value,
    events: Vec<Event>,
    txn: &mut Txn,
) -> Result<(), Error> {
    let now = meta::timestamp(env.clock.now());
    for event in events {
        let uid = text(object, "/metadata/uid");
        let name = text(object, "/metadata/name");
        let namespace = match text(object, "/metadata/namespace") {
            "" => "default",
            namespace => namespace,
        };
        let hash = blake3::hash(format!("{uid}\0{}", event.reason).as_bytes()).to_hex();
        let hash: String = hash.chars().take(HASH_DIGITS).collect();
        let short: String = name.chars().take(NAME_MAX).collect();
        let event_name = format!("{short}.{hash}");
        let key = object_key("", "events", namespace, &event_name)?;
        let former = snapshot
            .get(key.as_str())
            .map(objects::object)
            .transpose()?;
        let value = render(env, object, &event, former, (namespace, &event_name, &now));
        txn.ops.push(Op::Put {
            key,
            value: objects::bytes(&value)?,
        });
    }
    Ok(())
}

fn render(
    env: &Env,
    object: &Value,
    event: &Event,
    former: Option<Value>,
    (namespace, name, now): (&str, &str, &str),
) -> Value {
    if let Some(mut former) = former {
        let count = former.get("count").and_then(Value::as_i64).unwrap_or(0);
        former["count"] = count.saturating_add(1).into();
        former["lastTimestamp"] = now.into();
        former["message"] = event.message.clone().into();
        return former;
    }
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": env.uid(),
            "creationTimestamp": now,
        },
        "involvedObject": {
            "apiVersion": text(object, "/apiVersion"),
            "kind": text(object, "/kind"),
            "namespace": text(object, "/metadata/namespace"),
            "name": text(object, "/metadata/name"),
            "uid": text(object, "/metadata/uid"),
        },
        "type": if event.warning { "Warning" } else { "Normal" },
        "reason": event.reason,
        "message": event.message,
        "count": 1,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "source": {"component": SOURCE},
        "reportingComponent": SOURCE,
        "reportingInstance": "",
    })
}
