//! Bytes on the wire between one agent and its hub, headers of IP and UDP included.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use quinn::AsyncUdpSocket;
use quinn::udp::{RecvMeta, Transmit};
use roadstead_protocol::env::BoxFuture;
use roadstead_protocol::host::tap::{Tap, tapped};
use roadstead_protocol::host::{Network, SystemNetwork};
use roadstead_tests::hub::Hub;
use serde_json::{Value, json};

use super::herd::Herd;
use super::site::{NAMESPACE, prepare, put};
use super::table::Table;

/// IPv4 and UDP headers of a datagram, in bytes.
const HEADERS: u64 = 28;
/// How long nothing happens before bytes are counted: an agent looks at its cluster's pods within the
/// first minute, and tells once what is free.
const SETTLE: Duration = Duration::from_secs(90);
/// How long idle bytes are counted: ten keep-alives, so that it matters little when it begins.
const IDLE: Duration = Duration::from_secs(240);
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
    /// Counts `bytes` that travel in datagrams of at most `stride`.
    fn count(&self, bytes: usize, stride: usize) {
        let datagrams = bytes.div_ceil(stride.max(1)) as u64;
        let all = bytes as u64 + datagrams * HEADERS;
        self.0.fetch_add(all, Ordering::Relaxed);
    }

    fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Network for Counted {
    fn bind(&self, address: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        Ok(tapped(SystemNetwork.bind(address)?, self.clone()))
    }

    fn resolve(&self, address: &str) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        SystemNetwork.resolve(address)
    }
}

impl Tap for Counted {
    fn sent(&self, transmit: &Transmit<'_>) {
        let bytes = transmit.contents.len();
        self.count(bytes, transmit.segment_size.unwrap_or(bytes));
    }

    fn hears(&self, received: &[RecvMeta]) -> bool {
        for datagrams in received {
            self.count(datagrams.len, datagrams.stride);
        }
        true
    }
}
