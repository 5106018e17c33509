//! Writes: one object, one transaction, retried as long as others win.
//!
//! Every verb decides, from what is there now, what the object becomes; here that decision is
//! checked by the owner's hooks, committed against the revisions it was made from, and made anew
//! when something came in between, up to a bound.

mod checked;
mod collection;
mod commit;
mod create;
mod delete;
mod update;

pub(crate) use collection::delete_collection;
pub(crate) use commit::write;
pub(crate) use create::create;
pub(crate) use delete::{DeleteOptions, delete, gone};
pub(crate) use update::{Patch, patch, patched, replace, update_with};

use std::sync::Arc;

use roadstead_machinery::resource::Resource;
use roadstead_machinery::status::Status;
use roadstead_store::Check;
use serde_json::Value;

use crate::Identity;
use crate::identity::ADMINS;
use crate::query::{Validation, WriteParams};
use crate::rest::Inner;

/// How often a write is tried again because others wrote in between.
pub(crate) const ATTEMPTS_MAX: usize = 64;

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
    /// Whether the hooks have let through what this is a part of.
    pub(crate) judged: bool,
}

impl Context {
    /// A write of this crate itself, by the name of `manager`.
    pub(crate) fn internal(
        inner: &Arc<Inner>,
        resource: &Arc<Resource>,
        namespace: Option<&str>,
        subresource: Option<&str>,
        manager: &str,
    ) -> Self {
        Self {
            inner: Arc::clone(inner),
            resource: Arc::clone(resource),
            namespace: namespace.map(str::to_owned),
            subresource: subresource.map(str::to_owned),
            params: WriteParams {
                dry_run: false,
                manager: manager.to_owned(),
                validation: Validation::Ignore,
                force: false,
            },
            who: Identity::new(format!("system:{manager}"), [ADMINS.to_owned()]),
            warnings: Vec::new(),
            judged: false,
        }
    }

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
