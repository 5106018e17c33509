//! Which clusters have a kubeconfig, followed from the store; a task for each of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use roadstead_protocol::api::cluster::{AttachedCluster, SecretKey};
use roadstead_protocol::api::names::{ATTACHED_CLUSTERS, CLUSTER_GROUP};
use roadstead_store::records::{self, parse_object_key};
use roadstead_store::{Entry, Event, Key, Snapshot, Watch, WatchEnd};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::kubeconfig::problem;
use super::tend::Tender;
use super::{HOSTED_MAX, Shared};

/// How long to wait before a store that cannot be watched is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// A cluster with a kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The UID of its AttachedCluster.
    pub(super) uid: String,
    /// Its namespace.
    pub(super) namespace: String,
    /// Its name.
    pub(super) name: String,
    /// Where its kubeconfig is.
    pub(super) secret: SecretKey,
    /// Goes up when the Secret may have changed.
    pub(super) turn: u64,
}

/// Follows the store.
pub(super) struct Follower {
    shared: Arc<Shared>,
    stop: watch::Receiver<bool>,
    /// Who is looked after, and where to say that it changed. Its task ends when this is dropped.
    tended: BTreeMap<String, watch::Sender<Wanted>>,
    /// Who there is no room for.
    crowded: BTreeMap<String, Wanted>,
    tasks: JoinSet<()>,
}

impl Follower {
    pub(super) fn new(shared: Arc<Shared>, stop: watch::Receiver<bool>) -> Self {
        Self {
            shared,
            stop,
            tended: BTreeMap::new(),
            crowded: BTreeMap::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Follows until the hub stops, and then until everything that was begun has ended.
    pub(super) async fn run(mut self) {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|stopped| *stopped) => {}
            () = self.follow() => {}
        }
        self.tended.clear();
        while self.tasks.join_next().await.is_some() {}
    }

    async fn follow(&mut self) {
        loop {
            let Some((mut clusters, mut secrets)) = self.reload().await else {
                tokio::time::sleep(AGAIN).await;
                continue;
            };
            loop {
                let event = tokio::select! {
                    biased;
                    event = clusters.next() => event,
                    event = secrets.next() => event,
                    Some(_) = self.tasks.join_next() => continue,
                };
                match event {
                    Ok(event) => self.apply(&event).await,
                    Err(WatchEnd::Expired) => break,
                    Err(WatchEnd::Closed) => return,
                }
            }
        }
    }

    /// Reads everything anew.
    async fn reload(&mut self) -> Option<(Watch, Watch)> {
        let store = &self.shared.context.store;
        let snapshot = store.snapshot();
        let watch = |prefix: &str| store.watch(prefix, snapshot.revision()).ok();
        let watches = (watch(&clusters())?, watch(&secrets())?);
        let wanted = all(&snapshot);
        let gone: Vec<String> = self
            .known()
            .filter(|uid| !wanted.contains_key(*uid))
            .cloned()
            .collect();
        for uid in gone {
            self.leave(&uid).await;
        }
        for wanted in wanted.into_values() {
            self.want(wanted).await;
        }
        Some(watches)
    }

    fn known(&self) -> impl Iterator<Item = &String> {
        self.tended.keys().chain(self.crowded.keys())
    }

    async fn apply(&mut self, event: &Event) {
        if let Some(key) = secret_of(&event.key) {
            for tended in self.tended.values() {
                tended.send_if_modified(|wanted| {
                    let concerned = (&wanted.namespace, &wanted.secret.name) == (&key.0, &key.1);
                    wanted.turn += u64::from(concerned);
                    concerned
                });
            }
            return;
        }
        let before = event.previous.as_ref().and_then(uid_of);
        let after = event.new.as_ref().and_then(wanted_of);
        if let Some(uid) = before
            && after.as_ref().is_none_or(|wanted| wanted.uid != uid)
        {
            self.leave(&uid).await;
        }
        if let Some(wanted) = after {
            self.want(wanted).await;
        }
    }

    /// A cluster is to be looked after in this way.
    async fn want(&mut self, wanted: Wanted) {
        if let Some(tended) = self.tended.get(&wanted.uid) {
            tended.send_if_modified(|known| {
                let changed = known.secret != wanted.secret;
                if changed {
                    let turn = known.turn + 1;
                    *known = Wanted { turn, ..wanted };
                }
                changed
            });
            return;
        }
        let most = self.shared.context.hosting.max.min(HOSTED_MAX);
        if self.tended.len() >= most {
            let why = format!(
                "this hub looks after {most} clusters by kubeconfig already, which is the most; \
                 take spec.kubeconfig away and let this one join with an agent of its own (`roadstead join {}`)",
                wanted.name
            );
            self.shared
                .tell(&wanted.uid, Some(problem("TooManyHosted", why)))
                .await;
            self.crowded.insert(wanted.uid.clone(), wanted);
            return;
        }
        self.crowded.remove(&wanted.uid);
        let (tell, told) = watch::channel(wanted.clone());
        let tender = Tender::new(Arc::clone(&self.shared), wanted.uid.clone(), told);
        self.tasks.spawn(tender.run());
        self.tended.insert(wanted.uid, tell);
    }

    /// A cluster is not to be looked after any more.
    async fn leave(&mut self, uid: &str) {
        if self.crowded.remove(uid).is_some() {
            self.shared.forget(uid).await;
        }
        if self.tended.remove(uid).is_none() {
            return;
        }
        let next = self.crowded.pop_first();
        if let Some((_, next)) = next {
            Box::pin(self.want(next)).await;
        }
    }
}

fn clusters() -> String {
    records::objects_prefix(CLUSTER_GROUP, ATTACHED_CLUSTERS)
}

fn secrets() -> String {
    records::objects_prefix("", "secrets")
}

/// Namespace and name of the Secret that is kept under this key.
fn secret_of(key: &Key) -> Option<(String, String)> {
    let key = parse_object_key(key.as_str())?;
    (key.group.is_empty() && key.plural == "secrets").then_some((key.namespace, key.name))
}

fn all(snapshot: &Snapshot) -> BTreeMap<String, Wanted> {
    let found = snapshot.range(&clusters()).filter_map(wanted_of);
    found.map(|wanted| (wanted.uid.clone(), wanted)).collect()
}

fn uid_of(entry: &Entry) -> Option<String> {
    let cluster: AttachedCluster = records::decode(entry).ok()?;
    Some(cluster.metadata.uid)
}

/// The cluster of an entry, if it is there to stay and has a kubeconfig.
fn wanted_of(entry: &Entry) -> Option<Wanted> {
    let AttachedCluster { metadata, spec, .. } = records::decode(entry).ok()?;
    if metadata.uid.is_empty() || metadata.deletion_timestamp.is_some() {
        return None;
    }
    Some(Wanted {
        secret: spec.kubeconfig?,
        uid: metadata.uid,
        namespace: metadata.namespace,
        name: metadata.name,
        turn: 0,
    })
}
