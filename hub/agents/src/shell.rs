//! What stands around the hub's end of one session: it reads the ledger for it, and takes to the
//! stores what it hears.
//!
//! Nothing here waits: each sort of work runs as at most one job, and what comes meanwhile is
//! coalesced in the outbox.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use roadstead_protocol::host::driver::Shell;
use roadstead_protocol::session::{Admission, HubEvent, HubSession, Now};
use roadstead_protocol::wire::Digest;
use roadstead_protocol::wire::frame::{Hello, Mode, RefusalCode, Refused};
use roadstead_protocol::wire::report::ItemReport;
use roadstead_store::records::{self, Liveness, TurnedAway};
use roadstead_store::{Revision, WatchEnd};

use crate::accept::Hub;
use crate::admission;
use crate::farewell::Guard;
use crate::index::Index;
use crate::listen::Listening;
use crate::news::{Job, News};
use crate::outbox::Outbox;
use crate::questions::Questions;
use crate::secure::{self, Caller};
use crate::sessions::{self, Command, Commands, Denied, Heard};

mod beside;

/// What surrounds one session.
pub(crate) struct HubShell {
    hub: Arc<Hub>,
    uid: String,
    remote: String,
    issued: Option<jiff::Timestamp>,
    commands: Option<Commands>,
    hello: Option<Hello>,
    entered: Option<u64>,
    index: Option<Index>,
    acked: Revision,
    outbox: Outbox,
    listening: Arc<Listening>,
    questions: Questions,
    /// The revision of the freeze that the session was told last.
    frozen: Option<Revision>,
    deciding: Job<Result<Revision, Refused>>,
    writing: Job<Result<(), roadstead_store::CommitError>>,
    removing: Job<Result<usize, roadstead_store::CommitError>>,
}

impl HubShell {
    pub(crate) fn new(hub: Arc<Hub>, caller: Caller, connection: quinn::Connection) -> Self {
        let Caller {
            uid,
            remote,
            issued,
        } = caller;
        let outbox = Outbox::new(&hub.volatile.snapshot(), &uid);
        let listening = hub.ears.add(connection);
        Self {
            hub,
            uid,
            remote,
            issued,
            commands: None,
            hello: None,
            entered: None,
            index: None,
            acked: Revision(0),
            outbox,
            listening,
            questions: Questions::default(),
            frozen: None,
            deciding: Job::default(),
            writing: Job::default(),
            removing: Job::default(),
        }
    }

    /// After the session: what is left is written, and that the agent is gone, unless another
    /// session of it is here already. `silent` is how long nothing can have been heard.
    pub(crate) async fn finish(mut self, silent: Duration) {
        let Some(id) = self.entered else { return };
        if !self.writing.is_idle() {
            let written = self.writing.result().await;
            self.written(written);
        }
        // Before the place is given up: whatever is written later is a newer session's.
        let guard = Guard::new(&self.hub.volatile.snapshot(), &self.uid);
        let current = self.hub.sessions.leave(&self.uid, id);
        self.hub.metrics.sessions.set(self.hub.sessions.len());
        let Some(guard) = guard.filter(|_| current) else {
            // What is left is older than what the session that took over says.
            return;
        };
        let now = self.hub.env.clock.now();
        let silent = jiff::SignedDuration::try_from(silent).unwrap_or(jiff::SignedDuration::ZERO);
        self.note_liveness(false, now.saturating_sub(silent).unwrap_or(now));
        let (env, volatile) = (&self.hub.env, &self.hub.volatile);
        if let Err(error) = guard.write(env, volatile, &self.uid, self.outbox).await {
            tracing::debug!(cluster = self.uid, %error, "the last news of a session were not written");
        }
    }

    fn note_liveness(&mut self, connected: bool, last_heard: jiff::Timestamp) {
        let (release, boot, features) = self
            .hello
            .as_ref()
            .map(|h| (h.release.clone(), h.boot, h.features))
            .unwrap_or_default();
        self.outbox.liveness(Liveness {
            connected,
            since: self.hub.env.clock.now(),
            last_heard,
            release,
            boot,
            remote: self.remote.clone(),
            features,
        });
    }

    fn decide(&mut self, hello: Hello) {
        let (hub, uid) = (Arc::clone(&self.hub), self.uid.clone());
        let issued = self.issued;
        self.hello = Some(hello.clone());
        self.deciding.start(async move {
            admission::decide(&hub.store, &hub.directory, (&uid, issued), &hello).await
        });
    }

    fn decided(&mut self, now: Now, session: &mut HubSession, decision: Result<Revision, Refused>) {
        match decision.and_then(|floor| self.enter().map(|()| floor)) {
            Ok(floor) => {
                self.index = Some(Index::open(&self.hub.store, &self.hub.lineage, &self.uid));
                self.note_liveness(true, self.hub.env.clock.now());
                self.hub.metrics.admitted.add();
                let (hub, uid) = (Arc::clone(&self.hub), self.uid.clone());
                tokio::spawn(async move { secure::clear(&hub.volatile, &uid).await });
                // Before the welcome, so that nothing overtakes it.
                self.order(now, session);
                session.admit(now, Admission::Welcome { floor });
                self.ask(now, session);
            }
            Err(refused) => {
                tracing::info!(cluster = self.uid, code = ?refused.code, "turned an agent away: {}", refused.message);
                self.hub.metrics.refused.add();
                self.turned_away(&refused);
                session.admit(now, Admission::Refuse(refused));
            }
        }
    }

    /// Notes that a copy of the agent is about.
    fn turned_away(&self, refused: &Refused) {
        if refused.code != RefusalCode::OlderBoot {
            return;
        }
        let turned = TurnedAway {
            at: self.hub.env.clock.now(),
            boot: self.hello.as_ref().map_or(0, |hello| hello.boot),
            remote: self.remote.clone(),
            message: refused.message.clone(),
        };
        let (hub, uid) = (Arc::clone(&self.hub), self.uid.clone());
        tokio::spawn(async move { secure::note(&hub.volatile, &uid, turned).await });
    }

    /// Takes the cluster's place among the sessions.
    fn enter(&mut self) -> Result<(), Refused> {
        let Some(hello) = &self.hello else {
            return Err(admission::detached());
        };
        let (line, commands) = sessions::line();
        let newer = || admission::newer(&self.hub.store, &self.uid, hello);
        match self.hub.sessions.enter(&self.uid, line, newer) {
            Ok(id) => {
                self.entered = Some(id);
                self.commands = Some(commands);
                self.hub.metrics.sessions.set(self.hub.sessions.len());
                Ok(())
            }
            Err(Denied::Older { boot }) => Err(admission::older(hello.boot, boot)),
            Err(Denied::Full) => Err(admission::refused(
                RefusalCode::Busy,
                "the hub has as many agents as it can carry; it will be tried again",
            )),
        }
    }

    fn offer(&mut self, now: Now, session: &mut HubSession, after: Revision, room: usize) {
        let Some(index) = &self.index else { return };
        let page = index.page(after, room);
        self.hub.metrics.changes.add_many(page.changes.len());
        if !page.changes.is_empty() {
            session.offer(now, page.changes);
        }
        if let Some(revision) = page.complete {
            session.synced(now, revision);
        }
    }

    /// Only contents that an entry of this cluster's own ledger names are asked for by the session.
    /// A base is whatever digest the agent names: it counts only where that ledger named it for the
    /// same item before, or how much travels would tell what other clusters have.
    fn content(&self, now: Now, session: &mut HubSession, digest: Digest, base: Option<Digest>) {
        let snapshot = self.hub.store.snapshot();
        let bytes = |digest: &Digest| {
            let key = records::content_key(digest).ok()?;
            snapshot.get(key.as_str()).map(|entry| entry.value.clone())
        };
        let named = |base: &Digest| {
            let index = self.index.as_ref();
            index.is_some_and(|index| index.is_base(&digest, base))
        };
        let base = base.filter(named);
        match bytes(&digest) {
            Some(whole) => {
                self.hub.metrics.contents.add();
                session.content_over(now, digest, whole, base.as_ref().and_then(bytes));
            }
            None => session.gone(now, digest),
        }
    }

    fn admitted(&mut self, mode: Mode) {
        tracing::info!(
            cluster = self.uid,
            ?mode,
            remote = self.remote,
            "an agent is here"
        );
        let position = self.hello.as_ref().and_then(|hello| hello.position);
        if let (Mode::Resume, Some(position)) = (mode, position) {
            // What it says to have on its disk is acknowledged, also where that word was lost.
            self.acknowledged(position.revision);
        }
    }

    fn acknowledged(&mut self, revision: Revision) {
        self.acked = self.acked.max(revision);
        if let Some(index) = &mut self.index {
            index.acked(self.acked);
        }
        self.outbox.acked(self.acked);
        self.remove_tombstones();
    }

    fn reports(&mut self, reports: Vec<ItemReport>) {
        for report in reports {
            let counter = &self.hub.metrics;
            if self.outbox.report(report) {
                counter.reports.add()
            } else {
                counter.dropped.add()
            }
        }
    }

    /// Begins to write what was heard, unless that is going on already.
    fn write(&mut self) {
        if !self.writing.is_idle() || self.entered.is_none() {
            return;
        }
        while !self.outbox.is_empty() {
            let txn = self.outbox.take(
                &self.uid,
                self.hub.env.clock.now(),
                &self.hub.volatile.snapshot(),
            );
            if txn.ops.is_empty() {
                continue;
            }
            let volatile = self.hub.volatile.clone();
            return self
                .writing
                .start(async move { volatile.commit(txn).await.map(drop) });
        }
    }

    fn written(&self, written: Result<(), roadstead_store::CommitError>) {
        if let Err(error) = written {
            self.hub.metrics.dropped.add();
            tracing::warn!(cluster = self.uid, %error, "failed to keep what an agent reported");
        }
    }

    fn ledger(
        &mut self,
        now: Now,
        session: &mut HubSession,
        changed: Result<(), WatchEnd>,
    ) -> ControlFlow<()> {
        match changed {
            Ok(()) => self.remove_tombstones(),
            Err(WatchEnd::Expired) => {
                self.index = Some(Index::open(&self.hub.store, &self.hub.lineage, &self.uid))
            }
            Err(WatchEnd::Closed) => return ControlFlow::Break(()),
        }
        session.changed(now);
        ControlFlow::Continue(())
    }

    fn command(&self, now: Now, session: &mut HubSession, command: Command) {
        match command {
            Command::Restarting(retry_in) => session.restarting(now, retry_in),
            Command::Detached => session.refuse(now, admission::detached()),
            Command::Unknown => session.refuse(now, admission::unknown()),
            Command::Replaced => session.refuse(
                now,
                admission::refused(
                    RefusalCode::Replaced,
                    "a newer session of this agent took over",
                ),
            ),
        }
    }
}

impl Shell for HubShell {
    type Session = HubSession;
    type Input = News;

    async fn next(&mut self) -> News {
        let commands = async {
            match &mut self.commands {
                Some(commands) => commands.next().await,
                None => std::future::pending().await,
            }
        };
        let ledger = async {
            match &mut self.index {
                Some(index) => index.changed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            heard = commands => News::Heard(heard),
            decision = self.deciding.result() => News::Decided(decision),
            removed = self.removing.result() => News::Removed(removed),
            written = self.writing.result() => News::Written(written),
            (id, written) = self.questions.written() => News::Answered(id, written),
            changed = ledger => News::Ledger(changed),
            () = self.listening.due() => News::Listen,
        }
    }

    fn input(&mut self, now: Now, session: &mut HubSession, input: News) -> ControlFlow<()> {
        match input {
            News::Heard(Heard::Command(command)) => self.command(now, session, command),
            News::Heard(Heard::Look) => {
                self.order(now, session);
                self.ask(now, session);
            }
            News::Answered(id, written) => self.answered(now, session, id, written),
            News::Listen => self.listen()?,
            News::Decided(decision) => self.decided(now, session, decision),
            News::Ledger(changed) => self.ledger(now, session, changed)?,
            News::Written(written) => self.written(written),
            News::Removed(removed) => self.removed(removed),
        }
        self.write();
        ControlFlow::Continue(())
    }

    fn event(&mut self, now: Now, session: &mut HubSession, event: HubEvent) -> ControlFlow<()> {
        match event {
            HubEvent::Hello(hello) => self.decide(hello),
            HubEvent::Admitted(mode) => self.admitted(mode),
            HubEvent::NeedChanges { after, room } => self.offer(now, session, after, room),
            HubEvent::NeedContent { digest, base } => self.content(now, session, digest, base),
            HubEvent::Unsendable { key, stamp, reason } => {
                tracing::error!(cluster = self.uid, %key, %stamp, reason, "an entry of a ledger cannot be sent");
            }
            HubEvent::Acked(revision) => self.acknowledged(revision),
            HubEvent::Reports(reports) => self.reports(reports),
            HubEvent::Facts(json) => {
                if !self.outbox.facts(json) {
                    self.hub.metrics.dropped.add();
                }
            }
            HubEvent::Fetched { id, content, .. } => self.fetched(id, content),
            HubEvent::Closed(ending) => {
                tracing::debug!(cluster = self.uid, ?ending, "a session ends");
                return ControlFlow::Break(());
            }
        }
        self.write();
        ControlFlow::Continue(())
    }
}
