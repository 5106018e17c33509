//! A session's lanes as QUIC streams.
//!
//! Control is one bidirectional stream that the agent opens; every other lane is one unidirectional
//! stream. The first byte of a stream names its lane. What is kept per lane is bounded in both
//! directions: a lane that cannot be written is not filled, so a large content waits without
//! delaying anything urgent. Nothing here knows what frames mean.

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};

use quinn::{ReadError, RecvStream, SendStream, WriteError};
use tokio::io::ReadBuf;

use crate::session::Session;
use crate::wire::Lane;
use crate::wire::codec::{self, CodecError, Frame, PREFIX_BYTES};

/// A lane with this many bytes to write is not given more, until some have left.
const LANE_BUFFER_BYTES: usize = 128 * 1024;
/// How much is read from a stream at a time, in bytes.
const READ_BYTES: usize = 16 * 1024;
/// The lanes, the most urgent first.
const LANES: [Lane; 4] = [Lane::Control, Lane::Desired, Lane::Reports, Lane::Content];

/// Which end of a session this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The agent: opens control.
    Agent,
    /// The hub.
    Hub,
}

/// What can go wrong on the streams of a session.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    /// The connection was lost or closed.
    #[error("the connection ended: {}", super::endpoint::explain(.0))]
    Lost(#[source] quinn::ConnectionError),
    /// A stream could not be written.
    #[error("a stream cannot be written")]
    Write(#[source] WriteError),
    /// A stream could not be read.
    #[error("a stream cannot be read")]
    Read(#[source] ReadError),
    /// A stream begins with a byte that names no lane.
    #[error("a stream begins with {tag}, which names no lane")]
    Tag {
        /// The byte.
        tag: u8,
    },
    /// A lane that the peer does not write on, or a second stream for one.
    #[error("the peer opened lane {lane:?}, which is not its to open, or open already")]
    Unexpected {
        /// The lane.
        lane: Lane,
    },
    /// Bytes that are no frame.
    #[error("the peer sent bytes that are no frame")]
    Codec(#[source] CodecError),
    /// A frame on another lane than its own.
    #[error("the peer sent {frame} on lane {lane:?}")]
    WrongLane {
        /// The frame's name.
        frame: &'static str,
        /// Where it came.
        lane: Lane,
    },
    /// A frame of ours could not be encoded.
    #[error("a frame of our own cannot be encoded")]
    Encode(#[source] CodecError),
}

impl LaneError {
    /// Whether the peer broke the protocol, as opposed to a connection that was lost.
    pub fn is_violation(&self) -> bool {
        match self {
            Self::Tag { .. }
            | Self::Unexpected { .. }
            | Self::Codec(_)
            | Self::WrongLane { .. } => true,
            Self::Lost(_) | Self::Write(_) | Self::Read(_) | Self::Encode(_) => false,
        }
    }
}

fn tag(lane: Lane) -> u8 {
    match lane {
        Lane::Control => 0,
        Lane::Desired => 1,
        Lane::Content => 2,
        Lane::Reports => 3,
    }
}

fn priority(lane: Lane) -> i32 {
    match lane {
        Lane::Control => 3,
        Lane::Desired => 2,
        Lane::Reports => 1,
        Lane::Content => 0,
    }
}

/// The lanes that `side` writes on beside control.
fn written_by(side: Side) -> &'static [Lane] {
    match side {
        Side::Agent => &[Lane::Reports],
        Side::Hub => &[Lane::Desired, Lane::Content],
    }
}

/// Opens the streams of one end; at the hub, waits for the agent's control stream.
pub(super) async fn open(
    connection: &quinn::Connection,
    side: Side,
) -> Result<(Outbox, Inbox), LaneError> {
    let (to, from) = match side {
        Side::Agent => connection.open_bi().await,
        Side::Hub => connection.accept_bi().await,
    }
    .map_err(LaneError::Lost)?;
    let mut lanes = vec![Out::new(Lane::Control, to)];
    for lane in written_by(side) {
        lanes.push(Out::new(
            *lane,
            connection.open_uni().await.map_err(LaneError::Lost)?,
        ));
    }
    let peer = match side {
        Side::Agent => Side::Hub,
        Side::Hub => Side::Agent,
    };
    let inbox = Inbox {
        lanes: vec![In::new(from)],
        expected: written_by(peer),
    };
    Ok((Outbox { lanes }, inbox))
}

/// What is on its way out, lane by lane.
pub(super) struct Outbox {
    lanes: Vec<Out>,
}

struct Out {
    lane: Lane,
    stream: SendStream,
    pending: Vec<u8>,
    written: usize,
}

impl Out {
    fn new(lane: Lane, stream: SendStream) -> Self {
        // Fails only where the stream is closed already, which the first write says.
        stream.set_priority(priority(lane)).ok();
        Self {
            lane,
            stream,
            pending: vec![tag(lane)],
            written: 0,
        }
    }

    fn left(&self) -> &[u8] {
        self.pending.get(self.written..).unwrap_or_default()
    }
}

impl Outbox {
    /// Takes frames from the session for every lane that has room.
    pub(super) fn fill<S: Session>(&mut self, session: &mut S) -> Result<(), LaneError> {
        for out in &mut self.lanes {
            while out.left().len() < LANE_BUFFER_BYTES {
                let Some(frame) = session.poll_transmit_on(out.lane) else {
                    break;
                };
                let bytes = codec::encode(&frame).map_err(LaneError::Encode)?;
                out.pending.drain(..out.written);
                out.written = 0;
                out.pending.extend_from_slice(&bytes);
            }
        }
        Ok(())
    }

    /// Whether everything taken has been handed to QUIC.
    pub(super) fn is_empty(&self) -> bool {
        self.lanes.iter().all(|out| out.left().is_empty())
    }

    /// Resolves once some bytes have left on any lane. Cancel safe.
    pub(super) async fn write(&mut self) -> Result<(), LaneError> {
        std::future::poll_fn(|cx| self.poll_write(cx)).await
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LaneError>> {
        let mut progress = Poll::Pending;
        for out in self
            .lanes
            .iter_mut()
            .filter(|out| out.written < out.pending.len())
        {
            let left = out.pending.get(out.written..).unwrap_or_default();
            match Pin::new(&mut out.stream).poll_write(cx, left) {
                Poll::Pending => {}
                Poll::Ready(Ok(n)) => {
                    out.written += n;
                    progress = Poll::Ready(Ok(()));
                }
                Poll::Ready(Err(WriteError::ConnectionLost(lost))) => {
                    return Poll::Ready(Err(LaneError::Lost(lost)));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(LaneError::Write(error))),
            }
            if out.written == out.pending.len() {
                clear(&mut out.pending);
                out.written = 0;
            }
        }
        progress
    }

    /// Says that nothing more will come, on every lane.
    pub(super) fn finish(&mut self) {
        for out in &mut self.lanes {
            // A stream that the peer closed already needs no end.
            out.stream.finish().ok();
        }
    }
}

/// What is on its way in, lane by lane.
pub(super) struct Inbox {
    lanes: Vec<In>,
    expected: &'static [Lane],
}

/// Empties a buffer, and keeps no room: there are thousands of sessions, and most of them idle.
fn clear(buffer: &mut Vec<u8>) {
    *buffer = Vec::new();
}

struct In {
    stream: RecvStream,
    lane: Option<Lane>,
    received: Vec<u8>,
    taken: usize,
    ended: bool,
}

impl In {
    fn new(stream: RecvStream) -> Self {
        Self {
            stream,
            lane: None,
            received: Vec::new(),
            taken: 0,
            ended: false,
        }
    }

    fn left(&self) -> &[u8] {
        self.received.get(self.taken..).unwrap_or_default()
    }

    fn urgency(&self) -> usize {
        self.lane
            .and_then(|lane| LANES.iter().position(|l| *l == lane))
            .unwrap_or_default()
    }

    /// The next whole frame among what was received.
    fn frame<F: Frame>(&mut self) -> Result<Option<F>, LaneError> {
        let Some(lane) = self.lane else {
            return Ok(None);
        };
        let Some((prefix, rest)) = self.left().split_first_chunk::<PREFIX_BYTES>() else {
            return Ok(None);
        };
        let length = codec::body_length(*prefix).map_err(LaneError::Codec)?;
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let frame: F = codec::decode(body).map_err(LaneError::Codec)?;
        if frame.lane() != lane {
            return Err(LaneError::WrongLane {
                frame: frame.name(),
                lane,
            });
        }
        self.taken += PREFIX_BYTES + length;
        if self.taken == self.received.len() {
            clear(&mut self.received);
            self.taken = 0;
        }
        Ok(Some(frame))
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<(), LaneError> {
        self.received.drain(..self.taken);
        self.taken = 0;
        let bytes = match (self.lane, bytes.split_first()) {
            (None, Some((first, rest))) => {
                let lane = LANES.into_iter().find(|lane| tag(*lane) == *first);
                self.lane = Some(lane.ok_or(LaneError::Tag { tag: *first })?);
                rest
            }
            (None, None) | (Some(_), _) => bytes,
        };
        self.received.extend_from_slice(bytes);
        Ok(())
    }
}

impl Inbox {
    /// The next frame on any lane, the most urgent lane first. Cancel safe: what was read is kept.
    /// Never resolves once the peer has ended every lane; the connection's end is then awaited.
    pub(super) async fn read<F: Frame>(
        &mut self,
        connection: &quinn::Connection,
    ) -> Result<F, LaneError> {
        loop {
            for lane in &mut self.lanes {
                if let Some(frame) = lane.frame()? {
                    return Ok(frame);
                }
            }
            let more_to_accept = self.lanes.len() <= self.expected.len();
            tokio::select! {
                biased;
                received = std::future::poll_fn(|cx| Self::poll_receive(&mut self.lanes, cx)) => {
                    received?;
                    self.check_lanes()?;
                }
                stream = connection.accept_uni(), if more_to_accept => {
                    self.lanes.push(In::new(stream.map_err(LaneError::Lost)?));
                }
                lost = connection.closed() => return Err(LaneError::Lost(lost)),
            }
        }
    }

    fn poll_receive(lanes: &mut [In], cx: &mut Context<'_>) -> Poll<Result<(), LaneError>> {
        let mut room = [MaybeUninit::uninit(); READ_BYTES];
        let mut chunk = ReadBuf::uninit(&mut room);
        for lane in lanes.iter_mut().filter(|lane| !lane.ended) {
            match lane.stream.poll_read_buf(cx, &mut chunk) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) if chunk.filled().is_empty() => lane.ended = true,
                Poll::Ready(Ok(())) => return Poll::Ready(lane.receive(chunk.filled())),
                Poll::Ready(Err(ReadError::ConnectionLost(lost))) => {
                    return Poll::Ready(Err(LaneError::Lost(lost)));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(LaneError::Read(error))),
            }
        }
        Poll::Pending
    }

    /// Control is the bidirectional stream and nothing else; every other lane is expected, once.
    fn check_lanes(&mut self) -> Result<(), LaneError> {
        for (index, one) in self.lanes.iter().enumerate() {
            let Some(lane) = one.lane else { continue };
            let allowed = if index == 0 {
                lane == Lane::Control
            } else {
                self.expected.contains(&lane)
            };
            let twice = self
                .lanes
                .iter()
                .skip(index + 1)
                .any(|other| other.lane == Some(lane));
            if !allowed || twice {
                return Err(LaneError::Unexpected { lane });
            }
        }
        let Some((_, rest)) = self.lanes.split_first_mut() else {
            return Ok(());
        };
        rest.sort_by_key(In::urgency);
        Ok(())
    }
}
