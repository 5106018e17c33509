//! One session with the hub, over one connection.
//!
//! The shell of an [`AgentSession`]: a batch is judged, written and acknowledged, one at a time;
//! reports and facts leave as fast as the session takes them.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use roadstead_protocol::host::driver::{Shell, Side, drive};
use roadstead_protocol::host::endpoint::{self, Doubt};
use roadstead_protocol::session::agent::ReportError;
use roadstead_protocol::session::stamps::extend;
use roadstead_protocol::session::{AgentConfig, AgentEvent, AgentSession, Batch, Ending, Now};
use roadstead_protocol::wire::frame::{Freeze, Hello, Refused, Welcome};
use roadstead_protocol::wire::item::ItemKey;
use roadstead_protocol::wire::limits::REPORTS_MAX;
use roadstead_protocol::wire::{Digest, Lineage, Stamp};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::bases::Bases;
use super::chain;
use super::freezing::Freezing;
use super::keep::Keep;
use super::persist::persist;
use crate::Options;
use crate::anchor::Start;
use crate::desk::Desk;
use crate::intake::{freeze, intake};
use crate::store::{Disk, DiskError, Write};

/// How many reports may wait in the session before the others wait at the desk.
const REPORTS_WAITING: usize = 5 * REPORTS_MAX;
/// How long to wait before offering reports again that the session had no room for.
const ROOM_AFTER: Duration = Duration::from_millis(100);

/// How a session ended.
pub(super) enum Ended {
    /// This start of the agent counts differently now: introduce it again.
    StartChanged,
    /// The hub goes down on purpose and asks for this wait.
    Restarting(Duration),
    /// The hub turned the agent away.
    Refused(Refused),
    /// The hub let in a cluster that it had detached before, as one does that was restored from a copy
    /// of that time.
    Detached,
    /// The connection, the peer or the disk failed.
    Lost(String),
    /// The hub did not accept the agent's certificate.
    Distrusted(String),
}

/// What happened beside the session.
pub(super) enum Input {
    /// A freeze is durable, or not.
    Frozen(Result<(), DiskError>),
    /// A batch is durable, or not.
    Written(Option<Stamp>, Result<(), DiskError>),
    /// A content was read of which another is made, or is gone.
    Base(Digest, Option<Bytes>),
    /// There is something to say.
    News,
    /// This start of the agent counts differently now.
    StartChanged,
}

/// A batch that is being written: what to acknowledge, and where to hear that it is durable.
type Writing = (Option<Stamp>, oneshot::Receiver<Result<(), DiskError>>);

/// A session's shell.
pub(super) struct Conversation {
    desk: Arc<Desk>,
    disk: Disk,
    start: watch::Receiver<Option<Start>>,
    keep: Arc<Keep>,
    /// The address by way of which the hub was met.
    met: String,
    lineage: Option<Lineage>,
    /// What the hub has named since the session began.
    named: BTreeSet<ItemKey>,
    writing: Option<Writing>,
    /// The session has ended: what cannot be written is not to be tried again.
    over: watch::Sender<bool>,
    /// Freezes that are being written.
    freezing: Freezing,
    bases: Bases,
    crowded: bool,
    ended: Option<Ended>,
}

impl Conversation {
    pub(super) fn new(
        desk: Arc<Desk>,
        disk: Disk,
        start: watch::Receiver<Option<Start>>,
        (keep, met): (Arc<Keep>, String),
    ) -> Self {
        Self {
            desk,
            disk,
            start,
            keep,
            met,
            lineage: None,
            named: BTreeSet::new(),
            writing: None,
            over: watch::Sender::new(false),
            freezing: Freezing::default(),
            bases: Bases::default(),
            crowded: false,
            ended: None,
        }
    }

    /// Talks until the session ends, and until what it was writing is written or not.
    pub(super) async fn run(
        &mut self,
        connection: &quinn::Connection,
        start: &Start,
        options: &Options,
    ) -> Ended {
        let desk = self.desk.clone();
        let hello = Hello {
            features: options.features,
            release: options.release.clone(),
            member_uid: start.boot.member_uid.clone(),
            boot: start.boot.counter,
            nonce: start.boot.nonce,
            position: self.desk.position().resumable(),
            rewound: start.rewound && self.desk.gate().rewound,
        };
        let config = AgentConfig {
            hello,
            holds: Arc::new(move |digest| desk.holds(digest)),
        };
        let desk = self.desk.clone();
        let bases = Arc::new(move |key: &ItemKey| desk.base(key));
        let mut session = AgentSession::new(config, Now::ZERO).with_bases(bases);
        let driven = drive(connection, Side::Agent, &mut session, self, Instant::now()).await;
        // The next session must not begin in the middle of a write of this one.
        if let Some((_, written)) = self.writing.take() {
            self.over.send_replace(true);
            drop(written.await);
        }
        self.freezing.over().await;
        match (self.ended.take(), driven) {
            (Some(ended), _) => ended,
            (None, Ok(())) => Ended::Lost("the session is over".to_owned()),
            (None, Err(error)) => {
                let lost = error.lost();
                match lost.filter(|lost| endpoint::doubt(lost) == Some(Doubt::Ours)) {
                    Some(reason) if !self.welcomed() => {
                        Ended::Distrusted(endpoint::explain(reason))
                    }
                    Some(_) | None => Ended::Lost(chain(&error)),
                }
            }
        }
    }

    /// Whether the hub let the agent in.
    pub(super) fn welcomed(&self) -> bool {
        self.lineage.is_some()
    }

    fn welcome(&mut self, welcome: Welcome) -> ControlFlow<()> {
        let identity = self.keep.kept().identity;
        if welcome.cluster != identity.cluster || welcome.hub != identity.hub {
            let why = format!(
                "the hub speaks for cluster {} of hub {}, this agent is of {} of {}",
                welcome.cluster, welcome.hub, identity.cluster, identity.hub
            );
            self.ended = Some(Ended::Lost(why));
            return ControlFlow::Break(());
        }
        let position = self.desk.position();
        if position.detached {
            // People may have changed anything here since: only they say that it is over, by joining.
            self.ended = Some(Ended::Detached);
            return ControlFlow::Break(());
        }
        tracing::info!(release = %welcome.release, epoch = %welcome.epoch, mode = ?welcome.mode, "the hub let this agent in");
        self.keep.take_over(&welcome, &self.met);
        let lineage = extend(&position.lineage, &welcome.lineage);
        self.desk.judge_freeze(&lineage);
        self.lineage = Some(lineage);
        self.desk.forget_fetches();
        self.desk.admitted();
        self.desk.say_all();
        ControlFlow::Continue(())
    }

    /// Judges a batch and writes what comes of it.
    fn write(&mut self, batch: Batch) -> ControlFlow<()> {
        let Some(lineage) = self.lineage.clone() else {
            return ControlFlow::Break(());
        };
        self.named.extend(
            batch
                .changes
                .iter()
                .map(|delivered| delivered.change.key.clone()),
        );
        let (writes, entered) = intake(&self.desk.lock(), &lineage, &batch, &self.named);
        let (done, written) = oneshot::channel();
        let (desk, disk) = (self.desk.clone(), self.disk.clone());
        let over = self.over.subscribe();
        tokio::spawn(async move {
            #[cfg(planted)]
            if roadstead_protocol::planted::is("ack-before-commit") {
                drop(done.send(Ok(())));
                if disk.commit(writes).await.is_ok() {
                    desk.enter(entered);
                }
                return;
            }
            let result = persist(&desk, &disk, (writes, entered), over).await;
            // The session may be over; what is written stands.
            drop(done.send(result));
        });
        self.writing = Some((batch.upto, written));
        ControlFlow::Continue(())
    }

    /// Judges an order to freeze or to thaw. It counts at once, before any batch that comes after it,
    /// and is reported when it is durable.
    fn freeze(&mut self, order: &Freeze) {
        let Some(lineage) = &self.lineage else {
            return;
        };
        let known = self.desk.freeze();
        let freeze = freeze(lineage, order, known.as_ref());
        let same = known.as_ref() == Some(&freeze);
        // One that the disk did not take counts here, and is given to the disk again.
        if same && self.desk.is_freeze_written() {
            return;
        }
        tracing::info!(stamp = %order.stamp, frozen = freeze.frozen, held = freeze.held.is_some(), reason = %freeze.reason, "the hub said whether this cluster may be touched");
        if !same {
            self.desk.enter_freeze(freeze.clone());
        }
        let (desk, disk) = (self.desk.clone(), self.disk.clone());
        self.freezing.then(async move {
            let result = disk.commit(vec![Write::Freeze(freeze.clone())]).await;
            if result.is_ok() {
                desk.freeze_written(&freeze);
            }
            result
        });
    }

    fn talk(&mut self, now: Now, session: &mut AgentSession) {
        self.crowded = false;
        while let Some(fetched) = self.desk.take_fetched() {
            session.fetched(now, fetched.id, &fetched.key, fetched.content);
        }
        if let Some(facts) = self.desk.take_facts()
            && !session.facts(now, facts)
        {
            tracing::warn!("the facts of this cluster exceed their bound");
        }
        loop {
            // What waits at the desk costs less than what waits in the session.
            self.crowded = session.reports_waiting() >= REPORTS_WAITING;
            if self.crowded {
                return;
            }
            let reports = self.desk.take_reports(REPORTS_MAX);
            if reports.is_empty() {
                return;
            }
            for report in reports {
                let key = report.key.clone();
                let taken = if self.crowded {
                    Err(ReportError::Full)
                } else {
                    session.report(now, report)
                };
                match taken {
                    Ok(()) => {}
                    Err(ReportError::Full) => {
                        self.crowded = true;
                        self.desk.put_back(key);
                    }
                    Err(error @ ReportError::Key) => tracing::warn!(%key, %error, "not reported"),
                }
            }
            if self.crowded {
                return;
            }
        }
    }
}

impl Shell for Conversation {
    type Session = AgentSession;
    type Input = Input;

    async fn next(&mut self) -> Input {
        let crowded = self.crowded;
        let welcomed = self.welcomed();
        tokio::select! {
            biased;
            result = self.freezing.next() => Input::Frozen(result),
            (upto, result) = written(&mut self.writing) => {
                self.writing = None;
                Input::Written(upto, result)
            }
            (content, base) = self.bases.next() => Input::Base(content, base),
            changed = self.start.changed() => match changed {
                Ok(()) => Input::StartChanged,
                Err(_) => std::future::pending().await,
            },
            () = self.desk.news.notified(), if welcomed => Input::News,
            () = tokio::time::sleep(ROOM_AFTER), if crowded => Input::News,
        }
    }

    fn input(&mut self, now: Now, session: &mut AgentSession, input: Input) -> ControlFlow<()> {
        match input {
            Input::Frozen(Ok(())) => {
                if let Some(lineage) = &self.lineage {
                    self.desk.judge_freeze(lineage);
                }
            }
            Input::Written(upto, Ok(())) => session.committed(now, upto),
            Input::Base(content, base) => session.base(now, &content, base.as_ref()),
            Input::Frozen(Err(error)) | Input::Written(_, Err(error)) => {
                self.ended = Some(Ended::Lost(error.to_string()));
                return ControlFlow::Break(());
            }
            Input::News => self.talk(now, session),
            Input::StartChanged => {
                self.ended = Some(Ended::StartChanged);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    fn event(
        &mut self,
        now: Now,
        session: &mut AgentSession,
        event: AgentEvent,
    ) -> ControlFlow<()> {
        match event {
            AgentEvent::Welcomed(welcome) => {
                self.welcome(welcome)?;
                self.talk(now, session);
            }
            AgentEvent::Commit(batch) => self.write(batch)?,
            AgentEvent::Compared(_) => self.desk.compared(),
            AgentEvent::Synced(stamp) => tracing::debug!(%stamp, "in step with the hub"),
            AgentEvent::Freeze(order) => self.freeze(&order),
            AgentEvent::Fetch(fetch) => {
                if !self.desk.ask(fetch.clone()) {
                    let problem = "too many objects are asked for at once".to_owned();
                    session.fetched(now, fetch.id, &fetch.key, Err(problem));
                }
            }
            AgentEvent::NeedBase { content, base } => {
                self.bases.read(&self.disk, content, base);
            }
            AgentEvent::Restarting(wait) => {
                self.ended = Some(Ended::Restarting(wait));
                return ControlFlow::Break(());
            }
            AgentEvent::Closed(ending) => {
                self.ended.get_or_insert_with(|| match ending {
                    Ending::Refused(refused) => Ended::Refused(refused),
                    Ending::Late(what) => {
                        Ended::Lost(format!("the hub said nothing in time ({what})"))
                    }
                });
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

/// What became of the write under way; pends while there is none.
async fn written(writing: &mut Option<Writing>) -> (Option<Stamp>, Result<(), DiskError>) {
    match writing {
        Some((upto, answer)) => {
            let upto = *upto;
            (upto, answer.await.unwrap_or(Err(DiskError::Closed)))
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
