//! A network that can be cut: the system's, with a switch that makes every packet vanish.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quinn::AsyncUdpSocket;
use quinn::udp::RecvMeta;
use roadstead_protocol::env::BoxFuture;
use roadstead_protocol::host::tap::{Tap, tapped};
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
        Ok(tapped(SystemNetwork.bind(address)?, self.clone()))
    }

    fn resolve(&self, address: &str) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        SystemNetwork.resolve(address)
    }
}

impl Tap for Link {
    fn leaves(&self) -> bool {
        !self.cut.load(Ordering::Relaxed)
    }

    fn hears(&self, _received: &[RecvMeta]) -> bool {
        self.leaves()
    }
}
