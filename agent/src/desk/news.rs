//! What is to be said to the hub: reports, newest wins, and facts.

use bytes::Bytes;
use roadstead_protocol::wire::item::ItemKey;
use roadstead_protocol::wire::report::{ItemReport, ItemState};

use super::caring::with_pods;
use super::{Desk, Key};
use crate::plan::report::{Outcome, report};

impl Desk {
    /// How the latest attempt at `key` ended, as a report for the hub; returns whether it is news.
    pub fn told(&self, key: &ItemKey, outcome: &Outcome) -> bool {
        let mut known = self.lock();
        let mut said = report(known.items.get(key), known.live.get(key), outcome);
        if let Some(before) = known.reports.get(key) {
            said.keep(before);
        }
        with_pods(&mut said, known.ailing.get(key).map(|words| &**words));
        if known.reports.get(key) == Some(&said) {
            return false;
        }
        let key = known.key(key);
        known.reports.insert(key.clone(), said);
        known.unsent.insert(key);
        drop(known);
        self.news.notify_one();
        true
    }

    /// There is nothing under `key` any more: whoever was told of something is told so.
    pub fn gone(&self, key: &ItemKey) {
        if self.lock().reports.contains_key(key) {
            self.told(key, &Outcome::new(ItemState::Removed, "Gone", ""));
        }
    }

    /// Takes at most `most` reports that were not sent yet.
    pub fn take_reports(&self, most: usize) -> Vec<ItemReport> {
        let mut known = self.lock();
        let keys: Vec<Key> = known.unsent.iter().take(most).cloned().collect();
        keys.iter()
            .filter_map(|key| {
                known.unsent.remove(key);
                known.reports.get(key).map(|said| said.of(key))
            })
            .collect()
    }

    /// A report was not taken after all.
    pub fn put_back(&self, key: ItemKey) {
        let mut known = self.lock();
        let key = known.key(&key);
        known.unsent.insert(key);
    }

    /// A new session has begun: everything is to be said again, as the hub keeps it in memory only.
    pub fn say_all(&self) {
        let mut known = self.lock();
        known.unsent = known.reports.keys().cloned().collect();
        known.facts_unsent = !known.facts.is_empty();
        drop(known);
        self.news.notify_one();
    }

    /// What the cluster is like, as JSON.
    pub fn facts(&self, facts: Bytes) {
        let mut known = self.lock();
        if known.facts == facts {
            return;
        }
        known.facts = facts;
        known.facts_unsent = true;
        drop(known);
        self.news.notify_one();
    }

    /// Takes the facts if they were not sent yet.
    pub fn take_facts(&self) -> Option<Bytes> {
        let mut known = self.lock();
        std::mem::take(&mut known.facts_unsent).then(|| known.facts.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Loaded;

    #[test]
    fn what_was_removed_while_the_hub_was_away_is_said_in_the_next_session() {
        let desk = Desk::new(&Loaded::default());
        let key = ItemKey {
            group: String::new(),
            kind: "ConfigMap".into(),
            namespace: "web".into(),
            name: "settings".into(),
        };
        let states = || -> Vec<ItemState> {
            desk.say_all();
            let reports = desk.take_reports(9);
            reports.iter().map(|report| report.state).collect()
        };
        desk.told(&key, &Outcome::new(ItemState::Applied, "Applied", ""));
        assert_eq!(states(), [ItemState::Applied]);
        desk.gone(&key);
        assert_eq!(states(), [ItemState::Removed]);
        // The session may end before the hub heard of it.
        assert_eq!(states(), [ItemState::Removed]);
    }
}
