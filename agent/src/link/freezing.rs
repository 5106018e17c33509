//! Writing down the orders to freeze and to thaw: one after the other, so that the disk ends with the
//! one that came last.
//!
//! Judges none of them, and tries none again: the hub says the newest anew in every session.

use tokio::sync::oneshot;

use crate::store::DiskError;

/// The last order that is being written, behind those before it.
#[derive(Default)]
pub(super) struct Freezing(Option<oneshot::Receiver<Result<(), DiskError>>>);

impl Freezing {
    /// Runs `write` once what was to be written before is written or not. Only what becomes of this
    /// one is heard of then: it takes the place of those before.
    pub(super) fn then(
        &mut self,
        write: impl Future<Output = Result<(), DiskError>> + Send + 'static,
    ) {
        let former = self.0.take();
        let (done, written) = oneshot::channel();
        tokio::spawn(async move {
            if let Some(former) = former {
                drop(former.await);
            }
            // The session may be over; what is written stands.
            drop(done.send(write.await));
        });
        self.0 = Some(written);
    }

    /// What became of the last one, once; pends while none is being written. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<(), DiskError> {
        let Some(written) = &mut self.0 else {
            return std::future::pending().await;
        };
        let result = written.await.unwrap_or(Err(DiskError::Closed));
        self.0 = None;
        result
    }

    /// Waits until none is being written.
    pub(super) async fn over(&mut self) {
        if let Some(written) = self.0.take() {
            drop(written.await);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_slow_write_is_not_overtaken_by_the_next() {
        let landed = Arc::new(Mutex::new(Vec::new()));
        let mut freezing = Freezing::default();
        for (name, seconds) in [("freeze", 3), ("thaw", 2), ("freeze again", 1)] {
            let landed = landed.clone();
            freezing.then(async move {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                landed.lock().unwrap().push(name);
                Ok(())
            });
        }
        assert!(freezing.next().await.is_ok());
        assert_eq!(*landed.lock().unwrap(), ["freeze", "thaw", "freeze again"]);
        freezing.over().await;
    }
}
