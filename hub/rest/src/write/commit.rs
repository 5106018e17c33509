//! From a decision to a transaction, and to what the client is answered.

use roadstead_machinery::status::Status;
use roadstead_protocol::wire::Revision;
use roadstead_store::{Check, CommitError, Key, Op, Snapshot, Txn};
use serde_json::Value;

use super::{ATTEMPTS_MAX, Change, Context, Outcome};
use crate::hooks::{Verb, Write};
use crate::rbac::guard;
use crate::{meta, storage};

/// Lets `decide` say what becomes of `name`, and does it.
///
/// # Errors
/// What `decide` or a hook refuses; 409 where others win too often; 503 where nothing can be
/// written.
pub(crate) async fn write<F>(
    ctx: &mut Context,
    name: &str,
    mut decide: F,
) -> Result<Outcome, Status>
where
    F: FnMut(&mut Context, &Snapshot, Option<&Value>) -> Result<Change, Status> + Send,
{
    let key = storage::key(&ctx.resource, ctx.namespace.as_deref(), name)?;
    for _ in 0..ATTEMPTS_MAX {
        let snapshot = ctx.inner.store.snapshot();
        let live = storage::read(&snapshot, &ctx.resource, &key)?;
        let (live, revision) = live.unzip();
        let change = decide(ctx, &snapshot, live.as_ref())?;
        let site = Site {
            ctx,
            name,
            key: &key,
            snapshot: &snapshot,
            live: live.as_ref().zip(revision),
        };
        let Prepared {
            txn,
            mut outcome,
            versioned,
        } = site.prepare(change)?;
        let Some(txn) = txn.filter(|_| !ctx.params.dry_run) else {
            return Ok(outcome);
        };
        match ctx.inner.store.commit(txn).await {
            Ok(committed) => {
                if versioned {
                    meta::set_revision(&mut outcome.object, committed.first);
                }
                return Ok(outcome);
            }
            Err(CommitError::Conflict { key, .. }) => {
                tracing::debug!(%key, "write lost a race, trying again");
            }
            Err(error) => return Err(commit_failed(&error)),
        }
    }
    Err(ctx.modified(name))
}

/// A transaction that may be committed, and what follows.
struct Prepared {
    txn: Option<Txn>,
    outcome: Outcome,
    /// Whether the answer gets the revision of the commit.
    versioned: bool,
}

/// What a decision is about.
struct Site<'a> {
    ctx: &'a Context,
    name: &'a str,
    key: &'a Key,
    snapshot: &'a Snapshot,
    live: Option<(&'a Value, Revision)>,
}

impl Site<'_> {
    fn prepare(&self, change: Change) -> Result<Prepared, Status> {
        match change {
            Change::Nothing { answer } => {
                let outcome = Outcome {
                    object: answer,
                    created: false,
                    removed: false,
                };
                let extra = match self.live {
                    Some(_) => {
                        let hooks = &self.ctx.inner.hooks;
                        hooks.unchanged(&self.asked(Verb::Update, None))?
                    }
                    None => Vec::new(),
                };
                let txn = (!extra.is_empty()).then(|| {
                    let mut txn = Txn::new().check(self.check());
                    txn.ops = extra;
                    txn
                });
                Ok(Prepared {
                    txn,
                    outcome,
                    versioned: false,
                })
            }
            Change::Create { object, check } => {
                let mut prepared = self.put(Verb::Create, object)?;
                if let Some(txn) = &mut prepared.txn {
                    txn.checks.extend(check);
                }
                Ok(prepared)
            }
            Change::Update(object) => self.put(Verb::Update, object),
            Change::Remove { answer } => {
                let mut txn = Txn::new().check(self.check()).delete(self.key.clone());
                txn.ops.extend(self.admit(Verb::Delete, None)?);
                let outcome = Outcome {
                    object: answer,
                    created: false,
                    removed: true,
                };
                Ok(Prepared {
                    txn: Some(txn),
                    outcome,
                    versioned: false,
                })
            }
        }
    }

    fn put(&self, verb: Verb, mut object: Value) -> Result<Prepared, Status> {
        meta::set(&mut object, "resourceVersion", None);
        guard::check(self.ctx, self.live.map(|(object, _)| object), &object)?;
        let extra = self.admit(verb, Some(&mut object))?;
        let value = storage::encode(&self.ctx.resource, &object);
        let mut txn = Txn::new().check(self.check()).put(self.key.clone(), value);
        txn.ops.extend(extra);
        // What a dry run answers with; a commit puts the new revision in its place.
        if let Some((_, revision)) = self.live {
            meta::set_revision(&mut object, revision);
        }
        let outcome = Outcome {
            object,
            created: self.live.is_none(),
            removed: false,
        };
        Ok(Prepared {
            txn: Some(txn),
            outcome,
            versioned: true,
        })
    }

    fn check(&self) -> Check {
        match self.live {
            Some((_, revision)) => Check::At(self.key.clone(), revision),
            None => Check::Absent(self.key.clone()),
        }
    }

    fn admit(&self, verb: Verb, new: Option<&mut Value>) -> Result<Vec<Op>, Status> {
        let hooks = &self.ctx.inner.hooks;
        hooks.admit(&mut self.asked(verb, new))
    }

    fn asked<'w>(&'w self, verb: Verb, new: Option<&'w mut Value>) -> Write<'w> {
        let ctx = self.ctx;
        Write {
            verb,
            resource: &ctx.resource,
            namespace: ctx.namespace.as_deref(),
            name: self.name,
            subresource: ctx.subresource.as_deref(),
            old: self.live.map(|(object, _)| object),
            new,
            user: &ctx.who,
            dry_run: ctx.params.dry_run,
            judged: ctx.judged,
            snapshot: self.snapshot,
        }
    }
}

fn commit_failed(error: &CommitError) -> Status {
    match error {
        CommitError::TooLarge { limit, .. } => Status::too_large(*limit),
        CommitError::Unavailable(_) | CommitError::Closed => Status::unavailable(error.to_string()),
        CommitError::Conflict { .. } => Status::internal(error),
    }
}
