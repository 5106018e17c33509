//! What a decision says of those who do not get the object, and of those who keep what they have.

use std::collections::BTreeMap;

use roadstead_protocol::api::decision::{Refusal, SAMPLES_MAX};

use super::Kept;
use crate::affinity::Refused;
use crate::cluster::Cluster;
use crate::finding::{Cause, Finding, sampled};

/// The clusters that do not get it, by reason.
pub(super) fn summarize(refused: &[(&Cluster, Refused)]) -> Vec<Refusal> {
    let mut by_reason: BTreeMap<Refused, Vec<&Cluster>> = BTreeMap::new();
    for (cluster, why) in refused {
        by_reason.entry(*why).or_default().push(cluster);
    }
    let refusal = |(why, mut clusters): (Refused, Vec<&Cluster>)| {
        let count = u32::try_from(clusters.len()).unwrap_or(u32::MAX);
        let order =
            |a: &&Cluster, b: &&Cluster| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name));
        // Of many, only the first few are ever put in order.
        if clusters.len() > SAMPLES_MAX {
            clusters.select_nth_unstable_by(SAMPLES_MAX, order);
            clusters.truncate(SAMPLES_MAX);
        }
        clusters.sort_by(order);
        Refusal {
            reason: why.reason().to_owned(),
            count,
            samples: clusters.into_iter().map(Cluster::path).collect(),
        }
    };
    by_reason.into_iter().map(refusal).collect()
}

/// What is to be said about what is kept as it is.
pub(super) fn held(kept: &[Kept], confirm: &[String]) -> Vec<Finding> {
    let mut by_cause: BTreeMap<Cause, Vec<String>> = BTreeMap::new();
    // What waits for its replacement only is said with that; what keeps it for another reason is said.
    let said =
        |kept: &&Kept| !(kept.outside && kept.cause.is_outside()) && kept.cause != Cause::Budget;
    for kept in kept.iter().filter(said) {
        let path = format!("{}/{}", kept.path.0, kept.path.1);
        by_cause.entry(kept.cause).or_default().push(path);
    }
    let finding = |(cause, clusters): (Cause, Vec<String>)| {
        let (count, samples) = sampled(clusters);
        Finding::Held {
            cause,
            count,
            samples,
            confirm: if cause.confirmable() {
                confirm.to_vec()
            } else {
                Vec::new()
            },
        }
    };
    by_cause.into_iter().map(finding).collect()
}
