//! Bytes on the wire between one agent and its hub, headers of IP and UDP included.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Result;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use roadstead_protocol::env::BoxFuture;
use roadstead_protocol::host::{Network, SystemNetwork};
use roadstead_tests::hub::Hub;
use serde_json::{Value, json};

use super::herd::Herd;
use super::site::{NAMESPACE, prepare, put};
use super::table::Table;

/// IPv4 and UDP headers of a datagram, in bytes.
const HEADERS: u64 = 28;
/// How long nothing happens before bytes are counted.
const SETTLE: Duration = Duration::from_secs(20);
/// How long idle bytes are counted.
const IDLE: Duration = Duration::from_secs(180);
/// The goals, in bytes.
const PER_HOUR: f64 = 20_000.0;
const PER_CHANGE: u64 = 2_000;
/// One-field changes that are measured.
const CHANGES: u64 = 20;
/// How long a change has until its last report and acknowledgement have travelled.
const CHANGE: Duration = Duration::from_millis(1500);
/// Fields of the large object, of some hundred bytes each.
const FIELDS: usize = 700;

/// Measures.
pub(crate) async fn measure(table: &mut Table) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let hub = Hub::start(folder.path()).await?;
    let api = hub.api().await?;
    let counted = Counted::default();
    let herd = Herd::join_over(&hub, 1, Arc::new(counted.clone())).await?;
    prepare(&api, "").await?;
    put(&api, &large(0)).await?;
    herd.until("large", "v0").await?;
    tokio::time::sleep(SETTLE).await;

    let before = counted.bytes();
    tokio::time::sleep(IDLE).await;
    let idle = (counted.bytes() - before) as f64 * 3600.0 / IDLE.as_secs_f64();
    table.goal(
        "wire bytes per idle agent-hour",
        format!("{:.1} kB", idle / 1000.0),
        "≤ 20 kB".to_owned(),
        idle <= PER_HOUR,
    );
    let before = counted.bytes();
    for i in 1..=CHANGES {
        put(&api, &large(i)).await?;
        herd.until("large", &format!("v{i}")).await?;
        tokio::time::sleep(CHANGE).await;
    }
    let each = (counted.bytes() - before) / CHANGES;
    table.goal(
        "wire bytes per one-field change of a 100 kB object",
        format!("{each} B"),
        format!("≤ {PER_CHANGE} B"),
        each <= PER_CHANGE,
    );
    herd.end().await;
    Ok(())
}

/// A ConfigMap of some 100 kB, one field of which is of `version`.
fn large(version: u64) -> Value {
    let mut data = serde_json::Map::new();
    for i in 0..FIELDS {
        // Nothing that a compressor would find easy.
        let word = blake3::hash(&i.to_be_bytes()).to_hex();
        data.insert(format!("field-{i}"), format!("{word}-{word}").into());
    }
    data.insert("value".to_owned(), format!("v{version}").into());
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "large", "namespace": NAMESPACE, "labels": {"bench": "true"}},
        "data": data,
    })
}

/// The system's network, with a count of what passes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted(Arc<AtomicU64>);

impl Counted {
    fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Network for Counted {
    fn bind(&self, address: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let inner = SystemNetwork.bind(address)?;
        Ok(Arc::new(Socket {
            inner,
            counted: self.clone(),
        }))
    }

    fn resolve(&self, address: &str) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        SystemNetwork.resolve(address)
    }
}

struct Socket {
    inner: Arc<dyn AsyncUdpSocket>,
    counted: Counted,
}

impl Socket {
    /// Counts `bytes` that travel in datagrams of at most `stride`.
    fn count(&self, bytes: usize, stride: usize) {
        let datagrams = bytes.div_ceil(stride.max(1)) as u64;
        let all = bytes as u64 + datagrams * HEADERS;
        self.counted.0.fetch_add(all, Ordering::Relaxed);
    }
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
        self.inner.try_send(transmit)?;
        let bytes = transmit.contents.len();
        self.count(bytes, transmit.segment_size.unwrap_or(bytes));
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let ready = self.inner.poll_recv(cx, bufs, meta);
        if let Poll::Ready(Ok(count)) = &ready {
            for received in meta.iter().take(*count) {
                self.count(received.len, received.stride);
            }
        }
        ready
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
