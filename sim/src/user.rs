//! The user of the hub: applies, changes and deletes objects and policies, and remembers what was
//! answered. An act whose answer a crash swallowed is looked up before the next one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use roadstead_rest::Rest;
use roadstead_store::{Key, Store};
use serde_json::{Value, json};

use crate::disk::Tear;
use crate::http::call;
use crate::model::{Kind, Model, Name, Object, Policy};
use crate::rng::Rng;
use crate::trace;
use crate::vanish;
use crate::world::{World, lock};
use crate::written::{object_json, policy_json};
pub use crate::written::{object_path, policy_path, same_object};

/// Where clusters live.
pub const CLUSTERS: &str = "/apis/cluster.kurator.dev/v1alpha1/namespaces/default/attachedclusters";
/// The group whose policy sends everything to every cluster, and which is never taken back.
const PRECIOUS: u64 = 0;
/// Most tries of one write while the hub refuses.
const TRIES_MAX: usize = 20;

/// One act of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Applies an object.
    Put(Name, Object),
    /// Deletes an object.
    Delete(Name),
    /// Applies a policy.
    PutPolicy(Kind, u64, Policy),
    /// Deletes a policy.
    DeletePolicy(Kind, u64),
}

/// What the user knows.
#[derive(Debug)]
pub struct User {
    rng: Rng,
    clusters: Vec<String>,
    /// What was answered with success.
    pub model: Model,
    /// Sent, and not answered yet.
    pub pending: Option<Act>,
    /// Everything that any act, answered or not, ever wanted somewhere.
    pub ever: BTreeSet<(String, Name)>,
    /// Everything that any act, answered or not, took away again, and how many deletions of it may
    /// still come. Begins anew once all members agree with what was answered.
    pub taken: BTreeMap<(String, Name), u64>,
    /// Every version of an object that was ever sent.
    pub written: BTreeSet<(Name, u64)>,
    /// Asked for: something vanishes from the hub's store, chosen by this number.
    pub vanish: Option<u64>,
    /// Asked for: the hub's power goes out inside this operation of its disk after the next write.
    pub arm: Option<(u64, Tear)>,
    /// What vanished and has to come back.
    pub vanished: Option<(Key, Bytes)>,
    /// Whether the user has ended.
    pub idle: bool,
    /// Whether the user is to end.
    pub stop: bool,
}

impl User {
    /// A user of a hub with these clusters.
    pub fn new(rng: &Rng, clusters: Vec<String>) -> Self {
        Self {
            rng: rng.fork("user"),
            clusters,
            model: Model::default(),
            pending: None,
            ever: BTreeSet::new(),
            taken: BTreeMap::new(),
            written: BTreeSet::new(),
            vanish: None,
            arm: None,
            vanished: None,
            idle: false,
            stop: false,
        }
    }

    /// Draws the next act.
    fn draw(&mut self) -> Act {
        let all: BTreeMap<String, u64> = self.clusters.iter().map(|c| (c.clone(), 1)).collect();
        if !self
            .model
            .policies
            .contains_key(&(Kind::ConfigMap, PRECIOUS))
        {
            return Act::PutPolicy(Kind::ConfigMap, PRECIOUS, Policy { clusters: all });
        }
        let existing: Vec<Name> = self
            .model
            .objects
            .iter()
            .filter(|(_, o)| o.group != PRECIOUS)
            .map(|(n, _)| n.clone())
            .collect();
        let policies: Vec<(Kind, u64)> = self
            .model
            .policies
            .keys()
            .filter(|(_, g)| *g != PRECIOUS)
            .copied()
            .collect();
        match self.rng.below(20) {
            0..=2 if !existing.is_empty() => {
                let at = self.rng.pick(&existing).cloned();
                at.map_or_else(|| self.put(), Act::Delete)
            }
            3..=6 => self.policy(),
            7 if !policies.is_empty() => match self.rng.pick(&policies) {
                Some((kind, group)) => Act::DeletePolicy(*kind, *group),
                None => self.put(),
            },
            _ => self.put(),
        }
    }

    fn put(&mut self) -> Act {
        let (name, group) = match self.rng.below(10) {
            0..=1 => (
                (Kind::ConfigMap, format!("keep-{}", self.rng.below(3))),
                PRECIOUS,
            ),
            2..=4 => ((Kind::Deployment, format!("app-{}", self.rng.below(2))), 3),
            _ => (
                (Kind::ConfigMap, format!("config-{}", self.rng.below(6))),
                self.rng.within(1, 2),
            ),
        };
        // To leave a policy for none would be held, which is right, but not what is modelled here.
        let group = match self.model.objects.get(&name) {
            Some(o) if !self.model.policies.contains_key(&(name.0, group)) => o.group,
            _ => group,
        };
        let replicas = i64::try_from(self.rng.within(1, 30)).unwrap_or(1);
        Act::Put(
            name,
            Object {
                group,
                version: self.rng.next() % 1_000_000,
                replicas,
            },
        )
    }

    fn policy(&mut self) -> Act {
        let (kind, group) = match self.rng.below(3) {
            0 => (Kind::Deployment, 3),
            n => (Kind::ConfigMap, n),
        };
        let mut clusters: BTreeMap<String, u64> = BTreeMap::new();
        for cluster in self.clusters.clone() {
            if self.rng.one_in(2) {
                clusters.insert(cluster, self.rng.within(1, 4));
            }
        }
        if clusters.is_empty() {
            clusters.extend(self.rng.pick(&self.clusters).map(|c| (c.clone(), 1)));
        }
        Act::PutPolicy(kind, group, Policy { clusters })
    }

    /// Notes what an act may bring about, before it is sent.
    fn sending(&mut self, act: &Act) {
        let before = self.model.everything();
        let mut next = self.model.clone();
        carry_out(&mut next, act);
        let after = next.everything();
        for gone in before.difference(&after) {
            *self.taken.entry(gone.clone()).or_default() += 1;
        }
        self.ever.extend(after);
        if let Act::Put(name, object) = act {
            self.written.insert((name.clone(), object.version));
        }
        self.pending = Some(act.clone());
    }

    /// All members agree with what was answered: from here on, only new acts take anything away.
    pub fn agreed(&mut self) {
        self.taken.clear();
        self.ever = self.model.everything();
    }

    /// Notes that the pending act was carried out, or was not.
    fn settled(&mut self, done: bool) {
        if let Some(act) = self.pending.take()
            && done
        {
            carry_out(&mut self.model, &act);
        }
    }
}

fn carry_out(model: &mut Model, act: &Act) {
    match act {
        Act::Put(name, object) => drop(model.objects.insert(name.clone(), object.clone())),
        Act::Delete(name) => drop(model.objects.remove(name)),
        Act::PutPolicy(kind, group, policy) => {
            drop(model.policies.insert((*kind, *group), policy.clone()));
        }
        Act::DeletePolicy(kind, group) => drop(model.policies.remove(&(*kind, *group))),
    }
}

/// The user at work on a hub that just started, until the hub's runtime goes away or the user is
/// told to end.
pub async fn work(world: Arc<World>, rest: Rest, store: Store) {
    vanish::come_back(&world, &store).await;
    recall(&world, &rest).await;
    crate::check::durability::check(&world, &rest).await;
    attach(&world, &rest).await;
    loop {
        let (pause, stop) = {
            let mut user = lock(&world.user);
            user.idle = user.stop;
            (user.rng.millis(100, 1_500), user.stop)
        };
        tokio::time::sleep(pause).await;
        rejoin(&world, &rest).await;
        if stop {
            continue;
        }
        let vanish = lock(&world.user).vanish.take();
        if let Some(which) = vanish {
            vanish::vanish(&world, &store, which).await;
        }
        let act = {
            let mut user = lock(&world.user);
            let act = user.draw();
            user.sending(&act);
            if let Some((n, tear)) = user.arm.take() {
                world.hub.disk.arm(n, tear);
            }
            act
        };
        let done = perform(&rest, &act).await;
        if !done {
            trace::count("sometimes: a user's write was refused for good");
        }
        lock(&world.user).settled(done);
    }
}

/// Looks up what became of an act whose answer a crash swallowed.
async fn recall(world: &World, rest: &Rest) {
    let Some(act) = lock(&world.user).pending.clone() else {
        return;
    };
    trace::count("sometimes: an answer was swallowed by a crash");
    let landed = match &act {
        Act::Put(name, object) => {
            let found = read(rest, &object_path(name)).await;
            found.is_some_and(|f| same_object(&f, name, object))
        }
        Act::Delete(name) => read(rest, &object_path(name)).await.is_none(),
        Act::PutPolicy(kind, group, policy) => {
            let found = read(rest, &policy_path(*kind, *group)).await;
            found.is_some_and(|f| {
                f.pointer("/spec") == policy_json(*kind, *group, policy).pointer("/spec")
            })
        }
        Act::DeletePolicy(kind, group) => read(rest, &policy_path(*kind, *group)).await.is_none(),
    };
    lock(&world.user).settled(landed);
}

/// Makes the clusters' objects and asks for join strings, where that has not been done.
async fn attach(world: &World, rest: &Rest) {
    for site in &world.sites {
        if lock(&site.token).is_some() {
            continue;
        }
        let object = json!({
            "apiVersion": "cluster.kurator.dev/v1alpha1",
            "kind": "AttachedCluster",
            "metadata": {"name": site.name},
        });
        call(rest, "POST", CLUSTERS, "application/json", &object).await;
        let found = read(rest, &format!("{CLUSTERS}/{}", site.name)).await;
        let uid = found.as_ref().and_then(|o| o.pointer("/metadata/uid"));
        *lock(&site.uid) = uid.and_then(Value::as_str).map(str::to_owned);
        site.rejoin.store(true, Ordering::Relaxed);
    }
    rejoin(world, rest).await;
}

/// Gives a new join string to agents whose old one was used up.
async fn rejoin(world: &World, rest: &Rest) {
    for site in &world.sites {
        if !site.rejoin.load(Ordering::Relaxed) {
            continue;
        }
        let path = format!("{CLUSTERS}/{}/token", site.name);
        let ask = json!({"apiVersion": "roadstead.dev/v1alpha1", "kind": "JoinToken", "spec": {}});
        let (status, answer) = call(rest, "POST", &path, "application/json", &ask).await;
        if status == 200 || status == 201 {
            let token = answer.pointer("/status/token").and_then(Value::as_str);
            *lock(&site.token) = token.map(str::to_owned);
            site.rejoin.store(false, Ordering::Relaxed);
        }
    }
}

/// Sends an act, again while the hub says that it cannot take it now. Whether it was done.
async fn perform(rest: &Rest, act: &Act) -> bool {
    const APPLY: &str = "application/apply-patch+yaml";
    let apply = |path: String| format!("{path}?fieldManager=user&force=true");
    for _ in 0..TRIES_MAX {
        let (status, answer) = match act {
            Act::Put(name, object) => {
                call(
                    rest,
                    "PATCH",
                    &apply(object_path(name)),
                    APPLY,
                    &object_json(name, object),
                )
                .await
            }
            Act::Delete(name) => {
                call(
                    rest,
                    "DELETE",
                    &object_path(name),
                    "application/json",
                    &Value::Null,
                )
                .await
            }
            Act::PutPolicy(kind, group, policy) => {
                let body = policy_json(*kind, *group, policy);
                call(
                    rest,
                    "PATCH",
                    &apply(policy_path(*kind, *group)),
                    APPLY,
                    &body,
                )
                .await
            }
            Act::DeletePolicy(kind, group) => {
                call(
                    rest,
                    "DELETE",
                    &policy_path(*kind, *group),
                    "application/json",
                    &Value::Null,
                )
                .await
            }
        };
        match status {
            200 | 201 => return true,
            409 | 429 | 500..=599 => tokio::time::sleep(Duration::from_millis(200)).await,
            _ => {
                tracing::error!(status, %answer, ?act, "a user's write was refused");
                return false;
            }
        }
    }
    false
}

/// The object at a path, if there is one.
pub async fn read(rest: &Rest, path: &str) -> Option<Value> {
    let (status, object) = call(rest, "GET", path, "application/json", &Value::Null).await;
    (status == 200).then_some(object)
}
