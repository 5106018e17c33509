//! Which agents are here, one per cluster: the newest start of each.
//!
//! A plain map behind a short lock; nothing is awaited here.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

/// Commands that may wait for a session. More than it can be given before it ends.
const COMMANDS_MAX: usize = 8;

/// What a session is told from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// A newer session of the same agent takes over.
    Replaced,
    /// The cluster was detached.
    Detached,
    /// The cluster is not known any more, and nobody detached it.
    Unknown,
    /// The hub goes down; the agent is to come back after this long.
    Restarting(Duration),
}

/// Why a session may not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// A newer start of the same identity is here.
    Older {
        /// Its boot counter.
        boot: u64,
    },
    /// There are as many sessions as there may be.
    Full,
}

struct Live {
    id: u64,
    commands: mpsc::Sender<Command>,
}

#[derive(Default)]
struct Inner {
    live: BTreeMap<String, Live>,
    ids: u64,
}

/// The sessions that are on.
pub(crate) struct Sessions {
    inner: Mutex<Inner>,
    max: usize,
}

/// The end of the channel that a session listens to.
pub(crate) type Commands = mpsc::Receiver<Command>;

/// A channel for commands to one session.
pub(crate) fn commands() -> (mpsc::Sender<Command>, Commands) {
    mpsc::channel(COMMANDS_MAX)
}

impl Sessions {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            inner: Mutex::default(),
            max,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a session in; the one that was there is told that it was replaced. `newer` says whether
    /// a newer start than this session's was noted in the store meanwhile, and is asked under the
    /// lock: a start is noted before its session enters, so of two sessions the newer one stays.
    pub(crate) fn enter(
        &self,
        uid: &str,
        commands: mpsc::Sender<Command>,
        newer: impl FnOnce() -> Option<u64>,
    ) -> Result<u64, Denied> {
        let mut inner = self.lock();
        if let Some(boot) = newer() {
            return Err(Denied::Older { boot });
        }
        match inner.live.get(uid) {
            Some(other) => tell(other, Command::Replaced),
            None if inner.live.len() >= self.max => return Err(Denied::Full),
            None => {}
        }
        inner.ids += 1;
        let id = inner.ids;
        inner.live.insert(uid.to_owned(), Live { id, commands });
        Ok(id)
    }

    /// Takes a session out. Whether it was still the cluster's, and not replaced.
    pub(crate) fn leave(&self, uid: &str, id: u64) -> bool {
        let mut inner = self.lock();
        let current = inner.live.get(uid).is_some_and(|live| live.id == id);
        if current {
            inner.live.remove(uid);
        }
        current
    }

    /// Tells a cluster's session something, if there is one.
    pub(crate) fn tell(&self, uid: &str, command: Command) {
        if let Some(live) = self.lock().live.get(uid) {
            tell(live, command);
        }
    }

    /// Tells every session when to come back.
    pub(crate) fn restart(&self, mut retry_in: impl FnMut() -> Duration) {
        for live in self.lock().live.values() {
            tell(live, Command::Restarting(retry_in()));
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().live.len()
    }
}

fn tell(live: &Live, command: Command) {
    if live.commands.try_send(command).is_err() {
        tracing::debug!("a session that is ending anyway was told something");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_start_wins_and_says_so() {
        let sessions = Sessions::new(2);
        let (first, mut heard) = commands();
        let one = sessions.enter("a", first, || None).unwrap();
        let older = sessions.enter("a", commands().0, || Some(3));
        assert_eq!(older, Err(Denied::Older { boot: 3 }));
        assert!(heard.try_recv().is_err());
        let two = sessions.enter("a", commands().0, || None).unwrap();
        assert_eq!(heard.try_recv(), Ok(Command::Replaced));
        assert!(!sessions.leave("a", one));
        assert!(sessions.leave("a", two));
    }

    #[test]
    fn there_is_a_bound_but_a_replacement_needs_no_room() {
        let sessions = Sessions::new(1);
        sessions.enter("a", commands().0, || None).unwrap();
        assert_eq!(
            sessions.enter("b", commands().0, || None),
            Err(Denied::Full)
        );
        assert!(sessions.enter("a", commands().0, || None).is_ok());
        assert_eq!(sessions.len(), 1);
    }
}
