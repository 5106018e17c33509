//! The decision about one template: who gets what, who keeps what, who loses it, and why.

mod lasting;
mod said;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use roadstead_protocol::api::decision::{PolicyRef, Refusal, Unplaced};
use roadstead_protocol::api::failover::{FailedOver, Failure};
use roadstead_protocol::api::policy::ConflictResolution;
use roadstead_protocol::wire::{Digest, ItemKey};

use crate::affinity::Chosen;
use crate::budget::{self, Room};
use crate::deps::requirers::{Needs, needed_by, requires};
use crate::dispatch::{self, asked, hold_back, holds, leave};
use crate::failover;
use crate::finding::{Cause, Finding};
use crate::intent::{Intent, intend};
use crate::removal::{self, Fate, Judge, Manner, Reason};
use crate::render::Content;
use crate::rendering::{Back, Rendered, render_all};
use crate::review::Review;
use crate::swap::{self, Swap};
use crate::template::{Former, Template};
use crate::world::World;

use self::said::{held, summarize};

/// The decision about one template.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Placement {
    /// Who distributes it.
    pub policy: Option<PolicyRef>,
    /// Who has to give way.
    pub contenders: Vec<PolicyRef>,
    /// Who changes it on some cluster, in the order of application.
    pub overrides: Vec<PolicyRef>,
    /// Who gets what, by the cluster's namespace and name.
    pub targets: Vec<Target>,
    /// Who keeps what it has.
    pub kept: Vec<Kept>,
    /// Who loses it.
    pub removals: Vec<Removal>,
    /// UIDs of clusters that were detached, of which no account is kept any more.
    pub forgotten: Vec<String>,
    /// Who does not get it, by reason.
    pub refused: Vec<Refusal>,
    /// What it needs, and where.
    pub requires: BTreeMap<ItemKey, Needs>,
    /// Who needs it, where that is why it is on some cluster.
    pub required_by: Vec<ItemKey>,
    /// What is to be said about it.
    pub findings: Vec<Finding>,
    /// What the division of its replicas went by.
    pub basis: Option<String>,
    /// Replicas for which there is no place.
    pub unplaced: Option<Unplaced>,
    /// Why clusters take no more, or nothing, by their UIDs, where there are figures for it.
    pub figures: BTreeMap<String, String>,
    /// UIDs of the policies on which removals were confirmed that are among these: see
    /// [`Review::approvals`].
    pub confirmed_by: BTreeSet<String>,
    /// The policy's group of clusters that is in use, where it has several.
    pub affinity: String,
    /// The groups of workloads that it belongs to, as the label's key and value.
    pub groups: BTreeMap<String, String>,
    /// What tells the rebalancing that was asked for from others.
    pub rebalance: String,
    /// How often something began to wait for what replaces it, and how often that ended: odd while it
    /// does.
    pub moves: u32,
    /// The clusters that it was failed over from, and does not go back to for now.
    pub failed_over: Vec<FailedOver>,
    /// UIDs of those that it would be failed over from, were it
    /// [granted](crate::failover::Failing::granted), and why.
    pub failing: BTreeMap<String, Failure>,
    /// After which time the decision is another one, without anything else changing.
    pub again: Option<Duration>,
    /// For how many seconds taints were tolerated, by the UIDs of clusters where these have passed.
    pub expired: BTreeMap<String, u64>,
    /// Whether edits remove something, so that a [`Review`] has a say. A placement that was made
    /// without one must then not be carried out.
    pub needs_review: bool,
    /// Whether it goes by what was observed of the object: a placement that was made without that is
    /// then made again.
    pub watches: bool,
    /// Whether it changes or takes what runs under a disruption budget: a placement that was made without
    /// [knowing](Template::budget) how the policy's clusters are is then made again.
    pub asks: bool,
    /// UIDs of the policies of whose disruption budgets it takes something, so that it and others take turns.
    pub spends: BTreeSet<String>,
}

/// A cluster that gets something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The cluster's UID.
    pub cluster: String,
    /// The cluster's namespace and name.
    pub path: (String, String),
    /// Its share of the replicas, where they are divided.
    pub replicas: Option<u32>,
    /// What override policies make of its number of replicas, where they do.
    pub pinned: Option<u32>,
    /// How many replicas that comes to; `None` for a kind that has none.
    pub effective: Option<u32>,
    /// Which rules of override policies that go by what the cluster reports were in force when its number of
    /// replicas was made; empty where there are none.
    pub facts: String,
    /// Who wants it there: the UID of its policy, and `required` where other objects need it there.
    pub policies: Vec<String>,
    /// What it needs beside it there, and is to go along.
    pub requires: Arc<BTreeSet<ItemKey>>,
    /// JSON pointers to what of it is left to others there; the empty one for all of it.
    pub left: Vec<String>,
    /// What it gets.
    pub content: Content,
    /// The release that this is of; empty where the policy has no rollouts.
    pub release: String,
    /// Whether that says something else than what stands on the hub.
    pub behind: bool,
    /// What happens to what is there already and is not ours.
    pub conflicts: ConflictResolution,
    /// Why it was chosen.
    pub chosen: Chosen,
    /// Its weight, where replicas are divided.
    pub weight: Option<u32>,
    /// Replicas that it keeps beyond its share, until what replaces them was seen healthy elsewhere.
    pub extra: u32,
    /// Whether what it gets comes up for what goes elsewhere, and was not seen healthy yet.
    pub arriving: bool,
}

/// A cluster that keeps what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The cluster's UID.
    pub cluster: String,
    /// The cluster's namespace and name.
    pub path: (String, String),
    /// Its share of the replicas, where they were divided.
    pub replicas: Option<u32>,
    /// See [`Former::given`].
    pub given: Option<u32>,
    /// What override policies made of its number of replicas, where they did.
    pub pinned: Option<u32>,
    /// See [`Target::facts`].
    pub facts: String,
    /// What it has.
    pub digest: Option<Digest>,
    /// What the change waits for.
    pub cause: Cause,
    /// Replicas that it has beyond its share.
    pub extra: u32,
    /// Whether what it has counts no more.
    pub outside: bool,
    /// Whether what it has came up for what goes elsewhere, and was not seen healthy yet.
    pub arriving: bool,
}

/// A cluster that loses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// The cluster's UID.
    pub cluster: String,
    /// The cluster's namespace and name.
    pub path: (String, String),
    /// Why.
    pub reason: Reason,
    /// What becomes of the object on the member.
    pub manner: Manner,
}

/// Decides about one template. Without a `review`, a placement that [needs one]
/// (`Placement::needs_review`) says so.
pub fn place(world: &World, template: &Template<'_>, review: Option<&Review>) -> Placement {
    let (mut intent, rendered, moves, swap, mut room) = render(world, template);
    let mut placement = Placement {
        policy: lasting::policy(world, template, &intent),
        contenders: intent
            .contenders
            .iter()
            .map(|p| p.identity.reference())
            .collect(),
        overrides: rendered.overrides,
        targets: rendered.targets,
        basis: match moves {
            Moves::Done => intent.basis.take(),
            Moves::Waiting => template.basis.clone(),
        }
        .or_else(|| lasting::basis(template, &intent)),
        unplaced: intent.unplaced.take(),
        figures: std::mem::take(&mut intent.figures),
        affinity: lasting::affinity(template, &intent),
        groups: lasting::groups(template, &intent),
        rebalance: match moves {
            Moves::Done => lasting::rebalance(template, &intent),
            Moves::Waiting => template.decided.rebalance.clone(),
        },
        moves: if lasting::is_undecided(&intent) {
            template.decided.moves
        } else {
            swap.count(template)
        },
        failed_over: failover::lasting(template, &intent),
        failing: std::mem::take(&mut intent.failing),
        again: intent.again,
        expired: crate::candidates::expired(template, &intent),
        ..Placement::default()
    };
    let confirm = settle_former(
        world,
        template,
        &intent,
        (&rendered.back, moves, &swap, &mut room),
        review,
        &mut placement,
    );
    swap.enter(&mut placement);
    placement.watches |= failover::goes_by_news(template, &intent);
    placement.findings.extend(room.finding(world));
    (placement.asks, placement.spends) = (room.asks, room.spent);
    placement.requires = requires(template, &placement);
    placement.required_by = needed_by(&intent);
    placement.refused = summarize(&intent.refused);
    placement
        .findings
        .extend(std::mem::take(&mut intent.findings));
    placement.findings.extend(held(&placement.kept, &confirm));
    placement
}

/// Whether the replicas that a decision moves from cluster to cluster are all given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moves {
    Done,
    /// Some are not given where they are to come up: none come down, and it is decided as before until
    /// they are.
    Waiting,
}

/// What is wanted, rendered, without what is not given yet.
fn render<'a>(
    world: &'a World,
    template: &'a Template<'_>,
) -> (Intent<'a>, Rendered, Moves, Swap, Room<'a>) {
    let mut stay = BTreeMap::new();
    loop {
        let moves = if stay.is_empty() {
            Moves::Done
        } else {
            Moves::Waiting
        };
        let mut intent = intend(world, template, template.now);
        let asked = asked(&intent);
        let total = swap::total(&intent);
        leave(&stay, &mut intent);
        let swap = Swap::judge(world, template, total, &mut intent);
        let mut rendered = render_all(world, template, &mut intent);
        hold_back(world, template, &mut intent, &mut rendered);
        let room = budget::hold_back(world, template, total, &mut intent, &mut rendered);
        if moves == Moves::Done {
            stay = dispatch::stay(template, &asked, &rendered);
        }
        if moves == Moves::Waiting || stay.is_empty() {
            return (intent, rendered, moves, swap, room);
        }
    }
}

/// Decides about everyone who was given it before and is not given it now. Returns the commands that
/// confirm what waits.
fn settle_former(
    world: &World,
    template: &Template<'_>,
    intent: &Intent<'_>,
    (back, moves, swap, room): (&BTreeMap<String, Back>, Moves, &Swap, &mut Room<'_>),
    review: Option<&Review>,
    placement: &mut Placement,
) -> Vec<String> {
    let judge = Judge::new(world, template, intent);
    let mut fates: BTreeMap<&Former, Fate> = BTreeMap::new();
    for former in &template.former {
        if let Some(back) = back.get(&former.cluster) {
            fates.insert(former, Fate::Keep(back.cause));
        } else if let Some(fate) = judge.fate(former) {
            fates.insert(former, template.rollout.judge(world, former, fate));
        }
    }
    let waits = |fate: &Fate| fate.kept().is_some_and(Cause::confirmable);
    placement.needs_review = review.is_none()
        && fates
            .values()
            .any(|f| *f == Fate::Remove(Reason::NotChosen) || waits(f));
    let settled = removal::settle(world, template, intent, &mut fates, review);
    placement.confirmed_by = settled.confirmed_by;
    let requirers = &template.around.requirers;
    for (former, mut fate) in fates {
        if matches!(fate, Fate::Remove(_)) && holds(world, intent.winner, requirers, former) {
            fate = Fate::Keep(Cause::Suspended);
        }
        let moved = |reason: Reason| {
            reason.moves() || swap::hands_over(world, template, intent, (former, reason))
        };
        let moved = matches!(fate, Fate::Remove(reason) if moved(reason));
        if moved && swap.holds(&former.cluster) {
            fate = Fate::Keep(swap::cause(world, intent, former));
        }
        let leaves = matches!(fate, Fate::Remove(reason) if room.keeps(former, reason));
        if leaves {
            fate = Fate::Keep(Cause::Budget);
        }
        let cluster = former.cluster.clone();
        let path = path(world, former);
        // What was decided counts also where it is not given yet, unless all of it waits.
        let decided = back.get(&cluster).filter(|_| moves == Moves::Done);
        let share = decided.map_or(former.replicas, |back| back.replicas);
        match fate {
            Fate::Remove(reason) => {
                let manner = removal::leaving(world, template, former, reason);
                placement.removals.push(Removal {
                    cluster,
                    path,
                    reason,
                    manner,
                });
            }
            Fate::Keep(cause) => placement.kept.push(Kept {
                cluster,
                path,
                replicas: share,
                given: former.given_beside(share),
                pinned: former.pinned,
                facts: former.facts.clone(),
                digest: former.digest,
                cause,
                extra: former.extra,
                arriving: former.arriving,
                // What merely waits to be changed counts again.
                outside: (leaves
                    || (cause != Cause::Budget && (former.outside || cause.is_outside())))
                    && !intent.unreplaced.contains(&*former.cluster),
            }),
            Fate::Forget => placement.forgotten.push(cluster),
        }
    }
    placement.kept.sort_by(|a, b| a.path.cmp(&b.path));
    placement.removals.sort_by(|a, b| a.path.cmp(&b.path));
    settled.commands
}

/// Namespace and name of a cluster, as it is known now or was then.
fn path(world: &World, former: &Former) -> (String, String) {
    match world.cluster(&former.cluster) {
        Some(cluster) => (cluster.namespace.clone(), cluster.name.clone()),
        None => former.path.clone(),
    }
}
