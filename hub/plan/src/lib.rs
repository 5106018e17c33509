//! Decides which cluster runs which object, and with what in it. Pure: a snapshot goes in, a
//! decision and its reasons come out; nothing here reads a store, a clock or a socket.
//!
//! [`World`] is what all templates share (policies, overrides, clusters, namespaces, deletion
//! records), [`Template`] is one object with what was decided about it before, [`place`] decides,
//! [`why`](why::why) explains the same decision cluster by cluster.
//!
//! Invariant: nothing is removed because something is missing or cannot be read. A removal follows
//! from a deletion record, or from a readable policy that no longer chooses the cluster; what else
//! falls away is kept as it is, and said.

pub mod affinity;
pub mod aggregate;
pub mod allotment;
pub mod budget;
mod candidates;
pub mod claim;
pub mod cluster;
pub mod confirmation;
mod count;
pub mod deps;
mod dispatch;
pub mod division;
pub mod expression;
pub mod failover;
mod fields;
pub mod finding;
pub mod gate;
pub mod hardware;
mod intent;
pub mod interpreter;
pub mod near;
pub mod observed;
pub mod options;
pub mod overrides;
pub mod peers;
pub mod placement;
mod pod;
pub mod pointer;
pub mod policy;
pub mod removal;
pub mod render;
mod rendering;
pub mod reserved;
pub mod resources;
pub mod review;
pub mod rollout;
pub mod scheduling;
pub mod selecting;
mod share;
pub mod spread;
mod swap;
pub mod template;
mod toleration;
pub mod variables;
pub mod weights;
pub mod why;
pub mod world;

#[cfg(test)]
mod tests;

pub use finding::Finding;
pub use observed::Observed;
pub use placement::{Kept, Placement, Removal, Target, place};
pub use review::{Approvals, Approved, Part, Review};
pub use template::{Around, Decided, Former, Pledge, Template};
pub use world::{Limits, World};
