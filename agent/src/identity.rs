//! The identity's second home: a Secret on the member, for agents whose disk may be gone at any start.
//!
//! An agent in a pod has a volume that ends with the pod. The Secret holds who it is, so that the pod
//! that follows is the same cluster, and, while it joins, the key that it joins with, so that a join
//! string is not lost to a pod that is rescheduled in the middle; and whether its hub detached it, with
//! the join strings that it has joined with, which are no way back, and the clusters that it was before,
//! whose objects may still be there. Everything else (items, inventory,
//! position) is not kept here: the member's position object says that the disk is behind, and the hub
//! is compared with before anything is applied. Deliberately absent: deciding when to join or renew.

mod secret;
#[cfg(test)]
mod tests;

use std::time::Duration;

use roadstead_protocol::env::Env;
use roadstead_protocol::host::{JoinToken, SecretKey, tls};
use roadstead_protocol::session::Backoff;
use tokio::sync::watch;

use crate::Error;
use crate::member::Member;
use crate::member::own::Failed;
use crate::store::disk::Who;
use crate::store::record::{Identity, Joining, Position};
use crate::store::{Disk, Loaded, Write};

pub use secret::{Found, Kept};

/// How often it is made sure that the Secret is still there.
pub const CHECK_EVERY: Duration = Duration::from_secs(600);
/// The first wait after a failure.
const RETRY_FLOOR: Duration = Duration::from_millis(500);
/// The longest wait after a failure.
const RETRY_CEILING: Duration = Duration::from_secs(30);

/// Reads and writes the Secret.
#[derive(Clone)]
pub struct Keeper {
    member: Member,
    name: String,
}

impl Keeper {
    /// A keeper of the Secret `name` in the agent's namespace on `member`.
    pub fn new(member: Member, name: String) -> Self {
        Self { member, name }
    }

    /// Puts on an empty disk what the Secret holds: the identity, or the key that the join string is
    /// redeemed for, which is made here if there is none. Waits for the member, which an agent
    /// with an empty disk can do nothing without; a disk that has an identity is not waited for.
    ///
    /// # Errors
    /// Where the Secret is another member's or cannot be read by this release, or the disk does not
    /// take what has to be on it.
    pub async fn recall(
        &self,
        env: &Env,
        disk: &Disk,
        loaded: &mut Loaded,
        join: Option<&JoinToken>,
    ) -> Result<(), Error> {
        if loaded.identity.is_some() {
            return Ok(());
        }
        let seed = u64::from_be_bytes(env.random());
        let mut backoff = Backoff::new(seed, RETRY_FLOOR, RETRY_CEILING);
        let kept = loop {
            match self.settled(env, loaded, join).await {
                Ok(kept) => break kept,
                Err(Failed::Fatal(error)) => return Err(error),
                Err(Failed::Later(error)) => {
                    tracing::info!(%error, secret = self.name, "the Secret with the agent's identity cannot be used yet");
                    tokio::time::sleep(backoff.next_wait()).await;
                }
            }
        };
        let Some(kept) = kept else {
            return Ok(());
        };
        let mut writes = Vec::new();
        if let Some(identity) = kept.identity {
            tracing::info!(cluster = %identity.cluster, hub = %identity.hub, secret = self.name, "the identity comes from the member's Secret");
            writes.push(Write::Identity(identity.clone()));
            writes.push(Write::Former(kept.former.clone()));
            writes.push(Write::Spent(kept.spent.clone()));
            writes.push(Write::Past(kept.past.clone()));
            loaded.identity = Some(identity);
            loaded.former = kept.former;
            loaded.spent = kept.spent;
            loaded.past = kept.past;
            loaded.boot.member_uid = kept.member_uid;
            if kept.detached {
                let position = Position {
                    detached: true,
                    ..Position::default()
                };
                writes.push(Write::Position(position.clone()));
                loaded.position = position;
            }
        }
        if let Some(joining) = kept.joining {
            writes.push(Write::Joining(joining.clone()));
            loaded.joining = Some(joining);
        }
        disk.commit(writes).await.map_err(Error::Disk)
    }

    /// What the Secret holds, once it holds all that it has to before anything else may happen.
    async fn settled(
        &self,
        env: &Env,
        loaded: &Loaded,
        join: Option<&JoinToken>,
    ) -> Result<Option<Kept>, Failed> {
        let found = self.read().await?;
        let there = found.as_ref().map(|f| f.kept.clone()).unwrap_or_default();
        let here = self.member.member_uid().await?;
        if there.identity.is_some() && there.member_uid != here {
            return Err(Failed::Fatal(Error::CopiedSecret {
                name: self.name.clone(),
                here,
                bound: there.member_uid,
            }));
        }
        if there.identity.is_none() && join.is_none() {
            return Ok(None);
        }
        let known = there.joining.clone().or_else(|| loaded.joining.clone());
        let joining = match join {
            // Another string, also for one who has joined: it is used if the hub detached that one.
            Some(token) if known.as_ref().is_none_or(|j| j.token != token.id) => Some(Joining {
                token: token.id.clone(),
                key: SecretKey::generate(env).as_bytes().to_vec(),
            }),
            Some(_) | None => known,
        };
        let kept = Kept {
            joining,
            member_uid: here,
            ..there
        };
        if found.as_ref().is_none_or(|f| f.kept != kept) {
            self.write(&kept, found.as_ref()).await?;
        }
        Ok(Some(kept))
    }

    /// Keeps the Secret as the disk is, for as long as the agent runs.
    pub async fn run(self, mut disk: watch::Receiver<Who>, seed: u64) {
        let mut backoff = Backoff::new(seed, RETRY_FLOOR, RETRY_CEILING);
        loop {
            let who = disk.borrow_and_update().clone();
            if let Err(error) = self.keep(who).await {
                let why = match error {
                    Failed::Fatal(error) => error.to_string(),
                    Failed::Later(error) => error,
                };
                tracing::warn!(error = %why, secret = self.name, "the identity could not be kept in the member's Secret");
                tokio::time::sleep(backoff.next_wait()).await;
                continue;
            }
            backoff.reset();
            tokio::select! {
                biased;
                changed = disk.changed() => if changed.is_err() {
                    // The disk is closed: the agent ends.
                    return std::future::pending().await;
                },
                () = tokio::time::sleep(CHECK_EVERY) => {}
            }
        }
    }

    async fn keep(&self, who: Who) -> Result<(), Failed> {
        if who.identity.is_none() {
            return Ok(());
        }
        let found = self.read().await?;
        let there = found.as_ref().map(|f| f.kept.clone()).unwrap_or_default();
        let mut kept = merged(&there, who);
        if kept == there {
            return Ok(());
        }
        kept.member_uid = self.member.member_uid().await?;
        self.write(&kept, found.as_ref()).await?;
        tracing::info!(
            secret = self.name,
            detached = kept.detached,
            "the identity is kept in the member's Secret"
        );
        Ok(())
    }
}

/// What the Secret is to hold: what the disk says, unless the disk was put back. A detachment ends with
/// the identity that was detached, never because a disk does not know of it.
fn merged(there: &Kept, who: Who) -> Kept {
    let spent = who.spent.and(&there.spent.tokens);
    let both = there.identity.as_ref().zip(who.identity.as_ref());
    if both.is_some_and(|(there, disk)| is_later(there, disk)) {
        return Kept {
            spent,
            ..there.clone()
        };
    }
    let same = there.identity == who.identity;
    // A disk that was put back knows of fewer; another hub has nothing to do with them.
    let one_hub = both.is_some_and(|(there, disk)| there.hub == disk.hub);
    let past = match one_hub {
        true => who.past.and(&there.past.clusters),
        false => who.past,
    };
    Kept {
        identity: who.identity,
        former: who.former,
        joining: there.joining.clone(),
        spent,
        past,
        detached: who.detached || (same && there.detached),
        member_uid: there.member_uid.clone(),
    }
}

/// As [`Keeper::recall`], where there is a keeper.
///
/// # Errors
/// As [`Keeper::recall`].
pub async fn recall(
    keeper: Option<&Keeper>,
    env: &Env,
    disk: &Disk,
    loaded: &mut Loaded,
    join: Option<&JoinToken>,
) -> Result<(), Error> {
    match keeper {
        Some(keeper) => keeper.recall(env, disk, loaded, join).await,
        None => Ok(()),
    }
}

/// Whether the Secret's identity is a later certificate of the same cluster than the disk's, as when
/// a disk was put back.
fn is_later(there: &Identity, disk: &Identity) -> bool {
    let same = (&there.hub, &there.cluster) == (&disk.hub, &disk.cluster);
    same && until(there) > until(disk)
}

/// Until when an identity is good; `None`, which is earlier than any time, where that is not readable.
fn until(identity: &Identity) -> Option<jiff::Timestamp> {
    let leaf = identity.certificates.first()?;
    tls::not_after(&leaf.as_slice().into()).ok()
}
