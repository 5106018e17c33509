//! A bad network between agents and a hub: a UDP relay that loses, delays, reorders, cuts off and
//! swallows what is too large, and that changes its own address as a NAT does.
//!
//! What it does to each direction can be changed at any time. It reads nothing of what it carries.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// The largest datagram there is.
const DATAGRAM_MAX: usize = 65_535;
/// Datagrams that may be delayed at a time; what comes beyond is lost, as in a full queue.
const DELAYED_MAX: usize = 4096;

/// What happens to datagrams in one direction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Way {
    /// Nothing gets through.
    pub cut: bool,
    /// How many of a hundred are lost.
    pub loss: u8,
    /// How long each takes at least.
    pub delay: Duration,
    /// How much longer it may take; what differs overtakes.
    pub jitter: Duration,
    /// What is longer, in bytes, vanishes.
    pub swallow_above: Option<usize>,
}

struct State {
    to_hub: Way,
    to_agents: Way,
    /// Counts rebindings: a path of an older count is not used any more.
    generation: u64,
    paths: BTreeMap<SocketAddr, Path>,
}

struct Path {
    generation: u64,
    upstream: Arc<UdpSocket>,
    back: JoinHandle<()>,
}

impl Drop for Path {
    fn drop(&mut self) {
        self.back.abort();
    }
}

struct Inner {
    socket: UdpSocket,
    hub: SocketAddr,
    state: Mutex<State>,
    room: Arc<Semaphore>,
    drawn: AtomicU64,
    carried: AtomicU64,
}

/// A relay. Dropped: it is gone.
pub struct Relay {
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Relay {
    /// Relays from `listen` to the hub at `hub`.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn start(listen: SocketAddr, hub: SocketAddr) -> Result<Self> {
        let inner = Arc::new(Inner {
            socket: UdpSocket::bind(listen).await?,
            hub,
            state: Mutex::new(State {
                to_hub: Way::default(),
                to_agents: Way::default(),
                generation: 0,
                paths: BTreeMap::new(),
            }),
            room: Arc::new(Semaphore::new(DELAYED_MAX)),
            drawn: AtomicU64::new(0),
            carried: AtomicU64::new(0),
        });
        let task = tokio::spawn(forward(Arc::clone(&inner)));
        Ok(Self { inner, task })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the socket is gone.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.inner.socket.local_addr()?)
    }

    /// What happens from now on in each direction.
    pub fn set(&self, to_hub: Way, to_agents: Way) {
        let mut state = self.inner.lock();
        state.to_hub = to_hub;
        state.to_agents = to_agents;
    }

    /// Everything gets through again.
    pub fn heal(&self) {
        self.set(Way::default(), Way::default());
    }

    /// From now on the hub sees every agent at another port, as after a NAT forgot it.
    pub fn rebind(&self) {
        self.inner.lock().generation += 1;
    }

    /// How many datagrams were carried.
    pub fn carried(&self) -> u64 {
        self.inner.carried.load(Ordering::Relaxed)
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number below `most` that nobody could have guessed, but the same in every run.
    fn draw(&self, most: u64) -> u64 {
        let count = self.drawn.fetch_add(1, Ordering::Relaxed);
        let hash = blake3::hash(&count.to_le_bytes());
        let bytes = hash.as_bytes().iter().take(8);
        let number = bytes.fold(0_u64, |n, byte| (n << 8) | u64::from(*byte));
        number % most.max(1)
    }

    /// How long a datagram takes on this way; `None` where it does not arrive.
    fn fate(&self, way: Way, length: usize) -> Option<Duration> {
        let swallowed = way.swallow_above.is_some_and(|most| length > most);
        if way.cut || swallowed || self.draw(100) < u64::from(way.loss) {
            return None;
        }
        let jitter = u64::try_from(way.jitter.as_micros()).unwrap_or(u64::MAX);
        Some(way.delay + Duration::from_micros(self.draw(jitter.saturating_add(1))))
    }

    /// Sends after a while, by `send`.
    fn later(
        self: &Arc<Self>,
        wait: Duration,
        send: impl Future<Output = std::io::Result<usize>> + Send + 'static,
    ) {
        let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else {
            return;
        };
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            // A hub that is down answers with errors; a network loses, it does not fail.
            if send.await.is_ok() {
                inner.carried.fetch_add(1, Ordering::Relaxed);
            }
            drop(permit);
        });
    }

    /// The way to the hub for an agent at `from`.
    async fn upstream(self: &Arc<Self>, from: SocketAddr) -> std::io::Result<Arc<UdpSocket>> {
        {
            let state = self.lock();
            if let Some(path) = state.paths.get(&from)
                && path.generation == state.generation
            {
                return Ok(Arc::clone(&path.upstream));
            }
        }
        let any = if self.hub.is_ipv4() {
            "0.0.0.0:0"
        } else {
            "[::]:0"
        };
        let upstream = Arc::new(UdpSocket::bind(any).await?);
        upstream.connect(self.hub).await?;
        let back = tokio::spawn(backward(Arc::clone(self), Arc::clone(&upstream), from));
        let mut state = self.lock();
        let generation = state.generation;
        let path = Path {
            generation,
            upstream: Arc::clone(&upstream),
            back,
        };
        state.paths.insert(from, path);
        Ok(upstream)
    }
}

/// Carries what agents send.
async fn forward(inner: Arc<Inner>) {
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        let Ok((length, from)) = inner.socket.recv_from(&mut buffer).await else {
            continue;
        };
        let way = inner.lock().to_hub;
        let Some(wait) = inner.fate(way, length) else {
            continue;
        };
        let Ok(upstream) = inner.upstream(from).await else {
            continue;
        };
        let bytes = buffer.get(..length).unwrap_or_default().to_vec();
        inner.later(wait, async move { upstream.send(&bytes).await });
    }
}

/// Carries what the hub answers to the agent at `to`.
async fn backward(inner: Arc<Inner>, upstream: Arc<UdpSocket>, to: SocketAddr) {
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        let Ok(length) = upstream.recv(&mut buffer).await else {
            // The hub's port is closed just now.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let way = inner.lock().to_agents;
        let Some(wait) = inner.fate(way, length) else {
            continue;
        };
        let bytes = buffer.get(..length).unwrap_or_default().to_vec();
        let socket = Arc::clone(&inner);
        inner.later(wait, async move { socket.socket.send_to(&bytes, to).await });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo() -> (SocketAddr, JoinHandle<()>) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut buffer = [0; 2048];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let port = from.port().to_be_bytes();
                let answer = [&buffer[..length], &port].concat();
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        (address, task)
    }

    /// What comes back for `sent`: the port that the hub saw; `None` where nothing does.
    async fn ask(socket: &UdpSocket, sent: &[u8]) -> Option<[u8; 2]> {
        socket.send(sent).await.unwrap();
        let mut buffer = [0; 2048];
        let answer = socket.recv(&mut buffer);
        let length = tokio::time::timeout(Duration::from_millis(200), answer)
            .await
            .ok()?
            .unwrap();
        assert_eq!(&buffer[..length - 2], sent);
        Some([buffer[length - 2], buffer[length - 1]])
    }

    #[tokio::test]
    async fn it_carries_cuts_swallows_and_rebinds() {
        let (hub, _task) = echo().await;
        let relay = Relay::start("127.0.0.1:0".parse().unwrap(), hub)
            .await
            .unwrap();
        let agent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        agent.connect(relay.address().unwrap()).await.unwrap();
        let first = ask(&agent, b"one").await.unwrap();
        assert_eq!(ask(&agent, b"two").await, Some(first));
        let cut = Way {
            cut: true,
            ..Way::default()
        };
        relay.set(Way::default(), cut);
        assert_eq!(ask(&agent, b"three").await, None);
        relay.set(
            Way {
                swallow_above: Some(100),
                ..Way::default()
            },
            Way::default(),
        );
        assert_eq!(ask(&agent, &[7; 101]).await, None);
        assert_eq!(ask(&agent, &[7; 100]).await, Some(first));
        relay.heal();
        relay.rebind();
        assert_ne!(ask(&agent, b"four").await.unwrap(), first);
        assert!(relay.carried() > 6);
    }
}
