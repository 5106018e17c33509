//! Contents that the agent asked for, on their way from the shell to the lane.
//!
//! Holds no state of its own: they wait in `outbound`.

use bytes::Bytes;

use crate::session::Now;
use crate::session::outbound::Wanted;
use crate::wire::Digest;

use super::{HubEvent, HubSession, Phase};

impl HubSession {
    /// Answers [`HubEvent::NeedContent`].
    pub fn content(&mut self, now: Now, digest: Digest, bytes: Bytes) {
        self.content_over(now, digest, bytes, None);
    }

    /// As `content`, with the bytes of the base that was named, where they are there: only what
    /// differs travels if that is little.
    pub fn content_over(&mut self, _now: Now, digest: Digest, bytes: Bytes, base: Option<Bytes>) {
        let Phase::On(on) = &mut self.phase else {
            return;
        };
        let length = bytes.len();
        if on.outbound.content(digest, bytes, base) {
            return;
        }
        let Some(wanted) = self.withdraw(digest) else {
            return;
        };
        self.events
            .extend(self.config.lineage.stamp(wanted.revision).map(|stamp| {
                let reason = format!(
                    "its content has {length} bytes, {} were announced",
                    wanted.size
                );
                HubEvent::Unsendable {
                    key: wanted.key,
                    stamp,
                    reason,
                }
            }));
    }

    /// Answers [`HubEvent::NeedContent`] where the content is gone, because a newer entry of the
    /// ledger has superseded every one that named it. Reads the ledger on.
    pub fn gone(&mut self, _now: Now, digest: Digest) {
        self.withdraw(digest);
    }

    fn withdraw(&mut self, digest: Digest) -> Option<Wanted> {
        let Phase::On(on) = &mut self.phase else {
            return None;
        };
        let wanted = on.outbound.forget(digest)?;
        on.sender.withdraw(&wanted);
        Some(wanted)
    }
}
