//! The one loop between a session and a connection.
//!
//! It moves frames, time and events, and holds no protocol logic: what frames mean is the session's,
//! what events lead to is the shell's. The shell never blocks it: long work runs elsewhere, and its
//! result comes back through [`Shell::next`].

use std::future::Future;
use std::ops::ControlFlow;
use std::time::Duration;

use tokio::time::Instant;

use super::lanes::{self, Inbox, LaneError, Outbox};
use crate::session::{Now, Session, Violation};

pub use super::lanes::Side;

#[cfg(test)]
mod tests;

/// How long the streams of a session may take to open.
pub const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the last frames of an ending session may take to leave.
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);
/// QUIC's code for a session that ended as it should.
pub const CLOSE_DONE: u32 = 0;
/// QUIC's code for a peer that broke the protocol.
pub const CLOSE_PROTOCOL: u32 = 1;
/// After this many turns the loop lets other tasks run, and asks the shell before the peer.
const TURNS_MAX: u32 = 32;

/// What stands around a session: it acts on events, and has news of its own.
pub trait Shell: Send {
    /// The session.
    type Session: Session + Send;
    /// News for it.
    type Input: Send;

    /// The next news for the session. Must be cancel safe; pends while there is none.
    fn next(&mut self) -> impl Future<Output = Self::Input> + Send;

    /// Hands news to the session. `Break` ends it: what it still has to say is sent, then the
    /// connection is closed.
    fn input(
        &mut self,
        now: Now,
        session: &mut Self::Session,
        input: Self::Input,
    ) -> ControlFlow<()>;

    /// Acts on an event, without waiting for anything. `Break` as for `input`.
    fn event(
        &mut self,
        now: Now,
        session: &mut Self::Session,
        event: <Self::Session as Session>::Event,
    ) -> ControlFlow<()>;
}

/// Why a session ended without its shell wanting it.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The streams did not open in time.
    #[error("the other end opened no session within {} s", OPEN_TIMEOUT.as_secs())]
    Open,
    /// The streams failed: the connection was lost, or the peer wrote what is no frame.
    #[error(transparent)]
    Lanes(#[from] LaneError),
    /// The peer broke the session's rules.
    #[error("the other end broke the protocol")]
    Violation(#[source] Violation),
}

impl DriveError {
    /// Whether the peer broke the protocol, as opposed to a connection that was lost.
    pub fn is_violation(&self) -> bool {
        match self {
            Self::Open => false,
            Self::Lanes(error) => error.is_violation(),
            Self::Violation(_) => true,
        }
    }

    /// The connection's own error, where it was lost.
    pub fn lost(&self) -> Option<&quinn::ConnectionError> {
        match self {
            Self::Lanes(LaneError::Lost(error)) => Some(error),
            Self::Lanes(_) | Self::Open | Self::Violation(_) => None,
        }
    }
}

/// Drives `session` over `connection` until the shell ends it (`Ok`), the connection is lost or the
/// peer breaks the protocol. `started` is the zero of the session's time. Closes the connection.
pub async fn drive<S: Shell>(
    connection: &quinn::Connection,
    side: Side,
    session: &mut S::Session,
    shell: &mut S,
    started: Instant,
) -> Result<(), DriveError> {
    let (outbox, inbox) =
        match tokio::time::timeout(OPEN_TIMEOUT, lanes::open(connection, side)).await {
            Ok(opened) => opened?,
            Err(_) => {
                connection.close(CLOSE_PROTOCOL.into(), b"no session was opened");
                return Err(DriveError::Open);
            }
        };
    let mut driving = Driving {
        connection,
        outbox,
        inbox,
        session,
        shell,
        started,
    };
    let ended = driving.run().await;
    driving.flush(side).await;
    match &ended {
        Ok(()) => connection.close(CLOSE_DONE.into(), b""),
        Err(error) if error.is_violation() => {
            connection.close(CLOSE_PROTOCOL.into(), error.to_string().as_bytes())
        }
        Err(_) => connection.close(CLOSE_DONE.into(), b""),
    }
    ended
}

struct Driving<'a, S: Shell> {
    connection: &'a quinn::Connection,
    outbox: Outbox,
    inbox: Inbox,
    session: &'a mut S::Session,
    shell: &'a mut S,
    started: Instant,
}

enum Turn<S: Shell> {
    Wrote,
    Timeout,
    Frame(<S::Session as Session>::In),
    Input(S::Input),
}

impl<S: Shell> Driving<'_, S> {
    fn now(&self) -> Now {
        self.started.elapsed()
    }

    async fn run(&mut self) -> Result<(), DriveError> {
        let mut turns = 0;
        loop {
            if self.events().is_break() {
                return Ok(());
            }
            self.outbox.fill(self.session)?;
            turns += 1;
            if turns >= TURNS_MAX {
                turns = 0;
                tokio::task::yield_now().await;
                if self.shell_first().await.is_break() {
                    return Ok(());
                }
                continue;
            }
            let turn = self.turn().await?;
            if self.take(turn)?.is_break() {
                return Ok(());
            }
        }
    }

    /// Lets the shell act on every event.
    fn events(&mut self) -> ControlFlow<()> {
        while let Some(event) = self.session.poll_event() {
            let now = self.now();
            self.shell.event(now, self.session, event)?;
        }
        ControlFlow::Continue(())
    }

    /// Takes the shell's news if there is any, so that a talkative peer cannot keep it away.
    async fn shell_first(&mut self) -> ControlFlow<()> {
        let news = tokio::select! {
            biased;
            input = self.shell.next() => Some(input),
            () = std::future::ready(()) => None,
        };
        let Some(input) = news else {
            return ControlFlow::Continue(());
        };
        let now = self.now();
        self.shell.input(now, self.session, input)
    }

    /// Waits for the next thing to happen.
    async fn turn(&mut self) -> Result<Turn<S>, DriveError> {
        let deadline = self.session.poll_timeout().map(|(at, _)| self.started + at);
        Ok(tokio::select! {
            biased;
            wrote = self.outbox.write() => {
                wrote?;
                Turn::Wrote
            }
            () = until(deadline) => Turn::Timeout,
            frame = self.inbox.read(self.connection) => Turn::Frame(frame?),
            input = self.shell.next() => Turn::Input(input),
        })
    }

    fn take(&mut self, turn: Turn<S>) -> Result<ControlFlow<()>, DriveError> {
        let now = self.now();
        match turn {
            Turn::Wrote => {}
            Turn::Timeout => self.session.handle_timeout(now),
            Turn::Frame(frame) => self
                .session
                .handle_frame(now, frame)
                .map_err(DriveError::Violation)?,
            Turn::Input(input) => return Ok(self.shell.input(now, self.session, input)),
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Sends what the session still has to say. The hub then waits for the agent to close, since a
    /// close of its own would overtake the last frames.
    async fn flush(&mut self, side: Side) {
        if self.connection.close_reason().is_some() {
            return;
        }
        let last_words = async {
            self.outbox.fill(self.session)?;
            if self.outbox.is_empty() {
                return Ok(());
            }
            while !self.outbox.is_empty() {
                self.outbox.write().await?;
                self.outbox.fill(self.session)?;
            }
            self.outbox.finish();
            match side {
                Side::Agent => {}
                Side::Hub => drop(self.connection.closed().await),
            }
            Ok::<(), LaneError>(())
        };
        if let Ok(Err(error)) = tokio::time::timeout(FLUSH_TIMEOUT, last_words).await {
            tracing::debug!(%error, "the last frames of a session did not leave");
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
