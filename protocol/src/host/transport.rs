//! What a connection may hold and how long it may be silent: QUIC's numbers, in one place.
//!
//! Both ends keep alive, after a silence that begins anew with whatever comes; the hub is a second
//! earlier, so the agent's turn never comes while both hear each other: one exchange at a time keeps
//! both and every box between them informed. Whoever only ever acknowledges keeps a tail of packets
//! that nobody acknowledges (quinn remembers a thousand of them), and an agent has the memory for one
//! such tail where the hub has not for thousands.

use std::time::Duration;

use quinn::{IdleTimeout, TransportConfig, VarInt};

/// After how long a silence a hub says that it is alive. Below the half a minute after which
/// the most forgetful boxes on the way drop a mapping, with room for a word that is lost and said again;
/// half of it would cost each agent another 18 kB an hour.
pub const KEEP_ALIVE: Duration = Duration::from_secs(24);
/// The same of an agent, which begins only where the hub's word did not come.
pub const KEEP_ALIVE_AGENT: Duration = Duration::from_secs(25);
/// After how long without a sign of life a connection is given up: a keep-alive, and time for it to
/// be sent again a few times.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Streams that a peer may have open to us at a time, of each sort.
const STREAMS_MAX: u32 = 4;
/// Bytes of one stream that may be on their way to us.
const STREAM_WINDOW: u32 = 1024 * 1024;
/// Bytes of one connection that may be on their way to us.
const RECEIVE_WINDOW: u32 = 4 * 1024 * 1024;
/// Bytes of one connection that we keep until they are acknowledged.
const SEND_WINDOW: u64 = 4 * 1024 * 1024;

/// For the end that says after a silence of `keep_alive` that it is there.
pub(super) fn config(keep_alive: Duration) -> TransportConfig {
    let mut config = TransportConfig::default();
    config.keep_alive_interval(Some(keep_alive));
    config.max_idle_timeout(IdleTimeout::try_from(IDLE_TIMEOUT).ok());
    config.max_concurrent_bidi_streams(VarInt::from_u32(STREAMS_MAX));
    config.max_concurrent_uni_streams(VarInt::from_u32(STREAMS_MAX));
    config.stream_receive_window(VarInt::from_u32(STREAM_WINDOW));
    config.receive_window(VarInt::from_u32(RECEIVE_WINDOW));
    config.send_window(SEND_WINDOW);
    config.datagram_receive_buffer_size(None);
    // With it every connection keeps room for as many datagrams as it ever sent at once.
    config.enable_segmentation_offload(false);
    config
}
