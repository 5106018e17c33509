//! The lines of one watch, one after the other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use roadstead_machinery::resource::Resource;
use roadstead_machinery::status::Status;
use roadstead_protocol::wire::Revision;
use roadstead_store::{Entry, Event, Watch, WatchEnd};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use super::{Begin, Seat, too_old};
use crate::list::Filter;
use crate::output::View;
use crate::rest::Inner;
use crate::storage;

/// How long before its end a watch gets its last bookmark.
const BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);

/// Lines that wait go out together until they are so many bytes: a burst of changes is not as many writes.
const TOGETHER_BYTES: usize = 64 * 1024;

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

    /// The next line with those that wait behind it, or `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        let mut lines = Vec::new();
        while lines.len() < TOGETHER_BYTES
            && let Some(entry) = self.initial.pop_front()
        {
            self.existing(&entry, &mut lines);
        }
        if self.initial.is_empty() && std::mem::take(&mut self.end_bookmark) {
            self.bookmark(true, &mut lines);
        }
        if let Some(status) = self.failure.take() {
            self.fail(&status, &mut lines);
        }
        while lines.is_empty() {
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
                Wake::Event(event) => self.changes(event, &mut lines),
                Wake::Bookmark => {
                    let now = Instant::now();
                    self.next_bookmark = next_bookmark(now, self.ends, self.bookmark_every);
                    self.at = self.at.max(watch.progress());
                    self.bookmark(false, &mut lines);
                }
                Wake::End => return None,
            }
        }
        Some(lines.into())
    }

    /// What a change says, or the end of all changes, with those that wait behind it.
    fn changes(&mut self, first: Result<Event, WatchEnd>, lines: &mut Vec<u8>) {
        let mut at = Some(first);
        while let Some(event) = at.take() {
            match event {
                Ok(event) => {
                    self.at = event.revision;
                    if let Err(status) = self.change(&event, lines) {
                        self.fail(&status, lines);
                    }
                }
                Err(WatchEnd::Expired) => {
                    let status = too_old(self.at, self.inner.store.revision());
                    self.fail(&status, lines);
                }
                Err(WatchEnd::Closed) => self.watch = None,
            }
            if lines.len() < TOGETHER_BYTES {
                at = self.watch.as_mut().and_then(Watch::try_next);
            }
        }
    }

    /// Says what is wrong, which ends the watch.
    fn fail(&mut self, status: &Status, lines: &mut Vec<u8>) {
        self.watch = None;
        line("ERROR", &status.to_value(), lines);
    }

    fn existing(&mut self, entry: &Entry, lines: &mut Vec<u8>) {
        if !self.filter.may_match(entry) {
            return;
        }
        match storage::decode(&self.resource, entry) {
            Ok(object) if self.filter.matches(&object) => self.show("ADDED", object, lines),
            Ok(_) => {}
            Err(status) => {
                self.initial.clear();
                self.end_bookmark = false;
                self.fail(&status, lines);
            }
        }
    }

    /// What a change means for who watches: an object that begins to match is ADDED, one that
    /// ceases to is DELETED, and is shown as it last matched.
    fn change(&mut self, event: &Event, lines: &mut Vec<u8>) -> Result<(), Status> {
        let decode = |entry: &Option<Entry>| match entry {
            Some(entry) if self.filter.may_match(entry) => {
                let object = storage::decode_at(&self.resource, entry, event.revision)?;
                Ok(self.filter.matches(&object).then_some(object))
            }
            Some(_) | None => Ok(None),
        };
        let new = decode(&event.new)?;
        // Who wants all wanted also what it was before.
        if self.filter.is_empty()
            && event.previous.is_some()
            && let Some(new) = new
        {
            self.show("MODIFIED", new, lines);
            return Ok(());
        }
        match (decode(&event.previous)?, new) {
            (None, Some(new)) => self.show("ADDED", new, lines),
            (Some(_), Some(new)) => self.show("MODIFIED", new, lines),
            (Some(old), None) => self.show("DELETED", old, lines),
            (None, None) => {}
        }
        Ok(())
    }

    fn show(&mut self, what: &str, object: Value, lines: &mut Vec<u8>) {
        let now = self.inner.env.clock.now();
        let first = std::mem::take(&mut self.first);
        let object = self.view.event(&self.resource, object, now, first);
        line(what, &object, lines);
    }

    fn bookmark(&mut self, end: bool, lines: &mut Vec<u8>) {
        let first = std::mem::take(&mut self.first);
        let object = self.view.bookmark(&self.resource, self.at, end, first);
        line("BOOKMARK", &object, lines);
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

/// A line as it is sent.
#[derive(Serialize)]
struct Line<'a> {
    object: &'a Value,
    #[serde(rename = "type")]
    what: &'a str,
}

fn line(what: &str, object: &Value, lines: &mut Vec<u8>) {
    // What is JSON already can be written, and memory takes it.
    let written = serde_json::to_writer(&mut *lines, &Line { object, what });
    if written.is_ok() {
        lines.push(b'\n');
    }
}
