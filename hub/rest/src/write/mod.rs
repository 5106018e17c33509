//! Writes: one object, one transaction, retried as long as others win.
//!
//! Every verb decides, from what is there now, what the object becomes; here that decision is
//! checked by the owner's hooks, committed against the revisions it was made from, and made anew
//! when something came in between, up to a bound.

mod checked;
mod collection;
mod create;
mod delete;
mod update;

pub(crate) use collection::delete_collection;
pub(crate) use create::create;
pub(crate) use delete::{DeleteOptions, delete, gone};
pub(crate) use update::{Patch, patch, patched, replace, update_with};

use std::sync::Arc;

use roadstead_machinery::resource::Resource;
use roadstead_machinery::status::Status;
use roadstead_protocol::wire::Revision;
use roadstead_store::{Check, CommitError, Key, Op, Snapshot, Txn};
use serde_json::Value;

use crate::hooks::{Verb, Write};
use crate::query::WriteParams;
use crate::rest::Inner;
use crate::{Identity, meta, storage};

/// How often a write is tried again because others wrote in between.
const ATTEMPTS_MAX: usize = 64;

/// One request to write.
pub(crate) struct Context {
    /// The API.
    pub(crate) inner: Arc<Inner>,
    /// The kind.
    pub(crate) resource: Arc<Resource>,
    /// The namespace, if the kind lives in one.
    pub(crate) namespace: Option<String>,
    /// The subresource, as in `status`.
    pub(crate) subresource: Option<String>,
    /// How to write.
    pub(crate) params: WriteParams,
    /// Who asks.
    pub(crate) who: Identity,
    /// What the client is warned of.
    pub(crate) warnings: Vec<String>,
}

impl Context {
    /// 404 for the object of that name.
    pub(crate) fn not_found(&self, name: &str) -> Status {
        Status::not_found(&self.resource.group, &self.resource.plural, name)
    }

    /// 409: the object was changed since it was read.
    pub(crate) fn modified(&self, name: &str) -> Status {
        Status::modified(&self.resource.group, &self.resource.plural, name)
    }

    /// 409 with these words.
    pub(crate) fn conflict(&self, name: &str, why: &str) -> Status {
        Status::conflict(&self.resource.group, &self.resource.plural, name, why)
    }

    /// Warns the client, once.
    pub(crate) fn warn(&mut self, text: String) {
        if !self.warnings.contains(&text) {
            self.warnings.push(text);
        }
    }

    /// Whether the status subresource is written.
    pub(crate) fn is_status(&self) -> bool {
        self.subresource.as_deref() == Some("status")
    }
}

/// What becomes of an object.
pub(crate) enum Change {
    /// It is new, in a namespace whose entry is at a revision.
    Create {
        /// The object.
        object: Value,
        /// What must not have changed meanwhile: the namespace.
        check: Option<Check>,
    },
    /// It changes.
    Update(Value),
    /// It goes away.
    Remove {
        /// What the client is answered.
        answer: Value,
    },
    /// Nothing becomes of it.
    Nothing {
        /// What the client is answered.
        answer: Value,
    },
}

/// What was done.
pub(crate) struct Outcome {
    /// What the client is answered.
    pub(crate) object: Value,
    /// Whether the object is new.
    pub(crate) created: bool,
    /// Whether the object is gone.
    pub(crate) removed: bool,
}

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
        let prepared = prepare(
            ctx,
            name,
            &key,
            &snapshot,
            live.as_ref().zip(revision),
            change,
        )?;
        let Prepared {
            txn,
            mut outcome,
            versioned,
        } = prepared;
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

struct Prepared {
    txn: Option<Txn>,
    outcome: Outcome,
    /// Whether the answer gets the revision of the commit.
    versioned: bool,
}

fn prepare(
    ctx: &Context,
    name: &str,
    key: &Key,
    snapshot: &Snapshot,
    live: Option<(&Value, Revision)>,
    change: Change,
) -> Result<Prepared, Status> {
    let at = match live {
        Some((_, revision)) => Check::At(key.clone(), revision),
        None => Check::Absent(key.clone()),
    };
    let old = live.map(|(object, _)| object);
    let admit = |verb, new: Option<&mut Value>| {
        ctx.inner.hooks.admit(&mut Write {
            verb,
            resource: &ctx.resource,
            namespace: ctx.namespace.as_deref(),
            name,
            subresource: ctx.subresource.as_deref(),
            old,
            new,
            user: &ctx.who,
            dry_run: ctx.params.dry_run,
            snapshot,
        })
    };
    let mut txn = Txn::new().check(at);
    let put = |object: &Value| Op::Put {
        key: key.clone(),
        value: storage::encode(&ctx.resource, object),
    };
    let (mut extra, outcome) = match change {
        Change::Nothing { answer } => {
            let outcome = Outcome {
                object: answer,
                created: false,
                removed: false,
            };
            return Ok(Prepared {
                txn: None,
                outcome,
                versioned: false,
            });
        }
        Change::Create { mut object, check } => {
            meta::set(&mut object, "resourceVersion", None);
            let extra = admit(Verb::Create, Some(&mut object))?;
            txn.checks.extend(check);
            txn.ops.push(put(&object));
            (
                extra,
                Outcome {
                    object,
                    created: true,
                    removed: false,
                },
            )
        }
        Change::Update(mut object) => {
            meta::set(&mut object, "resourceVersion", None);
            let extra = admit(Verb::Update, Some(&mut object))?;
            txn.ops.push(put(&object));
            if let Some((_, revision)) = live {
                meta::set_revision(&mut object, revision);
            }
            (
                extra,
                Outcome {
                    object,
                    created: false,
                    removed: false,
                },
            )
        }
        Change::Remove { answer } => {
            let extra = admit(Verb::Delete, None)?;
            txn.ops.push(Op::Delete { key: key.clone() });
            txn.ops.extend(extra);
            let outcome = Outcome {
                object: answer,
                created: false,
                removed: true,
            };
            return Ok(Prepared {
                txn: Some(txn),
                outcome,
                versioned: false,
            });
        }
    };
    txn.ops.append(&mut extra);
    Ok(Prepared {
        txn: Some(txn),
        outcome,
        versioned: true,
    })
}

fn commit_failed(error: &CommitError) -> Status {
    match error {
        CommitError::TooLarge { limit, .. } => Status::too_large(*limit),
        CommitError::Unavailable(_) | CommitError::Closed => Status::unavailable(error.to_string()),
        CommitError::Conflict { .. } => Status::internal(error),
    }
}
