//! The frames that hub and agent exchange, their bounds and their encoding.
//!
//! Knows neither kinds nor sessions nor QUIC. Variants of the frame enums are only ever appended
//! and a released struct never changes; what a peer understands is settled by features in the hello.

mod bounded;
pub mod codec;
pub mod frame;
#[cfg(test)]
mod golden;
pub mod item;
pub mod limits;
pub mod report;
#[cfg(test)]
mod samples;
pub mod stamp;

pub use frame::{AgentFrame, HubFrame, Lane};
pub use item::{Digest, ItemKey, Meta};
pub use stamp::{Epoch, EpochRange, Lineage, Revision, Stamp};
