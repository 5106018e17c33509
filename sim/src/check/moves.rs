//! What does not run on some clusters fails over from these, and from no others: not before its time, in
//! one copy more at most, so many at a time, never what has an identity, and not back before its time.
//!
//! Looks at what members hold, and at what decisions say of failing over, in a part of a run in which
//! nobody else moves anything. That what is old goes only after what is new has come up is another's to
//! see.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use roadstead_protocol::api::decision::{Decision, Target};
use roadstead_protocol::api::failover::Failure;
use roadstead_protocol::api::names::{DECISIONS, OWN_GROUP};
use roadstead_store::records::{decode, ledger_key, objects_prefix};
use roadstead_store::{Snapshot, Store};

use crate::check::agreement;
use crate::endings;
use crate::lone::{self, Lone, NEVER};
use crate::model::{Kind, Model, Name};
use crate::trace;
use crate::world::{Site, World, lock};

/// For how long an agent has to say that something does not run, by the policies here.
pub(crate) const TOLERATED: Duration = Duration::from_secs(60);
/// For how long it does not go back, by what people are told.
pub(crate) const STAYS_AWAY: Duration = Duration::from_secs(600);
/// Share of an object's copies that fail over because they do not run, in percent; one may always.
const COPIES_PERCENT_MAX: usize = 30;
/// How many copies begin to fail over within a minute.
const PER_MINUTE_MAX: usize = 20;
/// A little less than a minute: when it begins is seen a moment after it was decided.
const MINUTE: Duration = Duration::from_secs(59);

/// What does not run, and what was seen of it.
#[derive(Clone, Debug)]
pub struct Stopped {
    /// The names of the clusters on which nothing runs.
    clusters: BTreeSet<String>,
    since: Duration,
    lone: Lone,
    /// What clusters had then, by name: replicas of Deployments.
    had: BTreeMap<String, BTreeMap<Name, i64>>,
    /// What is failed over, by decision and UID of a cluster, and since when it was seen to be.
    marks: BTreeMap<(String, String), Duration>,
    /// Whether users have let it go back.
    returns: bool,
    /// The hub's newest revision that was looked at.
    looked_at: u64,
    /// The members' newest revisions that were looked at.
    members_at: Vec<u64>,
}

impl Stopped {
    /// Nothing runs on these clusters from now on.
    pub(crate) fn begin(
        world: &World,
        clusters: BTreeSet<String>,
        lone: Lone,
        now: Duration,
    ) -> Self {
        let sites = world.sites.iter();
        let had = sites.map(|site| (site.name.clone(), replicas(site)));
        Self {
            clusters,
            since: now,
            lone,
            had: had.collect(),
            marks: BTreeMap::new(),
            returns: false,
            looked_at: 0,
            members_at: Vec::new(),
        }
    }

    /// Whether nothing runs on a cluster.
    pub(crate) fn is(&self, cluster: &str) -> bool {
        self.clusters.contains(cluster)
    }

    /// From now on users let it go back.
    pub(crate) fn let_go_back(&mut self) {
        self.returns = true;
    }

    /// When the last of what is failed over may go back by itself.
    pub(crate) fn may_go_back(&self) -> Option<Duration> {
        let last = self.marks.values().max().copied();
        last.map(|last| last.saturating_add(STAYS_AWAY))
    }

    /// How many replicas a cluster had of a Deployment.
    pub(crate) fn had(&self, cluster: &str, name: &Name) -> i64 {
        let had = self.had.get(cluster).and_then(|had| had.get(name));
        had.copied().unwrap_or(0)
    }
}

/// How many replicas a site's member is to run of each Deployment.
fn replicas(site: &Site) -> BTreeMap<Name, i64> {
    let held = agreement::of(site).into_iter();
    let held = held.filter(|(name, _)| name.0 == Kind::Deployment);
    let counted = held.filter_map(|(name, object)| {
        let replicas = object.pointer("/spec/replicas")?.as_i64()?;
        Some((name, replicas))
    });
    counted.collect()
}

/// What clusters were given, without shares of nothing: whoever is found to have room gets one whenever
/// it is decided again, and nothing moves by that.
pub(crate) fn given(world: &World) -> BTreeMap<String, u64> {
    let mut given = endings::given(world);
    let snapshot = lock(&world.hub.store).as_ref().map(Store::snapshot);
    let entries = snapshot
        .iter()
        .flat_map(|snapshot| snapshot.range(&objects_prefix(OWN_GROUP, DECISIONS)));
    for decision in entries.filter_map(|entry| decode::<Decision>(entry).ok()) {
        let item = decision.spec.template.item();
        let nothing = decision.spec.clusters.iter().filter(|t| is_nothing(t));
        for key in nothing.filter_map(|target| ledger_key(&target.uid, &item).ok()) {
            given.remove(key.as_str());
        }
    }
    given
}

/// Whether a cluster has, and is to have, no replica of what it is given.
fn is_nothing(target: &Target) -> bool {
    let none = |replicas: Option<u32>| replicas.unwrap_or(0) == 0;
    target.replicas == Some(0) && target.extra == 0 && none(target.pinned) && none(target.given)
}

/// Looks at all of it, where anything does not run.
pub(crate) fn watch(world: &World, now: Duration) {
    let mut stopped = lock(&world.checks.stopped);
    let Some(stopped) = stopped.as_mut() else {
        return;
    };
    let revision = |site: &Site| {
        let member = lock(&site.member);
        member
            .as_ref()
            .map_or(0, |member| member.store.revision().0)
    };
    let members: Vec<u64> = world.sites.iter().map(revision).collect();
    if stopped.members_at != members {
        stopped.members_at = members;
        held(world, stopped);
    }
    let snapshot = lock(&world.hub.store).as_ref().map(Store::snapshot);
    let Some(snapshot) = snapshot.filter(|s| s.revision().0 != stopped.looked_at) else {
        return;
    };
    stopped.looked_at = snapshot.revision().0;
    marked(world, stopped, &snapshot, now);
}

/// Looks at what members hold.
fn held(world: &World, stopped: &Stopped) {
    if let Some(what) = identities(world, &stopped.lone) {
        world.checks.violation("what has an identity stays", &what);
    }
    if !stopped.returns {
        let model = lock(&world.user).model.clone();
        let fault = copies(world, stopped, &model).or_else(|| wholes(world, &stopped.lone));
        if let Some(what) = fault {
            world.checks.violation("one copy more at most", &what);
        }
    }
}

/// What has an identity is on its cluster, and on no other.
fn identities(world: &World, lone: &Lone) -> Option<String> {
    let mut all = world.sites.iter();
    all.find_map(|site| {
        let held = lone::held(site);
        let here = site.name == lone.on;
        let wrong = |(group, plural, name): &&(&'static str, &'static str, &str)| {
            held.contains_key(&(*group, *plural, (*name).to_owned())) != here
        };
        let (_, _, name) = NEVER.iter().find(wrong)?;
        let where_it_is = if here { "no more on" } else { "on" };
        Some(format!("{name} is {where_it_is} {}", site.name))
    })
}

/// Of what is on one cluster alone there are two copies at most.
fn wholes(world: &World, lone: &Lone) -> Option<String> {
    let held: Vec<_> = world.sites.iter().map(lone::held).collect();
    lone.wholes().find_map(|name| {
        let at = ("apps", "deployments", name);
        let copies = held.iter().filter(|held| held.contains_key(&at)).count();
        (!(1..=2).contains(&copies)).then(|| format!("{} is on {copies} clusters", at.2))
    })
}

/// Others lose nothing, and get no more than does not run.
fn copies(world: &World, stopped: &Stopped, model: &Model) -> Option<String> {
    let mut more: BTreeMap<Name, i64> = BTreeMap::new();
    for site in world.sites.iter().filter(|site| !stopped.is(&site.name)) {
        let has = replicas(site);
        let names = model.objects.keys().filter(|n| n.0 == Kind::Deployment);
        for name in names {
            let (has, had) = (
                has.get(name).copied().unwrap_or(0),
                stopped.had(&site.name, name),
            );
            if has < had {
                let (name, site) = (&name.1, &site.name);
                return Some(format!(
                    "{site} has {has} replicas of {name}, and had {had}"
                ));
            }
            *more.entry(name.clone()).or_default() += has - had;
        }
    }
    more.into_iter().find_map(|(name, more)| {
        let clusters = stopped.clusters.iter();
        let lost: i64 = clusters.map(|cluster| stopped.had(cluster, &name)).sum();
        (more > lost).then(|| {
            let name = name.1;
            format!("{more} replicas more of {name} are elsewhere, and {lost} do not run")
        })
    })
}

/// Looks at what decisions say is failed over.
fn marked(world: &World, stopped: &mut Stopped, snapshot: &Snapshot, now: Duration) {
    let mut marks = BTreeMap::new();
    for entry in snapshot.range(&objects_prefix(OWN_GROUP, DECISIONS)) {
        let Ok(decision) = decode::<Decision>(entry) else {
            continue;
        };
        if let Some(what) = one(world, stopped, &decision, now) {
            let checker = "what does not run fails over, and nothing else";
            world.checks.violation(checker, &what);
        }
        for mark in &decision.spec.failed_over {
            let at = (decision.metadata.name.clone(), mark.uid.clone());
            let since = stopped.marks.get(&at).copied();
            if since.is_none() {
                trace::count("sometimes: something failed over that did not run");
            }
            marks.insert(at, since.unwrap_or(now));
        }
    }
    let goes_back = |(at, since): &(&(String, String), &Duration)| {
        !marks.contains_key(*at) && now < since.saturating_add(STAYS_AWAY - TOLERATED)
    };
    if !stopped.returns
        && let Some(((decision, _), since)) = stopped.marks.iter().find(goes_back)
    {
        let long = now.saturating_sub(*since);
        let what = format!("{decision} was failed over for {long:?} only");
        world.checks.violation("what failed over stays away", &what);
    }
    let recent = marks.values().filter(|since| now < **since + MINUTE);
    let recent = recent.count();
    if recent > PER_MINUTE_MAX {
        let what = format!("{recent} copies began to fail over within a minute");
        world.checks.violation("failing over has its pace", &what);
    }
    stopped.marks = marks;
}

/// Says what is wrong with what one decision says is failed over.
fn one(world: &World, stopped: &Stopped, decision: &Decision, now: Duration) -> Option<String> {
    let marks = &decision.spec.failed_over;
    let name = &decision.metadata.name;
    let others = marks.iter().find(|mark| {
        let site = world.site_of(&mark.uid);
        let is_stopped = site.is_some_and(|site| stopped.is(&site.name));
        !is_stopped || mark.reason != Failure::Stopped
    });
    if let Some(mark) = others {
        let (cluster, reason) = (&mark.name, mark.reason);
        return Some(format!("{name} is failed over from {cluster}: {reason:?}"));
    }
    if !marks.is_empty() && now < stopped.since + TOLERATED {
        let long = now.saturating_sub(stopped.since);
        return Some(format!("{name} is failed over after {long:?}"));
    }
    let clusters = decision.spec.clusters.iter().map(|target| &target.uid);
    let copies: BTreeSet<&String> = clusters.chain(marks.iter().map(|mark| &mark.uid)).collect();
    let most = (copies.len() * COPIES_PERCENT_MAX / 100).max(1);
    (marks.len() > most).then(|| {
        let (n, of) = (marks.len(), copies.len());
        format!("{name} is failed over from {n} of {of} clusters")
    })
}

/// Whether what is failed over from a cluster has left it.
///
/// # Errors
/// The first that has not.
pub(crate) fn has_left(world: &World, cluster: &str) -> Result<(), String> {
    agreement::left(world, cluster)?;
    agreement::rest(world)
}

/// Whether a Deployment that a cluster had is there again, where it has a fixed share of two and more: one
/// alone stays where it went.
///
/// # Errors
/// The first that is not.
pub(crate) fn is_back(world: &World, stopped: &Stopped, cluster: &str) -> Result<(), String> {
    let model = lock(&world.user).model.clone();
    let Some(site) = world.site(cluster) else {
        return Ok(());
    };
    let has = replicas(site);
    let fixed = |name: &&Name| {
        let object = model.objects.get(*name)?;
        let policy = model.policies.get(&(name.0, object.group))?;
        let chosen = model.chosen(policy);
        let (weight, all) = (chosen.get(cluster)?, chosen.values().sum::<u64>());
        let replicas = u64::try_from(object.replicas).ok()?;
        (!policy.dynamic && replicas.saturating_mul(*weight) >= all.saturating_mul(2)).then_some(())
    };
    let names = model.objects.keys().filter(|n| n.0 == Kind::Deployment);
    let mut gone = names.filter(|name| fixed(name).is_some()).filter(|name| {
        let now = has.get(*name).copied().unwrap_or(0);
        stopped.had(cluster, name) > 0 && now == 0
    });
    gone.next()
        .map_or(Ok(()), |name| Err(format!("{} is not back", name.1)))
}
