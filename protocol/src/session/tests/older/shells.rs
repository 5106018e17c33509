//! The two shells of the conversations that were recorded. They decide nothing by themselves: the
//! same input always gives the same answer, so that a recording can be held against today's ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

use crate::session::testing::{hello, hub_config, put, report, stamp, tombstone};
use crate::session::{
    Admission, AgentConfig, AgentEvent, AgentSession, Change, HubEvent, HubSession, Session,
};
use crate::wire::frame::{Hello, RefusalCode, Refused};
use crate::wire::item::Propagation;
use crate::wire::limits::CHUNK_BYTES_MAX;
use crate::wire::{Digest, Meta, Revision, Stamp};

pub(super) const T0: Duration = Duration::ZERO;

/// One conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Story {
    /// An agent with an empty disk compares, then hears of changes and of a restart.
    Compare,
    /// An agent resumes; a content is gone when it is asked for.
    Resume,
    /// A cluster was detached.
    Refused,
}

pub(super) const STORIES: [(&str, Story); 3] = [
    ("compare", Story::Compare),
    ("resume", Story::Resume),
    ("refused", Story::Refused),
];

/// What the agent says of itself in a story.
pub(super) fn introduces(story: Story, features: u64) -> Hello {
    let position: Option<Stamp> = match story {
        Story::Compare => None,
        Story::Resume | Story::Refused => Some(stamp(10)),
    };
    Hello {
        features,
        ..hello(position)
    }
}

fn large() -> Vec<u8> {
    vec![b'x'; CHUNK_BYTES_MAX + 1]
}

fn with_meta(mut change: Change) -> Change {
    change.meta = vec![
        Meta::Overwrite,
        Meta::Propagation(Propagation::Orphan),
        Meta::ActAs {
            namespace: "shop".to_owned(),
            name: "deployer".to_owned(),
        },
        Meta::IgnoreFields(vec!["/spec/replicas".to_owned()]),
        Meta::Replaces(stamp(3)),
        Meta::Release,
        // What the older peer does not understand stays unsaid.
        Meta::AdoptIfEqual,
    ];
    change
}

/// The ledger before and after something was written to it.
fn ledger(later: bool) -> Vec<Change> {
    let mut ledger = vec![
        put("first", 4, b"{\"a\":1}"),
        with_meta(put("second", 12, b"{\"b\":2}")),
        tombstone("third", 13),
        put("large", 14, &large()),
        put("gone", 15, b"{\"gone\":true}"),
    ];
    if later {
        ledger.push(put("first", 20, b"{\"a\":2}"));
        ledger.push(tombstone("second", 21));
    }
    ledger
}

/// The hub's shell.
pub(super) struct Hub {
    pub(super) session: HubSession,
    story: Story,
    later: bool,
}

impl Hub {
    pub(super) fn new(story: Story, features: u64) -> Self {
        let config = crate::session::HubConfig {
            features,
            ..hub_config()
        };
        Self {
            session: HubSession::new(config, T0),
            story,
            later: false,
        }
    }

    /// Acts on every event.
    pub(super) fn act(&mut self) {
        while let Some(event) = self.session.poll_event() {
            match event {
                HubEvent::Hello(_) => {
                    let detached = Refused {
                        code: RefusalCode::Detached,
                        message: "the cluster was detached".to_owned(),
                    };
                    let admission = match self.story {
                        Story::Refused => Admission::Refuse(detached),
                        Story::Compare | Story::Resume => Admission::Welcome { floor: Revision(0) },
                    };
                    self.session.admit(T0, admission);
                }
                HubEvent::NeedChanges { after, room } => {
                    let upto = if self.later { 22 } else { 18 };
                    let mut entries = ledger(self.later);
                    entries.retain(|change| change.revision() > after);
                    entries.truncate(room);
                    self.session.offer(T0, entries);
                    self.session.synced(T0, Revision(upto));
                }
                HubEvent::NeedContent { digest, .. } => self.content(digest),
                HubEvent::Fetched { content, .. } => assert!(content.is_err(), "answered"),
                HubEvent::Admitted(_)
                | HubEvent::Unsendable { .. }
                | HubEvent::Acked(_)
                | HubEvent::Reports(_)
                | HubEvent::Facts(_)
                | HubEvent::Closed(_) => {}
            }
        }
    }

    fn content(&mut self, digest: Digest) {
        let gone = self.story == Story::Resume && digest == Digest::of(b"{\"gone\":true}");
        let contents: [&[u8]; 5] = [
            b"{\"a\":1}",
            b"{\"a\":2}",
            b"{\"b\":2}",
            b"{\"gone\":true}",
            &large(),
        ];
        let found = contents
            .into_iter()
            .find(|bytes| Digest::of(bytes) == digest);
        match found.filter(|_| !gone) {
            Some(bytes) => self
                .session
                .content(T0, digest, Bytes::copy_from_slice(bytes)),
            None => self.session.gone(T0, digest),
        }
    }

    /// What comes after everything is said: first a change, then the end.
    pub(super) fn goes_on(&mut self, step: usize) {
        match step {
            0 => {
                self.later = true;
                self.session.changed(T0);
            }
            1 => self.session.restarting(T0, Duration::from_millis(2_500)),
            _ => {}
        }
    }
}

/// The agent's shell.
pub(super) struct Agent {
    pub(super) session: AgentSession,
    contents: Arc<Mutex<BTreeSet<Digest>>>,
    /// What it was told, for people.
    pub(super) heard: BTreeMap<&'static str, usize>,
}

impl Agent {
    pub(super) fn new(hello: Hello) -> Self {
        let contents = Arc::new(Mutex::new(BTreeSet::new()));
        let index = Arc::clone(&contents);
        let holds = Arc::new(move |digest: &Digest| index.lock().unwrap().contains(digest));
        Self {
            session: AgentSession::new(AgentConfig { hello, holds }, T0),
            contents,
            heard: BTreeMap::new(),
        }
    }

    fn hear(&mut self, what: &'static str) {
        *self.heard.entry(what).or_insert(0) += 1;
    }

    /// Acts on every event.
    pub(super) fn act(&mut self) {
        while let Some(event) = self.session.poll_event() {
            match event {
                AgentEvent::Welcomed(_) => {
                    self.hear("welcomed");
                    assert!(self.session.facts(T0, Bytes::from_static(b"{}")));
                }
                AgentEvent::Commit(batch) => {
                    for delivered in &batch.changes {
                        self.hear("change");
                        self.contents
                            .lock()
                            .unwrap()
                            .extend(delivered.change.digest());
                        let name = delivered.change.key.name.clone();
                        self.session.report(T0, report(&name, 1)).unwrap();
                    }
                    self.session.committed(T0, batch.upto);
                }
                AgentEvent::Compared(_) => self.hear("compared"),
                AgentEvent::Synced(_) => self.hear("synced"),
                AgentEvent::Restarting(_) => self.hear("restarting"),
                AgentEvent::Closed(_) => self.hear("closed"),
                AgentEvent::Freeze(_) | AgentEvent::Fetch(_) | AgentEvent::NeedBase { .. } => {
                    self.hear("something newer")
                }
            }
        }
    }

    /// Lets what waits for company go.
    pub(super) fn flush(&mut self) {
        if let Some((at, _)) = self.session.poll_timeout() {
            self.session.handle_timeout(at.min(Duration::from_secs(1)));
        }
    }
}
