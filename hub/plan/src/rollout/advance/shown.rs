//! How far a run is, for people.

use roadstead_protocol::api::decision::SAMPLES_MAX;
use roadstead_protocol::api::rollout::StageStatus;

use super::{Member, PASSED, WAITING, Walk};

impl Walk<'_> {
    /// The stages, of which the present one does `state`.
    pub(super) fn stages(&self, state: &str) -> Vec<StageStatus> {
        let stages = self.rollout.stages.iter().enumerate();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        stages
            .map(|(index, stage)| {
                let all = self.members.iter().filter(|m| m.stage == index);
                let all: Vec<&&Member> = all.collect();
                let updated = all
                    .iter()
                    .filter(|m| m.admitted || self.step.admit.contains(&m.cluster));
                let ready = all.iter().filter(|m| m.admitted && m.well.is_ok());
                let waiting = all
                    .iter()
                    .filter(|m| m.admitted && m.well.is_err() && self.counts(m));
                StageStatus {
                    name: stage.name.clone(),
                    state: match index == self.step.stage {
                        true => state,
                        false if self.passed.contains(&stage.name) => PASSED,
                        false => WAITING,
                    }
                    .to_owned(),
                    clusters: count(all.len()),
                    updated: count(updated.count()),
                    ready: count(ready.count()),
                    away: count(all.iter().filter(|m| m.away).count()),
                    waiting: waiting.take(SAMPLES_MAX).map(|m| said(m)).collect(),
                }
            })
            .collect()
    }
}

/// How a member is.
pub(super) fn said(member: &Member) -> String {
    match &member.well {
        Ok(()) => format!("all is well on {}", member.path),
        Err(why) => format!("{}: {why}", member.path),
    }
}
