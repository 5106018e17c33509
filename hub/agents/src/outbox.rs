//! What a session has heard and the volatile store does not have yet: newest wins, bounded.

use std::collections::BTreeMap;

use bytes::Bytes;
use roadstead_protocol::wire::limits::ITEMS_MAX;
use roadstead_protocol::wire::report::{ItemReport, ItemState};
use roadstead_protocol::wire::{ItemKey, Revision};
use roadstead_store::records::{self, Liveness, ReportRecord};
use roadstead_store::{Key, Snapshot, Txn};

/// Most records that go into one transaction.
const RECORDS_TXN_MAX: usize = 512;

/// News of one cluster on their way to the volatile store.
#[derive(Default)]
pub(crate) struct Outbox {
    reports: BTreeMap<ItemKey, ItemReport>,
    facts: Option<Bytes>,
    acked: Option<Revision>,
    liveness: Option<Liveness>,
    /// Reports of this cluster in the volatile store.
    stored: usize,
}

impl Outbox {
    /// For a cluster that has reports in the volatile store, or none.
    pub(crate) fn new(snapshot: &Snapshot, uid: &str) -> Self {
        Self {
            stored: snapshot.range(&records::reports_prefix(uid)).count(),
            ..Self::default()
        }
    }

    /// Takes a report in. Whether there was room.
    pub(crate) fn report(&mut self, report: ItemReport) -> bool {
        let room = self.reports.len() < ITEMS_MAX || self.reports.contains_key(&report.key);
        if room {
            self.reports.insert(report.key.clone(), report);
        }
        room
    }

    /// Takes facts in, if they are JSON.
    pub(crate) fn facts(&mut self, json: Bytes) -> bool {
        let valid = serde_json::from_slice::<serde::de::IgnoredAny>(&json).is_ok();
        if valid {
            self.facts = Some(json);
        }
        valid
    }

    pub(crate) fn acked(&mut self, revision: Revision) {
        self.acked = Some(revision);
    }

    pub(crate) fn liveness(&mut self, liveness: Liveness) {
        self.liveness = Some(liveness);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.reports.is_empty()
            && self.facts.is_none()
            && self.acked.is_none()
            && self.liveness.is_none()
    }

    /// Moves the next bounded part into a transaction. What the store says already is left out, so
    /// the transaction may be empty.
    pub(crate) fn take(&mut self, uid: &str, now: jiff::Timestamp, snapshot: &Snapshot) -> Txn {
        let mut txn = Txn::new();
        if let Some(liveness) = self.liveness.take() {
            txn = put(
                txn,
                snapshot,
                records::liveness_key(uid).ok(),
                records::encode(&liveness).ok(),
            );
        }
        if let Some(facts) = self.facts.take() {
            txn = put(txn, snapshot, records::facts_key(uid).ok(), Some(facts));
        }
        if let Some(acked) = self.acked.take() {
            txn = put(
                txn,
                snapshot,
                records::acked_key(uid).ok(),
                records::encode(&acked).ok(),
            );
        }
        for _ in 0..RECORDS_TXN_MAX {
            let Some((item, report)) = self.reports.pop_first() else {
                break;
            };
            if let Ok(key) = records::report_key(uid, &item) {
                txn = hold(txn, snapshot, uid, &report);
                txn = self.note(txn, now, snapshot, key, report);
            }
        }
        txn
    }

    /// Adds one report. An item that was removed leaves; one beyond the bound is dropped.
    fn note(
        &mut self,
        txn: Txn,
        now: jiff::Timestamp,
        snapshot: &Snapshot,
        key: Key,
        report: ItemReport,
    ) -> Txn {
        let there = snapshot.get(key.as_str()).is_some();
        if report.state == ItemState::Removed {
            self.stored = self.stored.saturating_sub(usize::from(there));
            return if there { txn.delete(key) } else { txn };
        }
        if is_known(snapshot, &key, &report) || (!there && self.stored >= ITEMS_MAX) {
            return txn;
        }
        self.stored += usize::from(!there);
        let value = records::encode(&ReportRecord::new(report, now)).ok();
        put(txn, snapshot, Some(key), value)
    }
}

/// Keeps the extract of what waits for somebody as `report` says it.
fn hold(txn: Txn, snapshot: &Snapshot, uid: &str, report: &ItemReport) -> Txn {
    let Ok(key) = records::hold_key(uid, &report.key) else {
        return txn;
    };
    match records::HoldRecord::of(report) {
        Some(record) => put(txn, snapshot, Some(key), records::encode(&record).ok()),
        #[cfg(planted)]
        None if roadstead_protocol::planted::is("held-for-ever") => txn,
        None if snapshot.get(key.as_str()).is_some() => txn.delete(key),
        None => txn,
    }
}

fn put(txn: Txn, snapshot: &Snapshot, key: Option<Key>, value: Option<Bytes>) -> Txn {
    let (Some(key), Some(value)) = (key, value) else {
        return txn;
    };
    if snapshot
        .get(key.as_str())
        .is_some_and(|entry| entry.value == value)
    {
        return txn;
    }
    txn.put(key, value)
}

/// Whether the store has this very report, whenever it came.
fn is_known(snapshot: &Snapshot, key: &Key, report: &ItemReport) -> bool {
    let Some(entry) = snapshot.get(key.as_str()) else {
        return false;
    };
    let Ok(known) = records::decode::<ReportRecord>(entry) else {
        return false;
    };
    let again = ReportRecord::new(report.clone(), known.received);
    records::encode(&again).is_ok_and(|again| again == entry.value)
}
