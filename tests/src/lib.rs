//! What the tests that cross crates share: real clusters, real kubectl, real processes.
//!
//! Nothing of this is in the product. What a machine lacks is fetched or built once, by package
//! name, into a cache outside the tree; where that cannot be done a test says that it was skipped,
//! and with `CI=true` that is a failure.

pub mod agent;
pub mod api;
pub mod assets;
pub mod cache;
pub mod cluster;
pub mod fleet;
pub mod hub;
pub mod kubectl;
pub mod member;
pub mod netns;
pub mod nodes;
pub mod process;
pub mod relay;
pub mod wire;

/// Says that a test was skipped, and fails it where `CI=true`.
///
/// # Panics
/// With `CI=true`: there, what is skipped has not been tested.
#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
pub fn skipped(test: &str, why: &str) {
    let ci = cache::variable("CI").is_some_and(|v| v == "true");
    assert!(!ci, "{test} was skipped, which CI=true forbids: {why}");
    eprintln!("skipped: {test}: {why}");
}
