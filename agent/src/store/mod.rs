//! The agent's disk: who it is, where it is in its hub's history, what the cluster is to have, and
//! what it put there.
//!
//! One redb file. What is in it is kept in memory too, but for contents, so only contents are read
//! after the start. Writes are grouped: many callers, one transaction, one sync. A file that cannot be
//! read is reported and never made anew. This module decides nothing about items.

pub mod disk;
pub mod error;
pub mod file;
mod load;
pub mod record;
mod renew;
mod vault;
pub(crate) mod view;

#[cfg(test)]
mod full_tests;
#[cfg(test)]
mod sealed_tests;
#[cfg(test)]
pub(crate) mod tests;

pub use disk::{Disk, Write};
pub use error::{DiskError, OpenError};
pub use load::{Loaded, load};
