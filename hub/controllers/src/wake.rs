//! Says which keys a change wakes. A hint, never the truth: what is woken reads everything anew, and
//! everything is woken from time to time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use roadstead_machinery::resource::Registry;
use roadstead_protocol::api::cluster::AttachedCluster;
use roadstead_protocol::api::decision::Decision;
use roadstead_protocol::api::fleet::Fleet;
use roadstead_protocol::api::names::{
    ATTACHED_CLUSTERS, CLUSTER_GROUP, DECISIONS, FLEET_GROUP, FLEETS, OWN_GROUP, POLICY_GROUP,
};
use roadstead_protocol::api::policy::{
    CLUSTER_DISTRIBUTION, CLUSTER_OVERRIDE, DISTRIBUTION, OVERRIDE,
};
use roadstead_store::records::{
    FACTS_PREFIX, LEDGER_PREFIX, LIVENESS_PREFIX, OBJECTS_PREFIX, ObjectKey, ledger_prefix,
    objects_prefix, parse_ledger_key, parse_object_key, parse_report_key,
};
use roadstead_store::{Event, Snapshot, Store, Watch, WatchEnd};
use serde_json::Value;
use tokio::time::Instant;

use crate::Parts;
use crate::driver::{Source, Woken};
use crate::objects;
use crate::reconciler::{instant, item};
use crate::work::{Name, Work};
use crate::world;

/// How long changes that wake many are gathered.
const GATHER: Duration = Duration::from_millis(20);
/// Most changes that are taken at once.
const EVENTS_MAX: usize = 1024;
/// How long to wait before a store that cannot be watched is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Watches both stores.
pub(crate) struct Wake {
    store: Store,
    volatile: Store,
    registry: Arc<Registry>,
    settle: Duration,
    resync: Duration,
    durable_watch: Option<Watch>,
    volatile_watch: Option<Watch>,
    next_resync: Instant,
    closed: bool,
}

impl Wake {
    pub(crate) fn new(parts: &Parts) -> Self {
        Self {
            store: parts.store.clone(),
            volatile: parts.volatile.clone(),
            registry: Arc::clone(&parts.registry),
            settle: parts.options.settle,
            resync: parts.options.resync.max(Duration::from_millis(1)),
            durable_watch: None,
            volatile_watch: None,
            next_resync: instant() + parts.options.resync,
            closed: false,
        }
    }

    /// Opens the watches that are not open; whether everything must be looked at because of that.
    fn open(&mut self) -> bool {
        let mut all = false;
        if self.durable_watch.is_none() {
            self.durable_watch = self.store.watch("/", self.store.revision()).ok();
            all |= self.durable_watch.is_some();
        }
        if self.volatile_watch.is_none() {
            self.volatile_watch = self.volatile.watch("/", self.volatile.revision()).ok();
            all |= self.volatile_watch.is_some();
        }
        all
    }

    /// Everything there is to work on.
    fn everything(&self, reason: &'static str) -> Vec<Woken<Work>> {
        let snapshot = self.store.snapshot();
        let mut work = BTreeSet::from([Work::Garbage]);
        for entry in snapshot.range(OBJECTS_PREFIX) {
            let Some(key) = parse_object_key(entry.key.as_str()) else {
                continue;
            };
            if let Some(own) = own(&key) {
                work.insert(own);
            } else if let Some(item) = world::item(&self.registry, &key) {
                work.insert(Work::Placement(item));
            } else if (key.group.as_str(), key.plural.as_str()) == (OWN_GROUP, DECISIONS)
                && let Ok(decision) = objects::typed::<Decision>(entry)
            {
                work.insert(Work::Placement(item(&decision)));
                work.insert(Work::Status(item(&decision)));
            }
        }
        for entry in snapshot.range(LEDGER_PREFIX) {
            if let Some((_, item)) = parse_ledger_key(entry.key.as_str()) {
                work.insert(Work::Placement(item));
            }
        }
        woken(work, Duration::ZERO, reason)
    }

    /// What a change of the durable store wakes.
    fn durable(&self, event: &Event, out: &mut Vec<Woken<Work>>) {
        let key = event.key.as_str();
        if let Some((_, item)) = parse_ledger_key(key) {
            out.extend(woken([Work::Status(item.clone())], self.settle, "ledger"));
            if event.new.is_none() {
                out.extend(woken([Work::Placement(item)], GATHER, "ledger"));
            }
            return;
        }
        let Some(key) = parse_object_key(key) else {
            return;
        };
        if let Some(own) = own(&key) {
            out.extend(woken([own], GATHER, "changed"));
        }
        let at = (key.group.as_str(), key.plural.as_str());
        if at == (OWN_GROUP, DECISIONS) {
            self.decision(event, out);
        } else if at == (CLUSTER_GROUP, ATTACHED_CLUSTERS) {
            self.cluster(event, &key, out);
        } else if key.group == POLICY_GROUP {
            if meaning(&event.new) != meaning(&event.previous) {
                let everywhere = key.namespace.is_empty();
                self.templates(everywhere.then_some("").or(Some(&key.namespace)), out);
                self.policies("a policy changed", out);
            }
        } else if at == ("", "namespaces") {
            if meaning(&event.new) != meaning(&event.previous) {
                self.templates(Some(""), out);
            }
            self.template(&key, out);
        } else {
            self.template(&key, out);
        }
    }

    fn template(&self, key: &ObjectKey, out: &mut Vec<Woken<Work>>) {
        if let Some(item) = world::item(&self.registry, key) {
            out.extend(woken([Work::Placement(item)], Duration::ZERO, "template"));
            self.policies("a template changed", out);
        }
    }

    fn decision(&self, event: &Event, out: &mut Vec<Woken<Work>>) {
        for entry in event.new.iter().chain(&event.previous) {
            let Ok(decision) = objects::typed::<Decision>(entry) else {
                continue;
            };
            let item = item(&decision);
            if event.new.is_none() {
                out.extend(woken([Work::Placement(item.clone())], GATHER, "decision"));
            }
            out.extend(woken([Work::Status(item)], self.settle, "decision"));
            let by = decision.spec.policy.iter().chain(&decision.spec.overrides);
            out.extend(woken(by.filter_map(policy), self.settle, "decision"));
        }
    }

    fn cluster(&self, event: &Event, key: &ObjectKey, out: &mut Vec<Woken<Work>>) {
        if meaning(&event.new) != meaning(&event.previous) {
            self.templates(Some(""), out);
            self.policies("a cluster changed", out);
        }
        let read = |entry: &Option<roadstead_store::Entry>| {
            entry
                .as_ref()
                .and_then(|e| objects::typed::<AttachedCluster>(e).ok())
        };
        let (new, old) = (read(&event.new), read(&event.previous));
        let ready = |c: &Option<AttachedCluster>| {
            c.as_ref()
                .map(|c| c.status.conditions.clone())
                .unwrap_or_default()
        };
        if ready(&new) == ready(&old) {
            return;
        }
        let snapshot = self.store.snapshot();
        for uid in new.iter().chain(&old).map(|c| &c.metadata.uid) {
            let items = snapshot.range(&ledger_prefix(uid));
            let items = items.filter_map(|entry| parse_ledger_key(entry.key.as_str()));
            let work = items.map(|(_, item)| Work::Status(item));
            out.extend(woken(work, self.settle, "a cluster's condition"));
        }
        for entry in snapshot.range(&objects_prefix(FLEET_GROUP, FLEETS)) {
            let member = objects::typed::<Fleet>(entry).is_ok_and(|fleet| {
                fleet.metadata.namespace == key.namespace
                    && fleet.spec.clusters.iter().any(|m| m.name == key.name)
            });
            let fleet = parse_object_key(entry.key.as_str()).filter(|_| member);
            out.extend(woken(
                fleet.map(|key| Work::Fleet(name(&key))),
                GATHER,
                "a member",
            ));
        }
    }

    /// All templates of a namespace, or of all with `Some("")`, and what is left of former ones.
    fn templates(&self, namespace: Option<&str>, out: &mut Vec<Woken<Work>>) {
        let snapshot = self.store.snapshot();
        let within = |ns: &str| namespace.is_none_or(|n| n.is_empty() || n == ns);
        let mut work = BTreeSet::new();
        for entry in snapshot.range(OBJECTS_PREFIX) {
            let key = parse_object_key(entry.key.as_str()).filter(|key| within(&key.namespace));
            if let Some(item) = key.and_then(|key| world::item(&self.registry, &key)) {
                work.insert(Work::Placement(item));
            }
        }
        for entry in snapshot.range(LEDGER_PREFIX) {
            let item = parse_ledger_key(entry.key.as_str()).map(|(_, item)| item);
            if let Some(item) = item.filter(|item| within(&item.namespace)) {
                work.insert(Work::Placement(item));
            }
        }
        out.extend(woken(work, GATHER, "policies or clusters"));
    }

    /// All policies, gathered for longer: their conditions follow from much else.
    fn policies(&self, reason: &'static str, out: &mut Vec<Woken<Work>>) {
        let snapshot = self.store.snapshot();
        for (_, plural) in [
            DISTRIBUTION,
            CLUSTER_DISTRIBUTION,
            OVERRIDE,
            CLUSTER_OVERRIDE,
        ] {
            let entries = snapshot.range(&objects_prefix(POLICY_GROUP, plural));
            let work = entries.filter_map(|e| own(&parse_object_key(e.key.as_str())?));
            out.extend(woken(work, self.settle, reason));
        }
    }

    /// What a change of the volatile store wakes.
    fn changed_news(&self, event: &Event, out: &mut Vec<Woken<Work>>) {
        let key = event.key.as_str();
        if let Some((_, item)) = parse_report_key(key) {
            out.extend(woken([Work::Status(item)], self.settle, "report"));
            return;
        }
        let uid = [LIVENESS_PREFIX, FACTS_PREFIX]
            .iter()
            .find_map(|p| key.strip_prefix(p));
        let Some(uid) = uid else {
            return;
        };
        let snapshot = self.store.snapshot();
        out.extend(woken(
            cluster_of(&snapshot, uid).map(Work::Cluster),
            GATHER,
            "agent",
        ));
    }
}

impl Source<Work> for Wake {
    async fn next(&mut self) -> Vec<Woken<Work>> {
        if self.closed {
            return std::future::pending().await;
        }
        if self.open() {
            return self.everything("start");
        }
        let (Some(durable), Some(volatile)) = (&mut self.durable_watch, &mut self.volatile_watch)
        else {
            tokio::time::sleep(AGAIN).await;
            return Vec::new();
        };
        let mut out = Vec::new();
        tokio::select! {
            biased;
            event = durable.next() => {
                let (events, end) = burst(event, || durable.try_next());
                for event in &events {
                    self.durable(event, &mut out);
                }
                if let Some(end) = end {
                    self.durable_watch = None;
                    self.closed = end == WatchEnd::Closed;
                }
            }
            event = volatile.next() => {
                let (events, end) = burst(event, || volatile.try_next());
                for event in &events {
                    self.changed_news(event, &mut out);
                }
                if let Some(end) = end {
                    self.volatile_watch = None;
                    self.closed = end == WatchEnd::Closed;
                }
            }
            () = tokio::time::sleep_until(self.next_resync) => {
                self.next_resync = instant() + self.resync;
                return self.everything("resync");
            }
        }
        out
    }
}

/// The first change with those that wait behind it, and the watch's end if it came.
fn burst(
    first: Result<Event, WatchEnd>,
    mut next: impl FnMut() -> Option<Result<Event, WatchEnd>>,
) -> (Vec<Event>, Option<WatchEnd>) {
    let mut events = Vec::new();
    let mut at = Some(first);
    while let Some(event) = at.take() {
        match event {
            Ok(event) => events.push(event),
            Err(end) => return (events, Some(end)),
        }
        if events.len() < EVENTS_MAX {
            at = next();
        }
    }
    (events, None)
}

fn woken(
    work: impl IntoIterator<Item = Work>,
    delay: Duration,
    reason: &'static str,
) -> Vec<Woken<Work>> {
    work.into_iter()
        .map(|key| Woken { key, delay, reason })
        .collect()
}

/// What an object is that has conditions of its own.
fn own(key: &ObjectKey) -> Option<Work> {
    if (key.group.as_str(), key.plural.as_str()) == (CLUSTER_GROUP, ATTACHED_CLUSTERS) {
        return Some(Work::Cluster(name(key)));
    }
    if (key.group.as_str(), key.plural.as_str()) == (FLEET_GROUP, FLEETS) {
        return Some(Work::Fleet(name(key)));
    }
    let plurals = [
        DISTRIBUTION.1,
        CLUSTER_DISTRIBUTION.1,
        OVERRIDE.1,
        CLUSTER_OVERRIDE.1,
    ];
    (key.group == POLICY_GROUP && plurals.contains(&key.plural.as_str())).then(|| Work::Policy {
        plural: key.plural.clone(),
        name: name(key),
    })
}

fn name(key: &ObjectKey) -> Name {
    Name {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
    }
}

fn policy(policy: &roadstead_protocol::api::decision::PolicyRef) -> Option<Work> {
    let kinds = [
        DISTRIBUTION,
        CLUSTER_DISTRIBUTION,
        OVERRIDE,
        CLUSTER_OVERRIDE,
    ];
    let (_, plural) = kinds.iter().find(|(kind, _)| *kind == policy.kind)?;
    let name = Name {
        namespace: policy.namespace.clone(),
        name: policy.name.clone(),
    };
    Some(Work::Policy {
        plural: (*plural).to_owned(),
        name,
    })
}

/// What of an object matters to others: not its status, and not who manages which field.
fn meaning(entry: &Option<roadstead_store::Entry>) -> Option<(Value, Value, Value)> {
    let object: Value = objects::object(entry.as_ref()?).ok()?;
    let part = |pointer: &str| object.pointer(pointer).cloned().unwrap_or_default();
    Some((
        part("/spec"),
        part("/metadata/labels"),
        part("/metadata/annotations"),
    ))
}

fn cluster_of(snapshot: &Snapshot, uid: &str) -> Option<Name> {
    let clusters = objects_prefix(CLUSTER_GROUP, ATTACHED_CLUSTERS);
    snapshot.range(&clusters).find_map(|entry| {
        let cluster: AttachedCluster = objects::typed(entry).ok()?;
        let name = || Name {
            namespace: cluster.metadata.namespace.clone(),
            name: cluster.metadata.name.clone(),
        };
        (cluster.metadata.uid == uid).then(name)
    })
}
