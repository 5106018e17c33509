//! Keeps of the clusters that are wanted as many groups as spread constraints allow, and lays the floor
//! for replicas. What runs is kept unless people's words leave it no place; facts never take it.

use std::collections::{BTreeMap, BTreeSet};

use super::Chooser;
use crate::affinity::Refused;
use crate::cluster::Cluster;
use crate::finding::Finding;
use crate::intent::{Intent, Wanted};
use crate::scheduling::{By, Replicas};
use crate::spread::{self, Candidate, Spread};
use crate::weights::weigh;

impl<'a> Chooser<'a, '_> {
    /// What the constraints make of who is wanted: who is in a group of each, at which place, and who
    /// of these is chosen.
    pub(super) fn spreads(&self, wanted: &[Wanted<'a>]) -> Result<Spreading, Short> {
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
        let staying = spread::staying(spreads, &candidates);
        let (mut kept, mut lost, mut facing) = (Vec::new(), BTreeSet::new(), Vec::new());
        for ((at, stays), candidate) in places.iter().zip(staying).zip(candidates) {
            if stays || !candidate.has {
                kept.push(*at);
                facing.push(candidate);
            } else {
                lost.insert(*at);
            }
        }
        match spread::choose_with(spreads, &facing) {
            Ok(chosen) => {
                let floors = spread::floors(spreads, &facing, &chosen);
                let each = kept.into_iter().zip(chosen.into_iter().zip(floors));
                let lost = lost.into_iter().map(|at| (at, (false, 0)));
                Ok(Spreading(each.chain(lost).collect()))
            }
            Err(unmet) => {
                let possible = spread::choose_with(spreads, &spread::opened(&facing)).is_ok();
                let places = possible.then(|| places.into_iter().collect());
                Err(Short {
                    unmet,
                    lost,
                    places,
                })
            }
        }
    }

    fn candidate<'w>(
        &self,
        wanted: &Wanted<'w>,
        groups: Vec<&'w str>,
        score: u32,
    ) -> Candidate<'w> {
        let has = wanted.has && !wanted.outside;
        Candidate {
            groups,
            // Afresh, what runs breaks ties only; but what cannot come back stays.
            has: score > 0 && has && !(self.fresh && wanted.open),
            open: score > 0 && wanted.open,
            able: score > 0,
            score: u64::from(score) * 2 + u64::from(has),
        }
    }

    /// How much each cluster is preferred: by its weight, where weights are given.
    pub(super) fn scores(&self, clusters: &[&Cluster]) -> Vec<u32> {
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
    pub(super) fn spread(&self, intent: &mut Intent<'a>) {
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
            Err(short) => {
                let nowhere = |wanted: &Wanted<'a>| {
                    let mut by = spreads.iter().map(|spread| &spread.by);
                    by.any(|by| by.group(wanted.cluster).is_none())
                };
                for (at, wanted) in all.into_iter().enumerate() {
                    let nowhere = nowhere(&wanted);
                    match short.loses(at) {
                        _ if !wanted.has && nowhere => {
                            intent.refused.push((wanted.cluster, Refused::NoTopology));
                        }
                        Some(why) if wanted.has => intent.refused.push((wanted.cluster, why)),
                        None if wanted.has => intent.targets.push(wanted),
                        Some(_) | None => {
                            intent.refused.push((wanted.cluster, Refused::SpreadUnmet));
                        }
                    }
                }
                let unmet = short.unmet;
                intent.findings.extend(unmet_finding(spreads, unmet));
            }
        }
    }
}

/// By the place among the wanted: whether it is chosen, and its floor. Who is in no group is not here.
pub(super) struct Spreading(pub(super) BTreeMap<usize, (bool, u32)>);

/// Constraints that are not met.
pub(super) struct Short {
    unmet: spread::Unmet,
    /// By their places, who has something in more groups than are allowed.
    lost: BTreeSet<usize>,
    /// Who is in a group of each; `None` where the constraints cannot be met whatever facts say, so
    /// that nothing is changed at all.
    places: Option<BTreeSet<usize>>,
}

impl Short {
    /// Why who is at this place loses what it has, if it does.
    fn loses(&self, at: usize) -> Option<Refused> {
        let places = self.places.as_ref()?;
        if !places.contains(&at) {
            return Some(Refused::NoTopology);
        }
        self.lost.contains(&at).then_some(Refused::NotInSpread)
    }
}

pub(super) fn unmet_finding(spreads: &[Spread], unmet: spread::Unmet) -> Option<Finding> {
    let spread = spreads.get(unmet.constraint)?;
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Some(Finding::SpreadUnmet {
        by: spread.by.to_string(),
        wanted: number(spread.min),
        found: number(unmet.found),
    })
}
