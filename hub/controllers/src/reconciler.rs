//! What every reconciler works with, and which of them looks at what.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use roadstead_plan::{Review, Template, World};
use roadstead_protocol::api::decision::Decision;
use roadstead_protocol::api::names::{DECISIONS, OWN_GROUP};
use roadstead_protocol::wire::ItemKey;
use roadstead_store::records::objects_prefix;
use roadstead_store::{Snapshot, Txn};
use tokio::time::Instant;

use crate::driver::Reconcile;
use crate::error::Error;
use crate::work::Work;
use crate::world::{Fingerprint, fingerprint};
use crate::{Parts, cluster, fleet, gc, objects, placement, policy, status, world};

/// How often something is tried anew at once after another write got in between.
const ATTEMPTS_MAX: u32 = 8;

/// What every reconciler works with.
pub(crate) struct Reconciler {
    pub(crate) parts: Parts,
    cache: Mutex<Cache>,
    away: Mutex<BTreeMap<String, Instant>>,
    start: Instant,
}

/// What was read last, and from what.
#[derive(Default)]
struct Cache {
    world: Option<(Fingerprint, Arc<World>)>,
    review: Option<(Fingerprint, Arc<Review>)>,
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
            start: instant(),
        }
    }

    /// The wall clock's time.
    pub(crate) fn now(&self) -> jiff::Timestamp {
        self.parts.env.clock.now()
    }

    /// What the plan wants of `snapshot`, read once per change.
    pub(crate) fn world(&self, snapshot: &Snapshot) -> Result<Arc<World>, Error> {
        let print = fingerprint(snapshot);
        if let Some((of, world)) = &self.cache().world
            && *of == print
        {
            return Ok(Arc::clone(world));
        }
        let world = Arc::new(world(snapshot, self.parts.options.limits)?);
        self.cache().world = Some((print, Arc::clone(&world)));
        Ok(world)
    }

    /// What the edits that are on their way would remove, over all templates. Read once per change
    /// of the world, so a count may lag behind templates that changed since.
    pub(crate) fn review(&self, snapshot: &Snapshot, world: &World) -> Result<Arc<Review>, Error> {
        let print = fingerprint(snapshot);
        if let Some((of, review)) = &self.cache().review
            && *of == print
        {
            return Ok(Arc::clone(review));
        }
        let mut review = Review::default();
        for entry in snapshot.range(&objects_prefix(OWN_GROUP, DECISIONS)) {
            let decision: Decision = objects::typed(entry)?;
            let add = |template: &Template<'_>| review.add(world, template);
            world::template(snapshot, &self.parts.registry, world, &item(&decision), add)?;
        }
        let review = Arc::new(review);
        self.cache().review = Some((print, Arc::clone(&review)));
        Ok(review)
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
        for _ in 0..ATTEMPTS_MAX {
            let snapshot = self.parts.store.snapshot();
            let (txn, result) = attempt(&snapshot)?;
            let Some(txn) = txn.filter(|txn| !txn.ops.is_empty()) else {
                return Ok(result);
            };
            match self.parts.store.commit(txn).await.map_err(Error::from) {
                Ok(_) => return Ok(result),
                Err(error) if error.overtaken() => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Overtaken(ATTEMPTS_MAX))
    }
}

/// What a decision is about.
pub(crate) fn item(decision: &Decision) -> ItemKey {
    let template = &decision.spec.template;
    ItemKey {
        group: template
            .api_version
            .split_once('/')
            .map_or("", |(group, _)| group)
            .to_owned(),
        kind: template.kind.clone(),
        namespace: template.namespace.clone(),
        name: template.name.clone(),
    }
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
                Work::Policy { plural, name } => policy::reconcile(&self, &plural, &name).await,
                Work::Garbage => gc::reconcile(&self).await,
            }
        })
    }
}
