//! The agent's network: the system's, where names lead to whichever hub a history wants, and which
//! can fall silent in the middle of what a hub says.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use roadstead_protocol::env::BoxFuture;
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

    /// Everything is heard again.
    pub(crate) fn mend(&self) {
        self.deaf_after(i64::MAX);
    }
}

impl Network for Wires {
    fn bind(&self, address: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        Ok(Arc::new(Socket {
            inner: SystemNetwork.bind(address)?,
            left: Arc::clone(&self.left),
        }))
    }

    fn resolve(&self, address: &str) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        match *self.hub.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(there) => Box::pin(std::future::ready(Ok(vec![there]))),
            None => SystemNetwork.resolve(address),
        }
    }
}

struct Socket {
    inner: Arc<dyn AsyncUdpSocket>,
    left: Arc<AtomicI64>,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.inner).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.inner.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.inner.poll_recv(cx, bufs, meta) {
                Poll::Ready(Ok(count)) => {
                    let heard: usize = meta.iter().take(count).map(|m| m.len).sum();
                    let heard = i64::try_from(heard).unwrap_or(i64::MAX);
                    if self.left.fetch_sub(heard, Ordering::SeqCst) > 0 {
                        return Poll::Ready(Ok(count));
                    }
                }
                ready @ Poll::Ready(Err(_)) => return ready,
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.inner.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}
