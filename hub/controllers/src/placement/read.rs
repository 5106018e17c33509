//! What a template's decision is made from: reading it, and asserting that it is still so.

use std::collections::BTreeMap;

use roadstead_plan::budget::Standing;
use roadstead_plan::failover::Failing;
use roadstead_plan::{Around, Decided, Observed, Placement, Template, World};
use roadstead_protocol::api::decision::{Decision, PolicyRef};
use roadstead_protocol::wire::ItemKey;
use roadstead_store::records::{deletion_key, world_key};
use roadstead_store::{Check, Entry, Key, Snapshot, Txn};
use serde_json::Value;

use crate::error::Error;
use crate::ledger::{self, Answers, Ledger};
use crate::reconciler::Reconciler;
use crate::rollout::waves;
use crate::{around, budgets, decision, objects, observed, world};

/// What a template's decision was made from.
pub(crate) struct Read {
    pub(crate) item: ItemKey,
    /// Where the template is, or would be; `None` for a kind that is not known.
    pub(crate) key: Option<Key>,
    pub(crate) object: Option<Value>,
    pub(crate) replicas_path: Option<String>,
    pub(crate) decision_entry: Option<Entry>,
    pub(crate) decision: Decision,
    pub(crate) ledger: Ledger,
    pub(crate) answers: Answers,
    pub(crate) around: Around,
}

impl Read {
    /// The template as the plan sees it.
    pub(crate) fn template(
        &self,
        context: &Reconciler,
        snapshot: &Snapshot,
        world: &World,
    ) -> Result<Template<'_>, Error> {
        let registry = &context.registry(snapshot);
        let object = self.object.as_ref();
        let about = (object, &self.decision, &self.ledger, &self.around);
        Ok(Template {
            key: self.item.clone(),
            object: self.object.as_ref(),
            replicas_path: self.replicas_path.as_deref(),
            former: ledger::former(world, &self.ledger, &self.decision),
            basis: self.decision.spec.basis.clone(),
            pledges: (context.pledges).of(snapshot, registry, world, &self.item)?,
            around: self.around.clone(),
            decided: Decided::read(&self.decision.spec),
            observed: BTreeMap::new(),
            failing: Failing::default(),
            budget: None,
            rollout: waves::of_template(snapshot, world, &self.item, about)?,
            now: context.uptime(),
        })
    }

    /// How the clusters are that hold something of the policy by which `placement` was made, or of those of
    /// what needs the object.
    pub(crate) fn standing(
        &self,
        (context, snapshot): (&Reconciler, &Snapshot),
        world: &World,
        placement: &Placement,
    ) -> Result<Standing, Error> {
        let news = context.parts.volatile.snapshot();
        let both = (snapshot, &news);
        let of = |uid: &str, items: &[&ItemKey]| context.budgets.of(both, world, uid, items);
        let mut standing = match &placement.policy {
            Some(policy) => of(&policy.uid, &[&self.item])?,
            None => Standing::default(),
        };
        let mut requirers: BTreeMap<&str, Vec<&ItemKey>> = BTreeMap::new();
        for requirer in &self.around.requirers {
            let uid = requirer.policy.as_deref();
            let bound = |uid: &&str| world.policy(uid).is_some_and(|p| p.budget.is_some());
            if let Some(uid) = uid.filter(bound) {
                requirers.entry(uid).or_default().push(&requirer.key);
            }
        }
        for (uid, items) in requirers {
            standing.along.insert(uid.to_owned(), of(uid, &items)?);
        }
        standing.contents = budgets::contents(snapshot, &self.ledger, placement)?;
        Ok(standing)
    }

    /// What was last observed of it on each cluster.
    pub(crate) fn observed(
        &self,
        context: &Reconciler,
        world: &World,
    ) -> Result<BTreeMap<String, Observed>, Error> {
        let news = context.parts.volatile.snapshot();
        observed::of(
            (&context.parts.store.snapshot(), &news),
            world,
            &self.item,
            &self.ledger,
        )
    }
}

pub(crate) fn read(
    context: &Reconciler,
    snapshot: &Snapshot,
    world: &World,
    item: &ItemKey,
) -> Result<Read, Error> {
    let located = world::locate(&context.registry(snapshot), item)?;
    let template = located
        .as_ref()
        .and_then(|(key, _)| snapshot.get(key.as_str()))
        .cloned();
    let object = template.as_ref().map(objects::object).transpose()?;
    let decision_entry = snapshot
        .get(decision::decision_key(item)?.as_str())
        .cloned();
    let decision: Decision = decision_entry
        .as_ref()
        .map(objects::typed)
        .transpose()?
        .unwrap_or_default();
    let ledger = (context.given).read(snapshot, world, item, &decision)?;
    let answers = ledger::answers(snapshot, item, world::clusters(world, &decision))?;
    let registry = &context.registry(snapshot);
    let mut around = around::read(
        snapshot,
        registry,
        world,
        item,
        (object.as_ref(), &decision),
    )?;
    around.peers = (context.groups).of(snapshot, world, item, object.as_ref())?;
    Ok(Read {
        around,
        item: item.clone(),
        key: located.as_ref().map(|(key, _)| key.clone()),
        object,
        replicas_path: world::replicas_path(world, item, located.and_then(|(_, path)| path)),
        decision_entry,
        decision,
        ledger,
        answers,
    })
}

/// Asserts that what it was decided from is as it was read: the template (or that it is not there),
/// everything that people write about policies, clusters and namespaces, and the deletion records
/// that justify removals.
pub(crate) fn assert_read(
    snapshot: &Snapshot,
    world: &World,
    read: &Read,
    placement: &Placement,
    txn: &mut Txn,
) -> Result<(), Error> {
    let as_read = |key: Key| Check::as_read(&key, snapshot.get(key.as_str()));
    txn.checks.extend(read.key.clone().map(as_read));
    txn.checks.push(as_read(world_key()?));
    for policy in placement.policy.iter().chain(&placement.overrides) {
        if let Some(entry) = policy_entry(snapshot, policy)? {
            txn.checks
                .push(Check::At(entry.key.clone(), entry.revision));
        }
    }
    if !placement.removals.is_empty() {
        around::assert(snapshot, &read.item, txn)?;
    }
    for removal in &placement.removals {
        let Some(held) = read.ledger.get(&removal.cluster) else {
            continue;
        };
        let record = &held.record;
        let policy = read.decision.spec.policy.iter().map(|policy| &policy.uid);
        let uids = record.policies.iter().chain([&record.template_uid]);
        for uid in uids.chain(policy) {
            if world.deleted.contains(uid) {
                let check = Check::Exists(deletion_key(uid)?);
                if !txn.checks.contains(&check) {
                    txn.checks.push(check);
                }
            }
        }
    }
    Ok(())
}

fn policy_entry<'s>(
    snapshot: &'s Snapshot,
    policy: &PolicyRef,
) -> Result<Option<&'s Entry>, Error> {
    let key = world::policy_key(policy)?;
    Ok(key.and_then(|key| snapshot.get(key.as_str())))
}
