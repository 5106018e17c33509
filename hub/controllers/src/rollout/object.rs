//! The Rollout of a run: making it, reading what people want of it, writing how far it is.

use roadstead_plan::policy::Policy;
use roadstead_plan::rollout::Run;
use roadstead_protocol::api::meta::timestamp;
use roadstead_protocol::api::names::{APPS_GROUP, OWN_GROUP, VERSION};
use roadstead_protocol::api::rollout::{KIND, Phase, ROLLOUTS, Rollout, Spec, Status};
use roadstead_protocol::api::{Condition, ConditionStatus, condition};
use roadstead_protocol::wire::limits::NAME_BYTES_MAX;
use roadstead_store::records::object_key;
use roadstead_store::{Check, Entry, Key, Op, Snapshot, Txn};
use serde_json::{Value, json};

use crate::decision::SYSTEM_NAMESPACE;
use crate::error::Error;
use crate::objects;
use crate::placement::home;
use crate::reconciler::Reconciler;

/// How many bytes of a policy's name stand in the names of its Rollouts.
const NAME_BYTES: usize = NAME_BYTES_MAX - 32;

/// Where a policy's Rollouts live.
pub(super) fn namespace(policy: &Policy) -> &str {
    let namespace = policy.identity.namespace.as_deref();
    namespace.unwrap_or(SYSTEM_NAMESPACE)
}

/// A Rollout as it is in the store.
pub(super) struct Object<'s> {
    snapshot: &'s Snapshot,
    key: Key,
    entry: Option<Entry>,
    pub(super) read: Rollout,
}

impl<'s> Object<'s> {
    /// The Rollout of a run.
    pub(super) fn of(snapshot: &'s Snapshot, policy: &Policy, run: &Run) -> Result<Self, Error> {
        let key = object_key(OWN_GROUP, ROLLOUTS, namespace(policy), &run.name)?;
        let entry = snapshot.get(key.as_str()).cloned();
        let mut read: Rollout = match &entry {
            Some(entry) => objects::typed(entry)?,
            None => Rollout::default(),
        };
        if entry.is_none() {
            // One that somebody took away comes back, and nothing follows from that.
            read.spec.paused = run.halted.is_some() || run.paused;
        }
        Ok(Self {
            snapshot,
            key,
            entry,
            read,
        })
    }

    /// Adds to `txn` what makes it say this, where it does not yet. Gives the object.
    pub(super) fn write(
        &self,
        context: &Reconciler,
        policy: &Policy,
        (run, status): (&Run, Status),
        txn: &mut Txn,
    ) -> Result<Value, Error> {
        let now = timestamp(context.now());
        let spec = Spec {
            policy: policy.identity.reference(),
            number: run.number,
            release: run.target.clone(),
            from: run.from.clone(),
            cause: run.cause,
            paused: self.read.spec.paused || (run.halted.is_some() && !status.phase.is_over()),
            aborted: self.read.spec.aborted,
        };
        let mut object = match &self.entry {
            Some(entry) => objects::object(entry)?,
            None => json!({
                "apiVersion": format!("{OWN_GROUP}/{VERSION}"),
                "kind": KIND,
                "metadata": {
                    "name": run.name,
                    "namespace": namespace(policy),
                    "uid": context.parts.env.uid(),
                    "creationTimestamp": now,
                    "generation": 0,
                },
            }),
        };
        let was = self.read.spec.clone();
        let generation =
            self.read.metadata.generation + i64::from(self.entry.is_none() || was != spec);
        let status = self.dated(context, status, generation);
        if self.entry.is_some() && was == spec && status == self.read.status {
            return Ok(object);
        }
        object["metadata"]["generation"] = generation.into();
        object["spec"] = serde_json::to_value(&spec)?;
        object["status"] = serde_json::to_value(&status)?;
        self.assert(txn);
        if namespace(policy) == SYSTEM_NAMESPACE {
            home(context, self.snapshot, txn)?;
        }
        txn.ops.push(Op::Put {
            key: self.key.clone(),
            value: objects::bytes(&object)?,
        });
        Ok(object)
    }

    /// Asserts that it is as it was read.
    pub(super) fn assert(&self, txn: &mut Txn) {
        txn.checks
            .push(Check::as_read(&self.key, self.entry.as_ref()));
    }

    fn dated(&self, context: &Reconciler, mut status: Status, generation: i64) -> Status {
        let former = &self.read.status;
        let now = timestamp(context.now());
        status.approvals.clone_from(&former.approvals);
        status.started_at = match former.started_at.as_str() {
            "" => now.clone(),
            started => started.to_owned(),
        };
        if status.phase.is_over() {
            status.finished_at = match former.finished_at.as_str() {
                "" => now,
                finished => finished.to_owned(),
            };
        }
        status.conditions.clone_from(&former.conditions);
        let complete = match status.phase {
            Phase::Succeeded => ConditionStatus::True,
            Phase::Progressing
            | Phase::WaitingForApproval
            | Phase::Soaking
            | Phase::Paused
            | Phase::Halted
            | Phase::RolledBack
            | Phase::Superseded
            | Phase::Aborted => ConditionStatus::False,
        };
        let message = status.message.clone();
        let said = Condition::new("Complete", complete, status.phase.name(), message);
        condition::set(&mut status.conditions, said.at(generation), context.now());
        status
    }
}

/// A name for the Rollout of the run of this number that no other has.
pub(super) fn name(snapshot: &Snapshot, policy: &Policy, number: u64) -> Result<String, Error> {
    let identity = &policy.identity;
    let of_apps = identity.group == APPS_GROUP;
    let short: String = identity.name.chars().take(NAME_BYTES).collect();
    let base = match of_apps {
        true => format!("{short}-apps"),
        false => short,
    };
    let uid: String = identity.uid.chars().take(8).collect();
    let mut name = format!("{base}-{number}");
    // As many as are taken, and no more, are passed over.
    for again in 1_u64.. {
        let key = object_key(OWN_GROUP, ROLLOUTS, namespace(policy), &name)?;
        if snapshot.get(key.as_str()).is_none() {
            break;
        }
        name = match again {
            1 => format!("{base}-{number}-{uid}"),
            _ => format!("{base}-{number}-{uid}-{again}"),
        };
    }
    Ok(name)
}
