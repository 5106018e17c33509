//! Which clusters a policy chooses for a template, and which of them may get something new.
//!
//! Two verdicts: *wanted* follows from what people do (names, labels, fields, fleets, taints with
//! NoExecute), and who is not wanted loses what it has; *open* follows from facts and from what people
//! say about new objects only, and takes nothing away.

mod displacing;
mod spreading;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use roadstead_protocol::api::decision::SAMPLES_MAX;
use roadstead_protocol::api::failover::FailedOver;

use self::spreading::unmet_finding;
use crate::affinity::{Reading, Refused};
use crate::cluster::{Cluster, Taint};
use crate::count::{is_choice, is_divided};
use crate::finding::Finding;
use crate::gate::Gate;
use crate::intent::{Intent, Wanted};
use crate::policy::Policy;
use crate::selecting::Group;
use crate::spread;
use crate::template::Template;
use crate::toleration::{self, Taints};
use crate::world::World;

/// Chooses clusters into `intent`.
pub(crate) fn choose<'a>(
    world: &'a World,
    policy: &'a Policy,
    (template, now): (&Template<'_>, Duration),
    intent: &mut Intent<'a>,
) {
    let mut chooser = Chooser::new(world, policy, template, intent.fresh);
    chooser.now = now;
    chooser.failed = std::mem::take(&mut intent.failed);
    let groups = policy.selecting.groups.iter();
    let mut readings: Vec<Judged<'a>> = groups.map(|group| chooser.judge(group)).collect();
    names(&readings, intent);
    let at = chooser.in_use(&readings);
    if at >= readings.len() {
        return;
    }
    let failed = (!chooser.failed.is_empty()).then(|| failed_from(&readings));
    let mut judged = readings.swap_remove(at);
    chooser.displace(&mut judged, intent);
    if let Some(failed) = failed {
        chooser.mark(&failed, &mut judged);
    }
    intent.affinity.clone_from(&judged.group.name);
    intent.again = judged.again;
    intent.expired = judged.expired;
    intent.targets = judged.wanted;
    intent.wanted = intent.targets.iter().map(|w| w.cluster).collect();
    let failed = |(_, why): &&(&Cluster, Refused)| *why == Refused::FailedOver;
    let failed = judged.refused.iter().filter(failed);
    let failed = failed.filter_map(|(cluster, _)| chooser.failed.remove_entry(&cluster.uid));
    intent.failed = failed.collect();
    intent.refused.extend(judged.refused);
    intent.figures = judged.figures;
    if intent.targets.is_empty() {
        intent.findings.push(Finding::NoCluster);
    }
    chooser.spread(intent);
    close(intent);
}

/// Says which constraint is not met by who got something, where replicas are too few for its floor.
pub(crate) fn verify(policy: &Policy, intent: &mut Intent<'_>) {
    let said = |f: &Finding| matches!(f, Finding::SpreadUnmet { .. } | Finding::NoCluster);
    let divided = intent.targets.iter().all(|t| t.replicas.is_some());
    if intent.targets.is_empty() || !divided || intent.findings.iter().any(said) {
        return;
    }
    for (constraint, spread) in policy.selecting.spread.iter().enumerate() {
        let given = intent.targets.iter().filter(|t| t.replicas > Some(0));
        let groups: BTreeSet<&str> = given.filter_map(|t| spread.by.group(t.cluster)).collect();
        if groups.len() < spread.min {
            let found = groups.len();
            let unmet = spread::Unmet { constraint, found };
            let finding = unmet_finding(&policy.selecting.spread, unmet);
            intent.findings.extend(finding);
            return;
        }
    }
}

/// For how many seconds taints were tolerated, by the UIDs of clusters where these have passed. While
/// nothing can be decided it is as it was.
pub(crate) fn expired(template: &Template<'_>, intent: &Intent<'_>) -> BTreeMap<String, u64> {
    if intent.blocked.is_none() && intent.winner.is_some() {
        return intent.expired.clone();
    }
    let before = template.former.iter();
    before
        .filter_map(|f| Some((f.cluster.clone(), f.expired?)))
        .collect()
}

/// The UIDs of the clusters that some group of the policy's chooses, and that it fails over from.
fn failed_from(readings: &[Judged<'_>]) -> BTreeSet<String> {
    let refused = readings.iter().flat_map(|judged| &judged.refused);
    let refused = refused.map(|(cluster, why)| (*cluster, *why));
    let displaced = readings.iter().flat_map(|judged| &judged.displaced);
    let displaced = displaced.map(|(wanted, why)| (wanted.cluster, *why));
    let failed = refused.chain(displaced);
    let failed = failed.filter(|(_, why)| *why == Refused::FailedOver);
    failed.map(|(cluster, _)| cluster.uid.clone()).collect()
}

/// Says which names mean nothing, or too much: whoever is no longer chosen may be meant.
fn names(readings: &[Judged<'_>], intent: &mut Intent<'_>) {
    let mut unknown: Vec<String> = Vec::new();
    for judged in readings {
        let new = judged.unknown.iter().filter(|name| !unknown.contains(name));
        let new: Vec<String> = new.cloned().collect();
        unknown.extend(new);
    }
    intent.unresolved = !unknown.is_empty();
    if !unknown.is_empty() {
        unknown.truncate(SAMPLES_MAX);
        intent.findings.push(Finding::UnknownClusters(unknown));
    }
    for (name, several) in readings.iter().flat_map(|judged| &judged.ambiguous) {
        intent.unresolved = true;
        let clusters = several.iter().take(SAMPLES_MAX).map(|c| c.path()).collect();
        let name = name.clone();
        let finding = Finding::AmbiguousCluster { name, clusters };
        if intent.findings.len() < SAMPLES_MAX && !intent.findings.contains(&finding) {
            intent.findings.push(finding);
        }
    }
}

/// Leaves out who has nothing and may not get anything.
fn close(intent: &mut Intent<'_>) {
    let all = std::mem::take(&mut intent.targets);
    let (stay, shut): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|wanted| wanted.open || wanted.has);
    intent.targets = stay;
    if intent.targets.is_empty() && !shut.is_empty() {
        let samples = shut.iter().take(SAMPLES_MAX).map(|wanted| {
            let why = intent.figures.get(&wanted.cluster.uid);
            let why = why.map_or("", String::as_str);
            format!("{}: {why}", wanted.cluster.path())
        });
        let finding = Finding::NothingOpen {
            count: u32::try_from(shut.len()).unwrap_or(u32::MAX),
            samples: samples.collect(),
        };
        intent.findings.push(finding);
    }
    let refused = shut.into_iter();
    intent
        .refused
        .extend(refused.filter_map(|wanted| Some((wanted.cluster, wanted.shut?))));
}

/// What a policy's choice of clusters comes to.
struct Judged<'a> {
    group: &'a Group,
    wanted: Vec<Wanted<'a>>,
    refused: Vec<(&'a Cluster, Refused)>,
    /// The figures that stopped a cluster, by its UID.
    figures: BTreeMap<String, String>,
    unknown: Vec<String>,
    ambiguous: Vec<(String, Vec<&'a Cluster>)>,
    again: Option<Duration>,
    /// For how many seconds a taint of a cluster that has it was tolerated, where these have passed.
    expired: BTreeMap<String, u64>,
    /// Those that have it, and are drained, were stopped, or it fails over from them; why.
    displaced: Vec<(Wanted<'a>, Refused)>,
}

/// Chooses for one template.
struct Chooser<'a, 't> {
    world: &'a World,
    policy: &'a Policy,
    template: &'t Template<'t>,
    /// UIDs of the clusters that have it, not only because something needs it there; with the seconds
    /// for which their taints were tolerated, where these have passed.
    former: BTreeMap<&'t str, Option<u64>>,
    /// Of these, those of which it counts no more.
    outside: BTreeSet<&'t str>,
    gate: Gate<'t>,
    divided: bool,
    fresh: bool,
    now: Duration,
    /// Those that it is failed over from, by UID.
    failed: BTreeMap<String, FailedOver>,
}

impl<'a, 't> Chooser<'a, 't> {
    fn new(world: &'a World, policy: &'a Policy, template: &'t Template<'t>, fresh: bool) -> Self {
        let former = template.former.iter().filter(|f| f.is_own());
        let outside = former.clone().filter(|f| f.outside);
        let outside = outside.map(|f| f.cluster.as_str()).collect();
        let former = former.map(|f| (f.cluster.as_str(), f.expired));
        let divided = is_divided(world, template, &policy.scheduling.replicas);
        let choice = is_choice(policy, || divided);
        Self {
            world,
            policy,
            template,
            former: former.collect(),
            outside,
            gate: Gate::new(template, &policy.selecting.workload, choice),
            divided,
            fresh,
            now: template.now,
            failed: BTreeMap::new(),
        }
    }

    /// Judges every cluster that can be seen from the policy.
    fn judge(&self, group: &'a Group) -> Judged<'a> {
        let from = self.policy.identity.viewpoint();
        let reading = Reading::new(self.world, from, &group.affinity);
        let mut judged = Judged {
            group,
            wanted: Vec::new(),
            refused: Vec::new(),
            figures: BTreeMap::new(),
            unknown: Vec::new(),
            ambiguous: Vec::new(),
            again: None,
            expired: BTreeMap::new(),
            displaced: Vec::new(),
        };
        let visible = self.world.clusters.iter();
        for cluster in visible.filter(|c| c.visible(from, self.world)) {
            self.one(&reading, cluster, &mut judged);
        }
        (judged.unknown, judged.ambiguous) = reading.unclear();
        judged
    }

    fn one(&self, reading: &Reading<'a>, cluster: &'a Cluster, judged: &mut Judged<'a>) {
        let chosen = match reading.wanted(cluster) {
            Ok(chosen) => chosen,
            Err(refused) => return judged.refused.push((cluster, refused)),
        };
        let mut wanted = Wanted::new(cluster, chosen);
        let had = self.former.get(cluster.uid.as_str());
        wanted.has = had.is_some();
        wanted.outside = self.outside.contains(cluster.uid.as_str());
        // What a taint takes away goes whether its cluster is drained or not.
        if let Some(taint) = self.evicts(&mut wanted, had.copied().flatten(), judged) {
            judged
                .figures
                .insert(cluster.uid.clone(), untolerated(taint));
            return judged.refused.push((cluster, Refused::Tainted));
        }
        if let Some(why) = self.displaced(cluster) {
            wanted.open = false;
            wanted.shut = Some(why);
            if wanted.has {
                return judged.displaced.push((wanted, why));
            }
            let text = self.why(cluster, why);
            judged.figures.insert(cluster.uid.clone(), text);
            return judged.refused.push((cluster, why));
        }
        if wanted.shut.is_none()
            && let Err((why, figure)) = self.gate.open(self.world, reading, cluster)
        {
            wanted.shut = Some(why);
            judged.figures.insert(cluster.uid.clone(), figure);
        }
        wanted.open = wanted.shut.is_none();
        judged.wanted.push(wanted);
    }

    /// The taint of a cluster that takes away what it has, if any does; one that only keeps off what is
    /// new closes it. `expired` is for how many seconds its taints were tolerated, where these have
    /// passed.
    fn evicts(
        &self,
        wanted: &mut Wanted<'a>,
        expired: Option<u64>,
        judged: &mut Judged<'a>,
    ) -> Option<&'a Taint> {
        let cluster = wanted.cluster;
        let tolerations = &self.policy.selecting.tolerations;
        match toleration::judge(tolerations, cluster, self.now) {
            Taints::None => None,
            Taints::Closed(taint) => {
                wanted.shut = Some(Refused::Tainted);
                judged
                    .figures
                    .insert(cluster.uid.clone(), untolerated(taint));
                None
            }
            Taints::Leaving {
                taint,
                left,
                tolerated,
            } if wanted.has && expired.is_none_or(|e| e < tolerated.as_secs()) => {
                wanted.shut = Some(Refused::Tainted);
                let passing = format!(
                    "its taint {taint} is tolerated for {} s, then it leaves",
                    tolerated.as_secs()
                );
                judged.figures.insert(cluster.uid.clone(), passing);
                judged.again = Some(judged.again.map_or(left, |again| again.min(left)));
                None
            }
            Taints::Leaving {
                taint, tolerated, ..
            }
            | Taints::Expired(taint, tolerated) => {
                if wanted.has {
                    let passed = tolerated.as_secs();
                    judged.expired.insert(cluster.uid.clone(), passed);
                }
                Some(taint)
            }
            Taints::Refused(taint) => Some(taint),
        }
    }

    /// The place of the group of clusters that is used: the one in use while anything of it is there,
    /// else the first that is possible.
    fn in_use(&self, readings: &[Judged<'a>]) -> usize {
        if readings.len() < 2 {
            return 0;
        }
        let used = |judged: &&Judged<'a>| judged.group.name == self.template.decided.affinity;
        let stays = |judged: &Judged<'a>| judged.wanted.iter().any(|w| w.has);
        let current = readings
            .iter()
            .position(|judged| used(&judged) && stays(judged));
        if let Some(current) = current.filter(|_| !self.fresh) {
            return current;
        }
        let possible = |judged: &Judged<'a>| {
            let takes = |w: &Wanted<'a>| w.open || (w.has && !self.fresh);
            judged.wanted.iter().any(takes) && self.spreads(&judged.wanted).is_ok()
        };
        let some = |judged: &Judged<'a>| !judged.wanted.is_empty();
        let first = readings.iter().position(possible);
        // What has no other place stays where it is.
        let stays = |judged: &Judged<'a>| used(&judged) && !judged.displaced.is_empty();
        first
            .or_else(|| readings.iter().position(stays))
            .or_else(|| readings.iter().position(some))
            .unwrap_or(0)
    }
}

fn untolerated(taint: &Taint) -> String {
    format!("its taint {taint} is not tolerated")
}
