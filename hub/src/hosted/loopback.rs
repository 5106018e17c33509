//! The hub's network as its own agents see it: whatever the hub is called, it is right here.
//!
//! The addresses that a hub advertises are for agents elsewhere; from its own machine they may lead
//! nowhere.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use roadstead_protocol::env::BoxFuture;
use roadstead_protocol::host::Network;

/// See the module.
pub(super) struct Loopback {
    inner: Arc<dyn Network>,
    hub: SocketAddr,
}

impl Loopback {
    /// Leads to the hub that listens at `listen`.
    pub(super) fn new(inner: Arc<dyn Network>, listen: SocketAddr) -> Self {
        let ip = match listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
        };
        Self {
            inner,
            hub: SocketAddr::new(ip, listen.port()),
        }
    }

    /// Where the hub is.
    pub(super) fn hub(&self) -> SocketAddr {
        self.hub
    }

    /// What an agent's socket binds to, to reach the hub and nobody else where that can be.
    pub(super) fn bind_address(&self) -> SocketAddr {
        let ip: IpAddr = match self.hub.ip() {
            ip if ip.is_loopback() => ip,
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        SocketAddr::new(ip, 0)
    }
}

impl Network for Loopback {
    fn bind(&self, address: SocketAddr) -> io::Result<Arc<dyn quinn::AsyncUdpSocket>> {
        self.inner.bind(address)
    }

    fn resolve(&self, _address: &str) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        let hub = self.hub;
        Box::pin(std::future::ready(Ok(vec![hub])))
    }
}
