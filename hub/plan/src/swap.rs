//! New before old: what a decision moves from cluster to cluster leaves where it is only once what
//! replaces it was observed healthy.
//!
//! What comes up is given at once; what goes, or comes down, waits. What a user takes away without
//! anything coming up for it waits for nothing, and neither does a deletion. Which clusters something
//! comes up on for it is remembered with the decision until it was seen healthy there: of the others
//! it does not matter how they are.

use std::collections::{BTreeMap, BTreeSet};

use roadstead_protocol::api::failover::{FailedOver, Failure};
use roadstead_protocol::wire::report::Health;

use crate::affinity::Chosen;
use crate::cluster::Cluster;
use crate::confirmation::{Loss, borne_at_once, command_at_once, token};
use crate::count::{is_claim, is_job};
use crate::finding::{Cause, Finding, sampled};
use crate::intent::{Intent, Wanted};
use crate::observed::Observed;
use crate::placement::Placement;
use crate::removal::{Manner, Reason, leaving};
use crate::template::{Former, Template};
use crate::world::World;

/// What tells the confirmation that something goes at once from the confirmation of its removal. Behind it
/// stands which move it is: what confirmed one confirms no later one.
const AT_ONCE: &str = "/at-once/";

/// What waits for something to come up elsewhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Swap {
    /// UIDs of the clusters on which something comes up for what goes elsewhere.
    arriving: BTreeSet<String>,
    /// Those of them that are given more than they have: how that is says nothing yet of what comes.
    growing: BTreeSet<String>,
    /// Replicas that clusters keep beyond their share, by UID.
    extra: BTreeMap<String, u32>,
    /// UIDs of those that nothing is taken from meanwhile.
    staying: BTreeSet<String>,
    /// Replicas for which there is no place.
    unplaced: u32,
    /// Whether a user lets go at once what would wait.
    confirmed: bool,
    /// What is to be said about it.
    finding: Option<Finding>,
}

/// What one cluster had, and is to have.
struct Side<'t> {
    uid: &'t str,
    /// What it was to have; 0 where that counts no more.
    share: u32,
    /// What it has.
    has: u32,
    /// What it is to have.
    wanted: u32,
    arriving: bool,
    /// Whether it comes up, with a share of nothing, for such a share that override policies have run pods.
    pinned: bool,
    observed: Option<&'t Observed>,
    /// Whether it is a claim of a volume.
    claim: bool,
}

impl Side<'_> {
    fn leaves(&self) -> u32 {
        self.has.saturating_sub(self.wanted)
    }

    /// How many of those that it is to have were not seen to be healthy.
    fn missing(&self) -> u32 {
        let well = self.observed.is_some_and(|seen| is_well(seen, self.claim));
        if self.wanted == 0 || (well && self.has == self.wanted) {
            return u32::from(self.pinned && !well);
        }
        let short = self.wanted.saturating_sub(self.ready().unwrap_or(0));
        // What is given less is not judged by how what is to go is.
        short.max(u32::from(self.has <= self.wanted))
    }

    /// How many of those that would go are of use where they are.
    fn useful(&self) -> u32 {
        let ready = self.ready().unwrap_or(self.has);
        self.leaves().min(ready.saturating_sub(self.wanted))
    }

    /// How many of those that it has are ready; `None` where that is not known.
    fn ready(&self) -> Option<u32> {
        ready(self.observed, self.has, self.claim)
    }
}

/// Whether what was given last is as it should be: what is suspended where it is given comes no further,
/// and neither does a claim of a volume that is bound only once something uses it.
fn is_well(seen: &Observed, claim: bool) -> bool {
    let rests = match seen.health {
        Health::Suspended => true,
        Health::Progressing => claim,
        Health::Unknown | Health::Healthy | Health::Degraded => false,
    };
    seen.is_healthy() || (seen.applied && !seen.away && rests)
}

/// How many of `has` replicas are ready; `None` where that is not known.
fn ready(observed: Option<&Observed>, has: u32, claim: bool) -> Option<u32> {
    // An earlier word may be of what was removed since.
    let seen = observed.filter(|seen| !seen.away && seen.applied)?;
    let ready = seen.ready.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    Some(match (is_well(seen, claim), ready) {
        (true, _) => has,
        (false, Some(ready)) => ready.min(has),
        (false, None) => 0,
    })
}

impl Swap {
    /// What has to wait of what is wanted; enters into `intent` how many replicas each cluster keeps
    /// beyond its share. `total` is how many replicas there are to be, over all.
    pub(crate) fn judge(
        world: &World,
        template: &Template<'_>,
        total: u32,
        intent: &mut Intent<'_>,
    ) -> Self {
        let mut swap = Self::of(world, template, total, intent);
        if swap.is_confirmed(template) {
            swap = Self {
                confirmed: true,
                ..Self::default()
            };
        }
        #[cfg(planted)]
        if roadstead_protocol::planted::is("old-before-new") {
            swap = Self::default();
        }
        for wanted in &mut intent.targets {
            let extra = swap.extra.get(&wanted.cluster.uid);
            wanted.extra = extra.copied().unwrap_or(0);
        }
        swap.finding = swap.say(world, template);
        swap
    }

    fn of(world: &World, template: &Template<'_>, total: u32, intent: &Intent<'_>) -> Self {
        // A Job is not run on two clusters at once; of a drained one it stays, and nothing comes up.
        if intent.winner.is_none() || intent.targets.is_empty() || is_job(template) {
            return Self::default();
        }
        let divided = intent.targets.iter().any(|t| t.replicas.is_some());
        let targets: BTreeSet<&str> = intent.targets.iter().map(|t| &*t.cluster.uid).collect();
        let gone = template.former.iter().filter(|f| f.is_own());
        let gone = gone.filter(|f| !targets.contains(f.cluster.as_str()));
        let gone: Vec<(&Former, &Cluster)> = gone
            .filter_map(|f| Some((f, world.cluster(&f.cluster)?)))
            .collect();
        let pinned = gone.iter().any(|(former, _)| runs_pinned(former));
        let sides = sides(template, intent, (divided.then_some(total), pinned));
        let down = |side: &&Side<'_>| side.leaves() > 0;
        if gone.is_empty() && !sides.iter().any(|side| down(&side)) {
            return Self::default();
        }
        let new = |side: &Side<'_>| side.wanted > side.share || side.pinned;
        let arriving: Vec<&Side<'_>> = sides
            .iter()
            .filter(|side| (side.arriving || new(side)) && side.missing() > 0)
            .collect();
        let missing = arriving.iter().map(|side| side.missing());
        let missing = missing.fold(0, u32::saturating_add);
        let mut swap = Self {
            arriving: arriving.iter().map(|side| side.uid.to_owned()).collect(),
            growing: arriving
                .iter()
                .filter(|side| side.has > 0 && side.has < side.wanted)
                .map(|side| side.uid.to_owned())
                .collect(),
            ..Self::default()
        };
        // What has no place yet is missing too.
        swap.unplaced = intent.unplaced.as_ref().map_or(0, |u| u.replicas);
        let missing = missing.saturating_add(swap.unplaced);
        let left = swap.stay(template, (&gone, &intent.failed), missing, total);
        swap.keep(&sides, left);
        swap
    }

    /// Notes who keeps all that it has; how many of those that are missing run elsewhere meanwhile.
    fn stay(
        &mut self,
        template: &Template<'_>,
        (gone, failed): (&[(&Former, &Cluster)], &BTreeMap<String, FailedOver>),
        missing: u32,
        total: u32,
    ) -> u32 {
        let mut left = missing;
        for (former, cluster) in gone {
            let seen = template.observed.get(&former.cluster);
            let back = seen.is_some_and(|seen| !seen.away);
            // What was stopped counts no more, and is taken away once its cluster is back.
            let silent = failed.get(&cluster.uid);
            let silent = silent.is_some_and(|mark| mark.reason == Failure::Silent);
            let stopped = cluster.fenced || silent;
            if missing > 0 || ((former.outside || stopped) && !back) {
                self.staying.insert(former.cluster.clone());
                let has = match runs_pinned(former) {
                    true => former.pinned.unwrap_or(0),
                    false => given(former, total),
                };
                if !stopped {
                    left = left.saturating_sub(ready(seen, has, is_claim(template)).unwrap_or(0));
                }
            }
        }
        left
    }

    /// Leaves as many replicas as are missing where they are.
    fn keep(&mut self, sides: &[Side<'_>], missing: u32) {
        let mut left = missing;
        for side in sides {
            let keep = side.useful().min(left);
            if keep > 0 && !self.arriving.contains(side.uid) {
                left -= keep;
                self.extra.insert(side.uid.to_owned(), keep);
            }
        }
    }

    /// Whether a cluster keeps what it has until then.
    pub(crate) fn holds(&self, cluster: &str) -> bool {
        self.staying.contains(cluster)
    }

    /// Enters what comes up into `placement`, and says what waits for that.
    pub(crate) fn enter(&self, placement: &mut Placement) {
        for target in &mut placement.targets {
            target.arriving = self.arriving.contains(&target.cluster);
        }
        let kept = placement.kept.iter().filter(|kept| kept.outside);
        let kept: BTreeSet<&str> = kept.map(|kept| kept.cluster.as_str()).collect();
        let finding = self.finding(&kept);
        placement.watches = !self.arriving.is_empty() || !kept.is_empty() || finding.is_some();
        placement.findings.extend(finding);
    }

    /// What is to be said about it, where of those that keep what they have `kept` do so because of it.
    fn finding(&self, kept: &BTreeSet<&str>) -> Option<Finding> {
        let waits = self.staying.iter().any(|uid| kept.contains(uid.as_str()));
        let finding = self.finding.as_ref()?;
        (waits || !self.extra.is_empty()).then(|| finding.clone())
    }

    fn is_waiting(&self) -> bool {
        !self.staying.is_empty() || !self.extra.is_empty()
    }

    /// How often something began to wait, and ended to, with this decision: odd while something waits.
    /// What a user let go at once has ended, so that the same word is none about what waits later.
    pub(crate) fn count(&self, template: &Template<'_>) -> u32 {
        let before = template.decided.moves;
        let waited = !before.is_multiple_of(2);
        let ended = self.confirmed && !waited;
        let turned = self.is_waiting() != waited;
        before
            .saturating_add(u32::from(turned))
            .saturating_add(if ended { 2 } else { 0 })
    }

    fn losses(&self, template: &Template<'_>) -> BTreeSet<Loss> {
        let uids = self.staying.iter().chain(self.extra.keys());
        // The one that goes on, or the next.
        let which = template.decided.moves | 1;
        uids.map(|uid| Loss {
            cluster: uid.clone(),
            item: template.key.clone(),
            template: format!("{}{AT_ONCE}{which}", template.metadata().uid),
        })
        .collect()
    }

    fn is_confirmed(&self, template: &Template<'_>) -> bool {
        let annotations = template.metadata().annotations;
        let losses = self.losses(template);
        !losses.is_empty() && borne_at_once(&annotations) == Some(token(&losses).as_str())
    }

    fn say(&self, world: &World, template: &Template<'_>) -> Option<Finding> {
        let losses = self.losses(template);
        if losses.is_empty() {
            return None;
        }
        let how = |uid: &String| {
            let seen = template.observed.get(uid);
            let how = match seen {
                Some(seen) if seen.is_healthy() && self.growing.contains(uid) => {
                    "more is on its way"
                }
                Some(seen) => how(seen),
                None => "on its way",
            };
            format!("{}: {how}", world.path(uid))
        };
        let (count, old) = sampled(losses.iter().map(|loss| world.path(&loss.cluster)));
        let (_, new) = sampled(self.arriving.iter().map(how));
        let key = &template.key;
        let kind = match key.group.as_str() {
            "" => key.kind.clone(),
            group => format!("{}.{group}", key.kind),
        };
        let namespace = (!key.namespace.is_empty()).then_some(key.namespace.as_str());
        Some(Finding::Replacing {
            count,
            old,
            new,
            unplaced: self.unplaced,
            confirm: command_at_once(&kind, namespace, &key.name, &token(&losses)),
        })
    }
}

/// Whether what goes since its policy was deleted is only handed over: another policy holds the object now.
/// What would be let go needs no replacement.
pub(crate) fn hands_over(
    world: &World,
    template: &Template<'_>,
    intent: &Intent<'_>,
    (former, reason): (&Former, Reason),
) -> bool {
    let ended = matches!(reason, Reason::PolicyDeleted | Reason::NotNeeded);
    let goes_on = intent.winner.is_some() && former.is_own();
    ended && goes_on && leaving(world, template, former, reason) != Manner::Release
}

/// Why a former keeps what it has.
pub(crate) fn cause(world: &World, intent: &Intent<'_>, former: &Former) -> Cause {
    let cluster = world.cluster(&former.cluster);
    if cluster.is_some_and(|cluster| cluster.fenced) {
        Cause::Stopped
    } else if intent.failed.contains_key(&former.cluster) {
        Cause::FailedOver
    } else {
        Cause::Replacing
    }
}

fn how(seen: &Observed) -> &'static str {
    if seen.away {
        "no recent news of it"
    } else if seen.applied {
        crate::observed::health_text(seen.health)
    } else {
        seen.state.text()
    }
}

/// How many replicas there are to be, over all.
pub(crate) fn total(intent: &Intent<'_>) -> u32 {
    let placed = intent.targets.iter().filter_map(|t| t.replicas);
    let left = intent.unplaced.as_ref().map_or(0, |u| u.replicas);
    placed.fold(left, u32::saturating_add)
}

/// How many replicas a cluster has, where undivided it has `total`.
fn given(former: &Former, total: u32) -> u32 {
    let given = former.given.or(former.replicas).unwrap_or(total);
    given.saturating_add(former.extra)
}

/// Whether a cluster runs what override policies say though its share is nothing.
fn runs_pinned(former: &Former) -> bool {
    former.replicas == Some(0) && former.pinned.is_some_and(|pinned| pinned > 0)
}

/// Everyone that is to have something by its own policy: replicas where so many are `divided`, else
/// one whole. What is `pinned` to a share of nothing is one that goes.
fn sides<'t>(
    template: &'t Template<'_>,
    intent: &'t Intent<'_>,
    (divided, pinned): (Option<u32>, bool),
) -> Vec<Side<'t>> {
    let total = divided.unwrap_or(1);
    let claim = is_claim(template);
    let former: BTreeMap<&str, &Former> = template
        .former
        .iter()
        .map(|f| (f.cluster.as_str(), f))
        .collect();
    let own = |wanted: &&Wanted<'_>| wanted.chosen != Chosen::Required;
    let side = |wanted: &'t Wanted<'_>| {
        let uid = wanted.cluster.uid.as_str();
        let had = former.get(uid).copied();
        let count = |share: u32| if divided.is_some() { share } else { 1 };
        let has = had.map_or(0, |f| count(given(f, total)));
        let share = had.filter(|f| !f.outside);
        let arriving = had.is_some_and(|f| f.arriving || f.given.is_some());
        Side {
            uid,
            share: share.map_or(0, |f| count(f.replicas.unwrap_or(total))),
            has,
            wanted: count(wanted.replicas.unwrap_or(total)),
            arriving,
            pinned: pinned && wanted.replicas == Some(0) && (share.is_none() || arriving),
            observed: template.observed.get(uid).filter(|_| had.is_some()),
            claim,
        }
    };
    intent.targets.iter().filter(own).map(side).collect()
}
