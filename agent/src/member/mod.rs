//! The member cluster's API, as far as an agent needs it.
//!
//! Raw requests over the [`kube::Client`] that the caller gave: objects are JSON values and kinds are
//! found by discovery, so that a kind nobody compiled in works as well as a Deployment. Every request
//! has a deadline and every answer a bound. Nothing is decided here and nothing is tried again.

pub mod ailing;
pub mod anchor;
pub mod client;
pub mod discovery;
pub mod error;
pub mod facts;
mod list;
pub mod own;
pub mod scalers;
mod shapes;
pub mod sweep;
pub mod watch;

#[cfg(test)]
pub(crate) mod fake;

pub use client::Member;
pub use discovery::{Catalogue, Resource};
pub use error::{Class, Error};
