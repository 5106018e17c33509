//! A network that can be cut: the system's, with a switch that makes every packet vanish.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use roadstead_protocol::env::BoxFuture;
use roadstead_protocol::host::{Network, SystemNetwork};

/// The system's network behind a switch.
#[derive(Clone, Debug, Default)]
pub(super) struct Link {
    cut: Arc<AtomicBool>,
}

impl Link {
    /// From now on no packet gets through, in either direction.
    pub(super) fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
    }

    /// From now on packets get through again.
    pub(super) fn mend(&self) {
        self.cut.store(false, Ordering::Relaxed);
    }
}

impl Network for Link {
    fn bind(&self, address: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let inner = SystemNetwork.bind(address)?;
        Ok(Arc::new(Socket {
            inner,
            cut: Arc::clone(&self.cut),
        }))
    }

    fn resolve(&self, address: &str) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        SystemNetwork.resolve(address)
    }
}

struct Socket {
    inner: Arc<dyn AsyncUdpSocket>,
    cut: Arc<AtomicBool>,
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
        if self.cut.load(Ordering::Relaxed) {
            return Ok(());
        }
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
                Poll::Ready(Ok(_)) if self.cut.load(Ordering::Relaxed) => {}
                ready @ Poll::Ready(_) => return ready,
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
