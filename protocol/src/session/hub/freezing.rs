//! The hub's order to leave a cluster as it is, on its way to the agent.
//!
//! Only the newest travels. To an agent that does not know such orders none is sent; while one holds
//! the hub announces nothing to it instead.

use crate::session::change::sendable;
use crate::wire::frame::{Freeze, features};
use crate::wire::limits::MESSAGE_BYTES_MAX;
use crate::wire::{Lineage, Stamp};

/// The newest order, if there ever was one.
#[derive(Debug, Default)]
pub(super) struct Freezing {
    /// Until it is transmitted.
    unsent: Option<Freeze>,
    frozen: bool,
    /// The agent cannot be told.
    mute: bool,
}

/// An order that cannot travel, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unsendable {
    pub(super) stamp: Stamp,
    pub(super) reason: String,
}

impl Freezing {
    /// Takes an order in place of an older one. A reason beyond its bound is cut.
    pub(super) fn order(
        &mut self,
        lineage: &Lineage,
        mut freeze: Freeze,
    ) -> Result<(), Unsendable> {
        let end = freeze.reason.floor_char_boundary(MESSAGE_BYTES_MAX);
        freeze.reason.truncate(end);
        self.frozen = freeze.frozen;
        self.unsent = None;
        let checked = sendable(lineage, &freeze.as_change());
        self.mute = checked.is_err();
        match checked {
            Ok(()) => {
                self.unsent = Some(freeze);
                Ok(())
            }
            Err(reason) => Err(Unsendable {
                stamp: freeze.stamp,
                reason,
            }),
        }
    }

    /// Whether nothing may be announced to an agent with these features.
    pub(super) fn holds(&self, negotiated: u64) -> bool {
        self.frozen && (self.mute || negotiated & features::FREEZE == 0)
    }

    /// The next order for an agent with these features.
    pub(super) fn poll_transmit(&mut self, negotiated: u64) -> Option<Freeze> {
        if negotiated & features::FREEZE == 0 {
            return None;
        }
        self.unsent.take()
    }
}
