//! The one task behind all stand-ins: follows the store, looks at what may have changed, writes.
//!
//! What is looked at is a set of keys; why is forgotten, so that a lost or doubled event changes
//! nothing. One object is looked at at a time, in the order of keys, which keeps a run repeatable.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use roadstead_protocol::env::Env;
use roadstead_store::records::{OBJECTS_PREFIX, object_key, parse_object_key};
use roadstead_store::{CommitError, Event, Key, Store, Watch, WatchEnd};
use tokio::time::Instant;

use super::cache::{Cache, Cached};
use super::scene::{Scene, Stopwatch};
use super::{
    Options, boot, cluster_ip, daemonset, deployment, gc, job, pod, replicaset, statefulset, volume,
};

/// How long others go first after something stood in the way of a write: what is in the way may wait for
/// its own turn to go.
const GIVE_WAY: Duration = Duration::from_millis(10);
/// How long to wait before looking again after a write that could not be done.
const RETRY_AFTER: Duration = Duration::from_secs(1);

struct Manager {
    env: Env,
    store: Store,
    options: Options,
    watch: Watch,
    cache: Cache,
    dirty: BTreeSet<Key>,
    timers: BTreeMap<Key, Instant>,
    stopwatch: Stopwatch,
}

/// Works until the store is closed.
pub(super) async fn run(env: Env, store: Store, options: Options) {
    let Some((watch, cache)) = begin(&store) else {
        return;
    };
    let dirty = cache.keys().cloned().collect();
    let (timers, stopwatch) = (BTreeMap::new(), Stopwatch::default());
    let mut manager = Manager {
        env,
        store,
        options,
        watch,
        cache,
        dirty,
        timers,
        stopwatch,
    };
    while manager.turn().await.is_ok() {}
}

/// All that is there, and a watch from then on.
fn begin(store: &Store) -> Option<(Watch, Cache)> {
    let snapshot = store.snapshot();
    let watch = store.watch(OBJECTS_PREFIX, snapshot.revision()).ok()?;
    let mut cache = Cache::default();
    snapshot
        .range(OBJECTS_PREFIX)
        .for_each(|entry| cache.load(entry));
    Some((watch, cache))
}

/// The store is closed.
struct Closed;

impl Manager {
    /// Takes in what is new, then looks at one object or waits.
    async fn turn(&mut self) -> Result<(), Closed> {
        while let Some(event) = self.watch.try_next() {
            self.take(event)?;
        }
        let now = Instant::now();
        let due = self
            .timers
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(key, _)| key.clone());
        for key in due.collect::<Vec<_>>() {
            self.timers.remove(&key);
            self.dirty.insert(key);
        }
        if let Some(key) = self.dirty.pop_first() {
            return self.look(key).await;
        }
        let next = self.timers.values().min().copied();
        tokio::select! {
            biased;
            event = self.watch.next() => self.take(event),
            () = until(next) => Ok(()),
        }
    }

    fn take(&mut self, event: Result<Event, WatchEnd>) -> Result<(), Closed> {
        match event {
            Ok(event) => {
                self.dirty.extend(self.cache.apply(&event));
                if event.new.is_none() {
                    self.stopwatch.forget(&event.key);
                    self.timers.remove(&event.key);
                }
                self.wake_for_nodes(&event);
                self.wake_for_contents(&event);
                Ok(())
            }
            Err(WatchEnd::Expired) => {
                (self.watch, self.cache) = begin(&self.store).ok_or(Closed)?;
                self.dirty = self.cache.keys().cloned().collect();
                Ok(())
            }
            Err(WatchEnd::Closed) => Err(Closed),
        }
    }

    /// A node that comes, changes or goes concerns daemon sets, and pods that wait for one or were
    /// on it; so does room that a pod leaves.
    fn wake_for_nodes(&mut self, event: &Event) {
        let node = event.key.as_str().starts_with("/objects/core/nodes/");
        let pod_gone = event.new.is_none() && event.key.as_str().starts_with("/objects/core/pods/");
        if node {
            self.dirty.extend(
                self.cache
                    .range("/objects/apps/daemonsets/")
                    .map(|c| c.key.clone()),
            );
            self.dirty.extend(
                self.cache
                    .range("/objects/core/pods/")
                    .map(|c| c.key.clone()),
            );
        }
        if pod_gone {
            let waiting = self
                .cache
                .range("/objects/core/pods/")
                .filter(|c| pod::is_waiting(&c.value));
            self.dirty.extend(waiting.map(|c| c.key.clone()));
        }
    }

    /// What every namespace has comes back when it is deleted.
    fn wake_for_contents(&mut self, event: &Event) {
        let gone = event
            .new
            .is_none()
            .then(|| parse_object_key(event.key.as_str()))
            .flatten();
        let Some(gone) = gone.filter(boot::is_content) else {
            return;
        };
        self.dirty
            .extend(object_key("", "namespaces", "", &gone.namespace));
    }

    async fn look(&mut self, key: Key) -> Result<(), Closed> {
        let Some(cached) = self.cache.get(key.as_str()) else {
            return Ok(());
        };
        let mut scene = Scene::new(&self.cache, &self.env, &self.options, &mut self.stopwatch);
        dispatch(&mut scene, cached);
        let Scene { txn, again_in, .. } = scene;
        if let Some(again_in) = again_in {
            self.timers.insert(key.clone(), Instant::now() + again_in);
        }
        if txn.ops.is_empty() {
            return Ok(());
        }
        match self.store.commit(txn).await {
            Ok(_) => Ok(()),
            Err(CommitError::Closed) => Err(Closed),
            Err(CommitError::Conflict { .. }) => {
                self.timers.insert(key, Instant::now() + GIVE_WAY);
                Ok(())
            }
            Err(error @ (CommitError::TooLarge { .. } | CommitError::Unavailable(_))) => {
                tracing::warn!(%key, %error, "a simulated controller cannot write");
                self.timers.insert(key, Instant::now() + RETRY_AFTER);
                Ok(())
            }
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Garbage first; what stays is for its kind's stand-in.
fn dispatch(scene: &mut Scene<'_>, cached: &Cached) {
    if gc::collect(scene, cached) {
        return;
    }
    match (cached.parsed.group.as_str(), cached.parsed.plural.as_str()) {
        ("", "namespaces") => boot::namespace_contents(scene, cached),
        ("", "pods") => pod::look(scene, cached),
        ("", "services") => cluster_ip::look(scene, cached),
        ("", "persistentvolumeclaims") => volume::look(scene, cached),
        ("apps", "deployments") => deployment::look(scene, cached),
        ("apps", "replicasets") => replicaset::look(scene, cached),
        ("apps", "statefulsets") => statefulset::look(scene, cached),
        ("apps", "daemonsets") => daemonset::look(scene, cached),
        ("batch", "jobs") => job::look(scene, cached),
        _ => {}
    }
}
