//! Writing down the orders to freeze and to thaw: one after the other, so that the disk ends with the
//! one that came last.
//!
//! Judges none of them, and tries none again: the hub says the newest anew in every session.

use roadstead_protocol::env::BoxFuture;
use tokio::sync::oneshot;

use crate::store::DiskError;

type Written = Result<(), DiskError>;

/// The order that is being written, and what waits behind it.
#[derive(Default)]
pub(super) struct Freezing {
    writing: Option<oneshot::Receiver<Written>>,
    /// The newest alone, however many came meanwhile: it says all that those before it would.
    waiting: Option<BoxFuture<Written>>,
}

impl Freezing {
    /// Runs `write` once what is being written is written or not, unless another comes before that: it
    /// takes the place of the one that waits. Only what becomes of the last is heard of.
    pub(super) fn then(&mut self, write: impl Future<Output = Written> + Send + 'static) {
        if self.writing.is_some() {
            self.waiting = Some(Box::pin(write));
        } else {
            self.begin(write);
        }
    }

    fn begin(&mut self, write: impl Future<Output = Written> + Send + 'static) {
        let (done, written) = oneshot::channel();
        // The session may be over; what is written stands.
        tokio::spawn(async move { drop(done.send(write.await)) });
        self.writing = Some(written);
    }

    /// What became of the last one, once; pends while none is being written. Cancel safe.
    pub(super) async fn next(&mut self) -> Written {
        loop {
            let Some(writing) = &mut self.writing else {
                return std::future::pending().await;
            };
            let result = writing.await.unwrap_or(Err(DiskError::Closed));
            self.writing = None;
            match self.waiting.take() {
                Some(write) => self.begin(write),
                None => return result,
            }
        }
    }

    /// Waits until none is being written.
    pub(super) async fn over(&mut self) {
        while self.writing.is_some() {
            drop(self.next().await);
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
        assert_eq!(*landed.lock().unwrap(), ["freeze", "freeze again"]);
        freezing.over().await;
    }

    #[tokio::test(start_paused = true)]
    async fn orders_by_the_thousand_make_two_writes() {
        let landed = Arc::new(Mutex::new(Vec::new()));
        let mut freezing = Freezing::default();
        for turn in 0..1000 {
            let landed = landed.clone();
            freezing.then(async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                landed.lock().unwrap().push(turn);
                Ok(())
            });
        }
        freezing.over().await;
        assert_eq!(*landed.lock().unwrap(), [0, 999]);
    }
}
