//! What a session's shell does beside announcing: orders, questions, tombstones that are done with,
//! and listening.

use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;
use roadstead_protocol::host::driver::DriveError;
use roadstead_protocol::host::lanes::LaneError;
use roadstead_protocol::session::{HubSession, Now};
use roadstead_store::CommitError;
use roadstead_store::records::FetchResult;

use super::HubShell;
use crate::{orders, tombstones};

/// How long a failed removal of tombstones or write of news waits before its result is told, and so
/// before it is tried again.
const RETRY: Duration = Duration::from_secs(5);

impl HubShell {
    /// Tells the session whether the cluster is to be left as it is, where that is news.
    pub(super) fn order(&mut self, now: Now, session: &mut HubSession) {
        let Some((revision, freeze)) = orders::freeze(&self.hub.store, &self.uid) else {
            return;
        };
        if self.frozen.replace(revision) == Some(revision) {
            return;
        }
        tracing::info!(
            cluster = self.uid,
            frozen = freeze.frozen,
            reason = freeze.reason,
            "a cluster's freeze"
        );
        session.freeze(now, freeze);
    }

    /// Asks the agent for what users want to see.
    pub(super) fn ask(&mut self, now: Now, session: &mut HubSession) {
        if self.entered.is_some() {
            let volatile = &self.hub.volatile;
            self.questions.ask(now, session, volatile, &self.uid);
            self.questions.write(volatile, &self.uid);
        }
    }

    /// An answer is here.
    pub(super) fn fetched(&mut self, id: u64, content: Result<Bytes, String>) {
        self.questions.answer(id, FetchResult::new(content));
        self.questions.write(&self.hub.volatile, &self.uid);
    }

    /// An answer is with who asked: there is room for the next question.
    pub(super) fn answered(
        &mut self,
        now: Now,
        session: &mut HubSession,
        id: u64,
        written: Result<(), CommitError>,
    ) {
        self.questions.done(&self.uid, id, written);
        self.ask(now, session);
    }

    /// Ends a session in which nothing is heard any more.
    pub(super) fn listen(&mut self) -> ControlFlow<()> {
        if self.listening.hears() {
            return ControlFlow::Continue(());
        }
        tracing::info!(cluster = self.uid, "an agent fell silent");
        self.listening.give_up();
        ControlFlow::Break(())
    }

    /// For how long nothing was heard when a session ended this way, rather too long.
    pub(crate) fn silence(&mut self, ended: &Result<(), DriveError>) -> Duration {
        let timed_out = matches!(
            ended,
            Err(DriveError::Lanes(LaneError::Lost(
                quinn::ConnectionError::TimedOut
            )))
        );
        if timed_out || self.listening.gave_up() {
            self.listening.silence()
        } else {
            Duration::ZERO
        }
    }

    /// Begins to remove acknowledged tombstones, unless that is going on already.
    pub(super) fn remove_tombstones(&mut self) {
        let Some(index) = &self.index else { return };
        let acked = index.tombstones(self.acked, tombstones::TOMBSTONES_TXN_MAX);
        if acked.is_empty() || !self.removing.is_idle() {
            return;
        }
        let Some(hello) = self.hello.clone() else {
            return;
        };
        let (store, uid) = (self.hub.store.clone(), self.uid.clone());
        self.removing.start(async move {
            let removed = tombstones::remove(&store, &uid, &hello, acked).await;
            if removed.is_err() {
                tokio::time::sleep(RETRY).await;
            }
            removed
        });
    }

    pub(super) fn removed(&mut self, removed: Result<usize, CommitError>) {
        match removed {
            Ok(0) => {}
            Ok(count) => self.hub.metrics.tombstones.add_many(count),
            Err(error) => {
                tracing::warn!(cluster = self.uid, %error, "failed to remove acknowledged tombstones");
                self.remove_tombstones();
            }
        }
    }
}
