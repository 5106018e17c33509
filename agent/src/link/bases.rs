//! Contents of the agent's own disk that the hub's differences are laid over, read beside the session.
//!
//! The session bounds how many are read at a time: as many as it has asked for.

use bytes::Bytes;
use roadstead_protocol::wire::Digest;
use tokio::task::JoinSet;

use crate::store::Disk;

/// Contents that are being read.
#[derive(Default)]
pub(super) struct Bases(JoinSet<(Digest, Option<Bytes>)>);

impl Bases {
    /// Begins to read `base`, of which `content` is made.
    pub(super) fn read(&mut self, disk: &Disk, content: Digest, base: Digest) {
        let disk = disk.clone();
        self.0.spawn(async move {
            let read = disk.content(base).await.unwrap_or_else(|error| {
                tracing::warn!(digest = %base, %error, "a content could not be read");
                None
            });
            (content, read)
        });
    }

    /// The next one that was read, and what is made of it; pends while none is. Cancel safe.
    pub(super) async fn next(&mut self) -> (Digest, Option<Bytes>) {
        loop {
            match self.0.join_next().await {
                Some(Ok(read)) => return read,
                Some(Err(error)) => tracing::warn!(%error, "a content could not be read"),
                None => std::future::pending().await,
            }
        }
    }
}
