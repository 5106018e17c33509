//! What a policy says of its rollouts, parsed.

use std::collections::BTreeSet;
use std::time::Duration;

use roadstead_protocol::api::policy::ClusterAffinity;
use roadstead_protocol::api::rollout::{
    self as api, Approval, GATES_MAX, OnFailure, REST, STAGES_MAX, Strategy,
};

use crate::expression::Expression;
use crate::selecting;

/// How long nothing may move on where nothing is said.
const DEADLINE: Duration = Duration::from_secs(600);
/// How many rollouts that are over are kept where nothing is said.
const HISTORY: u32 = 10;
/// Most of them.
pub const HISTORY_MAX: u32 = 50;
/// The longest soak and the longest deadline, in seconds: thirty days.
const SECONDS_MAX: u32 = 30 * 24 * 3600;

/// How a policy's changes reach clusters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// The stages; the last is that of the clusters which no other takes.
    pub stages: Vec<Stage>,
    /// On how many of the clusters that run something it may be unhealthy.
    pub max_unavailable: Option<Amount>,
    /// For how long nothing may move on before it has failed.
    pub deadline: Duration,
    /// What happens then.
    pub on_failure: OnFailure,
    /// Whether clusters without news are waited for.
    pub wait_for_away: bool,
    /// How many rollouts that are over are kept.
    pub history: usize,
    /// Whether nothing goes on.
    pub paused: bool,
}

/// Some of the clusters, which get a change together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// Which clusters.
    pub takes: Takes,
    /// How many of them change at once; `None` for all.
    pub max_concurrent: Option<Amount>,
    /// For how long all must be well before the next stage.
    pub soak: Duration,
    /// Whether it has to be approved of.
    pub approval: bool,
    /// What must be so on each of its clusters; at least one.
    pub gates: Vec<Gate>,
}

/// Which clusters a stage takes, of those that the ones before it left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Takes {
    /// These.
    Affinity(Box<ClusterAffinity>),
    /// So many that this share of all clusters is taken.
    Share(Amount),
    /// All.
    Rest,
}

/// A number of clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// So many.
    Clusters(u32),
    /// A share in percent, at most 100.
    Percent(u32),
}

/// Something that must be so on a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// Only of objects of this kind; empty for all.
    pub kind: String,
    /// What must be so of them.
    pub check: Check,
}

/// What must be so of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// They are healthy.
    Healthy,
    /// They have this condition with this status.
    Condition(String, String),
    /// This is true for each of them.
    Expression(Expression),
}

/// What an expression may name: what the cluster was given, with its status there.
pub const OBJECT: &str = "object";

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Clusters(number) => write!(f, "{number}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Amount {
    /// Of `total` clusters, rounded up, and at least one where there are any.
    pub fn at_least(self, total: usize) -> usize {
        match self {
            Self::Clusters(number) => usize::try_from(number).unwrap_or(usize::MAX),
            Self::Percent(percent) => share(total, percent).div_ceil(100),
        }
        .max(1)
    }

    /// Of `total` clusters, rounded down, but at least one: with none nothing would ever move.
    pub fn at_most(self, total: usize) -> usize {
        match self {
            Self::Clusters(number) => usize::try_from(number).unwrap_or(usize::MAX),
            Self::Percent(percent) => share(total, percent) / 100,
        }
        .max(1)
    }

    pub(crate) fn read(said: &api::Amount) -> Result<Self, String> {
        let wrong = |said: &dyn std::fmt::Display| {
            Err(format!(
                "Invalid value: \"{said}\": must be a number of clusters from 1, or a percentage from 1% \
                 to 100%"
            ))
        };
        match said {
            api::Amount::Number(number) => match u32::try_from(*number) {
                Ok(number) if number > 0 => Ok(Self::Clusters(number)),
                Ok(_) | Err(_) => wrong(number),
            },
            api::Amount::Text(text) => {
                let percent = text.strip_suffix('%').and_then(|n| n.parse().ok());
                match percent.filter(|percent| (1..=100).contains(percent)) {
                    Some(percent) => Ok(Self::Percent(percent)),
                    None => wrong(text),
                }
            }
        }
    }
}

fn share(total: usize, percent: u32) -> usize {
    total.saturating_mul(usize::try_from(percent).unwrap_or(100))
}

impl Rollout {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong, with its path.
    pub(crate) fn read(said: &Strategy) -> Result<Self, String> {
        let max_unavailable = amount(said.max_unavailable.as_ref(), "spec.rollout.maxUnavailable")?;
        let deadline = said.progress_deadline_seconds.map(u64::from);
        let history = said.revision_history_limit.unwrap_or(HISTORY);
        bounded(
            said.progress_deadline_seconds,
            1,
            "spec.rollout.progressDeadlineSeconds",
        )?;
        if !(1..=HISTORY_MAX).contains(&history) {
            return Err(format!(
                "spec.rollout.revisionHistoryLimit: Invalid value: {history}: must be between 1 and \
                 {HISTORY_MAX}"
            ));
        }
        Ok(Self {
            stages: stages(&said.stages)?,
            max_unavailable,
            deadline: deadline.map_or(DEADLINE, Duration::from_secs),
            on_failure: said.on_failure,
            wait_for_away: said.wait_for_away,
            history: usize::try_from(history).unwrap_or(1),
            paused: said.paused,
        })
    }
}

fn bounded(seconds: Option<u32>, least: u32, path: &str) -> Result<(), String> {
    match seconds.filter(|seconds| !(least..=SECONDS_MAX).contains(seconds)) {
        Some(seconds) => Err(format!(
            "{path}: Invalid value: {seconds}: must be between {least} and {SECONDS_MAX} seconds"
        )),
        None => Ok(()),
    }
}

fn amount(said: Option<&api::Amount>, path: &str) -> Result<Option<Amount>, String> {
    let read = said.map(Amount::read).transpose();
    read.map_err(|problem| format!("{path}: {problem}"))
}

fn stages(said: &[api::Stage]) -> Result<Vec<Stage>, String> {
    let count = said.len();
    if count > STAGES_MAX {
        return Err(format!(
            "spec.rollout.stages: Too many: {count}: must have at most {STAGES_MAX} items"
        ));
    }
    let mut stages = Vec::new();
    let mut names = BTreeSet::new();
    for (i, one) in said.iter().enumerate() {
        let path = format!("spec.rollout.stages[{i}]");
        if one.name.is_empty() || !names.insert(one.name.as_str()) {
            return Err(format!(
                "{path}.name: Invalid value: {:?}: must be there, and no other stage's",
                one.name
            ));
        }
        let takes = takes(one, &path, i + 1 == count)?;
        bounded(Some(one.soak_seconds), 0, &format!("{path}.soakSeconds"))?;
        stages.push(Stage {
            name: one.name.clone(),
            takes,
            max_concurrent: amount(
                one.max_concurrent.as_ref(),
                &format!("{path}.maxConcurrent"),
            )?,
            soak: Duration::from_secs(one.soak_seconds.into()),
            approval: one.approval == Some(Approval::Required),
            gates: gates(&one.gates, &path)?,
        });
    }
    if stages.last().is_none_or(|last| last.takes != Takes::Rest) {
        stages.push(rest());
    }
    Ok(stages)
}

/// The stage of the clusters that no other takes.
fn rest() -> Stage {
    Stage {
        name: REST.to_owned(),
        takes: Takes::Rest,
        max_concurrent: None,
        soak: Duration::ZERO,
        approval: false,
        gates: vec![healthy()],
    }
}

fn healthy() -> Gate {
    Gate {
        kind: String::new(),
        check: Check::Healthy,
    }
}

fn takes(said: &api::Stage, path: &str, last: bool) -> Result<Takes, String> {
    match (&said.cluster_affinity, &said.share) {
        (Some(_), Some(_)) => Err(format!(
            "{path}.share: Forbidden: only one of clusterAffinity and share"
        )),
        (Some(_), None) | (None, Some(_)) if said.name == REST => Err(format!(
            "{path}.name: Invalid value: \"{REST}\": is the name of the last stage, which takes what no \
             other takes"
        )),
        (Some(affinity), None) => {
            selecting::check(affinity, &format!("{path}.clusterAffinity"), false)?;
            Ok(Takes::Affinity(Box::new(affinity.clone())))
        }
        (None, Some(share)) => {
            let read = Amount::read(share);
            Ok(Takes::Share(
                read.map_err(|problem| format!("{path}.share: {problem}"))?,
            ))
        }
        (None, None) if said.name == REST && last => Ok(Takes::Rest),
        (None, None) => Err(format!(
            "{path}: Required value: clusterAffinity or share; only a last stage called {REST} needs none"
        )),
    }
}

fn gates(said: &[api::Gate], path: &str) -> Result<Vec<Gate>, String> {
    let count = said.len();
    if count > GATES_MAX {
        return Err(format!(
            "{path}.gates: Too many: {count}: must have at most {GATES_MAX} items"
        ));
    }
    if said.is_empty() {
        return Ok(vec![healthy()]);
    }
    let read = |(i, one): (usize, &api::Gate)| {
        let path = format!("{path}.gates[{i}]");
        Ok(Gate {
            kind: one.kind.clone(),
            check: check(one, &path)?,
        })
    };
    said.iter().enumerate().map(read).collect()
}

fn check(said: &api::Gate, path: &str) -> Result<Check, String> {
    let expression = Some(said.expression.as_str()).filter(|source| !source.is_empty());
    match (&said.condition, said.healthy, expression) {
        (None, true, None) => Ok(Check::Healthy),
        (Some(condition), false, None) => {
            let status = match condition.status.as_str() {
                "" => "True",
                status => status,
            };
            if condition.kind.is_empty() {
                return Err(format!("{path}.condition.type: Required value"));
            }
            Ok(Check::Condition(condition.kind.clone(), status.to_owned()))
        }
        (None, false, Some(source)) => {
            let compiled = Expression::compile(source, &[OBJECT]);
            let invalid = |error| format!("{path}.expression: Invalid value: {error}");
            compiled.map(Check::Expression).map_err(invalid)
        }
        (None, false, None) | (Some(_), _, _) | (None, true, Some(_)) => Err(format!(
            "{path}: Invalid value: must say exactly one of healthy: true, condition and expression"
        )),
    }
}

impl Stage {
    /// Whether its gates look at the objects themselves.
    pub fn looks_at_objects(&self) -> bool {
        let looks = |gate: &Gate| matches!(gate.check, Check::Expression(_));
        self.gates.iter().any(looks)
    }
}
