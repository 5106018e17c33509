//! What was put on the member and is not on the disk yet.
//!
//! The disk follows the member, newest wins: a note that is lost with the process is made again from
//! what is read there, so nobody waits for it.

use roadstead_protocol::wire::item::ItemKey;

use super::{Desk, Key};
use crate::store::Write;

impl Desk {
    /// Takes at most `most` notes that are not on the disk.
    pub fn take_unsaved(&self, most: usize) -> Vec<(ItemKey, Write)> {
        let mut known = self.lock();
        let keys: Vec<Key> = known.unsaved.iter().take(most).cloned().collect();
        let mut notes = Vec::with_capacity(keys.len());
        for key in keys {
            known.unsaved.remove(&key);
            let write = match known.inventory.get(&key) {
                Some(inventory) => Write::Inventory(key.as_ref().clone(), inventory.clone()),
                None => Write::DropInventory(key.as_ref().clone()),
            };
            notes.push((key.as_ref().clone(), write));
        }
        notes
    }

    /// They were not written after all.
    pub fn unsaved(&self, keys: impl IntoIterator<Item = ItemKey>) {
        let mut known = self.lock();
        for key in keys {
            let key = known.key(&key);
            known.unsaved.insert(key);
        }
    }
}
