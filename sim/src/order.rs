//! The user who lets things wait for each other: policies whose objects come only once something else
//! is there, and policies with a disruption budget.
//!
//! Only what is everywhere is waited for, and a budget lets something go on, so that in the end nothing
//! waits.

use crate::act::Act;
use crate::model::{Kind, Model, Name, Policy};
use crate::rng::Rng;
use crate::user::{PRECIOUS, User};

/// The name of what is everywhere, by its number.
pub(crate) fn everywhere(number: u64) -> Name {
    (Kind::ConfigMap, format!("keep-{number}"))
}

/// What may be waited for of what there is.
fn waited_for(model: &Model) -> Vec<u64> {
    let configs = model
        .objects
        .keys()
        .filter(|(kind, _)| *kind == Kind::ConfigMap);
    let numbers = configs.filter_map(|(_, name)| name.strip_prefix("keep-"));
    numbers.filter_map(|number| number.parse().ok()).collect()
}

/// What a policy may say of waiting: who comes to clusters where nothing else stays would wait for ever.
pub(crate) fn settle(policy: &mut Policy) {
    policy.awaits = policy.awaits.filter(|_| !policy.tolerates);
}

impl User {
    /// Draws an act about waiting; `None` for a user who leaves that as it is, or has nothing for it.
    pub(crate) fn order(&mut self) -> Option<Act> {
        let mut rng = self.ordering.clone()?;
        let act = self.order_with(&mut rng);
        self.ordering = Some(rng);
        act
    }

    fn order_with(&self, rng: &mut Rng) -> Option<Act> {
        let all = self.model.policies.iter().filter(|((kind, group), _)| {
            *group != PRECIOUS && [Kind::ConfigMap, Kind::Deployment].contains(kind)
        });
        let all: Vec<_> = all.collect();
        let ((kind, group), policy) = *rng.pick(&all)?;
        let on = rng.pick(&waited_for(&self.model)).copied();
        let mut policy = policy.clone();
        match rng.one_in(2) {
            true => policy.awaits = on.filter(|_| policy.awaits.is_none()),
            false => policy.budget = Some(rng.within(1, 2)),
        }
        Some(Act::PutPolicy(*kind, *group, policy))
    }
}
