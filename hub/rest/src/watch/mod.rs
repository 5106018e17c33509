//! Watches: an answer that goes on with one line per change.
//!
//! The stream is pulled by whoever writes it to the client; there is no task and no queue of its
//! own. A client that reads too slowly loses its place in the store's ring of events and is told
//! so by an ERROR event with code 410, after which the stream ends.

mod stream;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Response, StatusCode, header};
use roadstead_machinery::resource::Resource;
use roadstead_machinery::status::Status;
use roadstead_protocol::wire::Revision;
use roadstead_store::Entry;

use crate::RestBody;
use crate::list::{self, Filter};
use crate::output::View;
use crate::query::ListParams;
use crate::rest::Inner;
use crate::storage;
use stream::{Stream, Timing};

/// How long a watch lasts that names no timeout: this to twice this.
const TIMEOUT_MIN: Duration = Duration::from_secs(1800);
/// The longest timeout that a client may ask for.
const TIMEOUT_MAX: Duration = Duration::from_secs(3600);

/// What to watch.
pub(crate) struct Wanted {
    /// The kind.
    pub(crate) resource: Arc<Resource>,
    /// The namespace; `None` for all of them.
    pub(crate) namespace: Option<String>,
    /// The one object, where the path names one.
    pub(crate) name: Option<String>,
    /// From when, for how long, which.
    pub(crate) params: ListParams,
    /// How to show it.
    pub(crate) view: View,
}

/// A place among the watches that are allowed at a time.
pub(crate) struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(inner: &Inner) -> Result<Self, Status> {
        let seats = Arc::clone(&inner.watches);
        if seats.fetch_add(1, Ordering::Relaxed) >= inner.options.watches_max {
            seats.fetch_sub(1, Ordering::Relaxed);
            return Err(Status::too_many_requests(
                "too many watches, please try again later",
                5,
            ));
        }
        Ok(Self(seats))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Begins a watch.
///
/// # Errors
/// 400 for a bad selector, 429 where there are too many watches, 504 for a revision to come.
pub(crate) fn start(inner: &Arc<Inner>, wanted: Wanted) -> Result<Response<RestBody>, Status> {
    let Wanted {
        resource,
        namespace,
        name,
        params,
        view,
    } = wanted;
    let mut filter = Filter::new(&resource, &params)?;
    if let Some(name) = &name {
        filter = filter.named(name);
    }
    let seat = Seat::take(inner)?;
    let prefix = storage::prefix(&resource, namespace.as_deref());
    let begin = begin(inner, &params, &prefix)?;
    let timing = Timing {
        ends_in: timeout(inner, &params),
        bookmark_every: params.bookmarks.then_some(inner.options.bookmark_every),
    };
    let what = (resource, filter, view);
    let stream = Stream::new(Arc::clone(inner), what, begin, timing, seat);
    let lines = futures_util::stream::unfold(stream, |mut stream| async move {
        let line = stream.next().await?;
        Some((line, stream))
    });
    let mut response = Response::new(RestBody::stream(lines));
    *response.status_mut() = StatusCode::OK;
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    let no_cache = header::HeaderValue::from_static("no-cache, private");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_cache);
    Ok(response)
}

/// Where a watch begins.
pub(crate) enum Begin {
    /// With what is there (`initial`), then with changes; `end` marks the end of the first part by
    /// a bookmark at this revision.
    Live {
        /// The changes.
        watch: roadstead_store::Watch,
        /// What is there.
        initial: VecDeque<Entry>,
        /// The revision of what is there.
        at: Revision,
        /// Whether a bookmark says that all of it was sent.
        end: bool,
    },
    /// Nowhere: the revision is gone.
    Gone(Status),
}

fn begin(inner: &Inner, params: &ListParams, prefix: &str) -> Result<Begin, Status> {
    let asked = params.revision.filter(|r| r.0 > 0);
    let synthetic = match params.initial {
        Some(initial) => initial,
        None => asked.is_none(),
    };
    if !synthetic && let Some(after) = asked {
        return Ok(match inner.store.watch(prefix, after) {
            Ok(watch) => Begin::Live {
                watch,
                initial: VecDeque::new(),
                at: after,
                end: false,
            },
            Err(compacted) => Begin::Gone(too_old(after, compacted.oldest)),
        });
    }
    let snapshot = inner.store.snapshot();
    let at = snapshot.revision();
    if let Some(asked) = asked.filter(|asked| *asked > at) {
        return Err(list::too_large(asked, at));
    }
    let initial = if synthetic {
        snapshot.range(prefix).cloned().collect()
    } else {
        VecDeque::new()
    };
    let end = params.initial == Some(true) && params.bookmarks;
    Ok(match inner.store.watch(prefix, at) {
        Ok(watch) => Begin::Live {
            watch,
            initial,
            at,
            end,
        },
        Err(compacted) => Begin::Gone(too_old(at, compacted.oldest)),
    })
}

/// 410: changes after `asked` are no longer kept, those after `oldest` are; or `asked` is of no
/// history of this store.
pub(crate) fn too_old(asked: Revision, oldest: Revision) -> Status {
    Status::expired(format!("too old resource version: {asked} ({oldest})"))
}

fn timeout(inner: &Inner, params: &ListParams) -> Duration {
    match params.timeout_seconds {
        Some(seconds) if seconds > 0 => Duration::from_secs(seconds).min(TIMEOUT_MAX),
        Some(_) | None => {
            let spread = u64::from(u16::from_le_bytes(inner.env.random())) * TIMEOUT_MIN.as_secs();
            TIMEOUT_MIN + Duration::from_secs(spread / u64::from(u16::MAX))
        }
    }
}
