//! The certificates of the agents' port, kept fresh while it serves, and what is said of an agent that
//! comes with an identity that another one has.

use roadstead_authority::Authority;
use roadstead_protocol::host::endpoint;
use roadstead_protocol::host::tls::Crypto;
use roadstead_store::records::{self, TurnedAway};
use roadstead_store::{Store, Txn};
use tokio::sync::watch;
use tokio::time::{Instant, Interval};

use crate::accept::Hub;

/// For how long a note of an agent that was turned away is fresh enough, in seconds: it tries again
/// every half a minute, and a note each time would keep the hub busy.
const NOTE_SECONDS: i64 = 300;

/// Who is at the other end, by its certificate.
pub(crate) struct Caller {
    /// The cluster's UID.
    pub(crate) uid: String,
    /// The address that it comes from.
    pub(crate) remote: String,
    /// When its certificate was made.
    pub(crate) issued: Option<jiff::Timestamp>,
}

/// When new server settings are due.
pub(crate) struct Renewals {
    every: Interval,
    changes: watch::Receiver<u64>,
}

impl Renewals {
    pub(crate) fn new(authority: &Authority) -> Self {
        let every = Authority::SERVER_RENEWAL;
        Self {
            every: tokio::time::interval_at(Instant::now() + every, every),
            changes: authority.changes(),
        }
    }

    /// Resolves when new settings are due: in time, or because an authority changed. Cancel safe.
    pub(crate) async fn due(&mut self) {
        tokio::select! {
            biased;
            Ok(()) = self.changes.changed() => {}
            _ = self.every.tick() => {}
        }
    }
}

/// Gives the endpoint new server settings. What fails is tried again when the next are due: those
/// that are there go on serving.
pub(crate) async fn renew(hub: &Hub, endpoint: &quinn::Endpoint, crypto: &Crypto) {
    if let Err(error) = hub.authority.tend().await {
        tracing::warn!(%error, "the authorities could not be looked after; it will be tried again");
    }
    let renewed = hub
        .authority
        .agents_server(crypto)
        .map_err(|error| error.to_string())
        .and_then(|tls| {
            endpoint::server_config(&hub.env, hub.authority.endpoint_secrets(), tls)
                .map_err(|error| error.to_string())
        });
    match renewed {
        Ok(renewed) => endpoint.set_server_config(Some(renewed)),
        Err(error) => {
            tracing::error!(
                error,
                "the agents' port could not be given a new certificate"
            );
        }
    }
}

/// Forgets who was turned away from the place of the cluster `uid`: a start was let in since, which may
/// be the same agent after it had counted up. A copy comes again, and is noted again.
pub(crate) async fn clear(volatile: &Store, uid: &str) {
    let Ok(key) = records::turned_away_key(uid) else {
        return;
    };
    if volatile.snapshot().get(key.as_str()).is_some()
        && let Err(error) = volatile.commit(Txn::new().delete(key)).await
    {
        tracing::debug!(cluster = uid, %error, "that an agent was turned away was not forgotten");
    }
}

/// Notes that an agent was turned away from the place of the cluster `uid`.
pub(crate) async fn note(volatile: &Store, uid: &str, turned: TurnedAway) {
    let Ok(key) = records::turned_away_key(uid) else {
        return;
    };
    let snapshot = volatile.snapshot();
    let before = snapshot.get(key.as_str());
    let before = before.and_then(|entry| records::decode::<TurnedAway>(entry).ok());
    let fresh = before.is_some_and(|b| {
        b.boot == turned.boot
            && b.message == turned.message
            && turned.at.as_second() - b.at.as_second() < NOTE_SECONDS
    });
    let Ok(value) = records::encode(&turned) else {
        return;
    };
    if !fresh && let Err(error) = volatile.commit(Txn::new().put(key, value)).await {
        tracing::debug!(cluster = uid, %error, "that an agent was turned away was not noted");
    }
}
