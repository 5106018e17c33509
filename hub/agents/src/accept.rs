//! The agents' port: bounded handshakes, enrolment or a session for each, and an orderly end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use roadstead_authority::{Authority, HubRegistrar};
use roadstead_protocol::env::{BoxFuture, Env};
use roadstead_protocol::host::driver::{self, Side};
use roadstead_protocol::host::tls::{ENROL_ALPN, SESSION_ALPN};
use roadstead_protocol::host::{endpoint, enrol, tls};
use roadstead_protocol::session::{HubConfig, HubSession};
use roadstead_store::{Lineage, Store};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::directory::Directory;
use crate::listen::Ears;
use crate::metrics::Metrics;
use crate::pace::Pace;
use crate::secure::{self, Caller};
use crate::sessions::Sessions;
use crate::shell::HubShell;
use crate::{Options, Parts, ServeError, orders, restart};

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// QUIC's code for a connection that came without what it needs.
const CLOSE_UNIDENTIFIED: u32 = 2;
/// QUIC's code for a hub that has no room for another connection.
const CLOSE_BUSY: u32 = 3;
/// How long closed connections and ending sessions have.
const END_TIMEOUT: Duration = Duration::from_secs(3);

/// What every session shares.
pub(crate) struct Hub {
    pub(crate) env: Env,
    pub(crate) store: Store,
    pub(crate) volatile: Store,
    pub(crate) directory: Arc<Directory>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) ears: Ears,
    pub(crate) metrics: Arc<Metrics>,
    /// The store's, which stays as it is while the hub runs.
    pub(crate) lineage: Arc<Lineage>,
    registrar: HubRegistrar,
    pub(crate) authority: Authority,
    advertise: Vec<String>,
    options: Options,
    /// Room for connections that are not, or not yet, sessions too.
    connections: Arc<Semaphore>,
    /// The hub goes down: sessions that end are no news.
    ending: AtomicBool,
}

pub(crate) async fn serve(
    parts: Parts,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let Parts {
        env,
        crypto,
        socket,
        store,
        volatile,
        authority,
        advertise,
        options,
        metrics,
    } = parts;
    let server = authority.agents_server(&crypto)?;
    let endpoint = endpoint::open(&env, socket, authority.endpoint_secrets(), Some(server))?;
    let mut door = Door::new(&options);
    let hub = Arc::new(Hub {
        directory: Arc::new(Directory::new(store.clone())),
        sessions: Arc::new(Sessions::new(options.sessions_max)),
        ears: Ears::default(),
        registrar: authority.registrar(advertise.clone()),
        connections: Arc::new(Semaphore::new(
            options.sessions_max.saturating_add(options.handshakes_max),
        )),
        lineage: Arc::new(store.lineage()),
        env,
        store,
        volatile,
        metrics,
        authority,
        advertise,
        options,
        ending: AtomicBool::new(false),
    });
    let mut tasks = JoinSet::new();
    tasks
        .spawn(Arc::clone(&hub.directory).follow(Arc::clone(&hub.sessions), hub.authority.clone()));
    let listened = Arc::clone(&hub);
    tasks.spawn(async move { listened.ears.listen().await });
    let followed = Arc::clone(&hub);
    tasks.spawn(async move {
        let (store, volatile) = (followed.store.clone(), followed.volatile.clone());
        orders::follow(store, volatile, &followed.sessions).await;
    });
    let mut renewals = secure::Renewals::new(&hub.authority);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            () = renewals.due() => secure::renew(&hub, &endpoint, &crypto).await,
            Some(_) = tasks.join_next() => {}
            next = door.next(&endpoint) => {
                let Some((incoming, permit)) = next else { break };
                tasks.spawn(connection(Arc::clone(&hub), incoming, permit));
            }
        }
    }
    end(&hub, &endpoint, tasks).await;
    Ok(())
}

/// Where connections come in: as many handshakes at a time, and as many in a second, as there may be.
struct Door {
    handshakes: Arc<Semaphore>,
    /// With fewer free than this, newcomers prove their addresses.
    crowded: usize,
    pace: Pace,
}

impl Door {
    fn new(options: &Options) -> Self {
        let burst = u32::try_from(options.handshakes_max).unwrap_or(u32::MAX);
        Self {
            handshakes: Arc::new(Semaphore::new(options.handshakes_max)),
            crowded: options.handshakes_max / 2,
            pace: Pace::new(options.handshakes_rate, burst, Instant::now()),
        }
    }

    /// The next connection attempt, once there is room for its handshake. When many are under way or
    /// came just now, a newcomer has to show first that it receives at the address it claims, which
    /// costs the hub nothing. Cancel safe.
    async fn next(
        &mut self,
        endpoint: &quinn::Endpoint,
    ) -> Option<(quinn::Incoming, OwnedSemaphorePermit)> {
        loop {
            let permit = Arc::clone(&self.handshakes).acquire_owned().await.ok()?;
            if let Some(at) = self.pace.wait(Instant::now()) {
                tokio::time::sleep_until(at).await;
            }
            let incoming = endpoint.accept().await?;
            let free = self.handshakes.available_permits() > self.crowded;
            if incoming.remote_address_validated() || (free && self.pace.is_calm(Instant::now())) {
                self.pace.take(Instant::now());
                return Some((incoming, permit));
            }
            if incoming.retry().is_err() {
                tracing::debug!("a connection attempt could not be asked to prove its address");
            }
        }
    }
}

/// Tells every agent when to come back, then closes everything within bounds.
async fn end(hub: &Hub, endpoint: &quinn::Endpoint, mut tasks: JoinSet<()>) {
    hub.ending.store(true, Ordering::Relaxed);
    hub.sessions
        .restart(|index, count| restart::wait(index, count, u32::from_be_bytes(hub.env.random())));
    // An agent that has heard it goes by itself; a connection that is closed before comes back at once.
    let heard = tokio::time::timeout(restart::patience(hub.sessions.len()), async {
        while hub.sessions.len() > 0 && tasks.join_next().await.is_some() {}
    });
    if heard.await.is_err() {
        tracing::debug!(
            left = hub.sessions.len(),
            "some agents may not have heard when to come back"
        );
    }
    endpoint.close(driver::CLOSE_DONE.into(), b"the hub is going down");
    let ended = tokio::time::timeout(END_TIMEOUT, async {
        endpoint.wait_idle().await;
        while hub.sessions.len() > 0 && tasks.join_next().await.is_some() {}
    });
    if ended.await.is_err() {
        tracing::debug!("some sessions did not end in time");
    }
    tasks.shutdown().await;
}

pub(crate) fn connection(
    hub: Arc<Hub>,
    incoming: quinn::Incoming,
    permit: OwnedSemaphorePermit,
) -> impl Future<Output = ()> + Send {
    let remote = incoming.remote_address();
    // Apart, for it is soon over, and a session would keep room for it.
    let handshake = Box::pin(handshake(incoming));
    connected(hub, handshake, remote, permit)
}

async fn connected(
    hub: Arc<Hub>,
    handshake: BoxFuture<Result<quinn::Connection, String>>,
    remote: SocketAddr,
    permit: OwnedSemaphorePermit,
) {
    let connection = match handshake.await {
        Ok(connection) => connection,
        Err(error) => {
            hub.metrics.handshakes_failed.add();
            tracing::info!(%remote, error, "a handshake failed");
            return;
        }
    };
    let Ok(_room) = Arc::clone(&hub.connections).try_acquire_owned() else {
        connection.close(
            CLOSE_BUSY.into(),
            b"the hub has no room for another connection; try again later",
        );
        return;
    };
    match endpoint::alpn(&connection).as_deref() {
        Some(SESSION_ALPN) => {
            drop(permit);
            session(hub, connection).await;
        }
        Some(ENROL_ALPN) => match Box::pin(enrol::serve(&connection, &hub.registrar)).await {
            Ok(()) => hub.metrics.enrolments.add(),
            Err(error) => {
                hub.metrics.enrolments_failed.add();
                tracing::info!(%remote, %error, "an enrolment broke off");
            }
        },
        Some(_) | None => connection.close(CLOSE_UNIDENTIFIED.into(), b"no protocol was agreed on"),
    }
}

async fn handshake(incoming: quinn::Incoming) -> Result<quinn::Connection, String> {
    let connecting = incoming
        .accept()
        .map_err(|error| endpoint::explain(&error))?;
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, connecting).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(endpoint::explain(&error)),
        Err(_) => Err(format!(
            "it took longer than {} s",
            HANDSHAKE_TIMEOUT.as_secs()
        )),
    }
}

async fn session(hub: Arc<Hub>, connection: quinn::Connection) {
    let started = Instant::now();
    let chain = endpoint::peer_chain(&connection);
    let named = chain.first().map(tls::cluster_uid);
    let Some(Ok(uid)) = named else {
        connection.close(
            CLOSE_UNIDENTIFIED.into(),
            b"a session needs an agent's certificate; join first",
        );
        hub.metrics.handshakes_failed.add();
        return;
    };
    let config = HubConfig {
        release: hub.options.release.clone(),
        hub: hub.authority.hub_id().to_owned(),
        cluster: uid.clone(),
        epoch: hub.store.epoch(),
        lineage: Arc::clone(&hub.lineage),
        addresses: hub.advertise.clone(),
        authorities: hub.authority.agents_authorities_pem(),
        features: hub.options.features,
    };
    let mut session = HubSession::new(config, started.elapsed());
    let caller = Caller {
        uid: uid.clone(),
        remote: connection.remote_address().to_string(),
        issued: chain.first().and_then(|leaf| tls::issued_at(leaf).ok()),
    };
    // A session lasts for weeks; who it is with is known by now.
    drop(chain);
    let mut shell = HubShell::new(Arc::clone(&hub), caller, connection.clone());
    let ended = driver::drive(&connection, Side::Hub, &mut session, &mut shell, started).await;
    if let Err(error) = &ended {
        if error.is_violation() {
            hub.metrics.violations.add();
            tracing::warn!(
                cluster = uid,
                error = roadstead_protocol::chain(error),
                "an agent broke the protocol"
            );
        } else if hub.ending.load(Ordering::Relaxed) {
            tracing::debug!(
                cluster = uid,
                error = roadstead_protocol::chain(error),
                "a session ended with the hub"
            );
        } else {
            tracing::info!(
                cluster = uid,
                error = roadstead_protocol::chain(error),
                "a session was lost"
            );
        }
    }
    let silent = shell.silence(&ended);
    shell.finish(silent).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the task of a connection takes, in bytes, as long as there is an agent: thousands idle.
    const TASK_BYTES_MAX: usize = 4200;

    fn size<A, B, C, F>(_: fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_task_of_a_session_is_small() {
        let size = size(connection);
        assert!(size <= TASK_BYTES_MAX, "{size}");
    }
}
