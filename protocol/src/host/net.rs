//! Where sockets and names come from.
//!
//! A real process uses [`SystemNetwork`]; the simulation implements [`Network`] over its own. This
//! module deliberately knows neither QUIC settings nor TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use quinn::Runtime as _;

use crate::env::BoxFuture;

/// The network that a process sees.
pub trait Network: Send + Sync + 'static {
    /// Opens a UDP socket at `address`; port 0 takes a free one. Called in the runtime's context.
    fn bind(&self, address: SocketAddr) -> io::Result<Arc<dyn quinn::AsyncUdpSocket>>;

    /// The socket addresses behind `host:port`, best first; an empty list is an error of its own.
    fn resolve(&self, address: &str) -> BoxFuture<io::Result<Vec<SocketAddr>>>;
}

/// The operating system's network.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemNetwork;

impl Network for SystemNetwork {
    fn bind(&self, address: SocketAddr) -> io::Result<Arc<dyn quinn::AsyncUdpSocket>> {
        let socket = std::net::UdpSocket::bind(address)?;
        quinn::TokioRuntime.wrap_udp_socket(socket)
    }

    fn resolve(&self, address: &str) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        let address = address.to_owned();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host(address.as_str()).await?.collect();
            if found.is_empty() {
                return Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    format!("{address} has no address"),
                ));
            }
            Ok(found)
        })
    }
}
