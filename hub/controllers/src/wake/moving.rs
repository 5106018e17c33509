//! What a decision wakes while something moves because of it: itself, once clusters report something
//! new, and the clusters that it moves from or to.

use std::collections::{BTreeMap, BTreeSet};

use roadstead_plan::affinity::Chosen;
use roadstead_protocol::api::decision::{ClusterStatus, Decision, Target};
use roadstead_protocol::api::names::{ATTACHED_CLUSTERS, CLUSTER_GROUP};
use roadstead_store::records::object_key;

use super::changes::woken;
use super::wide::names;
use super::{GATHER, Wake};
use crate::driver::Woken;
use crate::reconciler::item;
use crate::work::{Name, Work};
use crate::world::policy_key;

impl Wake {
    /// Wakes what waits for a decision's news.
    pub(super) fn moving(
        &self,
        (new, old): (&Option<Decision>, &Option<Decision>),
        out: &mut Vec<Woken<Work>>,
    ) {
        if let (Some(new), Some(old)) = (new, old)
            && new.status.clusters != old.status.clusters
            && (new.spec.clusters.iter().any(moves) || self.fails_over(new))
        {
            let work = [Work::Placement(item(new))];
            out.extend(woken(work, GATHER, "what replaces something, or fails"));
        }
        let mut concerned = concerned(new, old);
        concerned.extend(self.left(new, old));
        let concerned = concerned.into_iter().map(Work::Cluster);
        out.extend(woken(concerned, self.settle, "what moves"));
    }

    /// Whether it goes by how the clusters of a decision are where its object is.
    fn fails_over(&self, decision: &Decision) -> bool {
        if !decision.spec.failed_over.is_empty() {
            return true;
        }
        let policy = decision.spec.policy.as_ref();
        let Some(key) = policy.and_then(|policy| policy_key(policy).ok().flatten()) else {
            return false;
        };
        let snapshot = self.store.snapshot();
        // By its text, as of clusters.
        let policy = snapshot.get(key.as_str());
        policy.is_some_and(|policy| names(policy, ["\"failover\""]))
    }

    /// The drained and fenced clusters of which it is decided now that what they have stays, because it
    /// is held or needed there: it was counted among what moves.
    fn left(&self, new: &Option<Decision>, old: &Option<Decision>) -> Vec<Name> {
        let Some(new) = new else {
            return Vec::new();
        };
        let before: BTreeMap<&str, &Target> = old
            .iter()
            .flat_map(|old| &old.spec.clusters)
            .map(|target| (target.uid.as_str(), target))
            .collect();
        let stays = |t: &&Target| t.held || t.reason == Chosen::Required.text();
        let changed = |t: &&Target| before.get(t.uid.as_str()) != Some(t);
        let targets = new.spec.clusters.iter();
        let targets: Vec<&Target> = targets.filter(stays).filter(changed).collect();
        if targets.is_empty() {
            return Vec::new();
        }
        let snapshot = self.store.snapshot();
        let is_displaced = |t: &&Target| {
            let (group, plural) = (CLUSTER_GROUP, ATTACHED_CLUSTERS);
            let key = object_key(group, plural, &t.namespace, &t.name).ok();
            let cluster = key.and_then(|key| snapshot.get(key.as_str()));
            // By its text: clusters are many, and to look at one in vain costs little.
            cluster.is_some_and(|cluster| names(cluster, ["\"drain\"", "\"fenced\""]))
        };
        let displaced = targets.into_iter().filter(is_displaced);
        displaced.map(|t| name(&t.namespace, &t.name)).collect()
    }
}

/// Whether a target waits for something to come up, or comes up for something.
fn moves(target: &Target) -> bool {
    target.arriving || target.outside || target.extra > 0
}

/// The clusters of which a change of a decision may be told: those from or to which something moves, or
/// moved, or on which something stays for want of another place.
fn concerned(new: &Option<Decision>, old: &Option<Decision>) -> BTreeSet<Name> {
    let mut found = BTreeSet::new();
    let same = match (new, old) {
        (Some(new), Some(old)) => {
            new.spec.clusters == old.spec.clusters
                && new.spec.failed_over == old.spec.failed_over
                && new.status.clusters == old.status.clusters
        }
        _ => false,
    };
    if same {
        return found;
    }
    let marks = |decision: &Option<Decision>| {
        let marks = decision.as_ref().map(|d| d.spec.failed_over.clone());
        marks.unwrap_or_default()
    };
    if marks(new) != marks(old) {
        let marks = marks(new).into_iter().chain(marks(old));
        found.extend(marks.map(|mark| name(&mark.namespace, &mark.name)));
    }
    for decision in new.iter().chain(old) {
        let told = |t: &&Target| moves(t) || t.reason == Chosen::Stays.text();
        let targets = decision.spec.clusters.iter().filter(told);
        found.extend(targets.map(|t| name(&t.namespace, &t.name)));
        let going = |c: &&ClusterStatus| c.state == "Removing";
        let clusters = decision.status.clusters.iter().filter(going);
        found.extend(clusters.map(|c| name(&c.namespace, &c.name)));
    }
    found
}

fn name(namespace: &str, name: &str) -> Name {
    Name {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}
