//! What the owner of an API adds to it: a say in every write, and subresources of its own.
//!
//! Hooks are asked inside the optimistic retry of a write, so they may be asked several times for
//! one request; they answer from the snapshot that the write is checked against and do no I/O.

use std::sync::Arc;

use roadstead_machinery::resource::Resource;
use roadstead_machinery::status::Status;
use roadstead_protocol::env::BoxFuture;
use roadstead_store::{Op, Snapshot};
use serde_json::Value;

use crate::{Access, Identity, RestBody};

/// What a write does to its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// The object is new.
    Create,
    /// The object changes. Deleting an object that has finalizers is an update too: it gets a
    /// `deletionTimestamp`.
    Update,
    /// The object goes away with this write.
    Delete,
}

/// One write, just before it is committed.
pub struct Write<'a> {
    /// What happens to the object.
    pub verb: Verb,
    /// The object's kind.
    pub resource: &'a Resource,
    /// Its namespace, if it lives in one.
    pub namespace: Option<&'a str>,
    /// Its name.
    pub name: &'a str,
    /// The subresource that is written, as in `status`.
    pub subresource: Option<&'a str>,
    /// The object as it is, with its `resourceVersion`; `None` when it is created.
    pub old: Option<&'a Value>,
    /// The object as it will be, without a `resourceVersion`; `None` when it is deleted. A hook may
    /// change it.
    pub new: Option<&'a mut Value>,
    /// Who asks.
    pub user: &'a Identity,
    /// Whether nothing will be committed.
    pub dry_run: bool,
    /// Whether this deletion is part of one that the hooks have let through as a whole: that of the
    /// object's namespace, or of a collection.
    pub judged: bool,
    /// What the write is checked against.
    pub snapshot: &'a Snapshot,
}

/// The deletion of several objects by one request, before the first of them goes.
pub struct Collection<'a> {
    /// The objects' kind.
    pub resource: &'a Resource,
    /// Their namespace; `None` where the kind has none, or for all namespaces.
    pub namespace: Option<&'a str>,
    /// The objects.
    pub objects: &'a [Value],
    /// Who asks.
    pub user: &'a Identity,
    /// What is there.
    pub snapshot: &'a Snapshot,
}

/// A request for a subresource that this crate does not know, as in `attachedclusters/NAME/token`.
#[derive(Clone, Debug)]
pub struct Subresource {
    /// The HTTP method, in capitals.
    pub method: String,
    /// The kind that it belongs to.
    pub resource: Arc<Resource>,
    /// The object's namespace, if it lives in one.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
    /// The subresource.
    pub subresource: String,
    /// The object as it is, with its `resourceVersion`.
    pub object: Value,
    /// The body of the request; `Null` if there is none.
    pub body: Value,
    /// Who asks.
    pub user: Identity,
}

/// A request for a path that is none of Kubernetes'.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The HTTP method.
    pub method: &'a http::Method,
    /// The path.
    pub path: &'a str,
    /// The body of a `POST`; of other requests none is read.
    pub body: &'a [u8],
    /// Who asks: somebody who may use this method at this path.
    pub user: &'a Identity,
    /// What else they may do.
    pub access: &'a Access<'a>,
}

/// What the owner of an API adds to it.
pub trait Hooks: Send + Sync + 'static {
    /// Has its say in a write: operations to commit in the same transaction, or a refusal.
    ///
    /// # Errors
    /// A status refuses the write; the client gets it as it is.
    fn admit(&self, write: &mut Write<'_>) -> Result<Vec<Op>, Status>;

    /// A write that changes nothing: what the user says is so already. Gives operations to commit
    /// nevertheless; nothing is committed where there are none. `write.new` is `None`.
    ///
    /// # Errors
    /// A status refuses the write; the client gets it as it is.
    fn unchanged(&self, _: &Write<'_>) -> Result<Vec<Op>, Status> {
        Ok(Vec::new())
    }

    /// Answers whoever may at a path that is none of Kubernetes'; `None` where there is nothing.
    fn page(&self, _: &Page<'_>) -> Option<BoxFuture<Result<http::Response<RestBody>, Status>>> {
        None
    }

    /// Has its say in the deletion of a collection. Its objects are then deleted one by one, each a
    /// [`Write`] that is [`judged`](Write::judged) already.
    ///
    /// # Errors
    /// A status refuses it as a whole; the client gets it as it is.
    fn admit_collection(&self, _: &Collection<'_>) -> Result<(), Status> {
        Ok(())
    }

    /// The names of the subresources of `resource` that [`Hooks::subresource`] answers.
    fn subresources(&self, resource: &Resource) -> &'static [&'static str];

    /// Answers a request for one of [`Hooks::subresources`]. The object exists.
    fn subresource(&self, request: Subresource) -> BoxFuture<Result<Value, Status>>;

    /// Who a bearer token belongs to, if the owner knows it.
    fn vouch(&self, token: &str) -> Option<Identity> {
        let _unknown = token;
        None
    }

    /// Text in the Prometheus format to add to `/metrics`.
    fn metrics(&self) -> String {
        String::new()
    }

    /// Whether the owner is ready to serve: `/readyz` fails with this text otherwise.
    ///
    /// # Errors
    /// What is not ready.
    fn ready(&self) -> Result<(), String> {
        Ok(())
    }

    /// What may be wrong and is no reason to send nobody here any more, by the name of its check:
    /// `/readyz?verbose` shows it, `/readyz/NAME` fails with it, `/readyz` as a whole does not.
    fn notices(&self) -> Vec<(&'static str, Result<(), String>)> {
        Vec::new()
    }
}

/// Adds nothing: for simulated member clusters.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHooks;

impl Hooks for NoHooks {
    fn admit(&self, _: &mut Write<'_>) -> Result<Vec<Op>, Status> {
        Ok(Vec::new())
    }

    fn subresources(&self, _: &Resource) -> &'static [&'static str] {
        &[]
    }

    fn subresource(&self, _: Subresource) -> BoxFuture<Result<Value, Status>> {
        Box::pin(std::future::ready(Err(Status::no_such_resource())))
    }
}
