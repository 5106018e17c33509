//! Objects that the hub asks for, and the answers.
//!
//! Both bounded, and emptied when a session ends: what was asked is asked again in the next one.

use bytes::Bytes;
use roadstead_protocol::wire::frame::Fetch;
use roadstead_protocol::wire::item::ItemKey;

use super::Desk;

/// Most questions, and most answers, that wait.
const WAITING_MAX: usize = 64;

/// An answer: of which question, about which object, and the object's JSON or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Of which question.
    pub id: u64,
    /// About which object.
    pub key: ItemKey,
    /// Its JSON, or why there is none.
    pub content: Result<Bytes, String>,
}

impl Desk {
    /// The hub asks; false where too much waits already.
    pub fn ask(&self, fetch: Fetch) -> bool {
        let mut known = self.lock();
        if known.fetches.len() >= WAITING_MAX {
            return false;
        }
        known.fetches.push_back(fetch);
        drop(known);
        self.fetch.notify_one();
        true
    }

    /// Takes the next question.
    pub fn take_fetch(&self) -> Option<Fetch> {
        self.lock().fetches.pop_front()
    }

    /// Whether `key` is something that this agent has to do with: nothing else is shown to a hub.
    pub fn concerns(&self, key: &ItemKey) -> bool {
        let known = self.lock();
        known.items.contains_key(key)
            || known.inventory.contains_key(key)
            || known.live.contains_key(key)
    }

    /// There is an answer.
    pub fn fetched(&self, fetched: Fetched) {
        let mut known = self.lock();
        if known.fetched.len() < WAITING_MAX {
            known.fetched.push_back(fetched);
        }
        drop(known);
        self.news.notify_one();
    }

    /// Takes the next answer.
    pub fn take_fetched(&self) -> Option<Fetched> {
        self.lock().fetched.pop_front()
    }

    /// A new session has begun: it will ask anew.
    pub fn forget_fetches(&self) {
        let mut known = self.lock();
        known.fetches.clear();
        known.fetched.clear();
    }
}
