//! The user who shapes policies: tolerations, spread, weights by room, what goes along, and overrides;
//! and who drains and fences clusters.

use crate::act::Act;
use crate::model::{Kind, Name, Object, Policy};
use crate::rng::Rng;
use crate::user::User;

/// The group of what no policy selects: it goes along with what names it.
pub const UNSELECTED: u64 = 9;
/// The groups whose objects are overridden at times.
const OVERRIDDEN: [u64; 2] = [1, 2];
/// How many objects there are that go along.
const PARTS: u64 = 2;

impl User {
    /// Draws an act about how things are distributed; `None` for a user who leaves that as it is.
    pub(crate) fn shape(&mut self) -> Option<Act> {
        let mut rng = self.shaping.clone()?;
        let act = self.shape_with(&mut rng);
        self.shaping = Some(rng);
        act
    }

    fn shape_with(&self, rng: &mut Rng) -> Option<Act> {
        match rng.below(10) {
            0 => self.reshaped(rng, None, |policy, _| policy.tolerates = !policy.tolerates),
            1 => self.reshaped(rng, Some(Kind::ConfigMap), |policy, rng| {
                policy.spread = Some(rng.within(1, 3)).filter(|n| *n < 3);
            }),
            2 => self.reshaped(rng, Some(Kind::Deployment), |policy, _| {
                policy.dynamic = !policy.dynamic;
            }),
            3 => self.reshaped(rng, Some(Kind::Deployment), |policy, _| policy.deps = true),
            4 => {
                let cluster = rng.pick(&self.clusters)?.clone();
                let standing = self.model.standing.get(&cluster).copied();
                let mut standing = standing.unwrap_or_default();
                match rng.one_in(2) {
                    true => standing.drained = !standing.drained,
                    false => standing.fenced = !standing.fenced,
                }
                Some(Act::Stand(cluster, standing))
            }
            5 | 6 => self.reshaped(rng, Some(Kind::ConfigMap), |policy, _| {
                policy.rollout = true;
                policy.spread = None;
            }),
            7 | 8 => {
                let name: Name = (Kind::Part, format!("part-{}", rng.below(PARTS)));
                if self.model.objects.contains_key(&name) && rng.one_in(4) {
                    return Some(Act::Delete(name));
                }
                let object = Object {
                    group: UNSELECTED,
                    version: rng.next() % 1_000_000,
                    replicas: 1,
                };
                Some(Act::Put(name, object))
            }
            _ => {
                let group = rng.pick(&OVERRIDDEN).copied()?;
                let is_there = self.model.overrides.contains_key(&group);
                Some(match is_there && rng.one_in(2) {
                    true => Act::DeleteOverride(group),
                    false => Act::PutOverride(group, rng.within(1, 99)),
                })
            }
        }
    }

    /// One of the policies (of this kind) as it is, changed.
    fn reshaped(
        &self,
        rng: &mut Rng,
        kind: Option<Kind>,
        change: impl FnOnce(&mut Policy, &mut Rng),
    ) -> Option<Act> {
        let all = self.model.policies.iter();
        let fitting = all.filter(|((of, group), _)| {
            *group != crate::user::PRECIOUS && kind.is_none_or(|kind| kind == *of)
        });
        let all: Vec<_> = fitting.collect();
        let ((kind, group), policy) = *rng.pick(&all)?;
        let mut policy = policy.clone();
        change(&mut policy, rng);
        Some(Act::PutPolicy(*kind, *group, policy))
    }
}
