//! What an agent has to say about its items and its cluster: newest wins, bounded, coalesced.
//!
//! Says when a frame may be made, not when it is sent: while the lane has no room, newer reports go
//! on replacing older ones.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::wire::codec;
use crate::wire::frame::Facts;
use crate::wire::limits::{
    FACTS_BYTES_MAX, ITEMS_MAX, MESSAGE_BYTES_MAX, NAME_BYTES_MAX, REPORTS_MAX, STATUS_BYTES_MAX,
};
use crate::wire::report::ItemReport;
use crate::wire::{AgentFrame, ItemKey};

use super::agent::ReportError;
use crate::wire::limits::REPORT_FRAME_BYTES;

/// Reports and facts that wait.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    reports: BTreeMap<ItemKey, ItemReport>,
    /// The keys of `reports`, those that wait longest first.
    order: VecDeque<ItemKey>,
    facts: Option<Bytes>,
    /// Whether what waits may go.
    open: bool,
}

impl Outbox {
    /// Takes a report, in place of an older one of the same item.
    pub(super) fn report(&mut self, mut report: ItemReport) -> Result<(), ReportError> {
        codec::check_key(&report.key).map_err(|_| ReportError::Key)?;
        cut(&mut report.message, MESSAGE_BYTES_MAX);
        cut(&mut report.reason, NAME_BYTES_MAX);
        if report.status.len() > STATUS_BYTES_MAX {
            report.status = Bytes::new();
        }
        if let Some(older) = self.reports.get_mut(&report.key) {
            *older = report;
            return Ok(());
        }
        if self.reports.len() >= ITEMS_MAX {
            return Err(ReportError::Full);
        }
        self.order.push_back(report.key.clone());
        self.reports.insert(report.key.clone(), report);
        Ok(())
    }

    /// Takes facts, in place of older ones; `false` where they are too long.
    pub(super) fn facts(&mut self, json: Bytes) -> bool {
        let fits = json.len() <= FACTS_BYTES_MAX;
        if fits {
            self.facts = Some(json);
        }
        fits
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.reports.is_empty() && self.facts.is_none()
    }

    /// How many reports wait.
    pub(super) fn len(&self) -> usize {
        self.reports.len()
    }

    /// Lets go what waits now, and what comes until the box is empty.
    pub(super) fn open(&mut self) {
        self.open = !self.is_empty();
    }

    /// Whether what waits may go.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// The next frame.
    pub(super) fn poll_transmit(&mut self) -> Option<AgentFrame> {
        if !self.open {
            return None;
        }
        let frame = match self.facts.take() {
            Some(json) => AgentFrame::Facts(Facts { json }),
            None => AgentFrame::Reports(self.pack()),
        };
        self.open = !self.is_empty();
        Some(frame)
    }

    /// As many reports as fit into one frame; at least one where there are any.
    fn pack(&mut self) -> Vec<ItemReport> {
        let mut packed = Vec::new();
        let mut bytes = 0;
        while packed.len() < REPORTS_MAX {
            let next = self.order.front().and_then(|key| self.reports.get(key));
            bytes += next.map_or(0, estimate);
            if !packed.is_empty() && bytes > REPORT_FRAME_BYTES {
                break;
            }
            let Some(key) = self.order.pop_front() else {
                break;
            };
            packed.extend(self.reports.remove(&key));
        }
        packed
    }
}

/// About how many bytes a report takes, rather too many.
fn estimate(report: &ItemReport) -> usize {
    const FIXED: usize = 96;
    let key = &report.key;
    let names = key.group.len() + key.kind.len() + key.namespace.len() + key.name.len();
    FIXED + names + report.reason.len() + report.message.len() + report.status.len()
}

/// Cuts a text to at most `most` bytes, between two characters.
fn cut(text: &mut String, most: usize) {
    text.truncate(text.floor_char_boundary(most));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::testing::report;
    use crate::wire::codec::encode;

    fn drain(outbox: &mut Outbox) -> Vec<AgentFrame> {
        std::iter::from_fn(|| outbox.poll_transmit()).collect()
    }

    #[test]
    fn the_newest_report_of_an_item_replaces_the_older() {
        let mut outbox = Outbox::default();
        for (name, generation) in [("a", 1), ("b", 1), ("a", 2)] {
            outbox.report(report(name, generation)).unwrap();
        }
        assert_eq!(outbox.poll_transmit(), None);
        outbox.open();
        let both = vec![report("a", 2), report("b", 1)];
        assert_eq!(drain(&mut outbox), [AgentFrame::Reports(both)]);
        assert!(outbox.is_empty() && !outbox.is_open());
    }

    #[test]
    fn frames_of_the_largest_reports_keep_to_their_bound() {
        let mut outbox = Outbox::default();
        for name in 0..300 {
            let mut large = report(&format!("n{name}"), 1);
            large.status = Bytes::from(vec![b'x'; STATUS_BYTES_MAX]);
            large.message = "ü".repeat(MESSAGE_BYTES_MAX);
            outbox.report(large).unwrap();
        }
        outbox.open();
        let frames = drain(&mut outbox);
        let mut reports = 0;
        for frame in &frames {
            encode(frame).unwrap();
            let AgentFrame::Reports(packed) = frame else {
                panic!("{frame:?}")
            };
            reports += packed.len();
        }
        assert_eq!(reports, 300);
    }

    #[test]
    fn what_exceeds_a_bound_is_cut_left_out_or_refused() {
        let mut outbox = Outbox::default();
        let mut long = report("a", 1);
        long.status = Bytes::from(vec![0; STATUS_BYTES_MAX + 1]);
        long.message = "ü".repeat(MESSAGE_BYTES_MAX);
        long.message.insert(0, 'x');
        outbox.report(long).unwrap();
        assert_eq!(
            outbox.report(report(&"n".repeat(254), 1)),
            Err(ReportError::Key)
        );
        assert!(!outbox.facts(Bytes::from(vec![0; FACTS_BYTES_MAX + 1])));
        outbox.open();
        let Some(AgentFrame::Reports(reports)) = outbox.poll_transmit() else {
            panic!()
        };
        assert_eq!(reports[0].message.len(), MESSAGE_BYTES_MAX - 1);
        assert!(reports[0].status.is_empty());
    }
}
