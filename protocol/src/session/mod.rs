//! The sans-IO state machines of both ends of a session.
//!
//! A shell owns a [`HubSession`] or an [`AgentSession`] and four things happen between them:
//!
//! 1. **Input**: `handle_frame`, `handle_timeout` and the methods that tell the machine what its
//!    shell did (`admit`, `offer`, `content`, `committed`, `report`, …).
//! 2. **Events**: after every input, `poll_event` until it returns `None`. Nothing is queued without
//!    bound as long as the shell does so before the next frame.
//! 3. **Frames**: `poll_transmit` for every lane that has room, until `None`. A lane without room is
//!    simply not polled: what it would carry waits (and newer reports replace older ones meanwhile).
//!    Where a frame was taken there may be events again: the next content is asked of the shell
//!    when the one before it has left.
//! 4. **Time**: `poll_timeout` names the next wake-up and why; call `handle_timeout` then.
//!
//! How changes travel: the hub announces puts and tombstones in revision order on the desired lane;
//! the agent asks (`Want`) for those contents that it does not hold, within its own byte budget; the
//! hub sends them in chunks on the content lane. A large content therefore delays neither control
//! frames nor later announcements, content that the agent holds never travels, and equal content
//! travels once. The agent's shell commits batches in revision order and the acknowledgement,
//! cumulative, leaves only afterwards.
//!
//! Deliberately not here: clocks, sockets, storage, kinds. There is no retransmission either: a lane
//! is reliable and ordered, lanes are not ordered among each other, and a connection that is lost
//! takes its session with it. The next one starts from what the agent has acknowledged.

use std::time::Duration;

use crate::wire::Lane;
use crate::wire::codec::Frame;

pub mod agent;
mod answers;
pub mod backoff;
pub mod change;
mod delta;
mod handshake;
pub mod hub;
mod inbound;
mod outbound;
mod outbox;
mod queue;
mod receive;
mod send;
pub mod stamps;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod timer;
pub mod violation;
mod window;

pub use agent::{AgentConfig, AgentEvent, AgentSession};
pub use backoff::Backoff;
pub use change::{Batch, Change, Delivered, What};
pub use hub::{Admission, HubConfig, HubEvent, HubSession};
pub use violation::{Ending, Violation};

/// Monotonic time since the shell's start. Only differences mean anything.
pub type Now = Duration;

/// What the one driver needs of either end.
pub trait Session {
    /// What the peer says.
    type In: Frame;
    /// What this end says.
    type Out: Frame;
    /// What the shell is to do.
    type Event;

    /// Takes a frame from the peer. After an error the session is over; what `poll_transmit` still
    /// returns (a refusal) should be sent before the connection is closed.
    fn handle_frame(&mut self, now: Now, frame: Self::In) -> Result<(), Violation>;
    /// Tells that the time named by `poll_timeout` has come. Harmless when it has not.
    fn handle_timeout(&mut self, now: Now);
    /// When to call `handle_timeout` next, and why.
    fn poll_timeout(&self) -> Option<(Now, &'static str)>;
    /// The next frame for `lane`, if there is one.
    fn poll_transmit_on(&mut self, lane: Lane) -> Option<Self::Out>;
    /// The next thing for the shell to do.
    fn poll_event(&mut self) -> Option<Self::Event>;

    /// The next frame for any lane, the most urgent lane first.
    fn poll_transmit(&mut self) -> Option<Self::Out> {
        [Lane::Control, Lane::Desired, Lane::Reports, Lane::Content]
            .into_iter()
            .find_map(|lane| self.poll_transmit_on(lane))
    }
}
