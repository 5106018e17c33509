//! How the clusters of a policy are, as its rollout looks at them.

use std::collections::{BTreeMap, BTreeSet};

use roadstead_plan::observed::{Observed, health_text};
use roadstead_plan::policy::Policy;
use roadstead_plan::rollout::advance::Member;
use roadstead_plan::rollout::gates::{Copy, judge};
use roadstead_plan::rollout::release::Release;
use roadstead_plan::rollout::spec::{Check, Gate, Rollout};
use roadstead_plan::rollout::stages::{Candidate, assign};
use roadstead_plan::rollout::{Wanted, wanted};
use roadstead_plan::{World, cluster::Cluster};
use roadstead_store::Snapshot;
use roadstead_store::records::{LedgerState, content_key};
use serde_json::Value;

use crate::decision::waits_for_budget;
use crate::error::Error;
use crate::placement::{self, Read};
use crate::reconciler::Reconciler;

/// What one object is on the clusters.
struct Seen {
    read: Read,
    own: bool,
    /// Whether the good release says the same of it.
    same: bool,
    /// UIDs of the clusters that are to have it, by the policy or for what that holds.
    wanted: BTreeSet<String>,
    observed: BTreeMap<String, Observed>,
}

/// A release with what tells it from others.
type Named<'a> = (&'a str, &'a Release);

/// The clusters that are to get a release.
pub(super) struct Members<'a> {
    snapshot: &'a Snapshot,
    rollout: &'a Rollout,
    target: &'a str,
    good: &'a str,
    seen: Vec<Seen>,
}

impl<'a> Members<'a> {
    /// The clusters that are to get the release `target` of a policy instead of the `good` one, of which `admitted` says by UID
    /// who was let to what. Those to which it suspends dispatching are none: they get what is good when
    /// that ends. Nobody is, while it is not known what a policy says of an object.
    pub(super) fn of(
        context: &Reconciler,
        (snapshot, world): (&'a Snapshot, &World),
        (policy, rollout): (&'a Policy, &'a Rollout),
        ((target, release), (good, before)): (Named<'a>, (&'a str, Option<&Release>)),
        admitted: &BTreeMap<String, String>,
    ) -> Result<Vec<Member>, Error> {
        let mut seen = Vec::new();
        for item in &release.items {
            let read = placement::read(context, snapshot, world, &item.key())?;
            let wanted = match item.own {
                true => {
                    let template = read.template(context, snapshot, world)?;
                    match wanted(world, &template, &policy.identity.uid) {
                        Wanted::On(clusters) => clusters,
                        // Another policy says what becomes of it, and when.
                        Wanted::Elsewhere => continue,
                        Wanted::Unknown => return Ok(Vec::new()),
                    }
                }
                false => along(world, policy, &read),
            };
            let observed = read.observed(context, world)?;
            let key = item.key();
            seen.push(Seen {
                read,
                own: item.own,
                same: before.is_some_and(|before| release.says_same(before, &key)),
                wanted,
                observed,
            });
        }
        let members = Self {
            snapshot,
            rollout,
            target,
            good,
            seen,
        };
        let own = members.seen.iter().filter(|seen| seen.own);
        let wanted: BTreeSet<&String> = own.flat_map(|seen| &seen.wanted).collect();
        let from = policy.identity.viewpoint();
        let suspended = &policy.options.suspended;
        let clusters = wanted.iter().filter_map(|uid| world.cluster(uid));
        let clusters = clusters.filter(|cluster| !suspended.covers(world, from, cluster));
        let clusters: Vec<&Cluster> = clusters.collect();
        let let_to = |cluster: &Cluster| admitted.get(&cluster.uid).is_some_and(|r| r == target);
        let candidates = clusters.iter().map(|cluster| Candidate {
            cluster,
            admitted: let_to(cluster),
        });
        let candidates: Vec<Candidate<'_>> = candidates.collect();
        let stages = assign(world, from, rollout, &candidates);
        candidates
            .iter()
            .map(|candidate| {
                let stage = stages.get(candidate.cluster.uid.as_str()).copied();
                members.member(*candidate, stage.unwrap_or(0))
            })
            .collect()
    }

    fn member(&self, candidate: Candidate<'_>, stage: usize) -> Result<Member, Error> {
        let Candidate { cluster, admitted } = candidate;
        let gates = self.rollout.stages.get(stage);
        let looks = gates.is_some_and(|stage| stage.looks_at_objects());
        let mut copies = Vec::new();
        let (mut runs, mut waits) = (false, false);
        for seen in &self.seen {
            let has = seen.has(&cluster.uid);
            runs |= has && seen.own;
            waits |= admitted && seen.waits(&cluster.uid);
            if has || (admitted && seen.wanted.contains(&cluster.uid)) {
                let good = if seen.same { self.good } else { self.target };
                let target = admitted.then_some([self.target, good]);
                copies.push(seen.copy(self.snapshot, cluster, (target, looks))?);
            }
        }
        let healthy = [Gate {
            kind: String::new(),
            check: Check::Healthy,
        }];
        let gates = gates
            .filter(|_| admitted)
            .map(|stage| stage.gates.as_slice());
        Ok(Member {
            cluster: cluster.uid.clone(),
            path: cluster.path(),
            stage,
            admitted,
            runs,
            // That its API does not answer is news, and may be for what it was given.
            away: match cluster.ready {
                Some(true) => false,
                Some(false) => !admitted,
                None => true,
            },
            waits,
            well: judge(gates.unwrap_or(&healthy), &copies),
        })
    }
}

/// UIDs of the clusters where what goes along is given as the rollout of `policy` says it: something that
/// the policy holds needs it there, and nothing else comes first.
fn along(world: &World, policy: &Policy, read: &Read) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if read.decision.spec.policy.is_some() {
        return found;
    }
    let mut taken = BTreeSet::new();
    for requirer in &read.around.requirers {
        let by = requirer.policy.as_deref().and_then(|uid| world.policy(uid));
        let Some(by) = by.filter(|by| by.rollout.is_some()) else {
            continue;
        };
        for cluster in &requirer.needs {
            if taken.insert(cluster) && by.identity.uid == policy.identity.uid {
                found.insert(cluster.clone());
            }
        }
    }
    found
}

impl Seen {
    /// Whether a cluster was given it.
    fn has(&self, cluster: &str) -> bool {
        let held = self.read.ledger.get(cluster);
        held.is_some_and(|held| matches!(held.record.state, LedgerState::Put { .. }))
    }

    /// Whether what a cluster is to be given of it waits for the policy's disruption budget.
    fn waits(&self, cluster: &str) -> bool {
        let mut decided = self.read.decision.spec.clusters.iter();
        let decided = decided.find(|target| target.uid == cluster);
        decided.is_some_and(waits_for_budget)
    }

    /// What is known of it on a cluster, which is to have it from one of the releases `target` if any.
    fn copy(
        &self,
        snapshot: &Snapshot,
        cluster: &Cluster,
        (target, looks): (Option<[&str; 2]>, bool),
    ) -> Result<Copy<'_>, Error> {
        let observed = self.observed.get(&cluster.uid);
        Ok(Copy {
            kind: &self.read.item.kind,
            name: self.read.item.to_string(),
            there: self.there(&cluster.uid, target),
            health: match observed {
                // What only goes along need not be anything but there.
                Some(observed) if self.own => health_text(observed.health),
                Some(_) => "Healthy",
                None => "Unknown",
            },
            status: observed.map(|o| o.status.clone()).unwrap_or_default(),
            object: match looks {
                true => self.content(snapshot, &cluster.uid)?,
                false => Value::Null,
            },
        })
    }

    fn there(&self, cluster: &str, target: Option<[&str; 2]>) -> Result<(), String> {
        let mut decided = self.read.decision.spec.clusters.iter();
        let decided = decided.find(|t| t.uid == cluster);
        match (decided, target) {
            (None, Some(_)) => return Err("it is being decided".to_owned()),
            (Some(decided), Some(_)) if decided.held => return Err(decided.reason.clone()),
            (Some(decided), Some(target)) if !target.contains(&decided.release.as_str()) => {
                // What goes along for another policy is given as that one says.
                if self.own || self.wanted.contains(cluster) {
                    return Err("the change is on its way".to_owned());
                }
            }
            (Some(_), _) | (None, None) => {}
        }
        match self.observed.get(cluster) {
            Some(observed) if observed.away => Err("there is no recent news of it".to_owned()),
            Some(observed) if observed.applied => Ok(()),
            Some(observed) if observed.message.is_empty() => Err(observed.state.text().to_owned()),
            Some(observed) => Err(format!("{}: {}", observed.state.text(), observed.message)),
            None => Err("it is on its way".to_owned()),
        }
    }

    fn content(&self, snapshot: &Snapshot, cluster: &str) -> Result<Value, Error> {
        let Some(held) = self.read.ledger.get(cluster) else {
            return Ok(Value::Null);
        };
        let LedgerState::Put { digest, .. } = held.record.state else {
            return Ok(Value::Null);
        };
        let content = snapshot.get(content_key(&digest)?.as_str());
        let content = content.map(roadstead_store::records::decode).transpose()?;
        Ok(content.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
