//! A socket that somebody else looks at: what passes can be counted, and can be made to vanish.
//!
//! For networks that are bad or measured on purpose; an agent or a hub that runs in earnest has none.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};

/// Whoever looks.
pub trait Tap: Send + Sync + 'static {
    /// Whether what is to be sent leaves; otherwise it is lost on its way.
    fn leaves(&self) -> bool {
        true
    }

    /// This was taken by the socket below.
    fn sent(&self, _transmit: &Transmit<'_>) {}

    /// Whether what has come is heard; otherwise it was lost on its way.
    fn hears(&self, _received: &[RecvMeta]) -> bool {
        true
    }
}

/// `socket`, with `tap` looking at what passes.
pub fn tapped(socket: Arc<dyn AsyncUdpSocket>, tap: impl Tap) -> Arc<dyn AsyncUdpSocket> {
    Arc::new(Tapped { socket, tap })
}

struct Tapped<T> {
    socket: Arc<dyn AsyncUdpSocket>,
    tap: T,
}

impl<T> fmt::Debug for Tapped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

impl<T: Tap> AsyncUdpSocket for Tapped<T> {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.socket).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        if self.tap.leaves() {
            self.socket.try_send(transmit)?;
            self.tap.sent(transmit);
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.socket.poll_recv(cx, bufs, meta) {
                Poll::Ready(Ok(count)) if !self.tap.hears(meta.get(..count).unwrap_or(meta)) => {}
                ready @ Poll::Ready(_) => return ready,
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.socket.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.socket.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.socket.may_fragment()
    }
}
