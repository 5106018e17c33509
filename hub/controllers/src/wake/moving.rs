//! What a decision wakes while something moves because of it: itself, once clusters report something
//! new, and the clusters that it moves from or to.

use std::collections::BTreeSet;

use roadstead_plan::affinity::Chosen;
use roadstead_protocol::api::decision::{ClusterStatus, Decision, Target};

use super::changes::woken;
use super::{GATHER, Wake};
use crate::driver::Woken;
use crate::reconciler::item;
use crate::work::{Name, Work};

impl Wake {
    /// Wakes what waits for a decision's news.
    pub(super) fn moving(
        &self,
        (new, old): (&Option<Decision>, &Option<Decision>),
        out: &mut Vec<Woken<Work>>,
    ) {
        if let (Some(new), Some(old)) = (new, old)
            && new.spec.clusters.iter().any(moves)
            && new.status.clusters != old.status.clusters
        {
            let work = [Work::Placement(item(new))];
            out.extend(woken(work, GATHER, "what replaces something"));
        }
        let concerned = concerned(new, old).into_iter().map(Work::Cluster);
        out.extend(woken(concerned, self.settle, "what moves"));
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
            new.spec.clusters == old.spec.clusters && new.status.clusters == old.status.clusters
        }
        _ => false,
    };
    if same {
        return found;
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
