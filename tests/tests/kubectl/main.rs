//! A session with real kubectl binaries, as people type it, against the hub and against a simulated
//! member; and what the same port answers to those who mean no good.
//!
//! Each release has a hub and a member of its own, so that the sessions run side by side.

#[cfg(test)]
mod access;
#[cfg(test)]
mod editing;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod fleet;
#[cfg(test)]
mod raw;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod removing;
#[cfg(test)]
mod world;
#[cfg(test)]
mod writing;

#[cfg(test)]
use roadstead_tests::{kubectl::binary, skipped};

#[cfg(test)]
use world::World;

/// The whole session with one release, at both servers.
#[cfg(test)]
async fn session(release: &str) {
    if let Err(e) = binary(release) {
        return skipped(&format!("kubectl {release}"), &format!("{e:#}"));
    }
    let world = World::start().await;
    for session in [world.hub(release), world.member(release)] {
        reading::run(&session);
        writing::run(&session);
        editing::run(&session);
        faults::run(&session);
        removing::run(&session);
    }
    fleet::run(&world.hub(release));
    access::run(&world, release);
}

#[tokio::test]
async fn kubectl_1_30() {
    session("1.30").await;
}

#[tokio::test]
async fn kubectl_1_32() {
    session("1.32").await;
}

#[tokio::test]
async fn kubectl_1_34() {
    session("1.34").await;
}

#[tokio::test]
async fn kubectl_1_36() {
    session("1.36").await;
}

#[tokio::test]
async fn kubectl_1_37() {
    session("1.37").await;
}
