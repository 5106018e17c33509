//! The REST API on a TLS port: connections, handshakes, who a client certificate says is asking.
//!
//! Nothing of Kubernetes is here, and nothing of the simulation, which calls the API in process.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use roadstead_protocol::host::{system, tls};
use roadstead_rest::{Identity, Rest};
use rustls::pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

/// Most connections at a time; further ones wait in the kernel.
pub const CONNECTIONS_MAX: usize = 4096;
/// How long a TLS handshake may take, and the first request's headers.
pub const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// How long open requests may go on once the server is to stop.
pub const DRAIN_WITHIN: Duration = Duration::from_secs(5);
/// How long accepting pauses after a fault of the listener (no file descriptors left, say).
const PAUSE: Duration = Duration::from_millis(100);

/// Says who a verified client certificate belongs to; `None` is a client without one.
pub type Identify = Arc<dyn Fn(Option<&CertificateDer<'_>>) -> Identity + Send + Sync>;

/// TLS settings: one for good, or whatever is the latest when a client comes.
#[derive(Clone, Debug)]
pub enum Tls {
    /// These.
    Fixed(Arc<rustls::ServerConfig>),
    /// The latest.
    Renewed(watch::Receiver<Arc<rustls::ServerConfig>>),
}

impl Tls {
    fn latest(&self) -> TlsAcceptor {
        TlsAcceptor::from(match self {
            Self::Fixed(settings) => Arc::clone(settings),
            Self::Renewed(settings) => Arc::clone(&settings.borrow()),
        })
    }
}

impl From<Arc<rustls::ServerConfig>> for Tls {
    fn from(settings: Arc<rustls::ServerConfig>) -> Self {
        Self::Fixed(settings)
    }
}

impl From<watch::Receiver<Arc<rustls::ServerConfig>>> for Tls {
    fn from(settings: watch::Receiver<Arc<rustls::ServerConfig>>) -> Self {
        Self::Renewed(settings)
    }
}

/// Serves `rest` until `stop` says so, then lets open requests finish for [`DRAIN_WITHIN`].
pub async fn serve(
    listener: TcpListener,
    tls: impl Into<Tls> + Send,
    rest: Rest,
    identify: Identify,
    mut stop: watch::Receiver<bool>,
) {
    let tls = tls.into();
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            break;
        };
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stopped| *stopped) => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let (acceptor, rest) = (tls.latest(), rest.clone());
        let (identify, stop) = (Arc::clone(&identify), stop.clone());
        tokio::spawn(async move {
            connection(stream, acceptor, rest, identify, stop).await;
            drop(permit);
        });
    }
    let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
    let drained = tokio::time::timeout(DRAIN_WITHIN, room.acquire_many(all)).await;
    if drained.is_err() {
        tracing::debug!("some connections did not end in time");
    }
}

/// For how long a certificate is still good: whoever came with it goes when it ends.
fn left(certificate: &CertificateDer<'_>) -> Option<Duration> {
    let ends = tls::not_after(certificate).ok()?;
    let left = ends.duration_since(system::env().clock.now());
    Some(Duration::try_from(left).unwrap_or(Duration::ZERO))
}

/// Waits so long; without an end, forever.
async fn until(ends: Option<Duration>) {
    match ends {
        Some(left) => tokio::time::sleep(left).await,
        None => std::future::pending().await,
    }
}

async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    rest: Rest,
    identify: Identify,
    mut stop: watch::Receiver<bool>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "failed to set TCP_NODELAY");
    }
    let stream = match tokio::time::timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            return;
        }
        Err(_) => return,
    };
    let certificate = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(|chain| chain.first());
    let identity = identify(certificate);
    let ends = certificate.and_then(left);
    let service = hyper_util::service::TowerToHyperService::new(rest.service(identity));
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HANDSHAKE_WITHIN);
    builder.http2().timer(TokioTimer::new());
    let served = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(served);
    let early = tokio::select! {
        biased;
        ended = served.as_mut() => Some(ended),
        _ = stop.wait_for(|stopped| *stopped) => None,
        () = until(ends) => None,
    };
    let ended = match early {
        Some(ended) => ended,
        None => {
            served.as_mut().graceful_shutdown();
            // Watches have no end of their own: the client comes again, if it may.
            let drained = tokio::time::timeout(DRAIN_WITHIN, served).await;
            drained.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

#[cfg(test)]
mod tests;
