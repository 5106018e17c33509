//! turmoil's UDP as quinn's socket, with the faults that turmoil lacks: loss, duplication, and
//! silence after a crash.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use roadstead_protocol::env::BoxFuture;
use roadstead_protocol::host::Network;

use crate::rng::Rng;
use crate::trace;

/// The network of one simulated host, and the faults on what it sends.
pub struct SimNetwork {
    /// Packets in a million that vanish.
    pub loss_ppm: AtomicU64,
    /// Packets in a million that are sent twice.
    pub duplicate_ppm: AtomicU64,
    host: String,
    dead: Mutex<Arc<AtomicBool>>,
    rng: Arc<Mutex<Rng>>,
}

impl SimNetwork {
    /// The network of the process `label` on a host, without faults.
    pub fn new(rng: &Rng, host: &str, label: &str) -> Arc<Self> {
        Arc::new(Self {
            loss_ppm: AtomicU64::new(0),
            duplicate_ppm: AtomicU64::new(0),
            host: host.to_owned(),
            dead: Mutex::default(),
            rng: Arc::new(Mutex::new(rng.fork(&format!("{label}/net")))),
        })
    }

    /// The power goes out: what the present sockets still send from their destructors is dropped.
    /// Sockets bound afterwards live.
    pub fn power_cut(&self) {
        let mut dead = self.dead.lock().unwrap_or_else(PoisonError::into_inner);
        dead.store(true, Ordering::Relaxed);
        *dead = Arc::default();
    }
}

/// A handle that a process is given.
#[derive(Clone)]
pub struct Handle(pub Arc<SimNetwork>);

impl Network for Handle {
    fn bind(&self, address: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let dead = Arc::clone(&self.0.dead.lock().unwrap_or_else(PoisonError::into_inner));
        let network = Arc::clone(&self.0);
        // turmoil binds without ever waiting; its signature is async only for symmetry.
        let io = now_or_never(turmoil::net::UdpSocket::bind(address))
            .ok_or_else(|| io::Error::other("binding a simulated socket waited"))??;
        let port = io.local_addr()?.port();
        let ip = turmoil::lookup(self.0.host.as_str());
        let address = SocketAddr::new(ip, port);
        Ok(Arc::new(Socket {
            io: Arc::new(io),
            address,
            network,
            dead,
            readable: Mutex::default(),
        }))
    }

    fn resolve(&self, address: &str) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        let found = address
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)))
            .map(|(host, port)| match host.parse::<IpAddr>() {
                Ok(ip) => SocketAddr::new(ip, port),
                Err(_) => SocketAddr::new(turmoil::lookup(host), port),
            });
        let found = found.ok_or_else(|| io::Error::other(format!("{address} is no host:port")));
        Box::pin(std::future::ready(found.map(|a| vec![a])))
    }
}

fn now_or_never<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(std::task::Waker::noop()))
    {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

type Readable = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

struct Socket {
    io: Arc<turmoil::net::UdpSocket>,
    address: SocketAddr,
    network: Arc<SimNetwork>,
    dead: Arc<AtomicBool>,
    readable: Mutex<Option<Readable>>,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "simulated socket {}", self.address)
    }
}

#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Socket {
    fn send(&self, datagram: &[u8], to: SocketAddr) {
        let about = format!("{} > {to}", self.address);
        trace::event("send", &about, datagram);
        let (lost, twice) = {
            let mut rng = self
                .network
                .rng
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let lost = rng.ppm(self.network.loss_ppm.load(Ordering::Relaxed));
            (
                lost,
                rng.ppm(self.network.duplicate_ppm.load(Ordering::Relaxed)),
            )
        };
        if lost {
            trace::count("fault: packet lost");
            return;
        }
        for _ in 0..=u8::from(twice) {
            // A full or closed socket loses the packet, as a real one does.
            drop(self.io.try_send_to(datagram, to));
        }
        if twice {
            trace::count("fault: packet duplicated");
        }
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        if self.dead.load(Ordering::Relaxed) {
            return Ok(());
        }
        let segment = transmit
            .segment_size
            .unwrap_or(transmit.contents.len())
            .max(1);
        for datagram in transmit.contents.chunks(segment) {
            self.send(datagram, transmit.destination);
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut slot = self.readable.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(future) = slot.as_mut() {
                match future.as_mut().poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    // Dropped before try_recv: it holds the receiver's lock.
                    Poll::Ready(result) => {
                        *slot = None;
                        result?;
                    }
                }
            }
            let mut n = 0;
            for (buf, meta) in bufs.iter_mut().zip(meta.iter_mut()) {
                match self.io.try_recv_from(buf) {
                    Ok((len, addr)) => {
                        *meta = RecvMeta {
                            addr,
                            len,
                            stride: len.max(1),
                            ecn: None,
                            dst_ip: None,
                        };
                        trace::event(
                            "recv",
                            &format!("{addr} > {}", self.address),
                            buf.get(..len).unwrap_or_default(),
                        );
                        n += 1;
                    }
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                    Err(e) => return Poll::Ready(Err(e)),
                }
            }
            if n > 0 {
                return Poll::Ready(Ok(n));
            }
            let io = Arc::clone(&self.io);
            *slot = Some(Box::pin(async move { io.readable().await }));
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    /// Otherwise quinn would not discover the path's MTU.
    fn may_fragment(&self) -> bool {
        false
    }
}
