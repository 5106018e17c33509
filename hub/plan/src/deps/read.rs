//! What decisions that stand say about what belongs to an object.

use std::collections::{BTreeMap, BTreeSet};

use roadstead_protocol::api::decision::{ClusterStatus, Decision, ItemRef, Requirement, Spec};
use roadstead_protocol::wire::ItemKey;

use super::order::Standing;
use super::requirers::{Needs, Requirer};

/// The key of what a decision names.
pub fn key(item: &ItemRef) -> ItemKey {
    ItemKey {
        group: item.group.clone(),
        kind: item.kind.clone(),
        namespace: item.namespace.clone(),
        name: item.name.clone(),
    }
}

/// What a decision says its template needs, and where.
pub fn needs(spec: &Spec) -> BTreeMap<ItemKey, Needs> {
    let everywhere = || spec.clusters.iter().map(|t| t.uid.clone()).collect();
    let of = |said: &Requirement| Needs {
        on: match &said.clusters {
            Some(some) => some.iter().cloned().collect(),
            None => everywhere(),
        },
        released: said.released.iter().cloned().collect(),
    };
    let all = spec.requires.iter();
    all.map(|said| (key(&said.item), of(said))).collect()
}

/// What the decision about `by` says of its need of `item`.
pub fn requirer(by: ItemKey, spec: &Spec, item: &ItemKey) -> Requirer {
    let needs = needs(spec).remove(item).unwrap_or_default();
    Requirer {
        key: by,
        template: spec.template.uid.clone(),
        decided: true,
        policy: spec.policy.as_ref().map(|p| p.uid.clone()),
        clusters: spec.clusters.iter().map(|t| t.uid.clone()).collect(),
        needs: needs.on,
        released: needs.released,
    }
}

/// Who needed something and has no decision; `given` says whether some cluster has it all the same.
pub fn undecided(by: ItemKey, uid: String, given: bool) -> Requirer {
    Requirer {
        key: by,
        template: uid,
        decided: !given,
        policy: None,
        clusters: BTreeSet::new(),
        needs: BTreeSet::new(),
        released: BTreeSet::new(),
    }
}

/// How far the template of `decision` got on each cluster that is to have it. `decided` says whether
/// the decision is about the template as it is now.
pub fn standing(decision: &Decision, decided: bool) -> BTreeMap<String, Standing> {
    let (spec, status) = (&decision.spec, &decision.status);
    let decided = decided && status.observed_generation == decision.metadata.generation;
    let mut found = BTreeMap::new();
    for target in &spec.clusters {
        let named =
            |c: &&ClusterStatus| (&c.namespace, &c.name) == (&target.namespace, &target.name);
        let standing = match status.clusters.iter().find(named) {
            _ if !decided => Standing::Pending("it is being decided".to_owned()),
            _ if target.held => Standing::Pending("its change waits itself".to_owned()),
            None => Standing::Pending("it is on its way".to_owned()),
            Some(at) if at.state != "Applied" => Standing::Pending(at.state.clone()),
            Some(at) if at.health != "Healthy" => Standing::Pending(at.health.clone()),
            Some(_) if target.behind => Standing::Behind(target.release.clone()),
            Some(_) => Standing::Done,
        };
        found.insert(target.uid.clone(), standing);
    }
    found
}
