//! Who loses what it has because its cluster is drained or was stopped, or it is failed over from there,
//! as far as there is another place for it: a share goes to the other clusters, a whole copy to one that
//! would not have it otherwise. What has no other place stays.
//!
//! Jobs stay: what ran once is not run again elsewhere.

use std::collections::BTreeSet;

use super::spreading::Spreading;
use super::{Chooser, Judged};
use crate::affinity::{Chosen, Refused};
use crate::cluster::Cluster;
use crate::count::is_job;
use crate::failover;
use crate::intent::{Intent, Wanted};

impl<'a> Chooser<'a, '_> {
    /// Why a cluster is to lose what it has as far as there is another place for it, if it is.
    pub(super) fn displaced(&self, cluster: &Cluster) -> Option<Refused> {
        if cluster.fenced {
            Some(Refused::Fenced)
        } else if cluster.drained {
            Some(Refused::Drained)
        } else {
            let failed = self.failed.contains_key(&cluster.uid);
            failed.then_some(Refused::FailedOver)
        }
    }

    /// Why a cluster is displaced, for people.
    pub(super) fn why(&self, cluster: &Cluster, why: Refused) -> String {
        let mark = self.failed.get(&cluster.uid);
        let mark = mark.filter(|_| why == Refused::FailedOver);
        mark.map_or_else(|| why.text().to_owned(), failover::text)
    }

    /// Decides who of the displaced stays, for want of another place.
    pub(super) fn displace(&self, judged: &mut Judged<'a>, intent: &mut Intent<'a>) {
        let mut displaced = std::mem::take(&mut judged.displaced);
        if displaced.is_empty() {
            return;
        }
        // What counts no more leaves before what does, and what does not run before what does.
        displaced.sort_by_key(|(wanted, why)| (wanted.outside, *why == Refused::FailedOver));
        let mut back = self.without_place(&judged.wanted, &displaced);
        for (mut wanted, why) in displaced {
            let cluster = wanted.cluster;
            let stays = back > 0;
            back = back.saturating_sub(1);
            let text = self.why(cluster, why);
            if stays && why == Refused::FailedOver {
                // It is given what changes there: perhaps it then runs.
                let text = self.failed.get(&cluster.uid).map(failover::stuck_text);
                let figure = text.map(|text| (cluster.uid.clone(), text));
                judged.figures.extend(figure);
                judged.wanted.push(wanted);
                continue;
            }
            match (stays, why == Refused::Drained) {
                (true, true) => {
                    wanted.shut = Some(why);
                    wanted.open = false;
                    wanted.chosen = Chosen::Stays;
                    judged.figures.insert(cluster.uid.clone(), text);
                    judged.wanted.push(wanted);
                }
                (false, true) if self.divided => intent.leaving.push(wanted),
                (true, false) => {
                    intent.unreplaced.insert(&cluster.uid);
                    judged.figures.insert(cluster.uid.clone(), text);
                    judged.refused.push((cluster, why));
                }
                (false, true | false) => {
                    judged.figures.insert(cluster.uid.clone(), text);
                    judged.refused.push((cluster, why));
                }
            }
        }
        let path = |wanted: &Wanted<'a>| (&wanted.cluster.namespace, &wanted.cluster.name);
        judged.wanted.sort_by(|a, b| path(a).cmp(&path(b)));
    }

    /// Says of the clusters that it fails over from that it does, though the group that is now in use
    /// does not choose them: it is not that people do not want it there.
    pub(super) fn mark(&self, failed: &BTreeSet<String>, judged: &mut Judged<'a>) {
        for (cluster, why) in &mut judged.refused {
            if failed.contains(&cluster.uid) {
                *why = Refused::FailedOver;
                let text = self.why(cluster, *why);
                judged.figures.insert(cluster.uid.clone(), text);
            }
        }
    }

    /// For how many of the displaced there is no other place among `wanted`.
    fn without_place(&self, wanted: &[Wanted<'a>], displaced: &[(Wanted<'a>, Refused)]) -> usize {
        if is_job(self.template) {
            return displaced.len();
        }
        let Some(places) = self.places(wanted).filter(|places| *places > 0) else {
            return displaced.len();
        };
        if self.divided {
            return 0;
        }
        let mut all = wanted.to_vec();
        all.extend(displaced.iter().map(|(wanted, _)| Wanted {
            open: false,
            ..wanted.clone()
        }));
        let path = |wanted: &Wanted<'a>| (&wanted.cluster.namespace, &wanted.cluster.name);
        all.sort_by(|a, b| path(a).cmp(&path(b)));
        let before = self.places(&all);
        before.map_or(displaced.len(), |before| before.saturating_sub(places))
    }

    /// On how many of `wanted` it would be; `None` where constraints are then not met.
    fn places(&self, wanted: &[Wanted<'a>]) -> Option<usize> {
        let takes = |w: &Wanted<'a>| w.open || (w.has && !w.outside);
        let clusters: Vec<&Cluster> = wanted.iter().map(|w| w.cluster).collect();
        let weighs: Vec<bool> = self.scores(&clusters).iter().map(|s| *s > 0).collect();
        let takers = wanted
            .iter()
            .zip(weighs)
            .map(|(w, weighs)| takes(w) && weighs);
        let takers: Vec<bool> = takers.collect();
        if self.policy.selecting.spread.is_empty() {
            return Some(takers.iter().filter(|takes| **takes).count());
        }
        let Spreading(chosen) = self.spreads(wanted).ok()?;
        let is_chosen = |at: usize| chosen.get(&at).is_some_and(|(chosen, _)| *chosen);
        let both = takers.iter().enumerate();
        Some(both.filter(|(at, takes)| **takes && is_chosen(*at)).count())
    }
}
