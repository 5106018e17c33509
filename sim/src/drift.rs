//! The users of members, who meddle with what is ours there; members that forget; and what lands at
//! members late.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use roadstead_hub::member::Member;
use roadstead_store::records::object_key;
use roadstead_store::{Key, Txn};
use serde_json::{Value, json};

use crate::check::agreement::held;
use crate::http::call;
use crate::model::Kind;
use crate::stop::{self, Stop};
use crate::world::{Site, World, lock};
use crate::{late, trace};

/// How often requests to meddle are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Most objects that a member forgets at once, unless it forgets all.
const FORGOTTEN_MAX: usize = 3;

/// What is done to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// One of our objects is changed or deleted by its user.
    Drift,
    /// Some of our objects are gone, and nobody was told: as after a restore of its etcd.
    Forget,
    /// It forgets its history: watches end, and are answered 410 from where they were.
    Compact,
    /// The namespace that is there because of us is deleted by its user.
    Namespace,
    /// It runs what it was given no longer, or only a part.
    Stop(Stop),
    /// It runs it again.
    Mend,
}

/// A request to meddle.
#[derive(Clone, Copy, Debug)]
pub struct Meddling {
    /// The site.
    pub site: usize,
    /// What is done.
    pub what: What,
    /// How, and to which object.
    pub how: u64,
}

/// Meddles on members as the fault plan asks, for ever.
pub async fn serve(world: Arc<World>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        late::land(&world).await;
        let asked = std::mem::take(&mut *lock(&world.checks.drifts));
        for Meddling { site, what, how } in asked {
            let Some(site) = world.sites.get(site) else {
                continue;
            };
            let Some(member) = lock(&site.member).clone() else {
                continue;
            };
            match what {
                What::Drift => meddle(&member, how).await,
                What::Forget => forget(site, &member, how).await,
                What::Compact => compact(site, &member),
                What::Namespace => namespace(&member).await,
                What::Stop(how) => stop::stop(&member, how).await,
                What::Mend => stop::mend(&member).await,
            }
        }
    }
}

/// Deletes or changes one of our objects.
async fn meddle(member: &Member, how: u64) {
    let rest = &member.rest;
    let kinds = [Kind::ConfigMap, Kind::Deployment];
    let kind = if how.is_multiple_of(2) {
        kinds[0]
    } else {
        kinds[1]
    };
    let all: Vec<String> = ours(member)
        .into_iter()
        .filter(|(of, _)| *of == kind)
        .map(|(_, name)| name)
        .collect();
    let at = usize::try_from(how / 8).unwrap_or_default() % all.len().max(1);
    let Some(name) = all.get(at) else { return };
    let path = format!("{}/{name}", kind.path());
    if (how / 2).is_multiple_of(2) {
        call(rest, "DELETE", &path, "application/json", &Value::Null).await;
        trace::count("sometimes: a user of a member deleted one of our objects");
        return;
    }
    let patch = match kind {
        Kind::ConfigMap | Kind::Shop | Kind::Part => json!({"data": {"version": "meddled"}}),
        Kind::Deployment => json!({"spec": {"replicas": 77}}),
    };
    let merge = "application/merge-patch+json";
    call(rest, "PATCH", &path, merge, &patch).await;
    trace::count("sometimes: a user of a member changed one of our objects");
}

/// What is ours on a member, by kind and name.
fn ours(member: &Member) -> Vec<(Kind, String)> {
    held(Some(member)).into_keys().collect()
}

async fn forget(site: &Site, member: &Member, how: u64) {
    let mut gone: Vec<Key> = Vec::new();
    let all = ours(member);
    let some = if how.is_multiple_of(4) {
        all.len()
    } else {
        FORGOTTEN_MAX
    };
    let from = usize::try_from(how / 4).unwrap_or_default() % all.len().max(1);
    for (kind, name) in all.iter().cycle().skip(from).take(some.min(all.len())) {
        let (group, plural, namespace) = kind.place();
        gone.extend(object_key(group, plural, namespace, name));
    }
    if how.is_multiple_of(8) {
        // What the agent keeps there about itself goes, too.
        gone.extend(object_key(
            "",
            "configmaps",
            "roadstead-system",
            "roadstead-agent",
        ));
    }
    // Nobody is told: whoever watches hears only that the watch ended.
    site.watches.send_modify(|generation| *generation += 1);
    let snapshot = member.store.snapshot();
    let txn = gone
        .into_iter()
        .filter(|key| snapshot.get(key.as_str()).is_some())
        .fold(Txn::new(), Txn::delete);
    if member.store.commit(txn).await.is_ok() {
        trace::count("sometimes: a member forgot objects of ours");
    }
    compact(site, member);
}

fn compact(site: &Site, member: &Member) {
    let now = member.store.revision().0;
    site.compacted.store(now, Ordering::Relaxed);
    site.watches.send_modify(|generation| *generation += 1);
}

async fn namespace(member: &Member) {
    let path = format!("/api/v1/namespaces/{}", Kind::Shop.place().2);
    let none = Value::Null;
    let (status, _) = call(&member.rest, "DELETE", &path, "application/json", &none).await;
    if matches!(status, 200 | 202) {
        trace::count("sometimes: a user of a member deleted a namespace of ours");
    }
}
