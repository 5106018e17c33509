//! What a cluster holds of a policy, counted by how it is.

use std::collections::BTreeMap;

use roadstead_plan::budget::{How, Unwell};
use roadstead_plan::observed::{Observed, State};
use roadstead_protocol::wire::ItemKey;
use roadstead_protocol::wire::report::Health;

/// What a cluster holds of a policy.
#[derive(Default)]
pub(super) struct Cluster {
    pub(super) copies: BTreeMap<ItemKey, Copy>,
    /// Of the copies that count, how many are so.
    well: usize,
    ill: usize,
    unseen: usize,
    leaving: usize,
}

/// How one object is on one cluster.
#[derive(Clone, core::marker::Copy, Debug, PartialEq, Eq)]
pub(super) enum Copy {
    /// It counts.
    Counts(How),
    /// It counts no more.
    Outside(How),
    /// It is on its way out.
    Leaving,
}

impl Cluster {
    /// What is wrong on it; `news` is whether what its agent said is recent.
    pub(super) fn unwell(&self, news: bool) -> Option<Unwell> {
        match (self.counts(), news) {
            (true, false) => Some(Unwell::Away),
            (true, true) if self.ill > 0 => Some(Unwell::Ill),
            (true, true) if self.unseen > 0 => Some(Unwell::Changing),
            (true | false, true) if self.leaving > 0 => Some(Unwell::Leaving),
            // Nobody knows when an agent that is away will have taken something away.
            (true | false, _) => None,
        }
    }

    /// Whether any copy counts.
    pub(super) fn counts(&self) -> bool {
        self.well + self.ill + self.unseen > 0
    }

    fn count(&mut self, copy: Copy) -> Option<&mut usize> {
        match copy {
            Copy::Counts(How::Well) => Some(&mut self.well),
            Copy::Counts(How::Ill) => Some(&mut self.ill),
            Copy::Counts(How::Unseen) => Some(&mut self.unseen),
            Copy::Leaving => Some(&mut self.leaving),
            Copy::Outside(_) => None,
        }
    }

    pub(super) fn put(&mut self, item: &ItemKey, copy: Copy) {
        self.copies.insert(item.clone(), copy);
        if let Some(count) = self.count(copy) {
            *count += 1;
        }
    }

    pub(super) fn remove(&mut self, item: &ItemKey) {
        if let Some(copy) = self.copies.remove(item)
            && let Some(count) = self.count(copy)
        {
            *count -= 1;
        }
    }
}

impl Copy {
    pub(super) fn how(self) -> Option<How> {
        match self {
            Self::Counts(how) | Self::Outside(how) => Some(how),
            Self::Leaving => None,
        }
    }
}

/// How a copy of a connected cluster is.
pub(super) fn how(seen: &Observed) -> How {
    match seen.state {
        State::Unknown | State::Pending | State::Removing => How::Unseen,
        State::Conflict | State::Failed | State::Held => How::Ill,
        State::Applied => match seen.health {
            Health::Healthy | Health::Suspended => How::Well,
            Health::Progressing | Health::Degraded => How::Ill,
            Health::Unknown => How::Unseen,
        },
    }
}
