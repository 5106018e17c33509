//! What a connection may hold and how long it may be silent: QUIC's numbers, in one place.
//!
//! Both ends keep alive with one interval, which begins anew with whatever comes: so they take turns,
//! one exchange at a time keeps both and every box between them informed, and neither ever has a long
//! tail of packets that nobody acknowledges (quinn remembers a thousand of them).

use std::time::Duration;

use quinn::{IdleTimeout, TransportConfig, VarInt};

/// How often an otherwise idle connection says that it is alive. Below the half a minute after which
/// the most forgetful boxes on the way drop a mapping; half of it would cost each agent another 18 kB
/// an hour.
pub const KEEP_ALIVE: Duration = Duration::from_secs(22);
/// After how long without a sign of life a connection is given up: a keep-alive, and time for it to
/// be sent again a few times.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(29);
/// Streams that a peer may have open to us at a time, of each sort.
const STREAMS_MAX: u32 = 4;
/// Bytes of one stream that may be on their way to us.
const STREAM_WINDOW: u32 = 1024 * 1024;
/// Bytes of one connection that may be on their way to us.
const RECEIVE_WINDOW: u32 = 4 * 1024 * 1024;
/// Bytes of one connection that we keep until they are acknowledged.
const SEND_WINDOW: u64 = 4 * 1024 * 1024;

/// For both ends.
pub(super) fn config() -> TransportConfig {
    let mut config = TransportConfig::default();
    config.keep_alive_interval(Some(KEEP_ALIVE));
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
