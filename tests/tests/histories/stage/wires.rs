//! The agent's network: the system's, where names lead to whichever hub a history wants.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use roadstead_protocol::env::BoxFuture;
use roadstead_protocol::host::{Network, SystemNetwork};

/// See the module.
#[derive(Clone, Default)]
pub(crate) struct Wires(Arc<Mutex<Option<SocketAddr>>>);

impl Wires {
    /// Whoever connects from now on reaches this address.
    pub(crate) fn lead_to(&self, address: SocketAddr) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
    }
}

impl Network for Wires {
    fn bind(&self, address: SocketAddr) -> io::Result<Arc<dyn quinn::AsyncUdpSocket>> {
        SystemNetwork.bind(address)
    }

    fn resolve(&self, address: &str) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(there) => Box::pin(std::future::ready(Ok(vec![there]))),
            None => SystemNetwork.resolve(address),
        }
    }
}
