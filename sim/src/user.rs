//! The user of the hub, as state: what was answered, what is under way, and what comes next.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use roadstead_store::Key;

use crate::act::Act;
pub use crate::acts::Acts;
use crate::disk::Tear;
use crate::lone::Lone;
use crate::model::{Kind, Model, Name, Object, Policy, Standing};
use crate::order;
use crate::rng::Rng;

/// The group whose policy sends everything to every cluster, and which is never taken back.
pub(crate) const PRECIOUS: u64 = 0;
/// The group whose policy shares out replicas.
pub(crate) const SHARED_OUT: u64 = 3;
/// How often another act is drawn in the place of one that would leave a policy without a cluster.
const DRAWS_MAX: usize = 8;
/// Of a user who tends to clusters, one act in so many is about them.
const TENDS_ONE_IN: u64 = 3;
/// Of a user who shapes policies, one act in so many is about that.
const SHAPES_ONE_IN: u64 = 4;
/// Of a user who lets things wait for each other, one act in so many is about that.
const ORDERS_ONE_IN: u64 = 6;
/// In one run of so many, what is for every cluster goes out in stages.
const STAGED_ONE_IN: u64 = 3;
/// In one run of so many, what is for every cluster has a disruption budget of one.
const BUDGETED_ONE_IN: u64 = 3;

/// What the user knows.
#[derive(Clone, Debug)]
pub struct User {
    rng: Rng,
    pub(crate) clusters: Vec<String>,
    /// What was answered with success.
    pub model: Model,
    /// Sent, and not answered yet.
    pub pending: Option<Act>,
    /// What this hub's users have done.
    pub acts: Acts,
    /// What the users of other hubs have done, which were in this one's place.
    pub former: Vec<Acts>,
    /// Asked for: something vanishes from the hub's store, chosen by this number.
    pub vanish: Option<u64>,
    /// Asked for: the hub's power goes out inside this operation of its disk after the next write.
    pub arm: Option<(u64, Tear)>,
    /// What vanished and has to come back.
    pub vanished: Option<(Key, Bytes)>,
    /// Whether this user freezes clusters at times.
    freezes: bool,
    /// What a user who tends to clusters draws from.
    pub(crate) tending: Option<Rng>,
    /// What a user who shapes policies draws from.
    pub(crate) shaping: Option<Rng>,
    /// What a user who lets things wait for each other draws from.
    pub(crate) ordering: Option<Rng>,
    /// The policy of what is for every cluster.
    precious: Policy,
    /// Whether what is shared out is to fail over.
    pub fails_over: bool,
    /// What is to be done before the user ends, as far as it is not so yet.
    pub asked: Vec<Act>,
    /// What is to be on one cluster alone, beside what the model knows.
    pub lone: Option<Lone>,
    /// What is, as far as was answered.
    pub lone_is: Option<Lone>,
    /// The cluster that is to be drained, for as long as this is asked for.
    pub drains: Option<String>,
    /// The cluster that is to be detached.
    pub detach: Option<String>,
    /// Whether the user is to end all holds.
    pub reconciles: bool,
    /// Whether the user is to have replicas shared out afresh.
    pub rebalances: bool,
    /// Whether the user has ended.
    pub idle: bool,
    /// Whether the user is to end.
    pub stop: bool,
}

impl User {
    /// A user of a hub with these clusters.
    pub fn new(rng: &Rng, clusters: Vec<String>) -> Self {
        let budgeted = rng.fork("budgeted").one_in(BUDGETED_ONE_IN);
        let precious = Policy {
            clusters: clusters.iter().map(|c| (c.clone(), 1)).collect(),
            rollout: rng.fork("staged").one_in(STAGED_ONE_IN),
            budget: budgeted.then_some(1),
            ..Policy::default()
        };
        Self {
            rng: rng.fork("user"),
            clusters,
            precious,
            model: Model::default(),
            pending: None,
            acts: Acts::default(),
            former: Vec::new(),
            vanish: None,
            arm: None,
            vanished: None,
            freezes: rng.fork("freezes").one_in(2),
            tending: Some(rng.fork("tends")).filter(|rng| rng.clone().one_in(2)),
            shaping: Some(rng.fork("shapes")).filter(|rng| rng.clone().one_in(2)),
            ordering: Some(rng.fork("orders")).filter(|rng| rng.clone().one_in(2)),
            fails_over: false,
            asked: Vec::new(),
            lone: None,
            lone_is: None,
            drains: None,
            detach: None,
            reconciles: false,
            rebalances: false,
            idle: false,
            stop: false,
        }
    }

    /// What was done to this hub, then to others that were in its place.
    pub fn histories(&self) -> impl Iterator<Item = &Acts> {
        std::iter::once(&self.acts).chain(&self.former)
    }

    /// The same, to be changed.
    pub fn histories_mut(&mut self) -> impl Iterator<Item = &mut Acts> {
        std::iter::once(&mut self.acts).chain(&mut self.former)
    }

    /// The user of another hub with this one's past: what is done from now on is done there.
    #[must_use]
    pub fn beside(&self, before: &Self, label: &str) -> Self {
        let mut other = before.clone();
        other.rng = other.rng.fork(label);
        other.former.clone_from(&self.former);
        other.former.push(self.acts.clone());
        other
    }

    /// A pause before the next look.
    pub fn pause(&mut self) -> Duration {
        self.rng.millis(100, 1_500)
    }

    /// Draws the next act.
    pub fn draw(&mut self) -> Act {
        // No policy is left without a cluster: that would be held, which is right, but not modelled.
        for _ in 0..DRAWS_MAX {
            let mut act = self.draw_any();
            if let Act::PutPolicy(kind, group, policy) = &mut act {
                // Whether what went along stays once that is switched off is not modelled.
                let before = self.model.policies.get(&(*kind, *group));
                policy.deps |= before.is_some_and(|before| before.deps);
                // Or else no change would ever meet its stages.
                policy.rollout |= before.is_some_and(|before| before.rollout);
                policy.spread = policy.spread.filter(|_| !policy.rollout);
                // Or else a budget would be gone before it mattered.
                policy.budget = policy.budget.or_else(|| before.and_then(|b| b.budget));
                order::settle(policy);
            }
            let mut after = self.model.clone();
            act.carry_out(&mut after);
            let mut policies = after.policies.values();
            if policies.all(|policy| !after.chosen(policy).is_empty()) {
                return act;
            }
        }
        self.keep()
    }

    fn draw_any(&mut self) -> Act {
        let precious = (Kind::ConfigMap, PRECIOUS);
        if !self.model.policies.contains_key(&precious) {
            return Act::PutPolicy(Kind::ConfigMap, PRECIOUS, self.precious.clone());
        }
        let tends = |rng: &mut Rng| rng.one_in(TENDS_ONE_IN);
        if self.tending.as_mut().is_some_and(tends)
            && let Some(act) = self.tend()
        {
            return act;
        }
        let shapes = |rng: &mut Rng| rng.one_in(SHAPES_ONE_IN);
        if self.shaping.as_mut().is_some_and(shapes)
            && let Some(act) = self.shape()
        {
            return act;
        }
        let orders = |rng: &mut Rng| rng.one_in(ORDERS_ONE_IN);
        if self.ordering.as_mut().is_some_and(orders)
            && let Some(act) = self.order()
        {
            return act;
        }
        let existing: Vec<Name> = self
            .model
            .objects
            .iter()
            .filter(|(_, o)| o.group != PRECIOUS)
            .map(|(n, _)| n.clone())
            .collect();
        let policies: Vec<(Kind, u64)> = self
            .model
            .policies
            .keys()
            .filter(|(_, g)| *g != PRECIOUS)
            .copied()
            .collect();
        match self.rng.below(24) {
            20 | 21 if self.freezes => self.freeze(),
            0..=2 if !existing.is_empty() => {
                let at = self.rng.pick(&existing).cloned();
                at.map_or_else(|| self.put(), Act::Delete)
            }
            3..=6 => self.policy(),
            7 if !policies.is_empty() => match self.rng.pick(&policies) {
                Some((kind, group)) => Act::DeletePolicy(*kind, *group),
                None => self.put(),
            },
            _ => self.put(),
        }
    }

    fn freeze(&mut self) -> Act {
        let drawn = self.rng.pick(&self.clusters).cloned();
        match self.model.frozen.first() {
            Some(frozen) if self.rng.one_in(2) => Act::Freeze(frozen.clone(), false),
            Some(_) | None => Act::Freeze(drawn.unwrap_or_default(), true),
        }
    }

    /// What is left to do before the user may end: everything is thawed, and open for what is new.
    pub fn left(&self) -> Option<Act> {
        if let Some(frozen) = self.model.frozen.first() {
            return Some(Act::Freeze(frozen.clone(), false));
        }
        let keeps = |cluster: &String| self.drains.as_ref() == Some(cluster);
        let mut all = self.model.standing.iter();
        let (cluster, standing) = all.find(|(c, s)| **s != s.opened() && !keeps(c))?;
        Some(Act::Stand(cluster.clone(), standing.opened()))
    }

    /// What is left to do of what was asked for, and before the user may end.
    pub fn still_to_do(&self) -> Option<Act> {
        let asked = || self.drain().or_else(|| self.let_fail());
        self.left().or_else(asked).or_else(|| self.to_do())
    }

    /// What is left to do of what was asked for: whatever would change anything.
    fn to_do(&self) -> Option<Act> {
        let changes = |act: &&Act| {
            let mut after = self.model.clone();
            act.carry_out(&mut after);
            after != self.model
        };
        self.asked.iter().find(changes).cloned()
    }

    /// What is left to do to drain a cluster, where that is asked for.
    pub fn drain(&self) -> Option<Act> {
        let cluster = self.drains.clone()?;
        let standing = self.model.standing.get(&cluster).copied();
        let standing = standing.unwrap_or_default();
        let drained = Standing {
            drained: true,
            ..standing
        };
        (!standing.drained).then_some(Act::Stand(cluster, drained))
    }

    /// Asks for all replicas to be shared out afresh.
    pub fn rebalance(&mut self) -> Vec<Act> {
        let all = self.model.policies.keys();
        let divided: Vec<(Kind, u64)> = all
            .filter(|(kind, _)| *kind == Kind::Deployment)
            .copied()
            .collect();
        divided
            .into_iter()
            .map(|(kind, group)| Act::Rebalance(kind, group, self.rng.next()))
            .collect()
    }

    /// One of these.
    pub fn choose<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        self.rng.pick(from).copied()
    }

    /// An object for every cluster.
    fn keep(&mut self) -> Act {
        let name = (Kind::ConfigMap, format!("keep-{}", self.rng.below(3)));
        let object = Object {
            group: PRECIOUS,
            version: self.rng.next() % 1_000_000,
            replicas: 1,
        };
        Act::Put(name, object)
    }

    fn put(&mut self) -> Act {
        let (name, group) = match self.rng.below(10) {
            0..=1 => (
                (Kind::ConfigMap, format!("keep-{}", self.rng.below(3))),
                PRECIOUS,
            ),
            2..=4 => (
                (Kind::Deployment, format!("app-{}", self.rng.below(2))),
                SHARED_OUT,
            ),
            5 => ((Kind::Shop, format!("ware-{}", self.rng.below(2))), 4),
            _ => (
                (Kind::ConfigMap, format!("config-{}", self.rng.below(6))),
                self.rng.within(1, 2),
            ),
        };
        // To leave a policy for none would be held, which is right, but not what is modelled here.
        let group = match self.model.objects.get(&name) {
            Some(o) if !self.model.policies.contains_key(&(name.0, group)) => o.group,
            _ => group,
        };
        let replicas = i64::try_from(self.rng.within(1, 30)).unwrap_or(1);
        Act::Put(
            name,
            Object {
                group,
                version: self.rng.next() % 1_000_000,
                replicas,
            },
        )
    }

    fn policy(&mut self) -> Act {
        let (kind, group) = match self.rng.below(4) {
            0 => (Kind::Deployment, SHARED_OUT),
            3 => (Kind::Shop, 4),
            n => (Kind::ConfigMap, n),
        };
        let mut clusters: BTreeMap<String, u64> = BTreeMap::new();
        for cluster in self.clusters.clone() {
            if self.rng.one_in(2) {
                clusters.insert(cluster, self.rng.within(1, 4));
            }
        }
        if clusters.is_empty() {
            clusters.extend(self.rng.pick(&self.clusters).map(|c| (c.clone(), 1)));
        }
        let policy = Policy {
            clusters,
            ..Policy::default()
        };
        Act::PutPolicy(kind, group, policy)
    }

    /// Notes what an act may bring about, before it is sent.
    pub fn sending(&mut self, act: &Act) {
        let mut next = self.model.clone();
        act.carry_out(&mut next);
        self.acts.sending(act, (&self.model, &next));
        self.pending = Some(act.clone());
    }

    /// All members agree with what was answered: from here on, only new acts take anything away.
    pub fn agreed(&mut self) {
        self.acts.taken.clear();
        self.acts.answered.clear();
        self.acts.ever = self.model.everything();
        self.former.clear();
    }

    /// Notes that the pending act was carried out, or was not.
    pub fn settled(&mut self, done: bool) {
        if let Some(act) = self.pending.take()
            && done
        {
            act.carry_out(&mut self.model);
            if let Act::Stand(cluster, standing) = act {
                self.acts.stands(&cluster, standing, true);
            }
        }
    }
}
