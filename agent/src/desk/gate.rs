//! Whether anything may be changed on the member: the gate, and the freeze.

use roadstead_protocol::wire::frame::Freeze as Order;
use roadstead_protocol::wire::report::{Health, ItemState};
use roadstead_protocol::wire::{Lineage, Stamp};

use super::{Desk, Known};
use crate::plan::report::Said;
use crate::store::record::Freeze;

/// Why nothing is applied at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The member's position object was read, so that it is known who writes there.
    pub anchored: bool,
    /// The disk is behind what the member has seen: the hub is asked first.
    pub rewound: bool,
    /// The hub said that the cluster was detached.
    pub detached: bool,
}

impl Gate {
    /// Whether things are applied.
    pub fn is_open(&self) -> bool {
        #[cfg(planted)]
        if roadstead_protocol::planted::is("detached-acts") {
            return self.anchored && !self.rewound;
        }
        self.anchored && !self.rewound && !self.detached
    }
}

impl Desk {
    /// Why nothing is applied, or that it is.
    pub fn gate(&self) -> Gate {
        let known = self.lock();
        Gate {
            anchored: known.anchored,
            rewound: known.rewound,
            detached: known.position.detached,
        }
    }

    /// Whether something may be changed on the member now. Asked right before every request.
    pub fn may_write(&self) -> bool {
        self.gate().is_open() && self.lock().frozen().is_none()
    }

    /// The member's position object was read.
    pub fn anchored(&self, rewound: bool) {
        let mut known = self.lock();
        known.anchored = true;
        known.rewound = rewound;
        drop(known);
        self.sweep.notify_one();
        self.work.notify_one();
    }

    /// The hub was compared with.
    pub fn compared(&self) {
        let mut known = self.lock();
        known.rewound = false;
        known.compared = true;
        drop(known);
        // What was in no list was not said to be while the list was not whole.
        self.all_dirty();
        self.sweep.notify_one();
    }

    /// The hub has let this agent in: its identity is good on this member.
    pub fn admitted(&self) {
        self.lock().admitted = true;
        self.admission.notify_one();
    }

    /// Whether the hub has let this agent in since it started.
    pub fn is_admitted(&self) -> bool {
        self.lock().admitted
    }

    /// The freeze that is in force, or was lifted.
    pub fn freeze(&self) -> Option<Freeze> {
        self.lock().freeze.clone()
    }

    /// Enters a freeze, or its end. Before it is reported, what is under way is waited for, and for
    /// [`freeze_written`](Self::freeze_written).
    pub fn enter_freeze(&self, freeze: Freeze) {
        let mut known = self.lock();
        known.freeze = Some(freeze);
        known.freeze_foreign = false;
        known.freeze_said = false;
        known.freeze_written = false;
        drop(known);
        self.all_dirty();
    }

    /// What is on the disk is this. It counts unless another was entered meanwhile.
    pub fn freeze_written(&self, freeze: &Freeze) {
        let mut known = self.lock();
        known.freeze_written = known.freeze.as_ref() == Some(freeze);
        let thawed = known.is_thawed() && !known.freeze_said;
        drop(known);
        self.work.notify_one();
        if thawed {
            self.say_freeze();
        }
    }

    /// Whether the freeze, or that there is none, is on the disk.
    pub fn is_freeze_written(&self) -> bool {
        self.lock().freeze_written
    }

    /// A hub of the history `lineage` is talked to: a freeze of another is held, and said so.
    pub fn judge_freeze(&self, lineage: &Lineage) {
        let mut known = self.lock();
        let foreign = known
            .freeze
            .as_ref()
            .is_some_and(|f| f.frozen && !lineage.contains(f.stamp));
        known.freeze_foreign = foreign;
        known.freeze_said = false;
        drop(known);
        self.work.notify_one();
        // Nothing has to end before it is said that a freeze was lifted.
        if self.lock().is_thawed() {
            self.say_freeze();
        }
    }

    /// Whether a freeze is to be reported as soon as nothing is under way.
    pub fn freeze_unsaid(&self) -> bool {
        let known = self.lock();
        known.freeze_written
            && !known.freeze_said
            && known.freeze.as_ref().is_some_and(|f| f.frozen)
    }

    /// Reports the freeze: nothing that came before it is under way any more.
    pub fn say_freeze(&self) {
        let mut known = self.lock();
        known.freeze_said = true;
        let Some(report) = known.freeze.as_ref().map(|f| said(f, known.freeze_foreign)) else {
            return;
        };
        let key = known.key(&Order::key());
        if known.reports.get(&key) == Some(&report) {
            return;
        }
        known.reports.insert(key.clone(), report);
        known.unsent.insert(key);
        drop(known);
        self.news.notify_one();
    }
}

impl Known {
    fn is_thawed(&self) -> bool {
        self.freeze_written && self.freeze.as_ref().is_some_and(|f| !f.frozen)
    }

    /// Why nothing may be changed on the member, if so.
    pub(super) fn frozen(&self) -> Option<String> {
        #[cfg(planted)]
        if roadstead_protocol::planted::is("frozen-acts") {
            return None;
        }
        let freeze = self.freeze.as_ref().filter(|f| f.frozen)?;
        Some(freeze.reason.clone())
    }
}

/// The report about `freeze`, which is `foreign` where its hub does not know its stamp.
fn said(freeze: &Freeze, foreign: bool) -> Said {
    let (state, reason, message) = match (freeze.held, foreign) {
        (None, false) if freeze.frozen => (ItemState::Applied, "Frozen", freeze.reason.clone()),
        (None, false) => (ItemState::Removed, "Thawed", String::new()),
        (held, _) => (ItemState::Held, "OtherHistory", held_words(freeze, held)),
    };
    Said {
        stamp: freeze.stamp,
        state,
        reason: reason.into(),
        message: message.into(),
        generation: 0,
        health: Health::Unknown,
        status: bytes::Bytes::new(),
    }
}

fn held_words(freeze: &Freeze, held: Option<Stamp>) -> String {
    let is = if freeze.frozen {
        "frozen"
    } else {
        "not frozen"
    };
    let offer = held.map(|stamp| format!(", and offers {stamp}"));
    format!(
        "this cluster is {is} by {}, which the hub does not know{}; it stays so until someone freezes or unfreezes it again, or reconciles",
        freeze.stamp,
        offer.unwrap_or_default()
    )
}
