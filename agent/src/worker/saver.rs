//! Writes down what was put on the member: many notes, one sync, and nobody waits.

use std::sync::Arc;
use std::time::Duration;

use roadstead_protocol::session::Backoff;

use crate::desk::Desk;
use crate::store::Disk;

/// Most notes in one transaction.
const NOTES_MAX: usize = 1_024;
/// The first wait after the disk did not take them.
const RETRY_FLOOR: Duration = Duration::from_secs(1);
/// The longest wait after the disk did not take them.
const RETRY_CEILING: Duration = Duration::from_secs(60);

/// Writes whenever there is something, until it is dropped.
pub async fn run(desk: Arc<Desk>, disk: Disk, seed: u64) {
    let mut backoff = Backoff::new(seed, RETRY_FLOOR, RETRY_CEILING);
    loop {
        let (keys, writes): (Vec<_>, Vec<_>) = desk.take_unsaved(NOTES_MAX).into_iter().unzip();
        if writes.is_empty() {
            desk.save.notified().await;
            continue;
        }
        match disk.commit(writes).await {
            Ok(()) => backoff.reset(),
            Err(error) => {
                tracing::warn!(%error, "what is on the member could not be written down");
                desk.unsaved(keys);
                tokio::time::sleep(backoff.next_wait()).await;
            }
        }
    }
}
