//! Explains a decision cluster by cluster: the whole of what a Decision shows bounded.

use std::collections::BTreeMap;

use roadstead_protocol::api::decision::SAMPLES_MAX;

use crate::affinity::Refused;
use crate::finding::{Cause, Finding};
use crate::intent::intend;
use crate::placement::{Placement, Target};
use crate::template::{Template, selected};
use crate::world::World;

/// The explanation of one template's decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The policy that distributes it, with why it goes first.
    pub policy: Option<String>,
    /// Every policy that selects it and gives way.
    pub contenders: Vec<String>,
    /// Every policy that changes it on some cluster.
    pub overrides: Vec<String>,
    /// What is to be said about it, in words.
    pub notes: Vec<String>,
    /// Every cluster, by namespace and name.
    pub clusters: Vec<Verdict>,
}

/// What is so about one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Whether it is to have the object.
    pub runs: bool,
    /// Its share of the replicas, where they are divided.
    pub replicas: Option<u32>,
    /// Why, in words.
    pub why: String,
}

/// Explains `placement`, which [`place`](crate::place) made of this world and template.
pub fn why(world: &World, template: &Template<'_>, placement: &Placement) -> Explanation {
    Explanation {
        policy: placement.policy.as_ref().map(ToString::to_string),
        contenders: placement
            .contenders
            .iter()
            .map(ToString::to_string)
            .collect(),
        overrides: placement
            .overrides
            .iter()
            .map(ToString::to_string)
            .collect(),
        notes: notes(placement),
        clusters: verdicts(world, template, placement),
    }
}

fn notes(placement: &Placement) -> Vec<String> {
    let by: Vec<String> = placement
        .required_by
        .iter()
        .take(SAMPLES_MAX)
        .map(ToString::to_string)
        .collect();
    let more = placement.required_by.len().saturating_sub(by.len());
    let more = match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let along = (!by.is_empty()).then(|| format!("it goes along with {}{more}", by.join(", ")));
    let findings = placement.findings.iter().map(ToString::to_string);
    along.into_iter().chain(findings).collect()
}

fn verdicts(world: &World, template: &Template<'_>, placement: &Placement) -> Vec<Verdict> {
    let intent = intend(world, template, template.now);
    let refused: BTreeMap<&str, Refused> = intent
        .refused
        .iter()
        .map(|(cluster, why)| (cluster.uid.as_str(), *why))
        .collect();
    let shut: BTreeMap<&str, Refused> = intent
        .targets
        .iter()
        .filter_map(|wanted| Some((wanted.cluster.uid.as_str(), wanted.shut?)))
        .collect();
    let labels = template.metadata().labels;
    let unselected = world
        .policies
        .iter()
        .all(|p| selected(&p.identity, &p.selectors, &template.key, &labels).is_none());
    let undecided = intent.blocked == Some(Cause::PolicyUnreadable);
    let verdict = |cluster: &crate::cluster::Cluster| {
        let (runs, replicas, why) =
            if let Some(t) = placement.targets.iter().find(|t| t.cluster == cluster.uid) {
                let closed = shut.get(cluster.uid.as_str()).map(|why| {
                    let figure = placement.figures.get(&cluster.uid);
                    let why = figure.map_or_else(|| why.text(), String::as_str);
                    format!("; no more goes there: {why}")
                });
                let idle = || {
                    let figure = placement.figures.get(&cluster.uid)?;
                    (t.replicas == Some(0)).then(|| format!("; {figure}"))
                };
                let words = chosen(t) + &closed.or_else(idle).unwrap_or_default();
                (true, t.replicas, words)
            } else if let Some(k) = placement.kept.iter().find(|k| k.cluster == cluster.uid) {
                (
                    true,
                    k.replicas,
                    format!("kept as it is: {}", k.cause.text()),
                )
            } else if let Some(r) = placement.removals.iter().find(|r| r.cluster == cluster.uid) {
                (false, None, format!("removed: {}", r.reason.text()))
            } else if unselected {
                (false, None, "no policy selects the object".to_owned())
            } else {
                let detail = placement.figures.get(&cluster.uid).cloned();
                let why = refused.get(cluster.uid.as_str());
                let said = match why {
                    Some(why) => why.text(),
                    None if placement.policy.is_none() || undecided => {
                        "nothing is decided: a policy cannot be read"
                    }
                    None => not_given(placement, cluster),
                };
                (false, None, detail.unwrap_or_else(|| said.to_owned()))
            };
        let (namespace, name) = (cluster.namespace.clone(), cluster.name.clone());
        Verdict {
            namespace,
            name,
            runs,
            replicas,
            why,
        }
    };
    world.clusters.iter().map(|c| verdict(c)).collect()
}

/// Why a cluster that is not refused still gets nothing.
fn not_given(placement: &Placement, cluster: &crate::cluster::Cluster) -> &'static str {
    let path = cluster.path();
    let fails = |finding: &Finding| matches!(finding, Finding::NotRendered { cluster, .. } if *cluster == path);
    if placement.findings.iter().any(fails) {
        Refused::NotRendered.text()
    } else if placement.findings.contains(&Finding::ZeroWeights) {
        Refused::ZeroWeight.text()
    } else {
        Refused::NotAllowed.text()
    }
}

fn chosen(target: &Target) -> String {
    let mut words = match (target.weight, target.replicas) {
        (Some(weight), Some(replicas)) => {
            format!(
                "{}; weight {weight} makes {replicas} replicas",
                target.chosen.text()
            )
        }
        (None, Some(replicas)) => format!("{}; it gets {replicas}", target.chosen.text()),
        (Some(_) | None, None) => target.chosen.text().to_owned(),
    };
    if let Some(pinned) = target.pinned {
        words = format!("{words}; an override policy pins them to {pinned}");
    }
    words
}
