//! Objects on the member that users want to see: on their way to the agent, and back to who asked.
//!
//! At most as many as the protocol allows are with the agent or on their way back; others wait where
//! they were written. What nobody waits for any more is not kept.

use std::collections::{BTreeSet, VecDeque};

use roadstead_protocol::session::{HubSession, Now};
use roadstead_protocol::wire::limits::FETCHES_MAX;
use roadstead_store::records::{self, FetchResult};
use roadstead_store::{Check, CommitError, Store, Txn};

use crate::news::Job;
use crate::orders;

/// The questions of one session.
#[derive(Default)]
pub(crate) struct Questions {
    /// With the agent, or on their way back.
    open: BTreeSet<u64>,
    answers: VecDeque<(u64, FetchResult)>,
    writing: Job<(u64, Result<(), CommitError>)>,
}

impl Questions {
    /// Asks what is to be asked, as far as there is room.
    pub(crate) fn ask(&mut self, now: Now, session: &mut HubSession, store: &Store, uid: &str) {
        for (id, request) in orders::questions(&store.snapshot(), uid) {
            if self.open.len() >= FETCHES_MAX {
                return;
            }
            if !self.open.insert(id) {
                continue;
            }
            match request {
                Some(request) => session.fetch(now, id, request.key),
                None => {
                    let problem = "the question cannot be read".to_owned();
                    self.answer(id, FetchResult::Problem(problem));
                }
            }
        }
    }

    /// Takes an answer in.
    pub(crate) fn answer(&mut self, id: u64, result: FetchResult) {
        if self.open.contains(&id) {
            self.answers.push_back((id, result));
        }
    }

    /// Begins to write the next answer, unless that is going on already.
    pub(crate) fn write(&mut self, store: &Store, uid: &str) {
        while self.writing.is_idle() {
            let Some((id, result)) = self.answers.pop_front() else {
                return;
            };
            let (Some(txn), store) = (answer(uid, id, &result), store.clone()) else {
                self.open.remove(&id);
                continue;
            };
            self.writing
                .start(async move { (id, store.commit(txn).await.map(drop)) });
        }
    }

    /// What became of an answer; pends while none is being written. Cancel safe.
    pub(crate) async fn written(&mut self) -> (u64, Result<(), CommitError>) {
        self.writing.result().await
    }

    /// An answer is with who asked, or was not wanted any more.
    pub(crate) fn done(&mut self, uid: &str, id: u64, written: Result<(), CommitError>) {
        self.open.remove(&id);
        match written {
            Ok(()) | Err(CommitError::Conflict { .. }) => {}
            Err(error) => {
                tracing::warn!(cluster = uid, id, %error, "an object that was fetched is lost");
            }
        }
    }
}

/// The answer, where the question still stands.
fn answer(uid: &str, id: u64, result: &FetchResult) -> Option<Txn> {
    let asked = records::fetch_key(uid, id).ok()?;
    let key = records::fetched_key(uid, id).ok()?;
    let value = records::encode(result).ok()?;
    Some(Txn::new().check(Check::Exists(asked)).put(key, value))
}
