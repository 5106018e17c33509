//! The one place where the identity changes: on the disk first, then for everybody.

use std::sync::{Arc, Mutex, PoisonError};

use roadstead_protocol::env::WallClock as _;
use roadstead_protocol::host::SecretKey;
use roadstead_protocol::host::clock::Floored;
use roadstead_protocol::host::enrol::Granted;
use roadstead_protocol::host::tls::certificates_from_pem;
use roadstead_protocol::wire::frame::Welcome;

use super::kept::{Kept, Wrong};
use super::{chain, due};
use crate::store::record::Clock;
use crate::store::{Disk, DiskError, Write};

/// Why something new about the identity was not taken over.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotTaken {
    /// The disk did not take it.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// It is not for this agent.
    #[error(transparent)]
    Wrong(#[from] Wrong),
}

/// See the module.
pub(super) struct Keep {
    disk: Disk,
    clock: Arc<Floored>,
    kept: Mutex<Kept>,
    /// Changes are made one after the other, so that none is built on what is not durable.
    turn: tokio::sync::Mutex<()>,
}

impl Keep {
    pub(super) fn new(disk: Disk, clock: Arc<Floored>, kept: Kept) -> Self {
        Self {
            disk,
            clock,
            kept: Mutex::new(kept),
            turn: tokio::sync::Mutex::new(()),
        }
    }

    /// What is there now, and durable.
    pub(super) fn kept(&self) -> Kept {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clone()
    }

    /// Takes over the addresses and authorities of a welcome that came by way of the address `met`;
    /// beside the session, for none of it waits.
    pub(super) fn take_over(self: &Arc<Self>, welcome: &Welcome, met: &str) {
        let read = welcome
            .authorities
            .iter()
            .map(|pem| certificates_from_pem(pem));
        let authorities = match read.collect::<Result<Vec<_>, _>>() {
            Ok(found) => found.into_iter().flatten().map(|c| c.to_vec()).collect(),
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the hub's authorities cannot be read");
                Vec::new()
            }
        };
        let (keep, met) = (Arc::clone(self), met.to_owned());
        let addresses = welcome.addresses.clone();
        tokio::spawn(async move {
            if let Err(error) = keep.told(&addresses, &authorities, &met).await {
                tracing::warn!(%error, "new addresses and authorities could not be written down");
            }
        });
    }

    async fn told(
        &self,
        addresses: &[String],
        authorities: &[Vec<u8>],
        met: &str,
    ) -> Result<(), NotTaken> {
        let _turn = self.turn.lock().await;
        let after = self.kept().told(addresses, authorities, met);
        self.write(after, Vec::new()).await
    }

    /// Takes over a new certificate for `key`, and the time that it shows.
    pub(super) async fn renewed(&self, granted: Granted, key: &SecretKey) -> Result<(), NotTaken> {
        let _turn = self.turn.lock().await;
        let after = self.kept().renewed(granted, key)?;
        let clock = noted(&self.clock, &after.identity.certificates);
        self.write(after, clock.map(Write::Clock).into_iter().collect())
            .await
    }

    async fn write(&self, after: Kept, more: Vec<Write>) -> Result<(), NotTaken> {
        let before = self.kept();
        let mut writes = more;
        if after.identity != before.identity {
            writes.push(Write::Identity(after.identity.clone()));
        }
        if after.former != before.former {
            writes.push(Write::Former(after.former.clone()));
        }
        self.disk.commit(writes).await?;
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = after;
        Ok(())
    }
}

/// Raises the clock's floor by what a new certificate shows; what to write down, if it rose.
pub(super) fn noted(clock: &Floored, certificates: &[Vec<u8>]) -> Option<Clock> {
    let leaf = certificates.first()?.as_slice().into();
    let seconds = due::agreed(&leaf, clock.now()).ok()?;
    if seconds <= clock.floor() {
        return None;
    }
    clock.raise(seconds);
    Some(Clock { seconds })
}
