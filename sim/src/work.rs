//! The user at work: applies, changes and deletes objects and policies, attaches clusters, and
//! remembers what was answered. An act whose answer was swallowed is looked up before the next one.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use roadstead_protocol::api::names::{FREEZE_ANNOTATION, REBALANCE_ANNOTATION};
use roadstead_rest::Rest;
use roadstead_store::Store;
use serde_json::{Value, json};

use crate::act::Act;
use crate::check::{budget, order, stages, swap};
use crate::hosted;
use crate::http::call;
use crate::lone;
use crate::model::Kind;
use crate::trace;
use crate::user::User;
use crate::vanish;
use crate::world::{World, lock};
use crate::written::{
    object_json, object_path, override_json, override_path, policy_json, policy_path, same_object,
    same_override, same_standing, standing_json,
};
use crate::{reconcile, shown};

/// Where clusters live.
pub const CLUSTERS: &str = "/apis/cluster.kurator.dev/v1alpha1/namespaces/default/attachedclusters";
/// Where namespaces live.
const NAMESPACES: &str = "/api/v1/namespaces";
/// Where kubeconfigs live.
const SECRETS: &str = "/api/v1/namespaces/default/secrets";
/// How long a write waits that the hub could not take.
const AGAIN: Duration = Duration::from_millis(200);

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
            let left = user.still_to_do();
            let asked = user.reconciles || user.rebalances || user.lone != user.lone_is;
            user.idle = user.stop && left.is_none() && !asked;
            (user.pause(), user.stop)
        };
        tokio::time::sleep(pause).await;
        attach(&world, &rest).await;
        if stop {
            end(&world, &rest).await;
            continue;
        }
        let vanish = lock(&world.user).vanish.take();
        if let Some(which) = vanish {
            vanish::vanish(&world, &store, which).await;
        }
        let act = lock(&world.user).draw();
        carry_out(&world, &rest, &act).await;
    }
}

/// Does an act, and remembers what was answered.
async fn carry_out(world: &World, rest: &Rest, act: &Act) {
    {
        let mut user = lock(&world.user);
        shown::answers(world, &mut user, act);
        stages::note(world, &user, act);
        order::note(world, &user, act);
        user.sending(act);
        if let Some((n, tear)) = user.arm.take() {
            world.hub.disk.arm(n, tear);
        }
    }
    if let Act::Freeze(cluster, false) = act {
        lock(&world.checks.frozen).thaw(cluster);
    }
    tracing::debug!(?act, "the user acts");
    let done = perform(rest, act).await;
    if let (true, Some(shape)) = (done, shape(act)) {
        trace::count(shape);
    }
    trace::count(match (done, act) {
        (false, _) => "sometimes: a user's write was refused for good",
        (true, Act::Stand(_, standing)) if standing.fenced => "sometimes: a user fenced a cluster",
        (true, Act::Stand(_, standing)) if standing.drained => {
            "sometimes: a user drained a cluster"
        }
        (true, Act::Stand(_, standing)) if standing.cordoned => {
            "sometimes: a user cordoned a cluster"
        }
        (true, Act::Stand(_, standing)) if standing.taint.is_some() => {
            "sometimes: a user tainted a cluster"
        }
        (true, Act::Stand(..)) => "sometimes: a user labelled a cluster",
        (true, Act::Scale(..)) => "sometimes: a user scaled a Deployment",
        (true, _) => "users' writes",
    });
    let mut user = lock(&world.user);
    shown::answers(world, &mut user, act);
    settled(world, &mut user, done);
}

/// Notes that what was pending was done, or was not.
fn settled(world: &World, user: &mut User, done: bool) {
    let (before, act) = (user.model.clone(), user.pending.clone());
    user.settled(done);
    if let Some(act) = act {
        budget::note(world, &act, &before);
    }
    swap::note(world, &before, &user.model);
}

/// What an act about how things are distributed is counted as.
fn shape(act: &Act) -> Option<&'static str> {
    Some(match act {
        Act::PutOverride(..) => "sometimes: a user overrode something",
        Act::Put((Kind::Part, _), _) => "sometimes: a user wrote what goes along",
        Act::PutPolicy(_, _, policy) if policy.deps => {
            "sometimes: a policy took along what is named"
        }
        Act::PutPolicy(_, _, policy) if policy.tolerates => "sometimes: a policy tolerated taints",
        Act::PutPolicy(_, _, policy) if policy.rollout => {
            "sometimes: a policy rolled out in stages"
        }
        Act::PutPolicy(_, _, policy) if policy.budget.is_some() => {
            "sometimes: a policy had a disruption budget"
        }
        Act::PutPolicy(_, _, policy) if policy.awaits.is_some() => {
            "sometimes: a policy waited for something"
        }
        Act::PutPolicy(_, _, policy) if policy.spread.is_some() => "sometimes: a policy spread",
        Act::PutPolicy(_, _, policy) if policy.dynamic => "sometimes: a policy went by room",
        Act::Put(..)
        | Act::Delete(_)
        | Act::Scale(..)
        | Act::PutPolicy(..)
        | Act::DeletePolicy(..)
        | Act::DeleteOverride(_)
        | Act::Freeze(..)
        | Act::Stand(..)
        | Act::Rebalance(..) => return None,
    })
}

/// What a user does before ending: lifts freezes, opens clusters, has replicas shared out afresh, and
/// answers what is held, where that is asked for.
async fn end(world: &World, rest: &Rest) {
    let left = {
        let user = lock(&world.user);
        user.still_to_do()
    };
    if let Some(act) = left {
        carry_out(world, rest, &act).await;
    }
    let rebalances = std::mem::take(&mut lock(&world.user).rebalances);
    if rebalances {
        let acts = lock(&world.user).rebalance();
        for act in acts {
            carry_out(world, rest, &act).await;
        }
    }
    let detach = lock(&world.user).detach.clone();
    if let Some(name) = detach {
        let path = format!("{CLUSTERS}/{name}");
        let (status, _) = call(rest, "DELETE", &path, "application/json", &Value::Null).await;
        if matches!(status, 200 | 202 | 404) {
            lock(&world.user).detach = None;
        }
    }
    lone::tend(world, rest).await;
    let reconciles = lock(&world.user).reconciles;
    if reconciles && !reconcile::round(world, rest).await {
        lock(&world.user).reconciles = false;
    }
}

/// Looks up what became of an act whose answer a crash swallowed.
async fn recall(world: &World, rest: &Rest) {
    let Some(act) = lock(&world.user).pending.clone() else {
        return;
    };
    trace::count("sometimes: an answer was swallowed by a crash");
    let landed = landed(rest, &act).await;
    settled(world, &mut lock(&world.user), landed);
}

/// Whether what an act wanted is so.
async fn landed(rest: &Rest, act: &Act) -> bool {
    match act {
        Act::Put(name, object) => {
            let found = read(rest, &object_path(name)).await;
            found.is_some_and(|f| same_object(&f, name, object))
        }
        Act::Delete(name) => read(rest, &object_path(name)).await.is_none(),
        Act::PutPolicy(kind, group, policy) => {
            let found = read(rest, &policy_path(*kind, *group)).await;
            let wanted = policy_json(*kind, *group, policy);
            // What nobody wrote has its defaults.
            let parts = [
                "/spec/placement",
                "/spec/resourceSelectors",
                "/spec/propagateDeps",
                "/spec/dependsOn",
                "/spec/disruptionBudget",
                "/spec/failover",
            ];
            let rollout = |v: &Value| v.pointer("/spec/rollout").is_some();
            let same = |f: &Value| {
                rollout(f) == rollout(&wanted)
                    && parts.iter().all(|p| f.pointer(p) == wanted.pointer(p))
            };
            found.as_ref().is_some_and(same)
        }
        Act::DeletePolicy(kind, group) => read(rest, &policy_path(*kind, *group)).await.is_none(),
        Act::PutOverride(group, value) => {
            let found = read(rest, &override_path(*group)).await;
            found.is_some_and(|f| same_override(&f, *value))
        }
        Act::DeleteOverride(group) => read(rest, &override_path(*group)).await.is_none(),
        Act::Scale(name, replicas) => {
            let found = read(rest, &object_path(name)).await;
            let found = found.as_ref().and_then(|f| f.pointer("/spec/replicas"));
            found.and_then(Value::as_i64) == Some(*replicas)
        }
        Act::Rebalance(kind, group, nonce) => {
            let found = read(rest, &policy_path(*kind, *group)).await;
            let said = found
                .as_ref()
                .and_then(|f| f.pointer("/metadata/annotations"))
                .and_then(|all| all.get(REBALANCE_ANNOTATION));
            said.and_then(Value::as_str) == Some(nonce.to_string().as_str())
        }
        Act::Stand(cluster, standing) => {
            let found = read(rest, &format!("{CLUSTERS}/{cluster}")).await;
            found.is_some_and(|f| same_standing(&f, *standing))
        }
        Act::Freeze(cluster, frozen) => {
            let found = read(rest, &format!("{CLUSTERS}/{cluster}")).await;
            let said = found
                .as_ref()
                .and_then(|f| f.pointer("/metadata/annotations"));
            let said = said.and_then(|all| all.get(FREEZE_ANNOTATION));
            (said.and_then(Value::as_str) == Some("true")) == *frozen
        }
    }
}

/// Makes the clusters' objects and asks for join strings, where that has not been done.
async fn attach(world: &World, rest: &Rest) {
    for site in &world.sites {
        if lock(&site.uid).is_some() {
            continue;
        }
        // Members get it by what stands in it; the hub has to have it first.
        let shop = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
        let (made, _) = call(rest, "POST", NAMESPACES, "application/json", &shop).await;
        let standing = lock(&world.user).model.standing.get(&site.name).copied();
        let mut object = standing.map(standing_json).unwrap_or_else(|| json!({}));
        object["apiVersion"] = "cluster.kurator.dev/v1alpha1".into();
        object["kind"] = "AttachedCluster".into();
        object["metadata"]["name"] = site.name.as_str().into();
        if site.hosted.is_some() {
            let secret = hosted::secret(site);
            call(rest, "POST", SECRETS, "application/json", &secret).await;
            object["spec"]["kubeconfig"] = json!({"name": hosted::secret_name(site)});
        }
        call(rest, "POST", CLUSTERS, "application/json", &object).await;
        let found = read(rest, &format!("{CLUSTERS}/{}", site.name)).await;
        let uid = found.as_ref().and_then(|o| o.pointer("/metadata/uid"));
        if matches!(made, 201 | 409) {
            *lock(&site.uid) = uid.and_then(Value::as_str).map(str::to_owned);
        }
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
        if site.hosted.is_some() {
            *lock(&site.token) = Some(hosted::BY_KUBECONFIG.to_owned());
            site.rejoin.store(false, Ordering::Relaxed);
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

/// Sends an act until it is answered for good; a refusal that leaves in doubt whether it was done is
/// no such answer. Whether it was done.
async fn perform(rest: &Rest, act: &Act) -> bool {
    let mut in_doubt = false;
    loop {
        let (status, answer) = send(rest, act).await;
        match status {
            200 | 201 => return true,
            404 if in_doubt => return landed(rest, act).await,
            409 | 429 => tokio::time::sleep(AGAIN).await,
            500..=599 => {
                in_doubt = true;
                trace::count("sometimes: a user was left in doubt");
                tokio::time::sleep(AGAIN).await;
            }
            _ => {
                tracing::error!(status, %answer, ?act, "a user's write was refused");
                return false;
            }
        }
    }
}

async fn send(rest: &Rest, act: &Act) -> (u16, Value) {
    const APPLY: &str = "application/apply-patch+yaml";
    const JSON: &str = "application/json";
    const MERGE: &str = "application/merge-patch+json";
    let apply = |path: String| format!("{path}?fieldManager=user&force=true");
    match act {
        Act::Put(name, object) => {
            let (path, body) = (apply(object_path(name)), object_json(name, object));
            call(rest, "PATCH", &path, APPLY, &body).await
        }
        Act::Delete(name) => {
            let path = object_path(name);
            call(rest, "DELETE", &path, JSON, &Value::Null).await
        }
        Act::PutPolicy(kind, group, policy) => {
            let path = apply(policy_path(*kind, *group));
            let body = policy_json(*kind, *group, policy);
            call(rest, "PATCH", &path, APPLY, &body).await
        }
        Act::DeletePolicy(kind, group) => {
            let path = policy_path(*kind, *group);
            call(rest, "DELETE", &path, JSON, &Value::Null).await
        }
        Act::PutOverride(group, value) => {
            let path = apply(override_path(*group));
            call(rest, "PATCH", &path, APPLY, &override_json(*group, *value)).await
        }
        Act::DeleteOverride(group) => {
            call(rest, "DELETE", &override_path(*group), JSON, &Value::Null).await
        }
        Act::Scale(name, replicas) => {
            let path = format!("{}/scale", object_path(name));
            let body = json!({"spec": {"replicas": replicas}});
            call(rest, "PATCH", &path, MERGE, &body).await
        }
        Act::Rebalance(kind, group, nonce) => {
            let body =
                json!({"metadata": {"annotations": {REBALANCE_ANNOTATION: nonce.to_string()}}});
            call(rest, "PATCH", &policy_path(*kind, *group), MERGE, &body).await
        }
        Act::Stand(cluster, standing) => {
            let path = format!("{CLUSTERS}/{cluster}");
            call(rest, "PATCH", &path, MERGE, &standing_json(*standing)).await
        }
        Act::Freeze(cluster, frozen) => {
            let said = json!({FREEZE_ANNOTATION: frozen.to_string()});
            let body = json!({"metadata": {"annotations": said}});
            let path = format!("{CLUSTERS}/{cluster}");
            call(rest, "PATCH", &path, MERGE, &body).await
        }
    }
}

/// The object at a path, if there is one.
pub async fn read(rest: &Rest, path: &str) -> Option<Value> {
    let (status, object) = call(rest, "GET", path, "application/json", &Value::Null).await;
    (status == 200).then_some(object)
}
