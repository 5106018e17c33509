//! What a batch of the hub changes here: each change judged by its stamp, nothing by its absence.
//!
//! Pure: what is known and a batch give what to write and what to enter once it is written.

mod freeze;

use std::collections::{BTreeMap, BTreeSet};

use roadstead_protocol::session::stamps::{Held, Verdict, verdict};
use roadstead_protocol::session::{Batch, Change, Delivered};
use roadstead_protocol::wire::item::{Digest, ItemKey};
use roadstead_protocol::wire::{Lineage, Stamp};

pub(crate) use freeze::freeze;

use crate::desk::{Entered, Known};
use crate::store::Write;
use crate::store::record::{Item, Offer, Position};

/// Carried-out tombstones whose stamps are remembered; the oldest go first.
const TOMBSTONES_MAX: usize = 20_000;

/// Judges `batch` over what is `known`, in the history `lineage` of its hub. `named` are the keys that
/// the hub has named since its session began, those of this batch included.
pub(crate) fn intake(
    known: &Known,
    lineage: &Lineage,
    batch: &Batch,
    named: &BTreeSet<ItemKey>,
) -> (Vec<Write>, Entered) {
    let mut intake = Intake {
        known,
        lineage,
        entered: Entered::default(),
        writes: Vec::new(),
    };
    for delivered in &batch.changes {
        intake.change(delivered);
    }
    if batch.compared {
        intake.unlist(named);
    }
    intake.bound_tombstones();
    intake.contents(batch);
    intake.position(batch.position);
    (intake.writes, intake.entered)
}

struct Intake<'a> {
    known: &'a Known,
    lineage: &'a Lineage,
    entered: Entered,
    writes: Vec<Write>,
}

impl Intake<'_> {
    fn item(&self, key: &ItemKey) -> Option<&Item> {
        match self.entered.items.get(key) {
            Some(item) => item.as_ref(),
            None => self.known.items.get(key),
        }
    }

    fn set(&mut self, key: &ItemKey, item: Item) {
        if self.item(key) == Some(&item) {
            return;
        }
        self.writes.push(Write::Item(key.clone(), item.clone()));
        self.entered.items.insert(key.clone(), Some(item));
        self.entered.dirty.insert(key.clone());
    }

    fn change(&mut self, delivered: &Delivered) {
        let change = &delivered.change;
        let here = self.item(&change.key).cloned();
        let held = here.as_ref().map(|item| Held {
            stamp: item.stamp,
            digest: item.digest,
        });
        let judged = verdict(self.lineage, change, held.as_ref());
        if let Some(item) = judge(judged, change, here) {
            self.set(&change.key, item);
        }
    }

    /// The hub has named all that it knows: what it did not name is kept, and shown. After the disk
    /// went back, an item of a history that the hub does not know may be one that was removed since:
    /// it is forgotten, so that what is on the member stays, and what is not there is not made anew.
    fn unlist(&mut self, named: &BTreeSet<ItemKey>) {
        if self.known.rewound {
            let (known, lineage) = (self.known, self.lineage);
            let doubtful = known.items.iter().filter(|(key, item)| {
                !item.is_tombstone()
                    && !named.contains(key.as_ref())
                    && !lineage.contains(item.stamp)
            });
            for (key, _) in doubtful {
                let key = key.as_ref();
                self.writes.push(Write::DropItem(key.clone()));
                self.entered.items.insert(key.clone(), None);
                self.entered.dirty.insert(key.clone());
                // With the item goes what it put there: nobody may take that for judged.
                if known.inventory.contains_key(key) {
                    self.writes.push(Write::DropInventory(key.clone()));
                    self.entered.forgotten.insert(key.clone());
                }
            }
        }
        let absent: Vec<(ItemKey, Item)> = self
            .known
            .items
            .iter()
            .filter(|(_, item)| item.held.is_some() || (item.listed && !item.is_tombstone()))
            .map(|(key, item)| (key.as_ref(), item))
            .filter(|(key, _)| !named.contains(key) && !self.entered.items.contains_key(key))
            .map(|(key, item)| (key.clone(), unnamed(item)))
            .collect();
        for (key, item) in absent {
            #[cfg(planted)]
            let item = if roadstead_protocol::planted::is("absence-deletes") {
                Item {
                    digest: None,
                    ..item
                }
            } else {
                item
            };
            self.set(&key, item);
        }
    }

    fn bound_tombstones(&mut self) {
        let done: Vec<(Stamp, &ItemKey)> = self
            .known
            .items
            .iter()
            .map(|(key, item)| (key.as_ref(), item))
            .filter(|(key, item)| {
                item.is_tombstone()
                    && !self.known.inventory.contains_key(*key)
                    && !self.entered.items.contains_key(*key)
            })
            .map(|(key, item)| (item.stamp, key))
            .collect();
        let excess = done.len().saturating_sub(TOMBSTONES_MAX);
        if excess == 0 {
            return;
        }
        let mut oldest = done;
        oldest.sort_by_key(|(stamp, _)| stamp.revision);
        for (_, key) in oldest.into_iter().take(excess) {
            self.writes.push(Write::DropItem(key.clone()));
            self.entered.items.insert(key.clone(), None);
        }
    }

    /// Keeps the contents that items name, and drops those that none names any more.
    fn contents(&mut self, batch: &Batch) {
        let mut counts: BTreeMap<Digest, i64> = BTreeMap::new();
        for (key, item) in &self.entered.items {
            if let Some(digest) = self.known.items.get(key).and_then(|i| i.digest) {
                *counts.entry(digest).or_default() -= 1;
            }
            if let Some(digest) = item.as_ref().and_then(|i| i.digest) {
                *counts.entry(digest).or_default() += 1;
            }
        }
        let remaining = |digest: &Digest| {
            let now = self.known.named.get(digest).copied().map_or(0, i64::from);
            now + counts.get(digest).copied().unwrap_or_default()
        };
        let mut writes = Vec::new();
        for delivered in &batch.changes {
            let (Some(digest), Some(bytes)) = (delivered.change.digest(), &delivered.content)
            else {
                continue;
            };
            let known = self.known.contents.contains(&digest)
                || self.entered.contents.contains_key(&digest);
            if remaining(&digest) > 0 && !known {
                writes.push(Write::Content(digest, bytes.clone()));
                self.entered.contents.insert(digest, true);
            }
        }
        for digest in counts
            .keys()
            .filter(|d| remaining(d) <= 0 && self.known.contents.contains(d))
        {
            writes.push(Write::DropContent(*digest));
            self.entered.contents.insert(*digest, false);
        }
        self.writes.extend(writes);
    }

    fn position(&mut self, stamp: Option<Stamp>) {
        let before = &self.known.position;
        let position = Position {
            stamp: stamp.or(before.stamp),
            lineage: self.lineage.clone(),
            detached: before.detached,
        };
        if position != *before {
            self.writes.push(Write::Position(position.clone()));
            self.entered.position = Some(position);
        }
    }
}

/// What the item is where the hub names it no more: nothing is offered in its place either.
fn unnamed(item: &Item) -> Item {
    Item {
        listed: item.is_tombstone(),
        held: None,
        ..item.clone()
    }
}

/// What the item is after a verdict; `None` where it stays.
fn judge(verdict: Verdict, change: &Change, here: Option<Item>) -> Option<Item> {
    let taken = Item {
        stamp: change.stamp,
        digest: change.digest(),
        meta: change.meta.clone(),
        listed: true,
        held: None,
    };
    let refused = |same_stamp| Offer {
        stamp: change.stamp,
        digest: change.digest(),
        same_stamp,
    };
    match verdict {
        Verdict::Act | Verdict::Restamp => Some(taken),
        // It may be told now how to treat it, which an agent of a release before could not be told.
        Verdict::Same => here.map(|_| taken),
        Verdict::Older => here.map(|item| Item {
            listed: true,
            held: None,
            ..item
        }),
        Verdict::Hold => here.map(|item| Item {
            listed: true,
            held: Some(refused(false)),
            ..item
        }),
        Verdict::SameStampDiffers => here.map(|item| Item {
            listed: true,
            held: Some(refused(true)),
            ..item
        }),
    }
}

#[cfg(test)]
mod tests;
