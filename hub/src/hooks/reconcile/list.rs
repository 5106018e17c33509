//! What waits on a cluster, and what may be done about each.

use roadstead_machinery::status::Status;
use roadstead_protocol::api::reconciliation::{self, Action, Entry, Item, LISTED_MAX, item_text};
use roadstead_protocol::wire::frame::Freeze;
use roadstead_protocol::wire::report::ItemState;
use roadstead_protocol::wire::{ItemKey, Lineage};
use roadstead_store::Snapshot;
use roadstead_store::records::{
    HoldRecord, LedgerEntry, LedgerState, decode, holds_prefix, ledger_key, parse_hold_key,
};

use super::{Cluster, Parts};

/// One thing that waits.
pub(super) struct Waiting {
    pub(super) key: ItemKey,
    pub(super) hold: HoldRecord,
    /// What the hub says about it.
    pub(super) ledger: Option<(roadstead_store::Entry, LedgerEntry)>,
}

impl Waiting {
    fn hub(&self) -> &'static str {
        match self.ledger.as_ref().map(|(_, record)| record.state) {
            Some(LedgerState::Put { .. }) => "Put",
            Some(LedgerState::Tombstone) => "Tombstone",
            None => "",
        }
    }

    /// What may be done about it.
    pub(super) fn actions(&self) -> &'static [Action] {
        if self.key == Freeze::key() {
            return &[Action::TakeHub];
        }
        if !self.hold.is_hold() {
            return &[];
        }
        match self.ledger.as_ref().map(|(_, record)| record.state) {
            Some(LedgerState::Put { .. }) => &[Action::TakeHub, Action::Adopt],
            Some(LedgerState::Tombstone) => &[
                Action::TakeHub,
                Action::Adopt,
                Action::Release,
                Action::Delete,
            ],
            None => &[Action::Adopt, Action::Release, Action::Delete],
        }
    }

    /// Why `action` is none of them.
    pub(super) fn refusal(&self, action: Action) -> Option<String> {
        if self.actions().contains(&action) {
            return None;
        }
        let text = item_text(&self.key);
        if self.key == Freeze::key() {
            return Some(format!(
                "{text} is no object: --take-hub, or `roadstead freeze` or `unfreeze`, ends that hold"
            ));
        }
        let words = self.hold.message.as_str();
        if !self.hold.is_hold() {
            return Some(format!(
                "{text} is on its way out already; what keeps it is to be removed there ({words})"
            ));
        }
        let Some((_, record)) = &self.ledger else {
            return Some(format!(
                "the hub says nothing about {text} that could be taken: --adopt, --release or \
                 --delete it, or apply it to the hub"
            ));
        };
        let flag = action.flag();
        Some(format!(
            "{text} is wanted there by decision {}/{}: --take-hub or --adopt it; before {flag}, \
             delete the template or let its policy not choose the cluster",
            record.decision.namespace, record.decision.name
        ))
    }

    /// As it is shown.
    pub(super) fn entry(&self) -> Entry {
        let state = match self.hold.state {
            ItemState::Pending => "Pending",
            ItemState::Applied => "Applied",
            ItemState::Conflict => "Conflict",
            ItemState::Failed => "Failed",
            ItemState::Held => "Held",
            ItemState::Removed => "Removed",
            ItemState::Unclaimed => "Unclaimed",
        };
        Entry {
            item: Item::new(&self.key, self.hold.stamp.to_string()),
            state: state.to_owned(),
            reason: self.hold.reason.clone(),
            message: self.hold.message.clone(),
            hub: self.hub().to_owned(),
            actions: self.actions().to_vec(),
            object: None,
        }
    }
}

/// Everything that waits on a cluster.
pub(super) fn waiting(
    durable: &Snapshot,
    reported: &Snapshot,
    lineage: &Lineage,
    cluster: &Cluster,
) -> Result<Vec<Waiting>, Status> {
    let mut all = Vec::new();
    for entry in reported.range(&holds_prefix(&cluster.uid)) {
        let Some((_, key)) = parse_hold_key(entry.key.as_str()) else {
            continue;
        };
        let hold: HoldRecord = decode(entry).map_err(Status::internal)?;
        if key == Freeze::key() && hold.state != ItemState::Held && lineage.contains(hold.stamp) {
            continue;
        }
        let at = ledger_key(&cluster.uid, &key).map_err(Status::internal)?;
        let ledger = match durable.get(at.as_str()) {
            Some(entry) => Some((entry.clone(), decode(entry).map_err(Status::internal)?)),
            None => None,
        };
        all.push(Waiting { key, hold, ledger });
    }
    Ok(all)
}

/// The answer to whoever asks what waits.
pub(super) fn all(parts: &Parts, cluster: &Cluster) -> Result<reconciliation::Status, Status> {
    let (durable, reported) = (parts.store.snapshot(), parts.volatile.snapshot());
    let waiting = waiting(&durable, &reported, &parts.store.lineage(), cluster)?;
    Ok(reconciliation::Status {
        more: waiting.len().saturating_sub(LISTED_MAX),
        items: waiting
            .iter()
            .take(LISTED_MAX)
            .map(Waiting::entry)
            .collect(),
    })
}
