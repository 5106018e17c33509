//! `GET /roadstead.dev/backup`: everything that is durable, at one revision, as a stream.
//!
//! For administrators, and whom a role names it: the authorities' private keys are in it. It is not sealed here, for the
//! one who asks has the key to seal it with, and the hub need not.

use std::time::Duration;

use http::{HeaderValue, Method, Response, header};
use roadstead_machinery::status::Status;
use roadstead_protocol::env::Env;
use roadstead_rest::{Page, RestBody};
use roadstead_store::{Store, backup::Backup};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};

/// Where backups are to be had.
pub(crate) const PATH: &str = "/roadstead.dev/backup";
/// Most backups at a time; each holds on to the state that it is of.
const BACKUPS_MAX: usize = 2;
/// Pieces that wait for whoever reads them.
const PIECES_AHEAD: usize = 2;
/// A reader that takes nothing for so long has gone.
const STALLED_AFTER: Duration = Duration::from_secs(60);
/// When to try again where there are too many.
const RETRY_AFTER_SECONDS: u32 = 10;

static ROOM: Semaphore = Semaphore::const_new(BACKUPS_MAX);

/// Answers a request for a backup; `None` for any other path.
pub(crate) fn page(
    env: &Env,
    store: &Store,
    page: &Page<'_>,
) -> Option<Result<Response<RestBody>, Status>> {
    if page.path != PATH {
        return None;
    }
    if page.method != Method::GET {
        return Some(Err(Status::method_not_allowed()));
    }
    let Ok(room) = ROOM.try_acquire() else {
        let why = "as many backups are being made as may be at a time";
        return Some(Err(Status::timeout(why, RETRY_AFTER_SECONDS)));
    };
    tracing::info!(user = %page.user.user, revision = %store.revision(), "a backup is made");
    let backup = store.backup(env.clock.now(), env!("CARGO_PKG_VERSION"));
    let (pieces, mut ahead) = mpsc::channel(PIECES_AHEAD);
    tokio::spawn(give(backup, pieces, room));
    let stream = futures_util::stream::poll_fn(move |cx| ahead.poll_recv(cx));
    let mut response = Response::new(RestBody::stream(stream));
    let media = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    Some(Ok(response))
}

/// Gives the pieces to whoever reads. Who stops reading gets a stream without an end.
async fn give(backup: Backup, to: mpsc::Sender<bytes::Bytes>, _room: SemaphorePermit<'static>) {
    for piece in backup {
        match tokio::time::timeout(STALLED_AFTER, to.send(piece)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => {
                tracing::warn!("a backup was given up: nobody reads it any more");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
