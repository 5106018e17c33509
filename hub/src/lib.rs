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
pub mod hooks;
pub mod hosted;
pub mod https;
pub mod hub;
pub mod member;
mod metrics;
mod process;
mod rotation;
pub mod shell;
mod vault;

pub use hub::{Hub, Parts};

/// An error and all its causes, as one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source());
    let mut words: Vec<String> = Vec::new();
    for cause in causes {
        let text = cause.to_string();
        if words.last().is_none_or(|last| !last.ends_with(&text)) {
            words.push(text);
        }
    }
    words.join(": ")
}
