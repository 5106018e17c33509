//! What placement is told of the rollouts that a template has to do with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use roadstead_plan::deps::requirers::Requirer;
use roadstead_plan::policy::{Overrides, Policy};
use roadstead_plan::rollout::release::Release;
use roadstead_plan::rollout::state::Admitted;
use roadstead_plan::rollout::{Given, Rolling, State, Waves};
use roadstead_plan::template::selected;
use roadstead_plan::{Around, World};
use roadstead_protocol::api::ObjectMeta;
use roadstead_protocol::api::decision::Decision;
use roadstead_protocol::wire::ItemKey;
use roadstead_store::records::{
    ADMITTED_PREFIX, CONTENT_PREFIX, LedgerEntry, admitted_prefix, decode, ledger_key,
    parse_of_policy, release_key, rollout_key,
};
use roadstead_store::{Check, Snapshot, Txn};
use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;
use crate::ledger::Ledger;

/// What a template is: its object, what was decided about it, what clusters were given, and what
/// belongs to it.
pub(crate) type About<'a> = (Option<&'a Value>, &'a Decision, &'a Ledger, &'a Around);

/// The rollouts that `item` has to do with: those of policies that hold it, held it, or hold what needs
/// it, and of all that might come to.
pub(crate) fn of_template(
    snapshot: &Snapshot,
    world: &World,
    item: &ItemKey,
    (object, decision, ledger, around): About<'_>,
) -> Result<Waves, Error> {
    let held = decision.spec.policy.iter().map(|p| p.uid.as_str());
    let given = ledger.values().flat_map(|held| &held.record.policies);
    let by = around.requirers.iter().filter_map(|r| r.policy.as_deref());
    let uids: BTreeSet<&str> = held.chain(given.map(String::as_str)).chain(by).collect();
    let metadata = object.and_then(|object| object.get("metadata"));
    let metadata = ObjectMeta::deserialize(metadata.unwrap_or(&Value::Null));
    let labels = metadata.unwrap_or_default().labels;
    let selects = |policy: &&Policy| {
        object.is_some() && selected(&policy.identity, &policy.selectors, item, &labels).is_some()
    };
    let rolls = |policy: &&Policy| policy.rollout.is_some();
    let known = uids.iter().filter_map(|uid| world.policy(uid));
    let might = world.policies_of(item).filter(rolls).filter(selects);
    let mut waves = Waves::default();
    for policy in known.filter(rolls).chain(might) {
        let uid = &policy.identity.uid;
        if !waves.policies.contains_key(uid) {
            let rolling = rolling(snapshot, (item, object.is_some()), policy)?;
            waves.policies.insert(uid.clone(), rolling);
        }
    }
    waves.unknown = unknown(snapshot, world, around)?;
    Ok(waves)
}

/// UIDs of the clusters where something needs the object under a policy of which it is not known what its
/// rollout gives them: it cannot be read, or who needs it is merely kept there.
fn unknown(snapshot: &Snapshot, world: &World, around: &Around) -> Result<BTreeSet<String>, Error> {
    let known = |requirer: &&Requirer| {
        let policy = requirer.policy.as_deref();
        policy.is_some_and(|uid| world.policy(uid).is_some())
    };
    let mut found = BTreeSet::new();
    for requirer in around.requirers.iter().filter(|r| !known(r)) {
        for cluster in &requirer.needs {
            let entry = snapshot.get(ledger_key(cluster, &requirer.key)?.as_str());
            let given: Option<LedgerEntry> = entry.map(decode).transpose()?;
            let given = given.map(|given| given.policies).unwrap_or_default();
            for uid in given.iter().chain(&requirer.policy) {
                // What stands in a list of policies may be no UID.
                let rolls = rollout_key(uid).is_ok_and(|k| snapshot.get(k.as_str()).is_some());
                if rolls {
                    found.insert(cluster.clone());
                }
            }
        }
    }
    Ok(found)
}

/// Asserts that the rollouts are as they were read.
pub(crate) fn assert(snapshot: &Snapshot, waves: &Waves, txn: &mut Txn) -> Result<(), Error> {
    for uid in waves.policies.keys() {
        let key = rollout_key(uid)?;
        txn.checks
            .push(Check::as_read(&key, snapshot.get(key.as_str())));
    }
    Ok(())
}

/// How far a policy's rollouts are for `item`, which `exists` on the hub or does not.
fn rolling(
    snapshot: &Snapshot,
    (item, exists): (&ItemKey, bool),
    policy: &Policy,
) -> Result<Rolling, Error> {
    let uid = &policy.identity.uid;
    let Some(entry) = snapshot.get(rollout_key(uid)?.as_str()) else {
        return Ok(Rolling::default());
    };
    let state: State = decode(entry)?;
    if state.good.is_empty() {
        return Ok(none(&state, policy));
    }
    let mut releases = Releases {
        snapshot,
        uid,
        item,
        good: &state.good,
        records: BTreeMap::new(),
        read: BTreeMap::new(),
    };
    let admitted = admitted(snapshot, uid, &state)?;
    let admitted: BTreeMap<String, Option<Arc<Given>>> = admitted
        .into_iter()
        .map(|(cluster, release)| Ok((cluster, releases.given(&release)?)))
        .collect::<Result<_, Error>>()?;
    let target = state.run.as_ref().map(|run| run.target.as_str());
    let mut coming = false;
    // What was deleted is in no release that is made from now on: until the next is, the last ones say
    // nothing about it. Where none can be made, nothing waits for one.
    let counts = exists || state.problem.is_some();
    let releases_to_come = target.into_iter().chain([state.live.as_str()]);
    for release in releases_to_come.filter(|_| counts) {
        let given = releases.given(release)?;
        coming |= given.is_some_and(|given| given.object.is_some());
    }
    let run = state.run.as_ref();
    Ok(Rolling {
        good: releases.given(&state.good)?,
        admitted,
        coming,
        active: run.is_some_and(|run| run.halted.is_none() && !run.paused),
        says: says(&state, policy),
    })
}

/// What there is of a policy of which no release could be made so far: nobody is given anything, and
/// what users take away goes.
fn none(state: &State, policy: &Policy) -> Rolling {
    Rolling {
        good: Some(Arc::default()),
        coming: true,
        says: says(state, policy),
        ..Rolling::default()
    }
}

/// The clusters that were let to a release, by UID.
pub(super) fn admitted(
    snapshot: &Snapshot,
    uid: &str,
    state: &State,
) -> Result<BTreeMap<String, String>, Error> {
    let mut found = BTreeMap::new();
    for entry in snapshot.range(&admitted_prefix(uid)) {
        let admitted: Admitted = decode(entry)?;
        let cluster = parse_of_policy(ADMITTED_PREFIX, entry.key.as_str());
        if let Some((_, cluster)) = cluster.filter(|_| state.counts(&admitted)) {
            found.insert(cluster.to_owned(), admitted.release);
        }
    }
    Ok(found)
}

fn says(state: &State, policy: &Policy) -> String {
    let stages = policy.rollout.as_ref().map(|rollout| &rollout.stages);
    if let Some(problem) = &state.problem {
        return problem.clone();
    }
    match &state.run {
        Some(run) => match &run.halted {
            Some(why) => format!("Rollout {} was halted: {why}", run.name),
            None if run.paused => format!("Rollout {} is paused", run.name),
            None => {
                let stage = stages.and_then(|stages| stages.get(run.stage));
                let stage = stage.map_or("its end", |stage| stage.name.as_str());
                format!("Rollout {} is at stage {stage}", run.name)
            }
        },
        None if state.declined.is_some() => format!(
            "what stands on the hub was given up, and release {} is run until it changes",
            state.good
        ),
        None => String::new(),
    }
}

/// The releases of a policy, as far as one object is concerned.
struct Releases<'a> {
    snapshot: &'a Snapshot,
    uid: &'a str,
    item: &'a ItemKey,
    /// The one that clusters have which were let to no other.
    good: &'a str,
    records: BTreeMap<String, Option<Arc<Release>>>,
    read: BTreeMap<String, Option<Arc<Given>>>,
}

impl Releases<'_> {
    /// What a release says of the object; `None` of a release that is not there whole. Where it says the
    /// same as the good one, that one says it: to be let to it changes nothing.
    fn given(&mut self, release: &str) -> Result<Option<Arc<Given>>, Error> {
        if release.is_empty() {
            return Ok(None);
        }
        if let Some(read) = self.read.get(release) {
            return Ok(read.clone());
        }
        let given = match release != self.good && self.is_as_good(release)? {
            true => self.given(self.good)?,
            false => self.read(release)?.map(Arc::new),
        };
        self.read.insert(release.to_owned(), given.clone());
        Ok(given)
    }

    fn is_as_good(&mut self, release: &str) -> Result<bool, Error> {
        let (record, good) = (self.record(release)?, self.record(self.good)?);
        let both = record.zip(good);
        Ok(both.is_some_and(|(record, good)| record.says_same(&good, self.item)))
    }

    fn record(&mut self, release: &str) -> Result<Option<Arc<Release>>, Error> {
        if let Some(known) = self.records.get(release) {
            return Ok(known.clone());
        }
        let entry = self.snapshot.get(release_key(self.uid, release)?.as_str());
        let record = entry.map(decode).transpose()?.map(Arc::new);
        self.records.insert(release.to_owned(), record.clone());
        Ok(record)
    }

    fn read(&mut self, release: &str) -> Result<Option<Given>, Error> {
        let Some(record) = self.record(release)? else {
            return Ok(None);
        };
        let mut given = Given {
            release: release.to_owned(),
            ..Given::default()
        };
        if let Some(item) = record.item(self.item) {
            let key = format!("{CONTENT_PREFIX}{}", item.content);
            let Some(content) = self.snapshot.get(&key) else {
                return Ok(None);
            };
            given.object = Some(decode(content)?);
            for object in &record.overrides {
                let Ok(overrides) = Overrides::read(object) else {
                    return Ok(None);
                };
                given.overrides.push(overrides);
            }
        }
        Ok(Some(given))
    }
}
