//! The driver over real UDP, between two ends that only count.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;

use super::*;
use crate::env::Env;
use crate::host::tls::{self, Crypto, Profile};
use crate::host::{EndpointSecrets, Network as _, SystemNetwork, endpoint, system};
use crate::wire::frame::{Ack, Content, Restarting};
use crate::wire::limits::CHUNK_BYTES_MAX;
use crate::wire::{AgentFrame, Digest, HubFrame, Lane, Stamp};

/// Pieces of content that the hub's end has to send: more than any buffer on the way holds.
const PIECES: u32 = 1000;
const SOON: Duration = Duration::from_secs(20);

/// The hub's end: content without end, and control when it is told.
#[derive(Default)]
struct Pouring {
    sent: u32,
    control: VecDeque<HubFrame>,
    acks: u32,
}

impl Session for Pouring {
    type In = AgentFrame;
    type Out = HubFrame;
    type Event = u32;

    fn handle_frame(&mut self, _: Now, _: AgentFrame) -> Result<(), Violation> {
        self.acks += 1;
        Ok(())
    }
    fn handle_timeout(&mut self, _: Now) {}
    fn poll_timeout(&self) -> Option<(Now, &'static str)> {
        None
    }
    fn poll_transmit_on(&mut self, lane: Lane) -> Option<HubFrame> {
        match lane {
            Lane::Control => self.control.pop_front(),
            Lane::Content if self.sent < PIECES => {
                self.sent += 1;
                let bytes = Bytes::from(vec![7; CHUNK_BYTES_MAX]);
                Some(HubFrame::Content(Content {
                    digest: Digest([0; 32]),
                    offset: 0,
                    total: 1 << 20,
                    bytes,
                }))
            }
            Lane::Content | Lane::Desired | Lane::Reports => None,
        }
    }
    fn poll_event(&mut self) -> Option<u32> {
        std::mem::take(&mut self.acks).checked_sub(1)
    }
}

/// The agent's end: acknowledges the first piece, and counts until control says something.
#[derive(Default)]
struct Drinking {
    pieces: u32,
    ack: Option<AgentFrame>,
    restarting: bool,
}

impl Session for Drinking {
    type In = HubFrame;
    type Out = AgentFrame;
    type Event = ();

    fn handle_frame(&mut self, _: Now, frame: HubFrame) -> Result<(), Violation> {
        self.restarting = frame.lane() == Lane::Control;
        self.pieces += u32::from(frame.lane() == Lane::Content);
        if self.pieces == 1 {
            self.ack = Some(AgentFrame::Ack(Ack {
                stamp: Stamp::default(),
            }));
        }
        Ok(())
    }
    fn handle_timeout(&mut self, _: Now) {}
    fn poll_timeout(&self) -> Option<(Now, &'static str)> {
        None
    }
    fn poll_transmit_on(&mut self, lane: Lane) -> Option<AgentFrame> {
        if lane == Lane::Control {
            self.ack.take()
        } else {
            None
        }
    }
    fn poll_event(&mut self) -> Option<()> {
        std::mem::take(&mut self.restarting).then_some(())
    }
}

struct HubEnd;
impl Shell for HubEnd {
    type Session = Pouring;
    type Input = ();
    async fn next(&mut self) {
        std::future::pending().await
    }
    fn input(&mut self, _: Now, _: &mut Pouring, (): ()) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
    fn event(&mut self, _: Now, session: &mut Pouring, _: u32) -> ControlFlow<()> {
        session
            .control
            .push_back(HubFrame::Restarting(Restarting { retry_in_ms: 1 }));
        ControlFlow::Continue(())
    }
}

struct AgentEnd;
impl Shell for AgentEnd {
    type Session = Drinking;
    type Input = ();
    async fn next(&mut self) {
        std::future::pending().await
    }
    fn input(&mut self, _: Now, _: &mut Drinking, (): ()) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
    fn event(&mut self, _: Now, _: &mut Drinking, (): ()) -> ControlFlow<()> {
        ControlFlow::Break(())
    }
}

/// Two connected endpoints: the agent's and the hub's, and their connections.
async fn connected(env: &Env) -> ([quinn::Endpoint; 2], quinn::Connection, quinn::Connection) {
    let crypto = Crypto::ring(env);
    let authority = tls::make_authority(env, "agents").unwrap();
    let server = tls::hub_server(
        &crypto,
        &tls::sign(env, &authority, &Profile::Hub).unwrap(),
        &[],
        &authority.chain,
    );
    let agent = tls::sign(
        env,
        &authority,
        &Profile::Agent {
            cluster_uid: "a1".to_owned(),
        },
    )
    .unwrap();
    let client = tls::session_client(&crypto, &agent, &authority.chain).unwrap();
    let any = "127.0.0.1:0".parse().unwrap();
    let open = |server| {
        let socket = SystemNetwork.bind(any).unwrap();
        endpoint::open(env, socket, &EndpointSecrets::generate(env), server).unwrap()
    };
    let (hub, agent) = (open(Some(server.unwrap())), open(None));
    let address = hub.local_addr().unwrap().to_string();
    let config = endpoint::client_config(env, client).unwrap();
    let accepted = async { hub.accept().await.unwrap().await.unwrap() };
    let connected = async {
        endpoint::connect(&agent, &SystemNetwork, &address, &config)
            .await
            .unwrap()
    };
    let (there, here) = tokio::join!(accepted, connected);
    assert_eq!(endpoint::alpn(&there).as_deref(), Some(tls::SESSION_ALPN));
    assert_eq!(
        tls::cluster_uid(&endpoint::peer_chain(&there)[0]).unwrap(),
        "a1"
    );
    ([agent, hub], here, there)
}

#[tokio::test]
async fn a_large_content_does_not_delay_control() {
    let (_endpoints, here, there) = connected(&system::env()).await;
    let started = Instant::now();
    let (mut hub_end, mut agent_end) = (HubEnd, AgentEnd);
    let (mut drinking, mut pouring) = (Drinking::default(), Pouring::default());
    let hub = drive(&there, Side::Hub, &mut pouring, &mut hub_end, started);
    let agent = drive(&here, Side::Agent, &mut drinking, &mut agent_end, started);
    let (ended, lost) = tokio::time::timeout(SOON, async { tokio::join!(agent, hub) })
        .await
        .unwrap();
    ended.unwrap();
    assert!(!lost.unwrap_err().is_violation());
    assert!(
        (1..PIECES / 2).contains(&drinking.pieces),
        "{} pieces came first",
        drinking.pieces
    );
}

#[tokio::test]
async fn a_lost_connection_ends_both_ends() {
    let (endpoints, here, there) = connected(&system::env()).await;
    let started = Instant::now();
    let (mut hub_end, mut agent_end) = (HubEnd, AgentEnd);
    let (mut drinking, mut pouring) = (
        Drinking::default(),
        Pouring {
            sent: PIECES,
            ..Pouring::default()
        },
    );
    let hub = drive(&there, Side::Hub, &mut pouring, &mut hub_end, started);
    let agent = drive(&here, Side::Agent, &mut drinking, &mut agent_end, started);
    let cut = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        endpoints[0].close(7_u32.into(), b"cut");
    };
    let (ended, lost, ()) = tokio::time::timeout(SOON, async { tokio::join!(agent, hub, cut) })
        .await
        .unwrap();
    assert!(
        matches!(ended, Err(DriveError::Lanes(LaneError::Lost(_)))),
        "{ended:?}"
    );
    let lost = lost.unwrap_err();
    assert!(
        lost.to_string().contains("cut") || matches!(lost, DriveError::Open),
        "{lost}"
    );
}

/// One life of a process on a socket that outlives it: after its end it neither hears nor says.
#[derive(Debug)]
struct Life {
    socket: Arc<dyn quinn::AsyncUdpSocket>,
    over: Arc<AtomicBool>,
}

impl quinn::AsyncUdpSocket for Life {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn quinn::UdpPoller>> {
        Arc::clone(&self.socket).create_io_poller()
    }
    fn try_send(&self, transmit: &quinn::udp::Transmit<'_>) -> std::io::Result<()> {
        if self.over.load(Ordering::Relaxed) {
            Ok(())
        } else {
            self.socket.try_send(transmit)
        }
    }
    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [std::io::IoSliceMut<'_>],
        meta: &mut [quinn::udp::RecvMeta],
    ) -> Poll<std::io::Result<usize>> {
        if self.over.load(Ordering::Relaxed) {
            Poll::Pending
        } else {
            self.socket.poll_recv(cx, bufs, meta)
        }
    }
    fn local_addr(&self) -> std::io::Result<std::net::SocketAddr> {
        self.socket.local_addr()
    }
}

#[tokio::test]
async fn a_hub_that_was_killed_and_is_back_is_noticed_at_once() {
    let env = system::env();
    let secrets = EndpointSecrets::generate(&env);
    let crypto = Crypto::ring(&env);
    let authority = tls::make_authority(&env, "agents").unwrap();
    let agent = tls::sign(
        &env,
        &authority,
        &Profile::Agent {
            cluster_uid: "a1".to_owned(),
        },
    )
    .unwrap();
    let client = tls::session_client(&crypto, &agent, &authority.chain).unwrap();
    let config = endpoint::client_config(&env, client).unwrap();
    let bind = || SystemNetwork.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let from = endpoint::open(&env, bind(), &EndpointSecrets::generate(&env), None).unwrap();
    let socket = bind();
    let address = socket.local_addr().unwrap().to_string();
    let live = |over: &Arc<AtomicBool>| {
        let life = Arc::new(Life {
            socket: Arc::clone(&socket),
            over: Arc::clone(over),
        });
        let hub = tls::sign(&env, &authority, &Profile::Hub).unwrap();
        let server = tls::hub_server(&crypto, &hub, &[], &authority.chain).unwrap();
        // The secrets come from the disk.
        let kept = EndpointSecrets::from_bytes(*secrets.as_bytes());
        endpoint::open(&env, life, &kept, Some(server)).unwrap()
    };
    let killed = Arc::new(AtomicBool::new(false));
    let first = live(&killed);
    let accepted = async { first.accept().await.unwrap().await.unwrap() };
    let connected = async {
        endpoint::connect(&from, &SystemNetwork, &address, &config)
            .await
            .unwrap()
    };
    let (_there, here) = tokio::join!(accepted, connected);
    killed.store(true, Ordering::Relaxed);
    let _second = live(&Arc::default());
    let mut stream = here.open_uni().await.unwrap();
    stream.write_all(&[0; 1000]).await.unwrap();
    let closed = tokio::time::timeout(endpoint::KEEP_ALIVE, here.closed())
        .await
        .unwrap();
    assert!(matches!(closed, quinn::ConnectionError::Reset), "{closed}");
}
