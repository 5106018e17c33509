//! What waits for a user on a cluster, as conditions: Frozen, Held and Deleting.
//!
//! Each is there from the first time that it was so, and says afterwards that it is no longer. Where
//! the agent is away, or has only just come, what was known stays: no news ends nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use roadstead_protocol::api::cluster::AttachedCluster;
use roadstead_protocol::api::reconciliation::item_text;
use roadstead_protocol::api::{Condition, ConditionStatus, condition};
use roadstead_protocol::wire::frame::{Freeze, features};
use roadstead_protocol::wire::report::ItemState;
use roadstead_protocol::wire::{ItemKey, Lineage, Revision};
use roadstead_store::Snapshot;
use roadstead_store::records::{
    FreezeRecord, HoldRecord, Liveness, decode, freeze_key, holds_prefix, parse_hold_key,
};

use crate::error::Error;
use crate::placement::cut;

/// Condition of a cluster where nothing is applied, deleted or repaired.
pub(crate) const FROZEN: &str = "Frozen";
/// Condition of a cluster with objects that the hub's word does not act over.
pub(crate) const HELD: &str = "Held";
/// Condition of a cluster with objects that are to be gone and are not.
pub(crate) const DELETING: &str = "Deleting";
/// How long an agent that came back has to say again what it holds, before what it does not say
/// counts as ended.
const SAY_AGAIN: Duration = Duration::from_secs(10);
/// Most objects that a condition names.
const NAMED_MAX: usize = 5;

/// What a cluster's conditions are made from.
pub(crate) struct Seen<'a> {
    pub(crate) cluster: &'a AttachedCluster,
    pub(crate) liveness: Option<&'a Liveness>,
    pub(crate) lineage: &'a Lineage,
    pub(crate) now: jiff::Timestamp,
    freeze: Option<(Revision, FreezeRecord)>,
    holds: BTreeMap<ItemKey, HoldRecord>,
}

impl<'a> Seen<'a> {
    /// Reads what the stores say about `cluster`.
    pub(crate) fn read(
        (durable, volatile): (&Snapshot, &Snapshot),
        cluster: &'a AttachedCluster,
        liveness: Option<&'a Liveness>,
        lineage: &'a Lineage,
        now: jiff::Timestamp,
    ) -> Result<Self, Error> {
        let uid = &cluster.metadata.uid;
        let freeze = durable.get(freeze_key(uid)?.as_str());
        let freeze = freeze
            .map(|entry| decode(entry).map(|record| (entry.revision, record)))
            .transpose()?;
        let mut holds = BTreeMap::new();
        for entry in volatile.range(&holds_prefix(uid)) {
            if let Some((_, item)) = parse_hold_key(entry.key.as_str()) {
                holds.insert(item, decode(entry)?);
            }
        }
        Ok(Self {
            cluster,
            liveness,
            lineage,
            now,
            freeze,
            holds,
        })
    }

    /// What waits.
    pub(crate) fn holds(&self) -> impl Iterator<Item = (&ItemKey, &HoldRecord)> {
        self.holds.iter()
    }

    /// Whether what the agent has not said since it came has ended.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.wait(), Wait::No)
    }

    /// The conditions that there are, and after which time they may turn without anything else
    /// changing.
    pub(crate) fn conditions(&self) -> (Vec<Condition>, Option<Duration>) {
        let wait = self.wait();
        let mut conditions = Vec::new();
        let mut again = match wait {
            Wait::For(time) if !self.holds.is_empty() => Some(time),
            Wait::For(_) | Wait::Away | Wait::No => None,
        };
        for (kind, now, over) in [
            (FROZEN, self.frozen(), "nothing keeps changes from it"),
            (HELD, self.held(), "nothing is held or unclaimed"),
            (DELETING, self.deleting(), "nothing hangs on its way out"),
        ] {
            let was = condition::find(&self.cluster.status.conditions, kind);
            let ended = was.filter(|_| now.is_none());
            // A freeze is the hub's own record first; what hub and agent know is not news alone.
            let lingers = ended.filter(|was| was.status != ConditionStatus::False);
            conditions.extend(match (now, lingers, wait) {
                (Some(now), ..) => Some(now),
                (None, Some(was), Wait::For(time)) => {
                    again = Some(time);
                    Some(was.clone())
                }
                (None, Some(was), Wait::Away) => Some(was.clone()),
                (None, ..) => ended.map(|_| {
                    let reason = format!("Not{kind}");
                    Condition::new(kind, ConditionStatus::False, reason, over)
                }),
            });
        }
        (conditions, again)
    }

    fn wait(&self) -> Wait {
        let Some(liveness) = self.liveness.filter(|liveness| liveness.connected) else {
            return Wait::Away;
        };
        let here = self.now.duration_since(liveness.since).unsigned_abs();
        match SAY_AGAIN.saturating_sub(here) {
            Duration::ZERO => Wait::No,
            left => Wait::For(left),
        }
    }

    fn frozen(&self) -> Option<Condition> {
        let said = self.holds.get(&Freeze::key());
        let wanted = self.freeze.as_ref().filter(|(_, record)| record.frozen);
        let way_out = format!("`{}`", self.command("unfreeze"));
        let new = |status, reason: &str, message: String| {
            Some(Condition::new(FROZEN, status, reason, cut(&message)))
        };
        let Some(said) = said else {
            let (_, record) = wanted?;
            let older = self.liveness.filter(|liveness| liveness.connected);
            if let Some(older) = older.filter(|l| l.features & features::FREEZE == 0) {
                let message = format!(
                    "it is to be frozen{}, but its agent, of release {}, cannot be: no changes are \
                     sent to it meanwhile, and it goes on repairing what it has; upgrade it",
                    because(record),
                    older.release
                );
                return new(ConditionStatus::False, "AgentTooOld", message);
            }
            let message = format!(
                "it is to be frozen{}, and its agent has not confirmed it yet",
                because(record)
            );
            return new(ConditionStatus::Unknown, "NotConfirmed", message);
        };
        if said.state == ItemState::Held {
            let message = format!(
                "its agent keeps to what another hub said about freezing it ({}); {way_out} or `{}` \
                 ends that",
                said.message,
                self.command("freeze")
            );
            return new(ConditionStatus::Unknown, &said.reason, message);
        }
        match wanted {
            // Between an earlier freeze and this one there was a thaw, which the agent may hear first.
            Some((revision, record)) if said.stamp.revision != *revision => {
                let message = format!(
                    "it is to be frozen{}, and its agent has confirmed an earlier freeze only",
                    because(record)
                );
                new(ConditionStatus::Unknown, "NotConfirmed", message)
            }
            Some((_, record)) => {
                let message = format!(
                    "nothing is applied, deleted or repaired there{}; {way_out} ends it",
                    because(record)
                );
                new(ConditionStatus::True, "Frozen", message)
            }
            None if self.lineage.contains(said.stamp) && self.freeze.is_some() => {
                let message =
                    "it is no longer to be frozen, and its agent has not confirmed it yet";
                new(ConditionStatus::Unknown, "NotConfirmed", message.to_owned())
            }
            None => {
                let message = format!(
                    "it was frozen by a hub that this one knows nothing of; {way_out} ends it"
                );
                new(ConditionStatus::True, "OtherHistory", message)
            }
        }
    }

    fn held(&self) -> Option<Condition> {
        let held: Vec<_> = self.holds.iter().filter(|(_, h)| h.is_hold()).collect();
        let (_, first) = held.first()?;
        let mut reasons = BTreeMap::<&str, usize>::new();
        for (_, hold) in &held {
            *reasons.entry(&hold.reason).or_default() += 1;
        }
        let reasons: Vec<String> = reasons.iter().map(|(r, n)| format!("{r} {n}")).collect();
        let message = format!(
            "{} kept as {} and no order acts over {} ({}): {}; what they are, and what ends it: `{}`",
            if held.len() == 1 {
                "1 object is".to_owned()
            } else {
                format!("{} objects are", held.len())
            },
            if held.len() == 1 { "it is" } else { "they are" },
            if held.len() == 1 { "it" } else { "them" },
            reasons.join(", "),
            named(held.iter().map(|(item, _)| item_text(item))),
            self.command("reconcile"),
        );
        let condition = Condition::new(HELD, ConditionStatus::True, &first.reason, cut(&message));
        Some(condition)
    }

    fn deleting(&self) -> Option<Condition> {
        let hangs = self
            .holds
            .iter()
            .filter(|(_, h)| h.state == ItemState::Pending);
        let hangs: Vec<_> = hangs.collect();
        let (_, first) = hangs.first()?;
        let each = hangs.iter().map(|(item, hold)| {
            if hold.message.is_empty() {
                item_text(item)
            } else {
                format!("{} ({})", item_text(item), hold.message)
            }
        });
        let message = format!("on the way out, and still there: {}", named(each));
        let condition = Condition::new(
            DELETING,
            ConditionStatus::True,
            &first.reason,
            cut(&message),
        );
        Some(condition)
    }

    /// A command about this cluster, to be copied whole.
    fn command(&self, verb: &str) -> String {
        let metadata = &self.cluster.metadata;
        format!(
            "roadstead {verb} -n {} {}",
            metadata.namespace, metadata.name
        )
    }
}

/// Whether what is not said may count as ended.
#[derive(Clone, Copy)]
enum Wait {
    /// It may.
    No,
    /// Not for so long.
    For(Duration),
    /// Not before the agent is back.
    Away,
}

fn because(record: &FreezeRecord) -> String {
    match record.reason.as_str() {
        "" => String::new(),
        reason => format!(" ({reason})"),
    }
}

/// The first few, and how many more.
fn named(all: impl ExactSizeIterator<Item = String>) -> String {
    let more = all.len().saturating_sub(NAMED_MAX);
    let shown: Vec<String> = all.take(NAMED_MAX).collect();
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
