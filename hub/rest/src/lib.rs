//! The Kubernetes REST API over a [`Store`]: what users, controllers, agents and simulated users
//! talk to, for the hub and for the simulated member clusters alike.
//!
//! One generic path per verb; what differs between kinds is data ([`roadstead_machinery::resource`])
//! or a small strategy. A request comes in as an `http::Request` and an [`Identity`] that somebody
//! else has established: this crate knows no TLS, no tokens and no sockets. What the hub adds to
//! writes (deletion records, refusals, subresources of its own) enters through [`Hooks`].
//!
//! Reads never write.

#![expect(
    clippy::result_large_err,
    reason = "a status is the answer, made once per failed request"
)]

mod accept;
mod auth;
mod body;
mod crds;
mod decode;
mod defaults;
mod discovery;
mod events;
mod health;
mod hooks;
mod identity;
mod list;
mod meta;
mod metrics;
mod mutate;
mod namespaces;
mod output;
mod path;
mod query;
mod rbac;
mod read;
mod respond;
mod rest;
mod reviews;
mod route;
mod scale;
mod service;
mod storage;
mod strategy;
mod token;
mod watch;
mod write;

pub use body::RestBody;
pub use hooks::{Collection, Hooks, NoHooks, Page, Subresource, Verb, Write};
pub use identity::{ADMINS, AGENTS, Identity};
pub use rbac::{About, Access, Ask};
pub use rest::{BODY_BYTES_MAX, Options, Parts, Rest, Versions, WATCHES_MAX};
pub use service::Service;

pub use roadstead_store::Store;
