//! Taints and tolerations, as Kubernetes has them for nodes.
//!
//! Seconds count from when this hub saw the taint: a restart begins anew, and a clock that jumps says
//! nothing. Where they have passed and the removal waits, that is remembered, and begins no more anew.

use std::time::Duration;

use roadstead_protocol::api::cluster::Effect;
use roadstead_protocol::api::selection::{Toleration, TolerationOperator};

use crate::cluster::{Cluster, Taint};

/// What a cluster's taints mean to a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taints<'a> {
    /// Nothing.
    None,
    /// Nothing new goes there, because of this one; what is there stays.
    Closed(&'a Taint),
    /// What is there stays for so long, because of this one, and nothing new goes there.
    Leaving {
        /// Which.
        taint: &'a Taint,
        /// For how long still.
        left: Duration,
        /// For how long in all.
        tolerated: Duration,
    },
    /// What is there leaves, because this one was tolerated for so long, and that has passed.
    Expired(&'a Taint, Duration),
    /// What is there leaves, because of this one.
    Refused(&'a Taint),
}

/// What a cluster's taints mean at a time, counted from the hub's start.
pub(crate) fn judge<'a>(
    tolerations: &[Toleration],
    cluster: &'a Cluster,
    now: Duration,
) -> Taints<'a> {
    let mut verdict = Taints::None;
    for taint in &cluster.taints {
        let one = match (taint.effect, tolerated(tolerations, taint)) {
            (_, Some(None)) => Taints::None,
            (Effect::NoSchedule, Some(Some(_))) => Taints::None,
            (Effect::NoSchedule, None) => Taints::Closed(taint),
            (Effect::NoExecute, None) => Taints::Refused(taint),
            (Effect::NoExecute, Some(Some(until))) => {
                match taint.since.saturating_add(until).checked_sub(now) {
                    Some(left) if !left.is_zero() => Taints::Leaving {
                        taint,
                        left,
                        tolerated: until,
                    },
                    Some(_) | None => Taints::Expired(taint, until),
                }
            }
        };
        if rank(&one) > rank(&verdict) {
            verdict = one;
        }
    }
    verdict
}

/// How much a verdict takes away; of those that end, the one that ends first takes more.
fn rank(verdict: &Taints<'_>) -> (u8, std::cmp::Reverse<Duration>) {
    let (rank, left) = match verdict {
        Taints::None => (0, Duration::ZERO),
        Taints::Closed(_) => (1, Duration::ZERO),
        Taints::Leaving { left, .. } => (2, *left),
        Taints::Expired(..) => (3, Duration::ZERO),
        Taints::Refused(_) => (4, Duration::ZERO),
    };
    (rank, std::cmp::Reverse(left))
}

/// Whether a taint is tolerated, and for how long where not for ever: for the shortest of the times
/// that those that tolerate it name, as in Kubernetes.
fn tolerated(tolerations: &[Toleration], taint: &Taint) -> Option<Option<Duration>> {
    let fits = tolerations.iter().filter(|t| tolerates(t, taint));
    fits.map(|t| t.toleration_seconds)
        .reduce(|a, b| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (Some(one), None) | (None, Some(one)) => Some(one),
            (None, None) => None,
        })
        .map(|seconds| {
            let seconds = seconds?;
            Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
        })
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    if toleration
        .effect
        .is_some_and(|effect| effect != taint.effect)
    {
        return false;
    }
    if !toleration.key.is_empty() && toleration.key != taint.key {
        return false;
    }
    match toleration.operator {
        TolerationOperator::Exists => true,
        TolerationOperator::Equal => toleration.value == taint.value,
    }
}

/// What is wrong with a toleration, with the path below it, if anything is.
pub(crate) fn problem(toleration: &Toleration) -> Option<String> {
    if toleration.key.is_empty() && toleration.operator == TolerationOperator::Equal {
        return Some("operator: Invalid value: with no key it must be Exists".to_owned());
    }
    if toleration.operator == TolerationOperator::Exists && !toleration.value.is_empty() {
        return Some("value: Forbidden: Exists takes none".to_owned());
    }
    if toleration.toleration_seconds.is_some() && toleration.effect != Some(Effect::NoExecute) {
        return Some("effect: Invalid value: tolerationSeconds needs NoExecute".to_owned());
    }
    None
}

impl std::fmt::Display for Taint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.key)?;
        if !self.value.is_empty() {
            write!(f, "={}", self.value)?;
        }
        write!(f, ":{:?}", self.effect)
    }
}
