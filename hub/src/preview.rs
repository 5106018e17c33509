//! `POST /roadstead.dev/preview`: what some objects would change, from the live state and with nothing
//! written.
//!
//! The objects are applied to a copy of the store, through the API and its hooks as any write, and what
//! clusters would be given then is compared with what they are given now. For whom a role names it:
//! contents of other people's objects are in the answer, and nobody tries what they may not write. Whether a member
//! would take it is not known here, as agents are asked nothing.

mod apply;
mod mask;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use roadstead_controllers::preview::{Change, ClusterChange, ItemChange, Preview, Trial};
use roadstead_machinery::status::Status;
use roadstead_protocol::wire::{Digest, ItemKey};
use roadstead_rest::{Identity, Page};
use roadstead_store::{Snapshot, records};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::hooks::HubHooks;
use crate::page::{Answered, json, question};
use mask::Mask;

/// Where it is asked for.
pub(crate) const PATH: &str = "/roadstead.dev/preview";
/// Most previews at a time: each works through everything that it would wake.
const PREVIEWS_MAX: usize = 2;
/// Most objects in one preview.
pub(crate) const OBJECTS_MAX: usize = 1_000;
/// Most changes of a template on a cluster that are told; further ones are counted.
pub(crate) const CHANGES_MAX: usize = 10_000;
/// Most bytes of contents that are told; further ones are left out, and said to be.
const CONTENTS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// When to try again where there are too many.
const RETRY_AFTER_SECONDS: u32 = 5;

static ROOM: Semaphore = Semaphore::const_new(PREVIEWS_MAX);

/// What is asked.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Ask {
    /// The objects that would be applied, or deleted, in this order.
    pub(crate) objects: Vec<Value>,
    /// The namespace of those that say none.
    pub(crate) namespace: String,
    /// They would be deleted.
    pub(crate) delete: bool,
}

/// What would change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Answer {
    /// What the objects that were given would be on the hub.
    pub(crate) objects: Vec<Written>,
    /// What it would mean to clusters, by template.
    pub(crate) templates: Vec<Template>,
    /// How many templates were looked at.
    pub(crate) looked_at: usize,
    /// What is to be said beside: how changes would go out that are shown whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
    /// Changes on clusters that are not told, because there are too many.
    pub(crate) more: usize,
    /// What clusters have and would get, by digest; what Secrets hold is masked.
    pub(crate) contents: BTreeMap<String, Value>,
}

/// What one of the objects would be on the hub.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Written {
    /// The object, as `Kind.group namespace/name`.
    pub(crate) object: String,
    /// `created`, `changed`, `unchanged` or `deleted`.
    pub(crate) result: String,
}

/// What it would mean to one template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Template {
    /// The template, as `Kind.group namespace/name`.
    pub(crate) object: String,
    /// The policy that would distribute it, as `Kind namespace/name`; empty where none would.
    pub(crate) policy: String,
    /// What the Decision's condition Placed would say that it does not say now.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) says: String,
    /// Why other clusters would not get it, where that changes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) refused: Vec<String>,
    /// What would change, by cluster.
    pub(crate) clusters: Vec<Cluster>,
}

/// What would change on one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Cluster {
    /// The cluster, as `namespace/name`.
    pub(crate) cluster: String,
    /// `create`, `update`, `delete`, `release` or `forget`.
    pub(crate) change: String,
    /// Its share of the replicas before and after, where they are divided.
    #[serde(skip_serializing_if = "is_none")]
    pub(crate) replicas: (Option<u32>, Option<u32>),
    /// The digests of what it has and would get; where it would keep what it has, of what would have come
    /// of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<String>,
    /// See `before`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<String>,
}

fn is_none(replicas: &(Option<u32>, Option<u32>)) -> bool {
    *replicas == (None, None)
}

/// Answers a request for a preview; `None` for any other path.
pub(crate) fn page(hooks: &HubHooks, page: &Page<'_>) -> Option<Answered> {
    if page.path != PATH {
        return None;
    }
    let refused = |status| -> Option<Answered> { Some(Box::pin(std::future::ready(Err(status)))) };
    let ask: Ask = match question(page, "question for a preview") {
        Ok(ask) => ask,
        Err(status) => return refused(status),
    };
    if ask.objects.len() > OBJECTS_MAX {
        let count = ask.objects.len();
        return refused(Status::bad_request(format!(
            "objects: {count} of them: at most {OBJECTS_MAX} are looked at together"
        )));
    }
    let Ok(room) = ROOM.try_acquire() else {
        let why = "as many previews are being made as may be at a time";
        return refused(Status::timeout(why, RETRY_AFTER_SECONDS));
    };
    let (hooks, user) = (hooks.clone(), page.user.clone());
    Some(Box::pin(async move {
        let answer = preview(hooks, user, ask).await;
        drop(room);
        json(&answer?)
    }))
}

/// Tries it on a copy.
async fn preview(hooks: HubHooks, user: Identity, ask: Ask) -> Result<Answer, Status> {
    let parts = hooks.parts();
    let failed = |error| Status::internal(crate::chain(&error));
    let trial = Trial::begin(&parts).map_err(failed)?;
    let store = trial.store().clone();
    let mask = Mask::new(&hooks.env);
    let copy = HubHooks {
        store: store.clone(),
        volatile: parts.volatile,
        ..hooks
    };
    let objects = apply::all(copy, &user, ask).await?;
    let preview = trial.settle().await.map_err(failed)?;
    Ok(answer(objects, preview, (&store.snapshot(), &mask)))
}

fn answer(objects: Vec<Written>, preview: Preview, (contents, mask): (&Snapshot, &Mask)) -> Answer {
    let mut answer = Answer {
        objects,
        looked_at: preview.looked_at,
        notes: preview.notes,
        ..Answer::default()
    };
    let mut told = 0;
    let mut named = BTreeSet::new();
    for item in preview.items {
        let room = CHANGES_MAX.saturating_sub(told);
        let count = item.clusters.len();
        answer.more += count.saturating_sub(room);
        told += count.min(room);
        for change in item.clusters.iter().take(room) {
            named.extend([change.contents.0, change.contents.1].into_iter().flatten());
        }
        answer.templates.push(template(item, room));
    }
    let mut bytes = 0;
    for digest in named {
        let Some((size, mut content)) = content(contents, digest) else {
            continue;
        };
        bytes += size;
        if bytes > CONTENTS_BYTES_MAX {
            break;
        }
        mask.hide(&mut content);
        answer.contents.insert(digest.to_string(), content);
    }
    answer
}

/// A content and its size in bytes.
fn content(snapshot: &Snapshot, digest: Digest) -> Option<(usize, Value)> {
    let key = records::content_key(&digest).ok()?;
    let entry = snapshot.get(key.as_str())?;
    let content = serde_json::from_slice(&entry.value).ok()?;
    Some((entry.value.len(), content))
}

fn template(item: ItemChange, room: usize) -> Template {
    let policy = item.policy.map(|p| {
        let at = path(&p.namespace, &p.name);
        format!("{} {at}", p.kind)
    });
    let says = item.placed.map(|c| {
        let status = format!("{:?}", c.status);
        format!("Placed={status} ({}): {}", c.reason, c.message)
    });
    let refused = item.refused.into_iter().map(|r| {
        let more = match usize::try_from(r.count).unwrap_or(usize::MAX) - r.samples.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{}{more} ({})", r.samples.join(", "), r.reason)
    });
    Template {
        object: name(&item.item),
        policy: policy.unwrap_or_default(),
        says: says.unwrap_or_default(),
        refused: refused.collect(),
        clusters: item.clusters.into_iter().take(room).map(cluster).collect(),
    }
}

fn cluster(change: ClusterChange) -> Cluster {
    let word = match change.change {
        Change::Create => "create",
        Change::Update => "update",
        Change::Delete => "delete",
        Change::Release => "release",
        Change::Forget => "forget",
    };
    Cluster {
        cluster: path(&change.path.0, &change.path.1),
        change: word.to_owned(),
        replicas: change.replicas,
        before: change.contents.0.map(|digest| digest.to_string()),
        after: change.contents.1.map(|digest| digest.to_string()),
    }
}

/// An object, as people name it.
fn name(item: &ItemKey) -> String {
    let kind = match item.group.as_str() {
        "" => item.kind.clone(),
        group => format!("{}.{group}", item.kind),
    };
    format!("{kind} {}", path(&item.namespace, &item.name))
}

fn path(namespace: &str, name: &str) -> String {
    match namespace {
        "" => name.to_owned(),
        namespace => format!("{namespace}/{name}"),
    }
}
