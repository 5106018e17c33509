//! Which agents are here, one per cluster: the newest start of each.
//!
//! A plain map behind a short lock; nothing is awaited here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

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
    line: Line,
}

/// How a session is reached.
#[derive(Clone)]
pub(crate) struct Line {
    commands: mpsc::Sender<Command>,
    look: Arc<Notify>,
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

/// What a session listens to.
pub(crate) struct Commands {
    commands: mpsc::Receiver<Command>,
    look: Arc<Notify>,
}

/// What a session hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Someone outside wants something.
    Command(Command),
    /// What users want beside the ledger may have changed.
    Look,
}

/// A line to one session.
pub(crate) fn line() -> (Line, Commands) {
    let (sender, commands) = mpsc::channel(COMMANDS_MAX);
    let look = Arc::new(Notify::new());
    let line = Line {
        commands: sender,
        look: Arc::clone(&look),
    };
    (line, Commands { commands, look })
}

impl Commands {
    /// The next thing to hear. Cancel safe.
    pub(crate) async fn next(&mut self) -> Heard {
        tokio::select! {
            biased;
            Some(command) = self.commands.recv() => Heard::Command(command),
            () = self.look.notified() => Heard::Look,
        }
    }
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
        line: Line,
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
        inner.live.insert(uid.to_owned(), Live { id, line });
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

    /// A cluster's session is to look at what users want beside the ledger, if there is one.
    pub(crate) fn look(&self, uid: &str) {
        if let Some(live) = self.lock().live.get(uid) {
            live.line.look.notify_one();
        }
    }

    /// As `look`, for every session.
    pub(crate) fn look_all(&self) {
        for live in self.lock().live.values() {
            live.line.look.notify_one();
        }
    }

    /// Tells every session when to come back; `retry_in` is given its number and how many there are.
    pub(crate) fn restart(&self, mut retry_in: impl FnMut(usize, usize) -> Duration) {
        let inner = self.lock();
        let count = inner.live.len();
        for (index, live) in inner.live.values().enumerate() {
            tell(live, Command::Restarting(retry_in(index, count)));
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().live.len()
    }
}

fn tell(live: &Live, command: Command) {
    if live.line.commands.try_send(command).is_err() {
        tracing::debug!("a session that is ending anyway was told something");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_start_wins_and_says_so() {
        let sessions = Sessions::new(2);
        let (first, mut heard) = line();
        let one = sessions.enter("a", first, || None).unwrap();
        let older = sessions.enter("a", line().0, || Some(3));
        assert_eq!(older, Err(Denied::Older { boot: 3 }));
        assert!(heard.commands.try_recv().is_err());
        let two = sessions.enter("a", line().0, || None).unwrap();
        assert_eq!(heard.commands.try_recv(), Ok(Command::Replaced));
        assert!(!sessions.leave("a", one));
        assert!(sessions.leave("a", two));
    }

    #[test]
    fn there_is_a_bound_but_a_replacement_needs_no_room() {
        let sessions = Sessions::new(1);
        sessions.enter("a", line().0, || None).unwrap();
        assert_eq!(sessions.enter("b", line().0, || None), Err(Denied::Full));
        assert!(sessions.enter("a", line().0, || None).is_ok());
        assert_eq!(sessions.len(), 1);
    }

    #[tokio::test]
    async fn a_crowd_of_looks_is_heard_once_and_hides_no_command() {
        let sessions = Sessions::new(2);
        let (one, mut heard) = line();
        sessions.enter("a", one, || None).unwrap();
        for _ in 0..COMMANDS_MAX * 2 {
            sessions.look("a");
            sessions.look_all();
        }
        sessions.tell("a", Command::Detached);
        assert_eq!(heard.next().await, Heard::Command(Command::Detached));
        assert_eq!(heard.next().await, Heard::Look);
        let silent = tokio::time::timeout(Duration::from_millis(10), heard.next()).await;
        assert!(silent.is_err());
    }
}
