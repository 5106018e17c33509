//! What a decision wakes of other templates: those that it needs, and those that wait for it.

use std::collections::BTreeSet;

use roadstead_plan::deps::read::key;
use roadstead_protocol::api::decision::{Decision, Spec};
use roadstead_protocol::wire::ItemKey;
use roadstead_store::records::{AWAITS_PREFIX, REQUIRES_PREFIX, parse_link_key};

use super::changes::woken;
use super::{GATHER, Wake};
use crate::around;
use crate::driver::Woken;
use crate::reconciler::item;
use crate::work::Work;

impl Wake {
    /// Wakes what a changed decision has to do with.
    pub(super) fn linked(
        &self,
        (new, old): (&Option<Decision>, &Option<Decision>),
        out: &mut Vec<Woken<Work>>,
    ) {
        self.moving((new, old), out);
        let mut work = BTreeSet::new();
        let both = || new.iter().chain(old);
        if both().any(|d| !d.spec.requires.is_empty()) && decided(new) != decided(old) {
            let needed = both().flat_map(|d| &d.spec.requires);
            work.extend(needed.map(|needed| Work::Placement(key(&needed.item))));
        }
        if let Some(about) = new.as_ref().or(old.as_ref()).map(item) {
            let snapshot = self.store.snapshot();
            let mut waiting = around::links(&snapshot, AWAITS_PREFIX, &about).peekable();
            if waiting.peek().is_some() && stands(new) != stands(old) {
                work.extend(waiting.map(|(_, by)| Work::Placement(by)));
            }
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

/// What was decided.
fn decided(decision: &Option<Decision>) -> Option<(&Spec, i64)> {
    let decision = decision.as_ref()?;
    Some((&decision.spec, decision.metadata.generation))
}

/// What of a decision those that wait for it look at.
fn stands(decision: &Option<Decision>) -> Option<impl PartialEq + use<'_>> {
    let decision = decision.as_ref()?;
    let clusters = decision.status.clusters.iter();
    let states: Vec<[&str; 4]> = clusters
        .map(|c| [&*c.namespace, &*c.name, &*c.state, &*c.health])
        .collect();
    let current = decision.status.observed_generation == decision.metadata.generation;
    Some((states, current, &decision.spec))
}
