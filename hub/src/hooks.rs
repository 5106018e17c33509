//! What the hub adds to its API: deletion records, the question before a large removal, join tokens.
//!
//! A deletion record is written in the transaction that deletes a template, a policy or a cluster:
//! it, and never the missing object, is what lets a decision remove anything. Decisions also assert
//! `/world`, which is written with every policy, cluster and namespace. Decides nothing about
//! what runs where; that is the plan's.

#![expect(
    clippy::result_large_err,
    reason = "a status is the answer, made once per refused request"
)]

mod answers;
mod approve;
mod freeze;
mod interpreter;
mod preserve;
mod protect;
mod reconcile;
mod removal;
mod rolled;
#[cfg(test)]
mod tests;
mod token;

use std::sync::Arc;

use bytes::Bytes;
use roadstead_authority::Authority;
use roadstead_machinery::resource::{Origin, Registry, Resource};
use roadstead_machinery::status::Status;
use roadstead_protocol::api::{reconciliation, rollout};
use roadstead_protocol::env::{BoxFuture, Env};
use roadstead_protocol::wire::ItemKey;
use roadstead_rest::{Collection, Hooks, Identity, Page, RestBody, Subresource, Verb, Write};
use roadstead_store::records::{DeletionRecord, deletion_key, in_world, object_key, world_key};
use roadstead_store::{Op, Store};
use serde_json::Value;

pub use removal::Limits;

/// The hub's hooks.
#[derive(Clone)]
pub struct HubHooks {
    /// The clock that deletion records are dated with.
    pub env: Env,
    /// How much a single deletion may remove without being confirmed.
    pub limits: Limits,
    /// Who issues join tokens.
    pub authority: Authority,
    /// Where agents find the hub, as `host:port`.
    pub addresses: Vec<String>,
    /// What is counted of decisions.
    pub decisions: Arc<roadstead_controllers::Metrics>,
    /// For how long what objects fail over by has been so.
    pub failovers: Arc<roadstead_controllers::Failovers>,
    /// What happened at the agents' port.
    pub agents: Arc<roadstead_agents::Metrics>,
    /// What is durable.
    pub store: Store,
    /// What is not.
    pub volatile: Store,
    /// The kinds that are served.
    pub registry: Arc<Registry>,
}

impl Hooks for HubHooks {
    fn admit(&self, write: &mut Write<'_>) -> Result<Vec<Op>, Status> {
        interpreter::check(write)?;
        let mut ops = changed_world(write)?;
        ops.extend(rolled::forgotten(write)?);
        ops.extend(self.ending(write)?);
        ops.extend(self.answers(write)?);
        let (reported, lineage) = (self.volatile.snapshot(), self.store.lineage());
        let known = freeze::Known {
            reported: &reported,
            lineage: &lineage,
        };
        ops.extend(freeze::of(write, &known)?);
        Ok(ops)
    }

    fn unchanged(&self, write: &Write<'_>) -> Result<Vec<Op>, Status> {
        let (reported, lineage) = (self.volatile.snapshot(), self.store.lineage());
        let mut ops = answers::again(write, &reported)?;
        let known = freeze::Known {
            reported: &reported,
            lineage: &lineage,
        };
        ops.extend(freeze::again(write, &known)?);
        Ok(ops)
    }

    fn admit_collection(&self, collection: &Collection<'_>) -> Result<(), Status> {
        protect::check_all(collection)?;
        removal::check_all(&self.limits, collection)
    }

    fn subresources(&self, resource: &Resource) -> &'static [&'static str] {
        if resource.kind == "AttachedCluster" && resource.origin == Origin::Own {
            &["token", reconciliation::SUBRESOURCE]
        } else if resource.kind == rollout::KIND && resource.origin == Origin::Own {
            &[rollout::APPROVE]
        } else {
            &[]
        }
    }

    fn subresource(&self, request: Subresource) -> BoxFuture<Result<Value, Status>> {
        if request.subresource == reconciliation::SUBRESOURCE {
            return Box::pin(reconcile::answer(self.reconciling(), request));
        }
        if request.subresource == rollout::APPROVE {
            let (env, store) = (self.env.clone(), self.store.clone());
            return Box::pin(approve::answer(env, store, request));
        }
        let (authority, addresses) = (self.authority.clone(), self.addresses.clone());
        Box::pin(token::answer(
            authority,
            addresses,
            self.env.clock.now(),
            request,
        ))
    }

    fn page(&self, page: &Page<'_>) -> Option<BoxFuture<Result<http::Response<RestBody>, Status>>> {
        if let Some(answer) = crate::rotation::page(&self.authority, page) {
            return Some(answer);
        }
        if let Some(answer) = crate::users::page(&self.authority, page) {
            return Some(answer);
        }
        if let Some(answer) = crate::preview::page(self, page) {
            return Some(answer);
        }
        if let Some(answer) = crate::why::page(self, page) {
            return Some(answer);
        }
        if let Some(answer) = crate::drift::page(self, page) {
            return Some(answer);
        }
        let backup = crate::backup::page(&self.env, &self.store, page)?;
        Some(Box::pin(std::future::ready(backup)))
    }

    fn vouch(&self, token: &str) -> Option<Identity> {
        self.authority.is_admin_token(token).then(Identity::admin)
    }

    fn metrics(&self) -> String {
        crate::metrics::text(&self.agents, &self.decisions, &self.store, &self.volatile)
    }

    fn ready(&self) -> Result<(), String> {
        match self.store.stats().ended {
            Some(ended) => Err(ended.to_owned()),
            None => Ok(()),
        }
    }

    /// A disk that takes no writes: reads, watches and agents' sessions go on, and would not for somebody
    /// whom a load balancer sends nowhere.
    fn notices(&self) -> Vec<(&'static str, Result<(), String>)> {
        let disk = match self.store.stats().outage {
            Some(outage) => Err(format!("the store takes no writes: {outage}")),
            None => Ok(()),
        };
        vec![("disk", disk)]
    }
}

impl HubHooks {
    /// The kinds that are served, those that people defined too.
    pub(crate) fn kinds(&self) -> Registry {
        roadstead_controllers::defined(&self.registry, &self.store.snapshot())
    }

    /// What controllers work with, for whoever thinks as they do; what is reported is looked at on a copy.
    pub(crate) fn parts(&self) -> roadstead_controllers::Parts {
        roadstead_controllers::Parts {
            env: self.env.clone(),
            store: self.store.clone(),
            volatile: self.volatile.fork(self.env.clone()),
            registry: Arc::clone(&self.registry),
            options: roadstead_controllers::Options {
                limits: self.limits,
                failovers: Arc::clone(&self.failovers),
                ..roadstead_controllers::Options::default()
            },
        }
    }

    fn reconciling(&self) -> reconcile::Parts {
        reconcile::Parts {
            env: self.env.clone(),
            store: self.store.clone(),
            volatile: self.volatile.clone(),
            registry: Arc::new(self.kinds()),
            limits: self.limits,
        }
    }

    /// What the write says about what is held.
    fn answers(&self, write: &Write<'_>) -> Result<Vec<Op>, Status> {
        let storage = |item: &ItemKey| {
            let known = self.registry.by_kind(&item.group, &item.kind).cloned();
            let defined = || {
                let registry = self.kinds();
                registry.by_kind(&item.group, &item.kind).cloned()
            };
            let resource = known.or_else(defined)?;
            Some(resource.storage.clone())
        };
        answers::of(write, &self.volatile.snapshot(), storage)
    }

    /// What a write adds that ends an object, or begins to.
    fn ending(&self, write: &Write<'_>) -> Result<Vec<Op>, Status> {
        // A namespace goes by its `finalize`: that is a deletion like any other.
        if write.subresource.is_some() && write.verb != Verb::Delete {
            return Ok(Vec::new());
        }
        let Some(old) = write.old else {
            return Ok(Vec::new());
        };
        let ends = write.verb == Verb::Delete || begins_to_end(old, write.new.as_deref());
        if !ends {
            return Ok(Vec::new());
        }
        protect::check(write, old)?;
        removal::check(&self.limits, write, old)?;
        if write.verb != Verb::Delete || !is_recorded(write.resource) {
            return Ok(Vec::new());
        }
        self.record(write, old).map(|op| vec![op])
    }

    fn record(&self, write: &Write<'_>, old: &Value) -> Result<Op, Status> {
        let uid = old
            .pointer("/metadata/uid")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let namespace = write.namespace.unwrap_or_default();
        let (group, plural) = &write.resource.storage;
        let key = object_key(group, plural, namespace, write.name).map_err(Status::internal)?;
        let record = DeletionRecord {
            key: key.to_string(),
            group: write.resource.group.clone(),
            kind: write.resource.kind.clone(),
            namespace: namespace.to_owned(),
            name: write.name.to_owned(),
            uid: uid.to_owned(),
            at: self.env.clock.now(),
            preserve: preserve::preserves(write, old),
        };
        let value = serde_json::to_vec(&record).map_err(Status::internal)?;
        let key = deletion_key(uid).map_err(Status::internal)?;
        Ok(Op::Put {
            key,
            value: value.into(),
        })
    }
}

/// What tells decisions that are being made that a policy, a cluster or a namespace changed. Statuses
/// do not count.
fn changed_world(write: &Write<'_>) -> Result<Vec<Op>, Status> {
    let (group, plural) = &write.resource.storage;
    let counts = write.subresource.is_none() || write.verb == Verb::Delete;
    if !counts || !in_world(group, plural) {
        return Ok(Vec::new());
    }
    Ok(vec![Op::Put {
        key: world_key().map_err(Status::internal)?,
        value: Bytes::from_static(b"{}"),
    }])
}

/// Whether an update marks the object for deletion (it has finalizers).
fn begins_to_end(old: &Value, new: Option<&Value>) -> bool {
    let marked = |o: &Value| o.pointer("/metadata/deletionTimestamp").is_some();
    new.is_some_and(marked) && !marked(old)
}

/// Whether the deletion of such an object justifies the removal of something from a member.
fn is_recorded(resource: &Resource) -> bool {
    let decision = resource.kind == "Decision" && resource.origin == Origin::Own;
    resource.template || (resource.origin == Origin::Own && !decision)
}
