//! The agent's network: the system's, where names lead to whichever hub a history wants, and which
//! can fall silent in the middle of what a hub says.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use quinn::AsyncUdpSocket;
use quinn::udp::RecvMeta;
use roadstead_protocol::env::BoxFuture;
use roadstead_protocol::host::tap::{Tap, tapped};
use roadstead_protocol::host::{Network, SystemNetwork};

/// See the module.
#[derive(Clone)]
pub(crate) struct Wires {
    hub: Arc<Mutex<Option<SocketAddr>>>,
    /// Bytes that are still heard.
    left: Arc<AtomicI64>,
}

impl Default for Wires {
    fn default() -> Self {
        Self {
            hub: Arc::default(),
            left: Arc::new(AtomicI64::new(i64::MAX)),
        }
    }
}

impl Wires {
    /// Whoever connects from now on reaches this address.
    pub(crate) fn lead_to(&self, address: SocketAddr) {
        *self.hub.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
    }

    /// After so many bytes nothing is heard any more.
    pub(crate) fn deaf_after(&self, bytes: i64) {
        self.left.store(bytes, Ordering::SeqCst);
    }

    /// Whether nothing is heard any more.
    pub(crate) fn is_deaf(&self) -> bool {
        self.left.load(Ordering::SeqCst) <= 0
    }

    /// How many bytes were heard since it began, or was mended.
    pub(crate) fn heard(&self) -> i64 {
        i64::MAX - self.left.load(Ordering::SeqCst)
    }

    /// Everything is heard again.
    pub(crate) fn mend(&self) {
        self.deaf_after(i64::MAX);
    }
}

impl Network for Wires {
    fn bind(&self, address: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        Ok(tapped(SystemNetwork.bind(address)?, self.clone()))
    }

    fn resolve(&self, address: &str) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        match *self.hub.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(there) => Box::pin(std::future::ready(Ok(vec![there]))),
            None => SystemNetwork.resolve(address),
        }
    }
}

impl Tap for Wires {
    fn hears(&self, received: &[RecvMeta]) -> bool {
        let heard: usize = received.iter().map(|m| m.len).sum();
        let heard = i64::try_from(heard).unwrap_or(i64::MAX);
        self.left.fetch_sub(heard, Ordering::SeqCst) > 0
    }
}
