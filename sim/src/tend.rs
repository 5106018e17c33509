//! The user who tends to clusters and to how things are spread over them: labels, cordons and taints
//! clusters, lets policies choose by label, weighs clusters anew and scales.

use crate::act::Act;
use crate::model::{Effect, Kind, Name, Policy};
use crate::rng::Rng;
use crate::user::User;

/// How many pools there are, beside none.
const POOLS: u64 = 2;
/// The largest weight.
const WEIGHT_MAX: u64 = 9;
/// The most replicas.
const REPLICAS_MAX: u64 = 40;

/// The taints that a cluster may have.
const TAINTS: [Option<Effect>; 4] = [
    None,
    None,
    Some(Effect::NoSchedule),
    Some(Effect::NoExecute),
];

/// The policies that may choose by label: kinds and groups.
const CHOOSING: [(Kind, u64); 4] = [
    (Kind::ConfigMap, 1),
    (Kind::ConfigMap, 2),
    (Kind::Deployment, 3),
    (Kind::Shop, 4),
];

impl User {
    /// Draws an act about clusters; `None` for a user who does not tend to them.
    pub(crate) fn tend(&mut self) -> Option<Act> {
        let mut rng = self.tending.clone()?;
        let act = self.tend_with(&mut rng);
        self.tending = Some(rng);
        act
    }

    fn tend_with(&self, rng: &mut Rng) -> Option<Act> {
        match rng.below(6) {
            0 | 1 => {
                let cluster = rng.pick(&self.clusters)?.clone();
                let standing = self.model.standing.get(&cluster).copied();
                let mut standing = standing.unwrap_or_default();
                match rng.below(3) {
                    0 => standing.pool = rng.below(POOLS + 1),
                    1 => standing.cordoned = !standing.cordoned,
                    _ => standing.taint = rng.pick(&TAINTS).copied()?,
                }
                Some(Act::Stand(cluster, standing))
            }
            2 => {
                let (kind, group) = rng.pick(&CHOOSING).copied()?;
                let pool = Some(rng.within(1, POOLS));
                let clusters = self.weigh(rng, self.clusters.iter());
                let policy = Policy {
                    clusters,
                    pool,
                    ..Policy::default()
                };
                Some(Act::PutPolicy(kind, group, policy))
            }
            3 => {
                let all = self.model.policies.iter();
                let all: Vec<_> = all.filter(|((k, _), _)| *k == Kind::Deployment).collect();
                let ((kind, group), policy) = rng.pick(&all)?;
                let clusters = self.weigh(rng, policy.clusters.keys());
                let policy = Policy {
                    clusters,
                    ..(*policy).clone()
                };
                Some(Act::PutPolicy(*kind, *group, policy))
            }
            _ => {
                let all = self.model.objects.keys();
                let all: Vec<&Name> = all.filter(|(k, _)| *k == Kind::Deployment).collect();
                let name = (*rng.pick(&all)?).clone();
                let replicas = i64::try_from(rng.within(0, REPLICAS_MAX)).unwrap_or(1);
                Some(Act::Scale(name, replicas))
            }
        }
    }

    /// Gives each of these clusters a weight.
    fn weigh<'a>(
        &self,
        rng: &mut Rng,
        clusters: impl Iterator<Item = &'a String>,
    ) -> std::collections::BTreeMap<String, u64> {
        clusters
            .map(|cluster| (cluster.clone(), rng.within(1, WEIGHT_MAX)))
            .collect()
    }
}
