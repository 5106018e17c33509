//! The commands that speak to a running hub, as any client of its API does.
//!
//! They use a kubeconfig as kubectl does, so they work from another machine, and do nothing that
//! RBAC could not grant. What they print is made here; what they do is done by the hub.

mod backup;
mod cordon;
mod detach;
mod drain;
mod drift;
mod fence;
mod freeze;
mod join;
mod keygen;
mod kinds;
mod manifest;
mod policies;
mod preview;
mod rebalance;
mod reconcile;
mod restore;
mod rollout;
mod rotate;
mod status;
mod suspend;
mod user;
mod why;

pub use backup::backup;
pub use cordon::{cordon, taint};
pub use detach::detach;
pub use drain::{drain, uncordon};
pub use drift::drift;
pub use fence::fence;
pub use freeze::{freeze, unfreeze};
pub use join::join;
pub use keygen::keygen;
pub use preview::preview;
pub use rebalance::rebalance;
pub use reconcile::reconcile;
pub use restore::restore;
pub use rollout::{approve, rollout};
pub use rotate::rotate_authority;
pub use status::status;
pub(crate) use status::{plain, trimmed};
pub use suspend::{resume, suspend};
pub use user::user;
pub use why::why;
