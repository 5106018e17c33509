//! Applies override policies to what one cluster is given.
//!
//! Policies accumulate in the order that [`overriding`](crate::claim::overriding) gives them, rules
//! and changes in the order in which they stand. A change that cannot be made is an error for that
//! cluster: the object as it would be without it is nothing that anybody wrote.

pub mod containers;
pub(crate) mod facts;
pub mod image;
pub mod keys;
pub mod rule;

use serde_json::Value;

use self::facts::{For, Judged, Prepared};
use self::rule::{Act, Change, EnvEdit, KeysEdit, Overrides, Point, WordsEdit};
use crate::cluster::Cluster;
use crate::pointer::{self, Pointer};
use crate::variables;
use crate::world::World;

/// A change that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{policy} cannot be applied: {said}: {why}")]
pub struct Error {
    /// The policy.
    pub policy: String,
    /// Its UID.
    pub uid: String,
    /// Where the policy says it.
    pub said: String,
    /// Why not.
    pub why: Reason,
}

/// Why a change cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Its path leads nowhere.
    #[error(transparent)]
    Pointer(#[from] pointer::Error),
    /// What it is to do to containers cannot be done.
    #[error(transparent)]
    Containers(#[from] containers::Error),
    /// What it is to do to labels or annotations cannot be done.
    #[error(transparent)]
    Keys(#[from] keys::Error),
    /// It names something of the cluster that is not there.
    #[error(transparent)]
    Variable(#[from] variables::Error),
    /// What the cluster reports is not known yet, and decides whether the rule is for it.
    #[error("whether it is for this cluster is not known before its {0}")]
    Unknown(&'static str),
}

/// The override policies of one template, with their clusters' names understood.
#[derive(Clone, Debug)]
pub struct Overriding<'a> {
    policies: Vec<(&'a Overrides, Vec<Prepared<'a>>)>,
}

impl<'a> Overriding<'a> {
    /// Prepares `policies`, which are applied in this order.
    pub fn new(world: &'a World, policies: &[&'a Overrides]) -> Self {
        let policies = policies.iter().map(|policy| {
            let rules = 0..policy.rules.len();
            let rules = rules.filter_map(|index| Prepared::new(world, policy, index));
            (*policy, rules.collect())
        });
        Self {
            policies: policies.collect(),
        }
    }

    /// Changes `object` to what `cluster`, for which the rules were `judged`, is to have, and says which
    /// policies had a part in it.
    ///
    /// # Errors
    /// At the first change that cannot be made; `object` is then half changed and of no use.
    pub(crate) fn apply(
        &self,
        judged: &Judged,
        cluster: &Cluster,
        object: &mut Value,
    ) -> Result<Vec<&'a Overrides>, Box<Error>> {
        let mut applied = Vec::new();
        let mut judged = judged.iter();
        for (policy, rules) in &self.policies {
            let error = |change: &Change, why: Reason| Error {
                policy: policy.identity.to_string(),
                uid: policy.identity.uid.clone(),
                said: change.said.clone(),
                why,
            };
            let rules: Vec<(&Prepared<'_>, For)> = rules.iter().zip(judged.by_ref()).collect();
            for (prepared, is) in &rules {
                if let (For::ByReports(_), Some(change)) = (is, prepared.rule.changes.first())
                    && let Some(what) = prepared.target.unknown(cluster)
                {
                    return Err(Box::new(error(change, Reason::Unknown(what))));
                }
            }
            let in_force = rules.into_iter().filter(|(_, is)| is.in_force());
            let mut changes = in_force.flat_map(|(rule, _)| &rule.rule.changes).peekable();
            if changes.peek().is_some() {
                applied.push(*policy);
            }
            for change in changes {
                make(change, cluster, object).map_err(|why| error(change, why))?;
            }
        }
        Ok(applied)
    }
}

/// Makes one change for `cluster`.
fn make(change: &Change, cluster: &Cluster, object: &mut Value) -> Result<(), Reason> {
    match &change.act {
        Act::At(pointer, point) => at(pointer, point, cluster, object),
        Act::Image(edit) => {
            let value = variables::text(&edit.value, cluster)?;
            Ok(containers::images(object, edit, &value)?)
        }
        Act::Words(edit) => words(edit, cluster, object),
        Act::Env(edit) => env(edit, cluster, object),
        Act::Keys(edit) => keyed(edit, cluster, object),
        Act::Merge(patch) => {
            json_patch::merge(object, &variables::fill(patch, cluster)?);
            Ok(())
        }
    }
}

fn at(
    pointer: &Pointer,
    point: &Point,
    cluster: &Cluster,
    object: &mut Value,
) -> Result<(), Reason> {
    match point {
        Point::Set(value) => pointer.set(object, variables::fill(value, cluster)?)?,
        Point::Add(value) => pointer.add(object, variables::fill(value, cluster)?)?,
        Point::Replace(value) => pointer.replace(object, variables::fill(value, cluster)?)?,
        Point::Remove => pointer.remove(object),
    }
    Ok(())
}

fn words(edit: &WordsEdit, cluster: &Cluster, object: &mut Value) -> Result<(), Reason> {
    let filled = edit.words.iter().map(|word| variables::text(word, cluster));
    let filled: Vec<String> = filled.collect::<Result<_, _>>()?;
    Ok(containers::words(object, edit, &filled)?)
}

fn env(edit: &EnvEdit, cluster: &Cluster, object: &mut Value) -> Result<(), Reason> {
    let filled = edit
        .variables
        .iter()
        .map(|(name, variable)| Ok((name.as_str(), variables::fill(variable, cluster)?)));
    let filled: Vec<(&str, Value)> = filled.collect::<Result<_, variables::Error>>()?;
    Ok(containers::env(object, edit, &filled)?)
}

fn keyed(edit: &KeysEdit, cluster: &Cluster, object: &mut Value) -> Result<(), Reason> {
    let filled = edit
        .keys
        .iter()
        .map(|(key, value)| Ok((key.as_str(), variables::text(value, cluster)?)));
    let filled: Vec<(&str, String)> = filled.collect::<Result<_, variables::Error>>()?;
    Ok(keys::change(object, edit, &filled)?)
}
