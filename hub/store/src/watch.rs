//! Following the changes under a prefix: gapless, in order, from any revision that is kept.
//!
//! A reader never delays the writer: what it does not take in time it reads from the ring, and when
//! the ring has moved past it its watch ends.

use std::collections::VecDeque;
use std::sync::Arc;

use roadstead_protocol::wire::Revision;
use tokio::sync::Notify;

use crate::shared::{Inner, Shared};
use crate::{Compacted, Event, WatchEnd};

/// Most events of the ring that are looked at under one hold of the lock.
const SCAN_MAX: usize = 4096;

/// The changes under a prefix. Dropping it ends it.
pub struct Watch {
    shared: Arc<Shared>,
    notify: Arc<Notify>,
    id: u64,
    prefix: Arc<str>,
    /// Everything up to here was delivered, or was none of its events.
    position: Revision,
    ready: VecDeque<Arc<Event>>,
}

impl Watch {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        prefix: &str,
        after: Revision,
    ) -> Result<Self, Compacted> {
        let (prefix, notify) = (Arc::<str>::from(prefix), Arc::new(Notify::new()));
        let mut inner = shared.lock();
        shared.known(&inner, after)?;
        let id = inner.subscribers.add(&prefix, &notify);
        drop(inner);
        let shared = Arc::clone(shared);
        Ok(Self {
            shared,
            notify,
            id,
            prefix,
            position: after,
            ready: VecDeque::new(),
        })
    }

    /// The next change, as soon as there is one. Cancel-safe: nothing is lost.
    ///
    /// # Errors
    /// When the reader was too slow, or the store was closed and everything was delivered.
    pub async fn next(&mut self) -> Result<Event, WatchEnd> {
        loop {
            if let Some(next) = self.try_next() {
                return next;
            }
            self.notify.notified().await;
        }
    }

    /// The next change if there is one already, or the end of the watch.
    pub fn try_next(&mut self) -> Option<Result<Event, WatchEnd>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.position = event.revision;
                return Some(Ok(Event::clone(&event)));
            }
            match self.refill() {
                Ok(Refill::Some) => {}
                Ok(Refill::Nothing) => return None,
                Err(end) => return Some(Err(end)),
            }
        }
    }

    /// The revision up to which everything was delivered: one can go on from here, with another
    /// watch, and miss nothing. What bookmarks carry.
    pub fn progress(&mut self) -> Revision {
        if self.ready.is_empty() {
            // An end is told by the next call of `try_next`, which finds it again.
            let _ended = self.refill();
        }
        self.position
    }

    /// Takes what waits, or a piece of the ring.
    fn refill(&mut self) -> Result<Refill, WatchEnd> {
        let shared = Arc::clone(&self.shared);
        let mut inner = shared.lock();
        let Inner {
            head,
            ring,
            subscribers,
            closed,
            ..
        } = &mut *inner;
        let Some(subscriber) = subscribers.get_mut(self.id) else {
            return Err(WatchEnd::Closed);
        };
        if subscriber.lagging {
            if ring.floor() > self.position {
                return Err(WatchEnd::Expired);
            }
            for event in ring.after(self.position).take(SCAN_MAX) {
                if event.key.as_str().starts_with(&*self.prefix) {
                    self.ready.push_back(Arc::clone(event));
                } else if self.ready.is_empty() {
                    self.position = event.revision;
                }
            }
            let reached = self
                .ready
                .back()
                .map_or(self.position, |event| event.revision);
            subscriber.lagging = ring.after(reached).next().is_some();
            if subscriber.lagging || !self.ready.is_empty() {
                return Ok(Refill::Some);
            }
        }
        self.ready = std::mem::take(&mut subscriber.queue);
        if self.ready.is_empty() {
            self.position = head.revision;
            if *closed {
                return Err(WatchEnd::Closed);
            }
        }
        Ok(if self.ready.is_empty() {
            Refill::Nothing
        } else {
            Refill::Some
        })
    }
}

/// Whether it is worth looking again.
enum Refill {
    Some,
    Nothing,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.lock().subscribers.remove(self.id);
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Watch({} after {})", self.prefix, self.position)
    }
}
