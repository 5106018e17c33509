//! What to do about the difference between what a cluster is to have and what it has.
//!
//! Pure functions from values to values: no async, no clock, no I/O, no randomness.

pub mod ailing;
pub mod content;
pub mod diff;
pub mod drift;
pub mod health;
pub mod leave;
pub mod live;
pub mod order;
pub mod report;
pub mod scaler;

pub use content::Owner;
pub use diff::{Action, Hold, Input, Seen, diff};
pub use live::{Depth, Live, Mark};
