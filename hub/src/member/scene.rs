//! What a stand-in sees when it looks at one object, and what it wants to be done.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use roadstead_protocol::env::Env;
use roadstead_store::records::object_key;
use roadstead_store::{Check, Key, Txn};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Options;
use super::cache::{Cache, Cached};
use super::object::{self, namespace, set, timestamp};

/// Most objects that one look at one object creates or deletes; the rest follows at the next.
pub(super) const BURST_MAX: usize = 200;

/// Since when something is as it is, per object and subject. The number tells one state from another.
#[derive(Default)]
pub(super) struct Stopwatch(BTreeMap<(Key, &'static str), (String, Instant)>);

impl Stopwatch {
    /// How long the `subject` of `key` has been in `state`.
    fn elapsed(&mut self, key: &Key, subject: &'static str, state: &str) -> Duration {
        let now = Instant::now();
        let slot = self
            .0
            .entry((key.clone(), subject))
            .or_insert_with(|| (state.to_owned(), now));
        if slot.0 != state {
            *slot = (state.to_owned(), now);
        }
        now.saturating_duration_since(slot.1)
    }

    /// Forgets an object that is gone.
    pub(super) fn forget(&mut self, key: &Key) {
        self.0.retain(|(other, _), _| other != key);
    }
}

/// What there is, and what is to be done about one object.
pub(super) struct Scene<'s> {
    pub(super) cache: &'s Cache,
    pub(super) env: &'s Env,
    pub(super) options: &'s Options,
    pub(super) now: Timestamp,
    stopwatch: &'s mut Stopwatch,
    /// The changes, in one transaction.
    pub(super) txn: Txn,
    /// When to look again even if nothing happens.
    pub(super) again_in: Option<Duration>,
}

impl<'s> Scene<'s> {
    pub(super) fn new(
        cache: &'s Cache,
        env: &'s Env,
        options: &'s Options,
        stopwatch: &'s mut Stopwatch,
    ) -> Self {
        let now = env.clock.now();
        Self {
            cache,
            env,
            options,
            now,
            stopwatch,
            txn: Txn::new(),
            again_in: None,
        }
    }

    /// Whether the `subject` of an object has been in `state` for `wait`; if not, looks again then.
    pub(super) fn waited(
        &mut self,
        key: &Key,
        subject: &'static str,
        state: &str,
        wait: Duration,
    ) -> bool {
        let elapsed = self.stopwatch.elapsed(key, subject, state);
        if elapsed >= wait {
            return true;
        }
        let rest = wait.saturating_sub(elapsed);
        self.again_in = Some(self.again_in.map_or(rest, |again| again.min(rest)));
        false
    }

    /// Whether this look has done as much as it may; if so, looks again at once.
    pub(super) fn exhausted(&mut self) -> bool {
        let exhausted = self.txn.ops.len() >= BURST_MAX;
        if exhausted {
            self.again_in = Some(Duration::ZERO);
        }
        exhausted
    }

    /// Creates an object with a uid and a time; one whose name cannot be is left out.
    pub(super) fn create(&mut self, group: &str, plural: &str, mut value: Value) {
        let (now, uid) = (timestamp(self.now), self.env.uid());
        set(&mut value, &["metadata"], "creationTimestamp", now);
        set(&mut value, &["metadata"], "uid", uid);
        if group == "apps" {
            set(&mut value, &["metadata"], "generation", 1);
        }
        let key = object_key(group, plural, namespace(&value), object::name(&value));
        let (Ok(key), Ok(bytes)) = (key, serde_json::to_vec(&value)) else {
            return;
        };
        self.txn.checks.push(Check::Absent(key.clone()));
        self.txn.ops.push(roadstead_store::Op::Put {
            key,
            value: bytes.into(),
        });
    }

    /// Writes `value` in the place of `cached`, if it is different.
    pub(super) fn update(&mut self, cached: &Cached, value: &Value) {
        if *value == cached.value {
            return;
        }
        let Ok(bytes) = serde_json::to_vec(value) else {
            return;
        };
        self.txn
            .checks
            .push(Check::At(cached.key.clone(), cached.revision));
        self.txn.ops.push(roadstead_store::Op::Put {
            key: cached.key.clone(),
            value: bytes.into(),
        });
    }

    /// Writes the status of `cached`, if it is different.
    pub(super) fn update_status(&mut self, cached: &Cached, status: Value) {
        let mut value = cached.value.clone();
        set(&mut value, &[], "status", status);
        self.update(cached, &value);
    }

    /// Deletes an object; one that has finalizers gets the time of its deletion.
    pub(super) fn delete(&mut self, cached: &Cached) {
        if object::list(&cached.value, "/metadata/finalizers").is_empty() {
            self.txn
                .checks
                .push(Check::At(cached.key.clone(), cached.revision));
            self.txn.ops.push(roadstead_store::Op::Delete {
                key: cached.key.clone(),
            });
            return;
        }
        if object::is_deleting(&cached.value) {
            return;
        }
        let mut going = cached.value.clone();
        let now = timestamp(self.now);
        object::map(&mut going, &["metadata"]).extend([
            ("deletionTimestamp".to_owned(), json!(now)),
            ("deletionGracePeriodSeconds".to_owned(), json!(0)),
        ]);
        self.update(cached, &going);
    }

    /// Five characters for a name.
    pub(super) fn suffix(&self) -> String {
        object::safe(&self.env.random::<5>())
    }

    /// The pods that `owner` controls and that are neither going nor done.
    pub(super) fn active_pods(&self, owner: &str) -> Vec<&'s Cached> {
        let pods = self.cache.dependents(owner).filter(|c| c.is("", "pods"));
        let controlled =
            pods.filter(|c| object::controller(&c.value).is_some_and(|(_, _, uid)| uid == owner));
        controlled
            .filter(|c| super::pod::is_active(&c.value))
            .collect()
    }
}
