//! No act of the hub takes more of what runs than its policy's disruption budget allows, by what was
//! last observed.
//!
//! Follows the hub's ledgers, and what its agents said. Judged is what changes what runs or takes it
//! away: another content of a ConfigMap, another image of a Deployment, a tombstone. How others were is
//! what their agents have said for a while: what was given later than that is not well yet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use roadstead_controllers::decision_key;
use roadstead_protocol::api::decision::Decision;
use roadstead_protocol::api::names::{DECISIONS, OWN_GROUP, POLICY_GROUP};
use roadstead_protocol::api::policy::{CLUSTER_DISTRIBUTION, DISTRIBUTION};
use roadstead_protocol::wire::ItemKey;
use roadstead_protocol::wire::report::{Health, ItemState};
use roadstead_store::records::{
    LEDGER_PREFIX, LedgerEntry, LedgerState, ReportRecord, content_key, decode, object_key,
    objects_prefix, parse_ledger_key, report_key,
};
use roadstead_store::{Entry, Event, Snapshot, Store, Watch};
use serde_json::Value;

use crate::act::Act;
use crate::check::{safety, stages};
use crate::model::{Kind, Model, Name, Standing};
use crate::trace;
use crate::user::User;
use crate::world::{World, lock};
use crate::written::policy_name;

/// How long what was well counts as that after it was seen to be, for a hub that looked before.
const PATIENCE: Duration = Duration::from_millis(500);

/// A cluster's UID and one of its items.
type At = (String, ItemKey);

/// What the hub gave, and how that was.
#[derive(Default)]
pub struct Budgets {
    tap: Option<Watch>,
    given: BTreeMap<At, Given>,
    /// What is taken away at the moment, and counts no more.
    leaving: BTreeSet<At>,
    /// Up to which revision of the hub it is not known what policies said.
    unknown_to: u64,
    /// The newest news that were looked at.
    heard: u64,
}

/// What a cluster was given.
struct Given {
    revision: u64,
    /// UIDs of the policies that gave it.
    policies: Vec<String>,
    /// `None` for what is on its way out.
    content: Option<Value>,
    well: Well,
}

/// Whether it is well, as it was given, by what its agent says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Well {
    /// Nobody has said so.
    Never,
    /// It is, since then.
    Now(Duration),
    /// It was up to then.
    Until(Duration),
    /// Not known: it came up, or is only to run another number of replicas, and may have been well for a
    /// moment between two looks. It holds nobody up.
    Spared,
}

impl Given {
    /// Whether a hub took it to be well, whenever it looked a moment ago: what is not well may be mended.
    fn surely_well(&self, now: Duration) -> bool {
        matches!(self.well, Well::Now(since) if since + PATIENCE <= now)
    }

    /// Whether a hub that looked a moment ago may have taken it to be well.
    fn was_well(&self, now: Duration) -> bool {
        match self.well {
            Well::Never => false,
            Well::Now(_) | Well::Spared => true,
            Well::Until(end) => now < end + PATIENCE,
        }
    }
}

impl std::fmt::Debug for Budgets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Budgets({} items)", self.given.len())
    }
}

impl Budgets {
    /// Begins to follow a hub that just started.
    pub fn follow(&mut self, store: &Store) {
        let snapshot = store.snapshot();
        self.given.clear();
        for entry in snapshot.range(LEDGER_PREFIX) {
            if let Some((at, given)) = read(&snapshot, entry) {
                self.given.insert(at, given);
            }
        }
        self.unknown_to = snapshot.revision().0;
        self.heard = 0;
        self.tap = store.watch(LEDGER_PREFIX, snapshot.revision()).ok();
    }

    /// The hub's power went out.
    pub fn hang_up(&mut self) {
        self.tap = None;
    }
}

/// Notes that an act was answered: what policies said while it was under way is not known.
pub fn note(world: &World, act: &Act, before: &Model) {
    if concerns(act, before) {
        let revision = lock(&world.hub.store).as_ref().map(Store::revision);
        let mut budgets = lock(&world.checks.budgets);
        budgets.unknown_to = revision.map_or(budgets.unknown_to, |r| r.0);
    }
}

/// Whether an act may change which budget there is for something.
fn concerns(act: &Act, before: &Model) -> bool {
    match act {
        Act::PutPolicy(..) | Act::DeletePolicy(..) | Act::Delete(_) => true,
        // A change of what is there has to keep to the one that there is.
        Act::Put(name, object) => {
            let known = before.objects.get(name);
            known.is_none_or(|known| known.group != object.group)
        }
        Act::Stand(_, standing) => standing.fenced || standing.drained,
        Act::Scale(..)
        | Act::Rebalance(..)
        | Act::PutOverride(..)
        | Act::DeleteOverride(_)
        | Act::Freeze(..) => false,
    }
}

fn read(snapshot: &Snapshot, entry: &Entry) -> Option<(At, Given)> {
    let at = parse_ledger_key(entry.key.as_str())?;
    let LedgerEntry {
        state, policies, ..
    } = decode(entry).ok()?;
    let content = match state {
        LedgerState::Put { digest, .. } => {
            let key = content_key(&digest).ok()?;
            let content = snapshot.get(key.as_str());
            Some(content.and_then(|c| decode(c).ok()).unwrap_or_default())
        }
        LedgerState::Tombstone => None,
    };
    let given = Given {
        revision: entry.revision.0,
        policies,
        content,
        well: Well::Never,
    };
    Some((at, given))
}

/// Takes in what the hub gave since the last call, and how it is.
pub fn watch(world: &World, now: Duration) {
    let snapshot = lock(&world.hub.store).as_ref().map(Store::snapshot);
    let news = lock(&world.hub.volatile).as_ref().map(Store::snapshot);
    let (Some(snapshot), Some(news)) = (snapshot, news) else {
        return;
    };
    let mut budgets = lock(&world.checks.budgets);
    let user = lock(&world.user);
    let any = user.model.policies.values().any(|p| p.budget.is_some());
    if any && budgets.heard != news.revision().0 {
        budgets.heard = news.revision().0;
        budgets.hear(&news, now);
    }
    let mut events = Vec::new();
    while let Some(Ok(event)) = budgets.tap.as_mut().and_then(Watch::try_next) {
        events.push(event);
    }
    let gone = |event: &Event| {
        let (at, given) = read(&snapshot, event.new.as_ref()?)?;
        given.content.is_none().then_some(at)
    };
    budgets.leaving = events.iter().filter_map(gone).collect();
    let mut staged = Vec::new();
    for event in events {
        staged.extend(anew(&snapshot, &budgets, &event));
        one(world, (&snapshot, now), &user, &mut budgets, &event);
    }
    drop((budgets, user));
    for (uid, name, version) in staged {
        if let Some(site) = world.site_of(&uid) {
            stages::watch(world, site, &name, Some(version));
        }
    }
}

/// What a cluster is given in another version than it was before: its UID, the object and the version.
fn anew(snapshot: &Snapshot, budgets: &Budgets, event: &Event) -> Option<(String, Name, u64)> {
    let (at, given) = read(snapshot, event.new.as_ref()?)?;
    let name = name(&at.1)?;
    let of = |given: &Given| safety::version(name.0, given.content.as_ref()?);
    let version = of(&given)?;
    let before = budgets.given.get(&at).and_then(of);
    (before != Some(version)).then_some((at.0, name, version))
}

impl Budgets {
    fn hear(&mut self, news: &Snapshot, now: Duration) {
        for ((uid, item), given) in &mut self.given {
            let report = report_key(uid, item).ok();
            let report = report.and_then(|key| news.get(key.as_str()));
            let report = report.and_then(|entry| decode::<ReportRecord>(entry).ok());
            let well = report.is_some_and(|r| {
                let current = r.stamp.revision.0 == given.revision;
                current && r.state == ItemState::Applied && r.health == Health::Healthy
            });
            given.well = match (well, given.well) {
                (true, Well::Now(since)) => Well::Now(since),
                (true, _) => Well::Now(now),
                (false, Well::Now(_)) => Well::Until(now),
                (false, before) => before,
            };
        }
    }
}

fn one(
    world: &World,
    (snapshot, now): (&Snapshot, Duration),
    user: &User,
    budgets: &mut Budgets,
    event: &Event,
) {
    let Some((at, mut given)) = event.new.as_ref().and_then(|e| read(snapshot, e)) else {
        if let Some(at) = parse_ledger_key(event.key.as_str()) {
            budgets.given.remove(&at);
        }
        return;
    };
    let before = budgets.given.get(&at);
    // What had no replicas comes up, too, whatever else of it changes.
    let ran = |before: &Given| before.content.as_ref().is_some_and(|c| replicas(c) > 0);
    // What is only scaled may be in the same decision as a change.
    let scaled = |before: &Given| {
        let contents = before.content.as_ref().zip(given.content.as_ref());
        contents.is_some_and(|(old, new)| safety::scales(old, new))
    };
    if before.is_none_or(|before| !ran(before) || scaled(before)) {
        given.well = Well::Spared;
    }
    let known = event.revision.0 > budgets.unknown_to
        && user.former.is_empty()
        && !user
            .pending
            .as_ref()
            .is_some_and(|act| concerns(act, &user.model));
    if known
        && let Some(name) = name(&at.1)
        && before.is_some_and(|before| disturbs(name.0, before, &given))
        && before.is_some_and(|before| before.surely_well(now))
        && before.is_some_and(|before| gave(snapshot, &user.model, &name, before))
        // What was stopped counts no more, and leaves once it is replaced.
        && !stands(world, &user.model, &at.0).fenced
        && !is_failed_over(snapshot, &at)
        && let Some(most) = budget(&user.model, &name)
    {
        let down = unwell((world, snapshot), budgets, (&user.model, &name), &at.0, now);
        match down.len() < most {
            true => trace::count("sometimes: something was taken of a disruption budget"),
            false => {
                let what = format!(
                    "{} was changed on {}, while of its policy something is not well on {down:?}, and \
                     {most} may be",
                    name.1, at.0
                );
                world.checks.violation("no act is beyond its budget", &what);
            }
        }
    }
    budgets.given.insert(at, given);
}

/// The object that users call so.
fn name(item: &ItemKey) -> Option<Name> {
    let kind = Kind::of(&item.kind, &item.namespace)?;
    Some((kind, item.name.clone()))
}

/// On how many clusters of its policy something may be unwell, where that says so.
fn budget(model: &Model, name: &Name) -> Option<usize> {
    let object = model.objects.get(name)?;
    let most = model.policies.get(&(name.0, object.group))?.budget?;
    usize::try_from(most).ok()
}

/// Whether what is given in the place of something takes it away, or makes it another.
fn disturbs(kind: Kind, before: &Given, after: &Given) -> bool {
    let Some(old) = before.content.as_ref() else {
        return false;
    };
    match &after.content {
        Some(new) => safety::version(kind, old) != safety::version(kind, new),
        None => replicas(old) > 0,
    }
}

fn replicas(content: &Value) -> i64 {
    let replicas = content.pointer("/spec/replicas");
    replicas.and_then(Value::as_i64).unwrap_or(1)
}

/// The clusters but this on which something is not well that the policy of an object gave, and that counts;
/// with what that is.
fn unwell(
    (world, snapshot): (&World, &Snapshot),
    budgets: &Budgets,
    (model, about): (&Model, &Name),
    but: &str,
    now: Duration,
) -> BTreeMap<String, String> {
    let Some(policy) = uid_of_policy(snapshot, model, about) else {
        return BTreeMap::new();
    };
    let outside = outside(snapshot);
    let mut found = BTreeMap::new();
    for (at, given) in &budgets.given {
        let Some(site) = world.site_of(&at.0).filter(|_| at.0 != but) else {
            continue;
        };
        let standing = model.standing.get(&site.name).copied().unwrap_or_default();
        let own = given.policies.contains(&policy) && !outside.contains(at);
        let counts = given.content.as_ref().is_some_and(|c| replicas(c) > 0);
        let leaving = budgets.leaving.contains(at);
        if own && counts && !leaving && !given.was_well(now) && !standing.fenced {
            found.insert(site.name.clone(), at.1.name.clone());
        }
    }
    found
}

/// Whether the policy that holds an object now gave this of it: what one before it gave may go with that.
fn gave(snapshot: &Snapshot, model: &Model, name: &Name, given: &Given) -> bool {
    let policy = uid_of_policy(snapshot, model, name);
    policy.is_some_and(|policy| given.policies.contains(&policy))
}

/// Whether the hub has moved an object away from a cluster without anybody's doing.
fn is_failed_over(snapshot: &Snapshot, at: &At) -> bool {
    let entry = decision_key(&at.1).ok();
    let entry = entry.and_then(|key| snapshot.get(key.as_str()));
    let decision = entry.and_then(|entry| decode::<Decision>(entry).ok());
    let marks = decision.map(|decision| decision.spec.failed_over);
    marks.into_iter().flatten().any(|mark| mark.uid == at.0)
}

/// How people let a cluster stand.
fn stands(world: &World, model: &Model, uid: &str) -> Standing {
    let site = world.site_of(uid);
    let standing = site.and_then(|site| model.standing.get(&site.name).copied());
    standing.unwrap_or_default()
}

/// The UID of the policy of an object.
fn uid_of_policy(snapshot: &Snapshot, model: &Model, name: &Name) -> Option<String> {
    let group = model.objects.get(name)?.group;
    let (plural, namespace) = match name.0 {
        Kind::Shop => (CLUSTER_DISTRIBUTION.1, ""),
        Kind::ConfigMap | Kind::Deployment | Kind::Part => (DISTRIBUTION.1, "default"),
    };
    let called = policy_name(name.0, group);
    let key = object_key(POLICY_GROUP, plural, namespace, &called).ok()?;
    let object: Value = decode(snapshot.get(key.as_str())?).ok()?;
    Some(object.pointer("/metadata/uid")?.as_str()?.to_owned())
}

/// What stays only until what replaces it has come up: that counts no more.
fn outside(snapshot: &Snapshot) -> BTreeSet<At> {
    let mut found = BTreeSet::new();
    for entry in snapshot.range(&objects_prefix(OWN_GROUP, DECISIONS)) {
        let Ok(Decision { spec, .. }) = decode::<Decision>(entry) else {
            continue;
        };
        let item = spec.template.item();
        let targets = spec.clusters.iter().filter(|target| target.outside);
        found.extend(targets.map(|target| (target.uid.clone(), item.clone())));
    }
    found
}
