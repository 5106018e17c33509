//! What hub and agent agree on: the kinds people write, the frames on the wire, the state machines
//! of a session, and (feature `host`) the quinn and rustls shell that carries it; and (feature `seal`)
//! how both seal what is on their disks.
//!
//! `api`, `wire` and `session` are pure: no async, no clock, no I/O. `session` knows no kind and no
//! QUIC, so that another carrier fits under it.

pub mod api;
mod causes;
pub mod env;
#[cfg(feature = "host")]
pub mod host;
#[cfg(planted)]
pub mod planted;
#[cfg(feature = "seal")]
pub mod seal;
pub mod session;
pub mod wire;

pub use causes::chain;
