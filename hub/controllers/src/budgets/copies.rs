//! What a cluster holds of a policy, counted by how it is.

use std::collections::BTreeMap;

use roadstead_plan::budget::{How, Unwell};
use roadstead_protocol::wire::ItemKey;

/// What a cluster holds of a policy.
#[derive(Default)]
pub(super) struct Cluster {
    pub(super) copies: BTreeMap<ItemKey, Copy>,
    /// Of the copies that count, how many are so.
    well: usize,
    /// Not well, whether something of them runs or not.
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
    /// What is wrong on it, with one of the objects; `news` is whether what its agent said is recent.
    pub(super) fn unwell(&self, news: bool) -> Option<(Unwell, String)> {
        let why = match (self.counts(), news) {
            (true, false) => Unwell::Away,
            (true, true) if self.unseen > 0 => Unwell::Changing,
            (true | false, true) if self.leaving > 0 => Unwell::Leaving,
            (true, true) if self.ill > 0 => Unwell::Ill,
            // Nobody knows when an agent that is away will have taken something away.
            (true | false, _) => return None,
        };
        let is = |(_, copy): &(&ItemKey, &Copy)| copy.is(why);
        let one = self.copies.iter().find(is);
        Some((
            why,
            one.map_or_else(String::new, |(item, _)| item.to_string()),
        ))
    }

    /// Whether any copy counts.
    pub(super) fn counts(&self) -> bool {
        self.well + self.ill + self.unseen > 0
    }

    fn count(&mut self, copy: Copy) -> Option<&mut usize> {
        match copy {
            Copy::Counts(How::Well) => Some(&mut self.well),
            Copy::Counts(How::Weak | How::Ill) => Some(&mut self.ill),
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
    /// Whether it is why a cluster is unwell.
    fn is(self, why: Unwell) -> bool {
        match why {
            Unwell::Away => false,
            Unwell::Changing => self == Self::Counts(How::Unseen),
            Unwell::Leaving => self == Self::Leaving,
            Unwell::Ill => matches!(self, Self::Counts(How::Weak | How::Ill)),
        }
    }

    pub(super) fn how(self) -> Option<How> {
        match self {
            Self::Counts(how) | Self::Outside(how) => Some(how),
            Self::Leaving => None,
        }
    }
}
