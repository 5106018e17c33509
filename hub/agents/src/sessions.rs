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

/// Which start of an agent a session is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) boot: u64,
    pub(crate) nonce: u64,
}

struct Live {
    id: u64,
    start: Start,
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

    /// Takes a session in. One of the same or an older start is told that it was replaced; of a
    /// newer start, this one is denied.
    pub(crate) fn enter(
        &self,
        uid: &str,
        start: Start,
        commands: mpsc::Sender<Command>,
    ) -> Result<u64, Denied> {
        let mut inner = self.lock();
        match inner.live.get(uid) {
            Some(other) if is_newer(other.start, start) => {
                return Err(Denied::Older {
                    boot: other.start.boot,
                });
            }
            Some(other) => tell(other, Command::Replaced),
            None if inner.live.len() >= self.max => return Err(Denied::Full),
            None => {}
        }
        inner.ids += 1;
        let id = inner.ids;
        inner.live.insert(
            uid.to_owned(),
            Live {
                id,
                start,
                commands,
            },
        );
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

    /// Tells a cluster's session, if there is one, that the cluster was detached.
    pub(crate) fn detach(&self, uid: &str) {
        if let Some(live) = self.lock().live.get(uid) {
            tell(live, Command::Detached);
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

/// Whether `a` denies `b`: a higher counter, or the same counter of another start.
fn is_newer(a: Start, b: Start) -> bool {
    a.boot > b.boot || (a.boot == b.boot && a.nonce != b.nonce)
}

fn tell(live: &Live, command: Command) {
    if live.commands.try_send(command).is_err() {
        tracing::debug!("a session that is ending anyway was told something");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(boot: u64, nonce: u64) -> Start {
        Start { boot, nonce }
    }

    #[test]
    fn the_newest_start_wins_and_says_so() {
        let sessions = Sessions::new(2);
        let (first, mut heard) = commands();
        let one = sessions.enter("a", start(3, 1), first).unwrap();
        let older = sessions.enter("a", start(2, 9), commands().0);
        assert_eq!(older, Err(Denied::Older { boot: 3 }));
        let twin = sessions.enter("a", start(3, 2), commands().0);
        assert_eq!(twin, Err(Denied::Older { boot: 3 }));
        assert!(heard.try_recv().is_err());
        let two = sessions.enter("a", start(4, 2), commands().0).unwrap();
        assert_eq!(heard.try_recv(), Ok(Command::Replaced));
        assert!(!sessions.leave("a", one));
        assert!(sessions.leave("a", two));
    }

    #[test]
    fn there_is_a_bound_but_a_replacement_needs_no_room() {
        let sessions = Sessions::new(1);
        sessions.enter("a", start(1, 1), commands().0).unwrap();
        assert_eq!(
            sessions.enter("b", start(1, 1), commands().0),
            Err(Denied::Full)
        );
        assert!(sessions.enter("a", start(1, 1), commands().0).is_ok());
        assert_eq!(sessions.len(), 1);
    }
}
