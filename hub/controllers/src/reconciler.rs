//! What every reconciler works with, and which of them looks at what.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use roadstead_machinery::resource::Registry;
use roadstead_plan::{Part, Review, World};
use roadstead_protocol::api::decision::Decision;
use roadstead_protocol::api::names::{DECISIONS, OWN_GROUP};
use roadstead_protocol::wire::{ItemKey, Revision};
use roadstead_store::records::objects_prefix;
use roadstead_store::{Entry, Key, Snapshot, Txn};
use tokio::time::Instant;

use crate::budgets::Budgets;
use crate::claims::Claims;
use crate::driver::Reconcile;
use crate::error::Error;
use crate::failovers::Failovers;
use crate::given::Given;
use crate::groups::Groups;
use crate::kinds::Kinds;
use crate::pledges::Pledges;
use crate::rollout::Clocks;
use crate::room::Room;
use crate::work::Work;
use crate::worlds::Worlds;
use crate::{
    Parts, approvals, cluster, fleet, gc, groups, objects, placement, policy, rollout, status,
    world,
};

/// How often something is tried anew at once after another write got in between.
const ATTEMPTS_MAX: u32 = 8;

/// What every reconciler works with.
pub(crate) struct Reconciler {
    pub(crate) parts: Parts,
    cache: Mutex<Cache>,
    away: Mutex<BTreeMap<String, Instant>>,
    /// The line of those that another write overtook.
    overtaken: tokio::sync::Mutex<()>,
    pub(crate) pledges: Pledges,
    pub(crate) groups: Groups,
    pub(crate) claims: Claims,
    pub(crate) given: Given,
    pub(crate) failovers: Arc<Failovers>,
    pub(crate) budgets: Budgets,
    /// Whether disruption budgets are taken to have no end: what they hold back happens in time.
    pub(crate) unbounded: bool,
    pub(crate) rollouts: Clocks,
    kinds: Kinds,
    /// Shared with what wakes.
    pub(crate) room: Arc<Room>,
    start: Instant,
}

/// What all templates add to a review in a world, by the keys of their decisions.
type Reviewed = (Arc<World>, Arc<BTreeMap<Key, Added>>);

/// What was read last, and from what.
#[derive(Default)]
struct Cache {
    world: Worlds,
    /// What each template adds to a review, by the key of its decision, as long as the world is this.
    parts: Option<Reviewed>,
}

/// What one template adds to a review, and the revisions of its decision, of itself and of the groups
/// that it belongs to, from which that was read.
#[derive(Clone)]
struct Added {
    read: (Revision, Option<Revision>),
    template: Option<Key>,
    groups: Vec<(Key, Option<Revision>)>,
    part: Part,
}

/// The time by tokio's clock.
pub(crate) fn instant() -> Instant {
    Instant::now()
}

impl Reconciler {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            parts,
            cache: Mutex::default(),
            away: Mutex::default(),
            overtaken: tokio::sync::Mutex::default(),
            pledges: Pledges::default(),
            groups: Groups::default(),
            claims: Claims::default(),
            given: Given::default(),
            failovers: Arc::default(),
            budgets: Budgets::default(),
            unbounded: false,
            rollouts: Clocks::default(),
            kinds: Kinds::default(),
            room: Arc::default(),
            start: instant(),
        }
    }

    /// The kinds that are served, as `snapshot` shows them.
    pub(crate) fn registry(&self, snapshot: &Snapshot) -> Arc<Registry> {
        self.kinds.of(&self.parts.registry, snapshot)
    }

    /// The wall clock's time.
    pub(crate) fn now(&self) -> jiff::Timestamp {
        self.parts.env.clock.now()
    }

    /// For how long this hub has been running, by tokio's clock.
    pub(crate) fn uptime(&self) -> Duration {
        self.start.elapsed()
    }

    /// What the plan wants of `snapshot`, read once per change.
    pub(crate) fn world(&self, snapshot: &Snapshot) -> Result<Arc<World>, Error> {
        let (limits, uptime) = (self.parts.options.limits, self.uptime());
        let world = self.cache().world.of(snapshot, limits, uptime)?;
        self.failovers.observe(&world, uptime);
        Ok(world)
    }

    /// What the edits that are on their way would remove, over all templates, as `snapshot` shows
    /// them: what changed since the last time is counted anew.
    pub(crate) fn review(&self, snapshot: &Snapshot, world: &World) -> Result<Arc<Review>, Error> {
        let known = {
            let cache = self.cache();
            let known = cache.parts.as_ref();
            let known = known.filter(|(of, _)| std::ptr::eq(Arc::as_ptr(of), world));
            known
                .map(|(_, parts)| Arc::clone(parts))
                .unwrap_or_default()
        };
        let mut parts = BTreeMap::new();
        for entry in snapshot.range(&objects_prefix(OWN_GROUP, DECISIONS)) {
            let at = |key: &Option<Key>| snapshot.get(key.as_ref()?.as_str()).map(|e| e.revision);
            let added = known.get(&entry.key);
            let stands = |(key, read): &(Key, Option<Revision>)| {
                snapshot.get(key.as_str()).map(|e| e.revision) == *read
            };
            let same = |added: &&Added| {
                let read = (entry.revision, at(&added.template));
                added.read == read && added.groups.iter().all(stands)
            };
            let added = match added.filter(same) {
                Some(added) => added.clone(),
                // What cannot be read loses nothing, and keeps nothing else from being counted.
                None => match self.part(snapshot, world, entry) {
                    Ok(added) => added,
                    Err(_) => continue,
                },
            };
            parts.insert(entry.key.clone(), added);
        }
        let former = approvals::read(snapshot)?;
        let review = Review::of(world, parts.values().map(|a| &a.part), &former);
        let mut cache = self.cache();
        cache.parts = cache
            .world
            .shared(world)
            .map(|world| (world, Arc::new(parts)));
        Ok(Arc::new(review))
    }

    fn part(&self, snapshot: &Snapshot, world: &World, entry: &Entry) -> Result<Added, Error> {
        let registry = &self.registry(snapshot);
        let decision: Decision = objects::typed(entry)?;
        let item = item(&decision);
        let template = world::locate(registry, &item)?.map(|(key, _)| key);
        let revision = template
            .as_ref()
            .and_then(|key| snapshot.get(key.as_str()))
            .map(|entry| entry.revision);
        let groups = groups::revisions(snapshot, &item, &decision.spec)?;
        let part = world::template(snapshot, registry, world, &item, |t| {
            let mut t = t.clone();
            t.around.peers = self.groups.of(snapshot, world, &item, t.object)?;
            Ok::<_, Error>(Part::of(world, &t))
        })??;
        Ok(Added {
            groups,
            read: (entry.revision, revision),
            template,
            part,
        })
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For how long a cluster has been away, as far as this process has seen; `None` with
    /// `connected`, which also ends the count.
    pub(crate) fn away(&self, cluster: &str, connected: bool, known: bool) -> Option<Duration> {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        if connected {
            away.remove(cluster);
            return None;
        }
        let since = if known { instant() } else { self.start };
        Some(away.entry(cluster.to_owned()).or_insert(since).elapsed())
    }

    /// Forgets about a cluster that is gone.
    pub(crate) fn forget(&self, cluster: &str) {
        self.room.forget(cluster);
        self.away
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(cluster);
    }

    /// Commits what `attempt` makes of the newest snapshot, and tries anew where another write got
    /// in between. `None` commits nothing.
    pub(crate) async fn commit<T>(
        &self,
        mut attempt: impl FnMut(&Snapshot) -> Result<(Option<Txn>, T), Error>,
    ) -> Result<T, Error> {
        let mut line = None;
        for _ in 0..ATTEMPTS_MAX {
            let snapshot = self.parts.store.snapshot();
            let (txn, result) = attempt(&snapshot)?;
            let Some(txn) = txn.filter(|txn| !txn.ops.is_empty()) else {
                return Ok(result);
            };
            match self.parts.store.commit(txn).await.map_err(Error::from) {
                Ok(_) => return Ok(result),
                // One at a time: all at once would overtake one another again and again.
                Err(error) if error.overtaken() && line.is_none() => {
                    line = Some(self.overtaken.lock().await);
                }
                Err(error) if error.overtaken() => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Overtaken(ATTEMPTS_MAX))
    }
}

/// What a decision is about.
pub(crate) fn item(decision: &Decision) -> ItemKey {
    decision.spec.template.item()
}

impl Reconcile for Reconciler {
    type Key = Work;

    fn reconcile(
        self: Arc<Self>,
        key: Work,
    ) -> Pin<Box<dyn Future<Output = Result<Option<Duration>, Error>> + Send>> {
        Box::pin(async move {
            match key {
                Work::Placement(item) => placement::reconcile(&self, &item).await,
                Work::Status(item) => status::reconcile(&self, &item).await,
                Work::Cluster(name) => cluster::reconcile(&self, &name).await,
                Work::Fleet(name) => fleet::reconcile(&self, &name).await,
                Work::Policy {
                    group,
                    plural,
                    name,
                } => policy::reconcile(&self, (&group, &plural), &name).await,
                Work::Rollout {
                    group,
                    plural,
                    name,
                } => rollout::reconcile(&self, (&group, &plural), &name).await,
                Work::Garbage => gc::reconcile(&self).await,
            }
        })
    }
}
