//! Changes that reach clusters in waves.
//!
//! What a policy's templates hold, with what goes along and what overrides it, is a [release]. While
//! a policy has a rollout, a cluster is given what a release says, and never what merely stands on the
//! hub: the release that it was let to, or the one that is good. So nothing has to be stopped when
//! somebody edits a template: it reaches nobody before a [`turn`](turn::turn) has made a run of it, and
//! [`advance`](advance::advance) has let a cluster to it.
//!
//! - [`spec`]: what a policy says of it. [`stages`]: which cluster belongs to which stage.
//! - [`state`]: what is written down. [`turn`]: when a run begins and ends. [`advance`]: one step of it.
//! - [`gates`]: whether all is well on a cluster. [`waves`]: what placement is told.
//!
//! Numbers of replicas belong to no release: they are the live template's, at once. Deliberately absent:
//! who runs what, which is as without a rollout.
//!
//! [release]: release::Release

pub mod advance;
pub(crate) mod bases;
pub mod gates;
pub mod release;
pub mod spec;
pub mod stages;
pub mod state;
pub mod turn;
pub mod waves;

use std::collections::BTreeSet;

use crate::finding::Cause;
use crate::intent::intend;
use crate::template::Template;
use crate::world::World;

pub use spec::Rollout;
pub use state::{Run, State};
pub use waves::{Given, Rolling, Waves};

/// Who is to have a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The clusters of these UIDs, whatever of it.
    On(BTreeSet<String>),
    /// Another policy says so.
    Elsewhere,
    /// That is not known, since a policy cannot be read.
    Unknown,
}

/// Who is to have a template that the policy of the UID `policy` is thought to hold.
pub fn wanted(world: &World, template: &Template<'_>, policy: &str) -> Wanted {
    let intent = intend(world, template, template.now);
    if intent.blocked == Some(Cause::PolicyUnreadable) {
        return Wanted::Unknown;
    }
    if (intent.winner).is_some_and(|winner| winner.identity.uid != policy) {
        return Wanted::Elsewhere;
    }
    let targets = intent.targets.iter();
    Wanted::On(targets.map(|wanted| wanted.cluster.uid.clone()).collect())
}
