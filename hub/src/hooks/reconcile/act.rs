//! Take the hub's, release, delete: one transaction that asserts what it was decided from.

use std::collections::BTreeSet;

use roadstead_controllers::{Event, decision_ref, tell};
use roadstead_machinery::status::Status;
use roadstead_plan::confirmation::{Loss, token};
use roadstead_protocol::api::reconciliation::{self, Action, Entry, Spec, item_text};
use roadstead_protocol::wire::Meta;
use roadstead_protocol::wire::frame::Freeze;
use roadstead_protocol::wire::item::{ItemKey, Propagation};
use roadstead_store::records::{
    Answer, DeletionRecord, LEDGER_PREFIX, LedgerEntry, LedgerState, answer_key, deletion_key,
    encode, freeze_key, ledger_key,
};
use roadstead_store::{Check, CommitError, Key, Op, Snapshot, Txn};

use super::list::{Waiting, waiting};
use super::{Cluster, PROBLEMS_NAMED, Parts, done, find};
use crate::hooks::{answers, freeze};

/// How often it is tried anew after another write got in between.
const ATTEMPTS_MAX: usize = 8;

/// Does `action` to all items, or to none.
pub(super) async fn act(
    parts: &Parts,
    cluster: &Cluster,
    action: Action,
    spec: &Spec,
    user: &str,
) -> Result<reconciliation::Status, Status> {
    for _ in 0..ATTEMPTS_MAX {
        let order = Order {
            parts,
            cluster,
            action,
            spec,
            user,
            durable: parts.store.snapshot(),
            reported: parts.volatile.snapshot(),
        };
        let (txn, entries) = order.decide()?;
        match parts.store.commit(txn).await {
            Ok(_) => {
                let count = entries.len();
                tracing::info!(
                    cluster = cluster.uid,
                    user,
                    ?action,
                    count,
                    "a user reconciled"
                );
                return Ok(done(entries));
            }
            Err(CommitError::Conflict { key, .. }) => {
                tracing::debug!(%key, "reconciling lost a race, trying again");
            }
            Err(error) => return Err(Status::unavailable(crate::chain(&error))),
        }
    }
    let problem = "it changes all the time; try again".to_owned();
    Err(cluster.conflict(&[problem]))
}

/// One attempt.
struct Order<'a> {
    parts: &'a Parts,
    cluster: &'a Cluster,
    action: Action,
    spec: &'a Spec,
    user: &'a str,
    durable: Snapshot,
    reported: Snapshot,
}

impl Order<'_> {
    fn decide(&self) -> Result<(Txn, Vec<Entry>), Status> {
        let lineage = self.parts.store.lineage();
        let all = waiting(&self.durable, &self.reported, &lineage, self.cluster)?;
        let (mut chosen, mut problems) = (Vec::new(), Vec::new());
        for item in &self.spec.items {
            match find(&all, self.cluster, item) {
                Ok(waiting) => {
                    problems.extend(self.refusal(waiting));
                    chosen.push(waiting);
                }
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() && self.action == Action::Delete {
            problems.extend(self.unconfirmed(&chosen));
        }
        if !problems.is_empty() {
            return Err(self.cluster.conflict(&problems));
        }
        let mut txn = Txn::new();
        let act = self.parts.env.uid();
        for waiting in &chosen {
            match self.action {
                Action::TakeHub => self.take_hub(waiting, &mut txn)?,
                Action::Release | Action::Delete => self.tombstone(waiting, &act, &mut txn)?,
                Action::Adopt => return Err(Status::internal("adopting is no order")),
            }
        }
        if self.action != Action::TakeHub {
            txn.ops.insert(0, self.record(&act)?);
        }
        self.tell(&chosen, &mut txn)?;
        Ok((txn, chosen.into_iter().map(Waiting::entry).collect()))
    }

    fn refusal(&self, waiting: &Waiting) -> Option<String> {
        waiting.refusal(self.action).or_else(|| {
            let contents = self.action == Action::Delete && !self.spec.delete_contents;
            (contents && holds_others(&waiting.key)).then(|| {
                format!(
                    "with {} everything inside would be deleted: --release it, or say \
                     --delete-contents, too",
                    item_text(&waiting.key)
                )
            })
        })
    }

    /// A deletion of much waits for the token of what it deletes, as all others do.
    fn unconfirmed(&self, chosen: &[&Waiting]) -> Option<String> {
        let losses: BTreeSet<Loss> = chosen
            .iter()
            .map(|waiting| Loss {
                cluster: self.cluster.uid.clone(),
                item: waiting.key.clone(),
                template: waiting.hold.stamp.to_string(),
            })
            .collect();
        let given = self.durable.range(LEDGER_PREFIX).count();
        let (limits, count, token) = (&self.parts.limits, losses.len(), token(&losses));
        let large = count > limits.removal_min as usize
            && count * 100 > (given + count) * limits.removal_percent as usize;
        (large && self.spec.confirm.trim() != token)
            .then(|| format!("this would delete {count} objects; to confirm: --confirm {token}"))
    }

    fn as_read(&self, key: Key) -> Check {
        Check::as_read(&key, self.durable.get(key.as_str()))
    }

    fn take_hub(&self, waiting: &Waiting, txn: &mut Txn) -> Result<(), Status> {
        let uid = &self.cluster.uid;
        if waiting.key == Freeze::key() {
            let lineage = self.parts.store.lineage();
            let known = freeze::Known {
                reported: &self.reported,
                lineage: &lineage,
            };
            let former = freeze::former(&self.durable, uid)?;
            let wanted = former.clone().unwrap_or_default();
            let key = freeze_key(uid).map_err(Status::internal)?;
            txn.checks.push(self.as_read(key));
            txn.ops.push(freeze::record(uid, wanted, former, &known)?);
            return Ok(());
        }
        let key = answer_key(uid, &waiting.key).map_err(Status::internal)?;
        txn.checks.push(self.as_read(key));
        let stamp = waiting.hold.stamp;
        let op = answers::answer(&self.durable, uid, &waiting.key, stamp)?;
        txn.ops.push(op);
        Ok(())
    }

    fn tombstone(&self, waiting: &Waiting, act: &str, txn: &mut Txn) -> Result<(), Status> {
        let key = ledger_key(&self.cluster.uid, &waiting.key).map_err(Status::internal)?;
        txn.checks.push(self.as_read(key.clone()));
        let mut replaces = Answer::default();
        if let Some((_, former)) = &waiting.ledger {
            let before = former.meta.iter().filter_map(|meta| match meta {
                Meta::Replaces(stamp) => Some(*stamp),
                Meta::Release
                | Meta::Propagation(_)
                | Meta::ActAs { .. }
                | Meta::Overwrite
                | Meta::AdoptIfEqual
                | Meta::IgnoreFields(_) => None,
            });
            before.for_each(|stamp| replaces.add(stamp));
        }
        replaces.add(waiting.hold.stamp);
        let how = match self.action {
            Action::Release => Some(Meta::Release),
            Action::Delete | Action::TakeHub | Action::Adopt => {
                holds_others(&waiting.key).then_some(Meta::Propagation(Propagation::Background))
            }
        };
        let replaces = replaces.replaces.into_iter().map(Meta::Replaces);
        let record = LedgerEntry {
            state: LedgerState::Tombstone,
            meta: how.into_iter().chain(replaces).collect(),
            decision: decision_ref(&waiting.key),
            template_uid: act.to_owned(),
            policies: Vec::new(),
        };
        let value = encode(&record).map_err(Status::internal)?;
        txn.ops.push(Op::Put { key, value });
        Ok(())
    }

    /// Who did what, for whoever looks at the cluster.
    fn tell(&self, chosen: &[&Waiting], txn: &mut Txn) -> Result<(), Status> {
        let named: Vec<String> = chosen
            .iter()
            .take(PROBLEMS_NAMED)
            .map(|waiting| item_text(&waiting.key))
            .collect();
        let more = match chosen.len().saturating_sub(PROBLEMS_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let message = format!(
            "{} by {}: {}{more}",
            self.action.flag(),
            self.user,
            named.join(", ")
        );
        let event = Event::normal("Reconciled", &message);
        let (env, object) = (&self.parts.env, &self.cluster.object);
        tell(env, &self.durable, object, vec![event], txn).map_err(Status::internal)
    }

    /// That a user did this.
    fn record(&self, act: &str) -> Result<Op, Status> {
        let record = DeletionRecord {
            key: format!("{}/{}", self.cluster.namespace, self.cluster.name),
            group: "roadstead.dev".to_owned(),
            kind: reconciliation::KIND.to_owned(),
            namespace: self.cluster.namespace.clone(),
            name: self.cluster.name.clone(),
            uid: act.to_owned(),
            at: self.parts.env.clock.now(),
            preserve: false,
        };
        Ok(Op::Put {
            key: deletion_key(act).map_err(Status::internal)?,
            value: encode(&record).map_err(Status::internal)?,
        })
    }
}

/// Whether an object's deletion deletes others on the member.
fn holds_others(key: &ItemKey) -> bool {
    (key.group.is_empty() && key.kind == "Namespace")
        || (key.group == "apiextensions.k8s.io" && key.kind == "CustomResourceDefinition")
}
