//! Writing down what the hub gave, on a disk that may be full or failing.
//!
//! What cannot be written is tried again for as long as the session lasts: it stays unacknowledged, the
//! hub hears why, and everything that is on the disk goes on being kept. Ending the session would help
//! nobody: the hub would only take the agent for away.

use std::time::Duration;

use roadstead_protocol::session::Backoff;
use roadstead_protocol::wire::report::ItemState;
use tokio::sync::watch;

use crate::desk::{Desk, Entered};
use crate::plan::report::Outcome;
use crate::store::{Disk, DiskError, Write};

/// The first wait after the disk did not take a batch.
pub(super) const RETRY_FLOOR: Duration = Duration::from_millis(500);
/// The longest wait after the disk did not take a batch.
pub(super) const RETRY_CEILING: Duration = Duration::from_secs(15);

/// Writes a batch; resolves once it is durable and entered, or nobody waits any more: `over` is then
/// true, or gone.
///
/// # Errors
/// Where the disk did not take it until then.
pub(super) async fn persist(
    desk: &Desk,
    disk: &Disk,
    (writes, entered): (Vec<Write>, Entered),
    mut over: watch::Receiver<bool>,
) -> Result<(), DiskError> {
    let mut backoff = Backoff::new(0, RETRY_FLOOR, RETRY_CEILING);
    loop {
        let error = match disk.commit(writes.clone()).await {
            Ok(()) => break,
            Err(DiskError::Closed) => return Err(DiskError::Closed),
            Err(error @ DiskError::Unavailable(_)) => error,
        };
        #[cfg(planted)]
        if roadstead_protocol::planted::is("failed-commit-counts") {
            break;
        }
        say(desk, &entered, &error);
        let gone = tokio::select! {
            biased;
            _ = over.wait_for(|over| *over) => true,
            () = tokio::time::sleep(backoff.next_wait()) => false,
        };
        if gone {
            return Err(error);
        }
    }
    desk.enter(entered);
    Ok(())
}

/// Says of every item that waits why it does. What runs is not concerned.
fn say(desk: &Desk, entered: &Entered, error: &DiskError) {
    for (key, item) in &entered.items {
        let stamp = item.as_ref().map(|item| item.stamp);
        let message = format!("{error}; what is on the member goes on being kept as it was");
        let outcome = Outcome::new(ItemState::Pending, "AgentDisk", message).at(stamp);
        desk.told(key, &outcome);
    }
}

#[cfg(test)]
mod tests;
