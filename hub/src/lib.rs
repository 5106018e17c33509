//! The hub: store, Kubernetes API, controllers and agents' sessions, wired into one process; and
//! the command line around it.
//!
//! The parts are crates of their own so that the compiler keeps their arrows: `rest`, `controllers`
//! and `agents` do not know one another, they meet in the store. Here they are only put together.

mod backup;
mod certificates;
pub mod cli;
pub mod client;
pub mod config;
pub mod demo;
mod drift;
pub mod hooks;
pub mod hosted;
pub mod https;
pub mod hub;
pub mod member;
mod metrics;
mod page;
mod preview;
mod process;
mod rotation;
pub mod shell;
mod users;
mod vault;
mod why;

pub use hub::{Hub, Parts};
pub use roadstead_protocol::chain;
