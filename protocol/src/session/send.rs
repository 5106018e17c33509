//! The sending side of synchronisation: reads the ledger on as the window allows, and announces.
//!
//! Contents are `outbound`'s. Nothing is dropped here: an entry that was taken is announced, and
//! tombstones are entries like all others.

use std::collections::VecDeque;

use crate::wire::codec;
use crate::wire::frame::{Mode, Summary, Synced, Withdrawn};
use crate::wire::limits::{SUMMARY_ENTRIES_MAX, WINDOW_ITEMS, WINDOW_SUMMARY};
use crate::wire::{HubFrame, Lineage, Revision, Stamp};

use super::Violation;
use super::change::{Change, sendable};
use super::outbound::Wanted;
use super::window::{Unacked, Window};
use crate::wire::limits::SUMMARY_FRAME_BYTES;

/// What waits for the desired lane.
#[derive(Debug)]
enum Outgoing {
    Change(Change),
    Withdrawn(Withdrawn),
    /// The end of a comparison.
    Complete(Revision),
    Synced(Stamp),
}

/// The sending side.
#[derive(Debug)]
pub(super) struct Sender {
    /// How entries are announced just now.
    mode: Mode,
    window: Window,
    outgoing: VecDeque<Outgoing>,
    /// The revision up to which entries were taken from the shell.
    cursor: Revision,
    /// The newest revision that has been transmitted.
    sent: Revision,
    acked: Revision,
    /// The shell was asked and has not answered.
    asked: bool,
    /// The last answer may not have been all.
    more: bool,
    /// The shell says the ledger may have grown.
    hint: bool,
    /// Entries were left out for want of room, so that the shell's next `synced` is not true.
    cut: bool,
    /// Something was announced since the agent was last told that this is all.
    unsynced: bool,
}

/// An entry that cannot travel, and why.
#[derive(Debug)]
pub(super) struct Unsendable {
    /// The entry.
    pub(super) change: Change,
    /// What is wrong with it.
    pub(super) reason: String,
}

impl Sender {
    /// Begins after `start`.
    pub(super) fn new(mode: Mode, start: Revision) -> Self {
        let limit = match mode {
            Mode::Resume => WINDOW_ITEMS,
            Mode::Compare => WINDOW_SUMMARY,
        };
        Self {
            mode,
            window: Window::new(limit),
            outgoing: VecDeque::new(),
            cursor: start,
            sent: start,
            acked: start,
            asked: false,
            more: true,
            hint: false,
            cut: false,
            unsynced: true,
        }
    }

    /// What to ask the shell for: after which revision, and how many entries.
    pub(super) fn poll_need(&mut self) -> Option<(Revision, usize)> {
        if self.asked || !(self.more || self.hint) || !self.window.is_roomy() {
            return None;
        }
        self.asked = true;
        self.hint = false;
        self.cut = false;
        Some((self.cursor, self.window.room()))
    }

    /// The ledger may have grown.
    pub(super) fn changed(&mut self) {
        self.hint = true;
    }

    /// Takes entries from the shell; returns those that cannot travel.
    pub(super) fn offer(&mut self, lineage: &Lineage, changes: Vec<Change>) -> Vec<Unsendable> {
        let mut unsendable = Vec::new();
        self.asked = false;
        self.more = false;
        for change in changes {
            if change.revision() <= self.cursor {
                continue;
            }
            if self.window.room() == 0 {
                self.cut = true;
                break;
            }
            self.more = true;
            self.cursor = change.revision();
            match sendable(lineage, &change) {
                Ok(()) => self.take(change),
                Err(reason) => unsendable.push(Unsendable { change, reason }),
            }
        }
        self.more |= self.cut;
        unsendable
    }

    fn take(&mut self, change: Change) {
        self.window.push(&change);
        self.outgoing.push_back(Outgoing::Change(change));
        self.unsynced = true;
    }

    /// The shell has offered all that there was at `revision`.
    pub(super) fn synced(&mut self, lineage: &Lineage, revision: Revision) {
        self.asked = false;
        if self.cut {
            return;
        }
        self.more = false;
        let upto = revision.max(self.cursor);
        match self.mode {
            Mode::Compare => {
                self.outgoing.push_back(Outgoing::Complete(upto));
                self.cursor = upto;
                self.mode = Mode::Resume;
                self.window.set_limit(WINDOW_ITEMS);
                self.unsynced = false;
            }
            Mode::Resume if self.unsynced => {
                // Where nothing is above the place where the session began, that place is it.
                let stamp = lineage.stamp(upto).or_else(|| lineage.stamp(self.cursor));
                self.outgoing.extend(stamp.map(Outgoing::Synced));
                self.unsynced = false;
            }
            Mode::Resume => {}
        }
    }

    /// A content is gone: what named it is withdrawn, and the ledger read on for what follows.
    /// Where the entry that it was asked by is acknowledged meanwhile, the agent is told all the
    /// same, so that it does not wait.
    pub(super) fn withdraw(&mut self, wanted: &Wanted) {
        let mut withdrawn = self.window.withdraw(wanted.digest);
        if withdrawn
            .iter()
            .all(|(_, revision)| *revision != wanted.revision)
        {
            withdrawn.push((wanted.key.clone(), wanted.revision));
        }
        let frames = withdrawn
            .into_iter()
            .map(|(key, revision)| Withdrawn { key, revision });
        self.outgoing.extend(frames.map(Outgoing::Withdrawn));
        self.hint = true;
    }

    /// Whether the agent waits for summaries.
    pub(super) fn compares(&self) -> bool {
        self.mode == Mode::Compare || self.is_comparing()
    }

    /// The next frame for the desired lane.
    pub(super) fn poll_transmit(&mut self) -> Option<HubFrame> {
        let Some(next) = self.outgoing.pop_front() else {
            // An idle session keeps no room for what it once had to say.
            self.outgoing = VecDeque::new();
            return None;
        };
        match next {
            Outgoing::Change(change) => {
                self.sent = change.revision();
                // Until the end of a comparison is queued or sent, entries are parts of it.
                if self.compares() {
                    Some(self.summary(change))
                } else {
                    Some(change.into_frame())
                }
            }
            Outgoing::Withdrawn(withdrawn) => Some(HubFrame::Withdrawn(withdrawn)),
            Outgoing::Complete(revision) => {
                self.sent = revision;
                Some(HubFrame::Summary(Summary {
                    entries: Vec::new(),
                    complete: Some(revision),
                }))
            }
            Outgoing::Synced(stamp) => Some(HubFrame::Synced(Synced { stamp })),
        }
    }

    /// Whether the end of a comparison is still to be transmitted.
    fn is_comparing(&self) -> bool {
        self.outgoing
            .iter()
            .any(|next| matches!(next, Outgoing::Complete(_)))
    }

    /// A part of the whole set that begins with `first`.
    fn summary(&mut self, first: Change) -> HubFrame {
        let mut bytes = estimate(&first);
        let mut entries = vec![first.into_entry()];
        while entries.len() < SUMMARY_ENTRIES_MAX {
            let Some(Outgoing::Change(next)) = self.outgoing.front() else {
                break;
            };
            bytes += estimate(next);
            if bytes > SUMMARY_FRAME_BYTES {
                break;
            }
            let Some(Outgoing::Change(next)) = self.outgoing.pop_front() else {
                break;
            };
            self.sent = next.revision();
            entries.push(next.into_entry());
        }
        HubFrame::Summary(Summary {
            entries,
            complete: None,
        })
    }

    /// Takes an acknowledgement; `false` where it repeats the last one.
    pub(super) fn ack(&mut self, lineage: &Lineage, stamp: Stamp) -> Result<bool, Violation> {
        let possible = self.acked <= stamp.revision && stamp.revision <= self.sent;
        if !possible || !lineage.contains(stamp) {
            return Err(Violation::Ack {
                stamp,
                acked: self.acked,
                sent: self.sent,
            });
        }
        self.window.ack(stamp.revision);
        Ok(std::mem::replace(&mut self.acked, stamp.revision) < stamp.revision)
    }

    /// The newest acknowledged revision.
    pub(super) fn acked(&self) -> Revision {
        self.acked
    }

    /// How many entries are out.
    #[cfg(test)]
    pub(super) fn load(&self) -> usize {
        self.window.len()
    }

    /// The announced and unacknowledged entry at `revision`.
    pub(super) fn unacked(&self, revision: Revision) -> Option<&Unacked> {
        self.window.get(revision).filter(|_| revision <= self.sent)
    }
}

/// About how many bytes an entry takes, rather too many.
fn estimate(change: &Change) -> usize {
    const FIXED: usize = 96;
    let key = &change.key;
    let names = key.group.len() + key.kind.len() + key.namespace.len() + key.name.len();
    FIXED + names + change.meta.iter().map(codec::meta_bytes).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::testing::{lineage, put, stamp, tombstone};

    fn drain(sender: &mut Sender) -> Vec<&'static str> {
        std::iter::from_fn(|| sender.poll_transmit())
            .map(|frame| frame.name())
            .collect()
    }

    #[test]
    fn the_ledger_is_read_until_it_is_all_and_again_after_a_hint() {
        let mut sender = Sender::new(Mode::Resume, Revision(1));
        assert_eq!(sender.poll_need(), Some((Revision(1), WINDOW_ITEMS)));
        assert_eq!(sender.poll_need(), None, "asked once");
        sender.offer(&lineage(), vec![put("a", 2, b"x"), tombstone("b", 4)]);
        sender.synced(&lineage(), Revision(9));
        assert_eq!(drain(&mut sender), ["put", "tombstone", "synced"]);
        assert_eq!(sender.poll_need(), None, "all was read");
        sender.changed();
        assert_eq!(sender.poll_need(), Some((Revision(4), WINDOW_ITEMS - 2)));
        sender.changed();
        sender.synced(&lineage(), Revision(10));
        assert_eq!(drain(&mut sender), [""; 0], "nothing new, nothing said");
        assert_eq!(
            sender.poll_need(),
            Some((Revision(4), WINDOW_ITEMS - 2)),
            "hinted meanwhile"
        );
    }

    #[test]
    fn what_did_not_fit_is_asked_for_again_and_not_called_all() {
        let mut sender = Sender::new(Mode::Resume, Revision(0));
        assert!(sender.poll_need().is_some());
        let last = WINDOW_ITEMS as u64 + 1;
        sender.offer(&lineage(), (1..=last).map(|n| tombstone("a", n)).collect());
        sender.synced(&lineage(), Revision(last));
        assert!(!drain(&mut sender).contains(&"synced"));
        assert_eq!(sender.poll_need(), None, "no room");
        assert_eq!(sender.ack(&lineage(), stamp(last - 1)), Ok(true));
        assert_eq!(sender.poll_need(), Some((Revision(last - 1), WINDOW_ITEMS)));
    }

    #[test]
    fn an_empty_answer_asks_for_nothing_until_a_hint() {
        let mut sender = Sender::new(Mode::Resume, Revision(3));
        assert!(sender.poll_need().is_some());
        sender.offer(&lineage(), vec![put("a", 3, b"x")]);
        assert_eq!(sender.poll_need(), None);
        sender.changed();
        assert!(sender.poll_need().is_some());
    }

    #[test]
    fn a_comparison_packs_its_entries_and_ends_once() {
        let mut sender = Sender::new(Mode::Compare, Revision(0));
        assert_eq!(sender.poll_need(), Some((Revision(0), WINDOW_SUMMARY)));
        let entries = (1..=1_200)
            .map(|n| tombstone(&format!("n{n}"), n))
            .collect();
        sender.offer(&lineage(), entries);
        sender.synced(&lineage(), Revision(1_300));
        sender.changed();
        sender.synced(&lineage(), Revision(1_300));
        let frames: Vec<_> = std::iter::from_fn(|| sender.poll_transmit()).collect();
        let parts = frames.iter().map(|frame| {
            let HubFrame::Summary(summary) = frame else {
                panic!("{}", frame.name())
            };
            (summary.entries.len(), summary.complete)
        });
        let end = Some(Revision(1_300));
        let expected = [(500, None), (500, None), (200, None), (0, end)];
        assert_eq!(parts.collect::<Vec<_>>(), expected);
    }
}
