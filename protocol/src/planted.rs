//! Bugs planted on purpose, so that the simulation can prove that its checkers find them.
//!
//! Not in any product: this module, and every line that asks it, is compiled only under
//! `--cfg planted`. One such build holds all bugs, each asleep until it is chosen by name.

use std::sync::{PoisonError, RwLock};

static CHOSEN: RwLock<String> = RwLock::new(String::new());

/// Wakes the bug `name`, and puts all others to sleep.
pub fn choose(name: &str) {
    name.clone_into(&mut CHOSEN.write().unwrap_or_else(PoisonError::into_inner));
}

/// Whether the bug `name` is awake.
pub fn is(name: &str) -> bool {
    *CHOSEN.read().unwrap_or_else(PoisonError::into_inner) == name
}
