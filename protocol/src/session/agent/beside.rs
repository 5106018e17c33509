//! What an agent says beside its acknowledgements: reports, facts, objects, and the contents that it
//! has already.
//!
//! Holds no state of its own: reports wait in `outbox`, objects in `answers`.

use bytes::Bytes;

use crate::session::Now;
use crate::wire::report::ItemReport;
use crate::wire::{Digest, ItemKey};

use super::{AgentSession, Bases, Phase};

/// Why a report was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// As many items as there may be are waiting to be reported; try again later.
    #[error("too many reports are waiting")]
    Full,
    /// A name in the key exceeds its bound.
    #[error("a name in the key is too long")]
    Key,
}

impl AgentSession {
    /// Lets contents come as what differs from those that are here. `bases` names the content that an
    /// item has, durable and readable; called from within the session, so it must be quick.
    #[must_use]
    pub fn with_bases(mut self, bases: Bases) -> Self {
        self.bases = Some(bases);
        self
    }

    /// Answers [`AgentEvent::NeedBase`]; `None` where the base is gone or cannot be read. What does
    /// not make the content that was asked for is no fault of anybody's: the whole is asked for, and
    /// no more differences in this session.
    pub fn base(&mut self, _now: Now, content: &Digest, base: Option<&Bytes>) {
        let Phase::On(receiver) = &mut self.phase else {
            return;
        };
        if !receiver.base(content, base) {
            self.bases = None;
        }
    }

    /// What became of an item. Replaces what was waiting to be said about it. A message beyond its
    /// bound is cut, a status beyond its bound is left out. A session starts with nothing to say:
    /// after a reconnect everything is to be reported again, since the hub keeps reports in memory.
    /// What is reported before the welcome waits for it.
    pub fn report(&mut self, now: Now, report: ItemReport) -> Result<(), ReportError> {
        self.outbox.report(report)?;
        self.flush_soon(now);
        Ok(())
    }

    /// What the cluster is like, as JSON. Returns false, and takes nothing, where it exceeds
    /// `FACTS_BYTES_MAX`.
    #[must_use = "facts beyond the bound are not sent"]
    pub fn facts(&mut self, now: Now, json: Bytes) -> bool {
        let taken = self.outbox.facts(json);
        self.flush_soon(now);
        taken
    }

    /// Answers [`AgentEvent::Fetch`]: the object's JSON, or why there is none. A content beyond
    /// `CONTENT_BYTES_MAX` is answered with a problem; what was not asked is ignored.
    pub fn fetched(&mut self, _now: Now, id: u64, key: &ItemKey, content: Result<Bytes, String>) {
        self.answers.answer(id, key, content);
    }

    /// What both ends understand beyond the first release; 0 before the welcome.
    pub fn features(&self) -> u64 {
        self.features
    }

    /// How many items are waiting to be reported.
    pub fn reports_waiting(&self) -> usize {
        self.outbox.len()
    }
}
