//! The lines of one watch, one after the other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use roadstead_machinery::resource::Resource;
use roadstead_machinery::status::Status;
use roadstead_protocol::wire::Revision;
use roadstead_store::{Entry, Event, Watch, WatchEnd};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Begin, Seat, too_old};
use crate::list::Filter;
use crate::output::View;
use crate::rest::Inner;
use crate::storage;

/// How long before its end a watch gets its last bookmark.
const BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);

/// When a watch ends and how often it is told how far it is.
pub(super) struct Timing {
    /// How long it lasts.
    pub(super) ends_in: Duration,
    /// How often it gets a bookmark, if at all.
    pub(super) bookmark_every: Option<Duration>,
}

/// The state of one watch.
pub(super) struct Stream {
    inner: Arc<Inner>,
    resource: Arc<Resource>,
    filter: Filter,
    view: View,
    watch: Option<Watch>,
    initial: VecDeque<Entry>,
    /// Whether the bookmark that ends the initial part is still to be sent.
    end_bookmark: bool,
    /// Everything up to here has been sent.
    at: Revision,
    failure: Option<Status>,
    ends: Instant,
    bookmark_every: Option<Duration>,
    next_bookmark: Instant,
    /// Whether no table has been sent yet, which names the columns.
    first: bool,
    _seat: Seat,
}

enum Wake {
    Event(Result<Event, WatchEnd>),
    Bookmark,
    End,
}

impl Stream {
    pub(super) fn new(
        inner: Arc<Inner>,
        (resource, filter, view): (Arc<Resource>, Filter, View),
        begin: Begin,
        timing: Timing,
        seat: Seat,
    ) -> Self {
        let now = Instant::now();
        let ends = now + timing.ends_in;
        let (watch, initial, at, end_bookmark, failure) = match begin {
            Begin::Live {
                watch,
                initial,
                at,
                end,
            } => (Some(watch), initial, at, end, None),
            Begin::Gone(status) => (None, VecDeque::new(), Revision(0), false, Some(status)),
        };
        let every = timing.bookmark_every;
        Self {
            inner,
            resource,
            filter,
            view,
            watch,
            initial,
            end_bookmark,
            at,
            failure,
            ends,
            bookmark_every: every,
            next_bookmark: next_bookmark(now, ends, every),
            first: true,
            _seat: seat,
        }
    }

    /// The next line, or `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        while let Some(entry) = self.initial.pop_front() {
            if let Some(line) = self.existing(&entry) {
                return Some(line);
            }
        }
        if std::mem::take(&mut self.end_bookmark) {
            return Some(self.bookmark(true));
        }
        if let Some(status) = self.failure.take() {
            self.watch = None;
            return Some(line("ERROR", &status.to_value()));
        }
        loop {
            let watch = self.watch.as_mut()?;
            let wake = tokio::select! {
                biased;
                event = watch.next() => Wake::Event(event),
                () = tokio::time::sleep_until(self.ends) => Wake::End,
                () = tokio::time::sleep_until(self.next_bookmark), if self.bookmark_every.is_some() => {
                    Wake::Bookmark
                }
            };
            match wake {
                Wake::Event(Ok(event)) => {
                    self.at = event.revision;
                    match self.change(&event) {
                        Ok(Some(line)) => return Some(line),
                        Ok(None) => {}
                        Err(status) => return Some(self.fail(&status)),
                    }
                }
                Wake::Event(Err(end)) => return self.ended(end),
                Wake::Bookmark => {
                    let now = Instant::now();
                    self.next_bookmark = next_bookmark(now, self.ends, self.bookmark_every);
                    self.at = self.at.max(watch.progress());
                    return Some(self.bookmark(false));
                }
                Wake::End => return None,
            }
        }
    }

    fn ended(&mut self, end: WatchEnd) -> Option<Bytes> {
        self.watch = None;
        match end {
            WatchEnd::Expired => {
                let status = too_old(self.at, self.inner.store.revision());
                Some(line("ERROR", &status.to_value()))
            }
            WatchEnd::Closed => None,
        }
    }

    fn fail(&mut self, status: &Status) -> Bytes {
        self.watch = None;
        line("ERROR", &status.to_value())
    }

    fn existing(&mut self, entry: &Entry) -> Option<Bytes> {
        if !self.filter.may_match(entry) {
            return None;
        }
        match storage::decode(&self.resource, entry) {
            Ok(object) if self.filter.matches(&object) => Some(self.shown("ADDED", object)),
            Ok(_) => None,
            Err(status) => {
                self.initial.clear();
                self.end_bookmark = false;
                Some(self.fail(&status))
            }
        }
    }

    /// What a change means for who watches: an object that begins to match is ADDED, one that
    /// ceases to is DELETED, and is shown as it last matched.
    fn change(&mut self, event: &Event) -> Result<Option<Bytes>, Status> {
        let decode = |entry: &Option<Entry>| match entry {
            Some(entry) if self.filter.may_match(entry) => {
                let object = storage::decode_at(&self.resource, entry, event.revision)?;
                Ok(self.filter.matches(&object).then_some(object))
            }
            Some(_) | None => Ok(None),
        };
        let (old, new) = (decode(&event.previous)?, decode(&event.new)?);
        Ok(match (old, new) {
            (None, Some(new)) => Some(self.shown("ADDED", new)),
            (Some(_), Some(new)) => Some(self.shown("MODIFIED", new)),
            (Some(old), None) => Some(self.shown("DELETED", old)),
            (None, None) => None,
        })
    }

    fn shown(&mut self, what: &str, object: Value) -> Bytes {
        let now = self.inner.env.clock.now();
        let first = std::mem::take(&mut self.first);
        line(what, &self.view.event(&self.resource, object, now, first))
    }

    fn bookmark(&mut self, end: bool) -> Bytes {
        let first = std::mem::take(&mut self.first);
        line(
            "BOOKMARK",
            &self.view.bookmark(&self.resource, self.at, end, first),
        )
    }
}

/// Regularly, and once shortly before the end.
fn next_bookmark(now: Instant, ends: Instant, every: Option<Duration>) -> Instant {
    let regular = now + every.unwrap_or(BOOKMARK_BEFORE_END);
    let last = ends.checked_sub(BOOKMARK_BEFORE_END).unwrap_or(ends);
    if last > now + BOOKMARK_BEFORE_END {
        regular.min(last)
    } else {
        regular
    }
}

fn line(what: &str, object: &Value) -> Bytes {
    let mut line = serde_json::to_vec(&json!({"type": what, "object": object})).unwrap_or_default();
    line.push(b'\n');
    Bytes::from(line)
}
