//! What a decision wakes of other templates: those that it needs, and those that wait for it.

use std::collections::BTreeSet;

use roadstead_plan::deps::read::key;
use roadstead_protocol::api::decision::Decision;
use roadstead_protocol::wire::ItemKey;
use roadstead_store::Event;
use roadstead_store::records::{AWAITS_PREFIX, REQUIRES_PREFIX, parse_link_key};

use super::changes::woken;
use super::{GATHER, Wake};
use crate::driver::Woken;
use crate::reconciler::item;
use crate::work::Work;
use crate::{around, objects};

impl Wake {
    /// Wakes what a changed decision has to do with.
    pub(super) fn linked(&self, event: &Event, out: &mut Vec<Woken<Work>>) {
        let read = |entry: &Option<roadstead_store::Entry>| {
            let entry = entry.as_ref()?;
            objects::typed::<Decision>(entry).ok()
        };
        let (new, old) = (read(&event.new), read(&event.previous));
        let of = |d: &Option<Decision>| d.as_ref().map(|d| (d.spec.clone(), d.metadata.generation));
        let mut work = BTreeSet::new();
        if of(&new) != of(&old) {
            let both = new.iter().chain(&old).flat_map(|d| &d.spec.requires);
            work.extend(both.map(|needed| Work::Placement(key(&needed.item))));
        }
        if let Some(about) = new.as_ref().or(old.as_ref()).map(item)
            && stands(&new) != stands(&old)
        {
            let snapshot = self.store.snapshot();
            let waiting = around::links(&snapshot, AWAITS_PREFIX, &about);
            work.extend(waiting.map(|(_, by)| Work::Placement(by)));
        }
        out.extend(woken(work, GATHER, "another's decision"));
    }

    /// Wakes what a new link leads from.
    pub(super) fn link(path: &str, out: &mut Vec<Woken<Work>>) -> bool {
        let needed: Option<(ItemKey, ItemKey)> = parse_link_key(REQUIRES_PREFIX, path);
        let awaited = || parse_link_key(AWAITS_PREFIX, path);
        if let Some((needed, _)) = needed {
            out.extend(woken([Work::Placement(needed)], GATHER, "needed"));
            return true;
        }
        awaited().is_some()
    }
}

/// What of a decision those that wait for it look at.
fn stands(decision: &Option<Decision>) -> Option<impl PartialEq> {
    let decision = decision.as_ref()?;
    let states: Vec<(String, String, String, String)> = decision
        .status
        .clusters
        .iter()
        .map(|c| {
            let health = (c.state.clone(), c.health.clone());
            (c.namespace.clone(), c.name.clone(), health.0, health.1)
        })
        .collect();
    let current = decision.status.observed_generation == decision.metadata.generation;
    Some((states, current, decision.spec.clone()))
}
