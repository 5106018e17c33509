//! Which clusters a policy chooses for a template, and which of them may get something new.
//!
//! Two verdicts: *wanted* follows from what people do (names, labels, fields, fleets, taints with
//! NoExecute), and who is not wanted loses what it has; *open* follows from facts and from what people
//! say about new objects only, and takes nothing away.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use roadstead_protocol::api::decision::SAMPLES_MAX;

use crate::affinity::{Reading, Refused};
use crate::cluster::{Cluster, Taint};
use crate::finding::Finding;
use crate::gate::Gate;
use crate::intent::{Intent, Wanted};
use crate::policy::Policy;
use crate::scheduling::{By, Replicas};
use crate::selecting::Group;
use crate::spread::{self, Candidate, Spread};
use crate::template::Template;
use crate::toleration::{self, Taints};
use crate::weights::weigh;
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
    let groups = policy.selecting.groups.iter();
    let mut readings: Vec<Judged<'a>> = groups.map(|group| chooser.judge(group)).collect();
    names(&readings, intent);
    let at = chooser.in_use(&readings);
    if at >= readings.len() {
        return;
    }
    let judged = readings.swap_remove(at);
    intent.affinity.clone_from(&judged.group.name);
    intent.again = judged.again;
    intent.targets = judged.wanted;
    intent.wanted = intent.targets.iter().map(|w| w.cluster).collect();
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
}

/// Chooses for one template.
struct Chooser<'a, 't> {
    world: &'a World,
    policy: &'a Policy,
    template: &'t Template<'t>,
    /// UIDs of the clusters that have it.
    former: BTreeSet<&'t str>,
    gate: Gate<'t>,
    divided: bool,
    fresh: bool,
    now: Duration,
}

impl<'a, 't> Chooser<'a, 't> {
    fn new(world: &'a World, policy: &'a Policy, template: &'t Template<'t>, fresh: bool) -> Self {
        let former = template.former.iter().map(|f| f.cluster.as_str());
        let job = template.key.group == "batch" && template.key.kind == "Job";
        let divided = match policy.scheduling.replicas {
            Replicas::Duplicated => false,
            Replicas::Divided { .. } => job || template.replicas_path.is_some(),
        };
        let selecting = &policy.selecting;
        let choice = divided || !selecting.spread.is_empty() || selecting.groups.len() > 1;
        Self {
            world,
            policy,
            template,
            former: former.collect(),
            gate: Gate::new(template, &selecting.workload, choice),
            divided,
            fresh,
            now: template.now,
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
        let tolerations = &self.policy.selecting.tolerations;
        let taints = toleration::judge(tolerations, cluster, self.now);
        let mut wanted = Wanted::new(cluster, chosen);
        wanted.has = self.former.contains(cluster.uid.as_str());
        match taints {
            Taints::None => {
                if let Err((why, figure)) = self.gate.open(self.world, reading, cluster) {
                    wanted.shut = Some(why);
                    judged.figures.insert(cluster.uid.clone(), figure);
                }
            }
            Taints::Closed(taint) => {
                wanted.shut = Some(Refused::Tainted);
                judged
                    .figures
                    .insert(cluster.uid.clone(), untolerated(taint));
            }
            Taints::Leaving(_, left) if wanted.has => {
                wanted.shut = Some(Refused::Tainted);
                judged.again = Some(judged.again.map_or(left, |again| again.min(left)));
            }
            Taints::Leaving(taint, _) | Taints::Refused(taint) => {
                judged
                    .figures
                    .insert(cluster.uid.clone(), untolerated(taint));
                return judged.refused.push((cluster, Refused::Tainted));
            }
        }
        wanted.open = wanted.shut.is_none();
        judged.wanted.push(wanted);
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
        first
            .or_else(|| readings.iter().position(some))
            .unwrap_or(0)
    }

    /// What the constraints make of who is wanted: who is in a group of each, at which place, and who
    /// of these is chosen.
    fn spreads(&self, wanted: &[Wanted<'a>]) -> Result<Spreading, spread::Unmet> {
        let spreads = &self.policy.selecting.spread;
        let clusters: Vec<&Cluster> = wanted.iter().map(|w| w.cluster).collect();
        let scores = self.scores(&clusters);
        let mut places = Vec::new();
        let mut candidates = Vec::new();
        for (at, (wanted, score)) in wanted.iter().zip(scores).enumerate() {
            let groups = spreads.iter().map(|spread| spread.by.group(wanted.cluster));
            if let Some(groups) = groups.collect::<Option<Vec<&str>>>() {
                places.push(at);
                candidates.push(self.candidate(wanted, groups, score));
            }
        }
        let chosen = spread::choose(spreads, &candidates)?;
        let floors = spread::floors(spreads, &candidates, &chosen);
        let each = places.into_iter().zip(chosen.into_iter().zip(floors));
        Ok(Spreading(each.collect()))
    }

    fn candidate<'w>(
        &self,
        wanted: &Wanted<'w>,
        groups: Vec<&'w str>,
        score: u32,
    ) -> Candidate<'w> {
        let has = wanted.has;
        Candidate {
            groups,
            // Afresh, what runs breaks ties only; but what cannot come back stays.
            has: score > 0 && has && !(self.fresh && wanted.open),
            open: score > 0 && wanted.open,
            score: u64::from(score) * 2 + u64::from(has),
        }
    }

    /// How much each cluster is preferred: by its weight, where weights are given.
    fn scores(&self, clusters: &[&Cluster]) -> Vec<u32> {
        match &self.policy.scheduling.replicas {
            Replicas::Divided {
                by: By::Weights(Some(list)),
                ..
            } if self.divided => {
                let from = self.policy.identity.viewpoint();
                weigh(self.world, from, Some(list), clusters)
            }
            Replicas::Divided { .. } | Replicas::Duplicated => vec![1; clusters.len()],
        }
    }

    /// Keeps of who is wanted as many groups as the constraints allow, and lays the floor.
    fn spread(&self, intent: &mut Intent<'a>) {
        let spreads = &self.policy.selecting.spread;
        // Where nobody may get anything, that is what is to be said.
        let takes = |w: &Wanted<'a>| w.open || w.has;
        if spreads.is_empty() || !intent.targets.iter().any(takes) {
            return;
        }
        let spreading = self.spreads(&intent.targets);
        let all = std::mem::take(&mut intent.targets);
        match spreading {
            Ok(Spreading(chosen)) => {
                for (at, mut wanted) in all.into_iter().enumerate() {
                    match chosen.get(&at) {
                        Some((true, floor)) => {
                            wanted.floor = if self.divided { *floor } else { 0 };
                            intent.targets.push(wanted);
                        }
                        Some((false, _)) => {
                            intent.refused.push((wanted.cluster, Refused::NotInSpread));
                        }
                        None => intent.refused.push((wanted.cluster, Refused::NoTopology)),
                    }
                }
            }
            Err(unmet) => {
                let nowhere = |wanted: &Wanted<'a>| {
                    let mut by = spreads.iter().map(|spread| &spread.by);
                    by.any(|by| by.group(wanted.cluster).is_none())
                };
                for wanted in all {
                    if !wanted.has && nowhere(&wanted) {
                        intent.refused.push((wanted.cluster, Refused::NoTopology));
                    } else if wanted.has {
                        intent.targets.push(wanted);
                    } else {
                        intent.refused.push((wanted.cluster, Refused::SpreadUnmet));
                    }
                }
                intent.findings.extend(unmet_finding(spreads, unmet));
            }
        }
    }
}

fn untolerated(taint: &Taint) -> String {
    format!("its taint {taint} is not tolerated")
}

/// By the place among the wanted: whether it is chosen, and its floor. Who is in no group is not here.
struct Spreading(BTreeMap<usize, (bool, u32)>);

fn unmet_finding(spreads: &[Spread], unmet: spread::Unmet) -> Option<Finding> {
    let spread = spreads.get(unmet.constraint)?;
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Some(Finding::SpreadUnmet {
        by: spread.by.to_string(),
        wanted: number(spread.min),
        found: number(unmet.found),
    })
}
