//! What two states of the store give the clusters of one template.

use std::collections::{BTreeMap, BTreeSet};

use roadstead_protocol::api::Condition;
use roadstead_protocol::api::decision::{Decision, PolicyRef, Refusal, Target};
use roadstead_protocol::wire::{Digest, ItemKey, Meta};
use roadstead_store::Snapshot;
use roadstead_store::records::LedgerState;

use crate::error::Error;
use crate::ledger::{self, Held, Ledger};
use crate::reconciler::Reconciler;
use crate::{decision, objects, placement, world};

/// What becomes of an object on a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It is new there.
    Create,
    /// It gets other contents.
    Update,
    /// It is deleted there.
    Delete,
    /// It is left there, and not looked after any more.
    Release,
    /// The cluster was detached, and no account is kept of it any more.
    Forget,
}

/// What changes on one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterChange {
    /// The cluster's namespace and name.
    pub path: (String, String),
    /// What becomes of the object.
    pub change: Change,
    /// The digests of its contents before and after; before is what would have come of itself, where the
    /// cluster keeps what it has.
    pub contents: (Option<Digest>, Option<Digest>),
    /// Its shares of the replicas before and after, where they are divided.
    pub replicas: (Option<u32>, Option<u32>),
}

/// What changes about one template.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemChange {
    /// The template.
    pub item: ItemKey,
    /// Who would distribute it.
    pub policy: Option<PolicyRef>,
    /// Condition Placed as it would be, where it says something else than before.
    pub placed: Option<Condition>,
    /// Which clusters would not get it, by reason, where that is something else than before.
    pub refused: Vec<Refusal>,
    /// What changes on clusters, by their namespaces and names.
    pub clusters: Vec<ClusterChange>,
    /// The clusters, as `namespace/name`, that what goes out now would not come to any more: they keep what
    /// they have.
    pub halted: Vec<String>,
}

/// One template in one state of the store.
struct Side {
    decision: Decision,
    ledger: Ledger,
    names: BTreeMap<String, (String, String)>,
}

/// What changes for the template `item`; `None` where nothing does. What comes of itself, as in `otherwise`,
/// is no change; that it does not come any more is one.
pub(super) fn between(
    (base, otherwise): (&Reconciler, Option<&Reconciler>),
    after: &Reconciler,
    item: ItemKey,
) -> Result<Option<ItemChange>, Error> {
    let (base, after) = (Side::read(base, &item)?, Side::read(after, &item)?);
    let otherwise = otherwise.map(|o| Side::read(o, &item)).transpose()?;
    let mut clusters = Vec::new();
    let mut halted = Vec::new();
    let sides = [Some(&base), Some(&after), otherwise.as_ref()];
    let uids: BTreeSet<&String> = sides
        .into_iter()
        .flatten()
        .flat_map(|s| s.ledger.keys())
        .collect();
    for uid in uids {
        let gets = |side: &Side| given(side.ledger.get(uid));
        let ends = otherwise.as_ref().filter(|o| gets(o) != gets(&after));
        if otherwise.is_some() && ends.is_none() {
            continue;
        }
        let news = change(&base, &after, uid);
        if let Some(otherwise) = ends.filter(|_| news.is_none()) {
            halted.push(after.path(&base, uid));
            let keeps = gets(&after).is_some();
            clusters.extend(change(otherwise, &after, uid).filter(|_| keeps));
        }
        clusters.extend(news);
    }
    clusters.sort_by(|a: &ClusterChange, b| (&a.path, a.change).cmp(&(&b.path, b.change)));
    halted.sort();
    let halted: Vec<String> = halted
        .into_iter()
        .map(|(n, c)| format!("{n}/{c}"))
        .collect();
    let placed = placement::placed_of(&after.decision);
    let said = |c: Option<&Condition>| c.map(|c| (c.status, c.reason.clone(), c.message.clone()));
    let stands = &otherwise.as_ref().unwrap_or(&base).decision;
    let news = said(placed) != said(placement::placed_of(stands));
    let refused = &after.decision.status.refused;
    let refusals = *refused != stands.status.refused;
    if clusters.is_empty() && halted.is_empty() && !news && !refusals {
        return Ok(None);
    }
    Ok(Some(ItemChange {
        item,
        policy: after.decision.spec.policy.clone(),
        placed: placed.filter(|_| news).cloned(),
        refused: refused.iter().filter(|_| refusals).cloned().collect(),
        clusters,
        halted,
    }))
}

impl Side {
    /// The namespace and name of a cluster that is known here, or was before.
    fn path(&self, before: &Self, uid: &str) -> (String, String) {
        let path = self.names.get(uid).or_else(|| before.names.get(uid));
        path.cloned().unwrap_or_default()
    }

    fn read(of: &Reconciler, item: &ItemKey) -> Result<Self, Error> {
        let snapshot: Snapshot = of.parts.store.snapshot();
        let world = of.world(&snapshot)?;
        let key = decision::decision_key(item)?;
        let entry = snapshot.get(key.as_str());
        let decision: Decision = entry.map(objects::typed).transpose()?.unwrap_or_default();
        let ledger = ledger::read(&snapshot, item, world::clusters(&world, &decision))?;
        let known = world
            .clusters
            .iter()
            .map(|c| (c.uid.clone(), (c.namespace.clone(), c.name.clone())));
        let named = decision
            .spec
            .clusters
            .iter()
            .map(|t| (t.uid.clone(), (t.namespace.clone(), t.name.clone())));
        let names = named.chain(known).collect();
        Ok(Self {
            decision,
            ledger,
            names,
        })
    }

    fn target(&self, uid: &str) -> Option<&Target> {
        self.decision.spec.clusters.iter().find(|t| t.uid == uid)
    }
}

/// What is given by an entry; `None` by a tombstone.
fn given(held: Option<&Held>) -> Option<Digest> {
    match held?.record.state {
        LedgerState::Put { digest, .. } => Some(digest),
        LedgerState::Tombstone => None,
    }
}

fn change(base: &Side, after: &Side, uid: &str) -> Option<ClusterChange> {
    let (old, new) = (base.ledger.get(uid), after.ledger.get(uid));
    let contents = (given(old), given(new));
    let change = match contents {
        (None, None) => return None,
        (None, Some(_)) => Change::Create,
        (Some(old), Some(new)) if old == new => return None,
        (Some(_), Some(_)) => Change::Update,
        (Some(_), None) => match new {
            None => Change::Forget,
            Some(held) if held.record.meta.contains(&Meta::Release) => Change::Release,
            Some(_) => Change::Delete,
        },
    };
    let replicas = |side: &Side| side.target(uid).and_then(|t| t.pinned.or(t.replicas));
    Some(ClusterChange {
        path: after.path(base, uid),
        change,
        contents,
        replicas: (replicas(base), replicas(after)),
    })
}
