//! A small agent.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use roadstead_protocol::host::driver::{Shell, Side, drive};
use roadstead_protocol::session::{
    AgentConfig, AgentEvent, AgentSession, Delivered, Ending, Now, What,
};
use roadstead_protocol::wire::frame::{Hello, RefusalCode};
use roadstead_protocol::wire::report::ItemReport;
use roadstead_protocol::wire::{Digest, ItemKey, Stamp};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::world::SOON;

/// An agent that commits at once and tells what it saw.
pub(crate) struct Agent {
    pub(crate) events: mpsc::Receiver<AgentEvent>,
    pub(crate) reports: mpsc::Sender<Say>,
}

pub(crate) enum Say {
    Report(ItemReport),
    Facts(Bytes),
    Fetched(u64, ItemKey, Result<Bytes, String>),
    Leave,
}

struct TestShell {
    events: mpsc::Sender<AgentEvent>,
    say: mpsc::Receiver<Say>,
    held: Arc<Mutex<Held>>,
}

/// What an agent has.
#[derive(Default)]
struct Held {
    contents: BTreeMap<Digest, Bytes>,
    items: BTreeMap<ItemKey, Digest>,
}

impl Shell for TestShell {
    type Session = AgentSession;
    type Input = Say;

    async fn next(&mut self) -> Say {
        match self.say.recv().await {
            Some(say) => say,
            None => std::future::pending().await,
        }
    }

    fn input(&mut self, now: Now, session: &mut AgentSession, input: Say) -> ControlFlow<()> {
        match input {
            Say::Report(report) => session.report(now, report).unwrap(),
            Say::Facts(json) => assert!(session.facts(now, json)),
            Say::Fetched(id, key, content) => session.fetched(now, id, &key, content),
            Say::Leave => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    fn event(
        &mut self,
        now: Now,
        session: &mut AgentSession,
        event: AgentEvent,
    ) -> ControlFlow<()> {
        let over = matches!(event, AgentEvent::Closed(_));
        if let AgentEvent::Commit(batch) = &event {
            let mut held = self.held.lock().unwrap();
            for delivered in &batch.changes {
                let Some(digest) = delivered.change.digest() else {
                    continue;
                };
                held.items.insert(delivered.change.key.clone(), digest);
                let content = delivered.content.clone();
                held.contents.extend(content.map(|bytes| (digest, bytes)));
            }
            session.committed(now, batch.upto);
        }
        if let AgentEvent::NeedBase { content, base } = &event {
            let held = self.held.lock().unwrap();
            session.base(now, content, held.contents.get(base));
        }
        self.events.try_send(event).unwrap();
        if over {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

impl Agent {
    pub(crate) fn start(connection: quinn::Connection, hello: Hello) -> Self {
        Self::claiming(connection, hello, Vec::new())
    }

    /// One that says to have these already.
    pub(crate) fn claiming(
        connection: quinn::Connection,
        hello: Hello,
        claims: Vec<(ItemKey, Bytes)>,
    ) -> Self {
        let (events, heard) = mpsc::channel(4096);
        let (reports, say) = mpsc::channel(64);
        let mut first = Held::default();
        for (item, content) in claims {
            let digest = Digest::of(&content);
            first.items.insert(item, digest);
            first.contents.insert(digest, content);
        }
        let held = Arc::new(Mutex::new(first));
        let (holds, items) = (held.clone(), held.clone());
        let config = AgentConfig {
            hello,
            holds: Arc::new(move |digest| holds.lock().unwrap().contents.contains_key(digest)),
        };
        let bases = Arc::new(move |key: &ItemKey| items.lock().unwrap().items.get(key).copied());
        tokio::spawn(async move {
            let started = Instant::now();
            let session = AgentSession::new(config, started.elapsed());
            let mut session = session.with_bases(bases);
            let mut shell = TestShell { events, say, held };
            drive(&connection, Side::Agent, &mut session, &mut shell, started).await
        });
        Self {
            events: heard,
            reports,
        }
    }

    pub(crate) async fn event(&mut self) -> AgentEvent {
        let event = tokio::time::timeout(SOON, self.events.recv()).await;
        event.expect("no event came").expect("the session ended")
    }

    /// The changes that come, until `count` did.
    pub(crate) async fn changes(&mut self, count: usize) -> Vec<Delivered> {
        let mut changes = Vec::new();
        while changes.len() < count {
            if let AgentEvent::Commit(batch) = self.event().await {
                changes.extend(batch.changes);
            }
        }
        changes
    }

    /// Why the hub ends the session.
    pub(crate) async fn refusal(&mut self) -> (RefusalCode, String) {
        loop {
            if let AgentEvent::Closed(ending) = self.event().await {
                let Ending::Refused(refused) = ending else {
                    panic!("ended by {ending:?}")
                };
                return (refused.code, refused.message);
            }
        }
    }
}

pub(crate) fn names(changes: &[Delivered]) -> Vec<(String, bool)> {
    let name = |d: &Delivered| {
        (
            d.change.key.name.clone(),
            matches!(d.change.what, What::Put { .. }),
        )
    };
    changes.iter().map(name).collect()
}

pub(crate) fn stamp_of(delivered: &Delivered) -> Stamp {
    delivered.change.stamp
}
