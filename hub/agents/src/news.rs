//! What a session's shell waits for beside its agent: the results of what it started.

use roadstead_protocol::env::BoxFuture;
use roadstead_protocol::wire::frame::Refused;
use roadstead_store::{CommitError, Revision, WatchEnd};

use crate::sessions::Heard;

/// News for a session.
pub(crate) enum News {
    /// Something from outside.
    Heard(Heard),
    /// It is time to see whether the agent is still heard.
    Listen,
    /// An answer to the question with this id is with who asked, or is not.
    Answered(u64, Result<(), CommitError>),
    /// The hello was decided about: the ledger's floor, or why not.
    Decided(Result<Revision, Refused>),
    /// The ledger changed, or can be followed no longer.
    Ledger(Result<(), WatchEnd>),
    /// What was heard is in the volatile store, or is not.
    Written(Result<(), CommitError>),
    /// So many acknowledged tombstones have left the ledger.
    Removed(Result<usize, CommitError>),
}

/// Work that was started and whose result is awaited. At most one of a sort at a time.
pub(crate) struct Job<T>(Option<BoxFuture<T>>);

impl<T> Default for Job<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Job<T> {
    /// Starts work. What was started before is dropped.
    pub(crate) fn start(&mut self, work: impl Future<Output = T> + Send + 'static) {
        self.0 = Some(Box::pin(work));
    }

    /// Whether nothing is going on.
    pub(crate) fn is_idle(&self) -> bool {
        self.0.is_none()
    }

    /// The result, once it is there; pends for ever where nothing was started. Cancel safe.
    pub(crate) async fn result(&mut self) -> T {
        let Some(work) = self.0.as_mut() else {
            return std::future::pending().await;
        };
        let result = work.as_mut().await;
        self.0 = None;
        result
    }
}
