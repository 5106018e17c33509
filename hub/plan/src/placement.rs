//! The decision about one template: who gets what, who keeps what, who loses it, and why.

use std::collections::{BTreeMap, BTreeSet};

use roadstead_protocol::api::decision::{PolicyRef, Refusal, SAMPLES_MAX};
use roadstead_protocol::wire::Digest;

use crate::affinity::{Chosen, Refused};
use crate::cluster::Cluster;
use crate::finding::{Cause, Finding};
use crate::intent::{Intent, intend};
use crate::removal::{self, Fate, Judge, Manner, Reason};
use crate::render::Content;
use crate::rendering::render_all;
use crate::review::Review;
use crate::template::{Former, Template};
use crate::world::World;

/// The decision about one template.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Placement {
    /// Who distributes it.
    pub policy: Option<PolicyRef>,
    /// Who has to give way.
    pub contenders: Vec<PolicyRef>,
    /// Who changes it on some cluster, in the order of application.
    pub overrides: Vec<PolicyRef>,
    /// Who gets what, by the cluster's namespace and name.
    pub targets: Vec<Target>,
    /// Who keeps what it has.
    pub kept: Vec<Kept>,
    /// Who loses it.
    pub removals: Vec<Removal>,
    /// UIDs of clusters that were detached, of which no account is kept any more.
    pub forgotten: Vec<String>,
    /// Who does not get it, by reason.
    pub refused: Vec<Refusal>,
    /// What is to be said about it.
    pub findings: Vec<Finding>,
    /// UIDs of the policies on which removals were confirmed that are among these: see
    /// [`Review::approvals`].
    pub confirmed_by: BTreeSet<String>,
    /// Whether edits remove something, so that a [`Review`] has a say. A placement that was made
    /// without one must then not be carried out.
    pub needs_review: bool,
}

/// A cluster that gets something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The cluster's UID.
    pub cluster: String,
    /// The cluster's namespace and name.
    pub path: (String, String),
    /// Its share of the replicas, where they are divided.
    pub replicas: Option<u32>,
    /// What it gets.
    pub content: Content,
    /// Whether what is there already is taken over.
    pub overwrite: bool,
    /// Why it was chosen.
    pub chosen: Chosen,
    /// Its weight, where replicas are divided.
    pub weight: Option<u32>,
}

/// A cluster that keeps what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The cluster's UID.
    pub cluster: String,
    /// The cluster's namespace and name.
    pub path: (String, String),
    /// Its share of the replicas, where they were divided.
    pub replicas: Option<u32>,
    /// What it has.
    pub digest: Option<Digest>,
    /// What the change waits for.
    pub cause: Cause,
}

/// A cluster that loses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// The cluster's UID.
    pub cluster: String,
    /// The cluster's namespace and name.
    pub path: (String, String),
    /// Why.
    pub reason: Reason,
    /// What becomes of the object on the member.
    pub manner: Manner,
}

/// Decides about one template. Without a `review`, a placement that [needs one]
/// (`Placement::needs_review`) says so.
pub fn place(world: &World, template: &Template<'_>, review: Option<&Review>) -> Placement {
    let mut intent = intend(world, template);
    let rendered = render_all(world, template, &mut intent);
    let mut placement = Placement {
        policy: intent.winner.map(|p| p.identity.reference()),
        contenders: intent
            .contenders
            .iter()
            .map(|p| p.identity.reference())
            .collect(),
        overrides: rendered.overrides,
        targets: rendered.targets,
        ..Placement::default()
    };
    let confirm = settle_former(
        world,
        template,
        &intent,
        &rendered.failed,
        review,
        &mut placement,
    );
    placement.refused = summarize(&intent.refused);
    placement
        .findings
        .extend(std::mem::take(&mut intent.findings));
    placement.findings.extend(held(&placement.kept, &confirm));
    placement
}

/// Decides about everyone who was given it before and is not given it now. Returns the commands that
/// confirm what waits.
fn settle_former(
    world: &World,
    template: &Template<'_>,
    intent: &Intent<'_>,
    failed: &BTreeSet<String>,
    review: Option<&Review>,
    placement: &mut Placement,
) -> Vec<String> {
    let judge = Judge::new(world, template, intent);
    let mut fates: BTreeMap<&Former, Fate> = BTreeMap::new();
    for former in &template.former {
        if failed.contains(&former.cluster) {
            fates.insert(former, Fate::Keep(Cause::NotRendered));
        } else if let Some(fate) = judge.fate(former) {
            fates.insert(former, fate);
        }
    }
    let waits = |fate: &Fate| fate.kept().is_some_and(Cause::confirmable);
    placement.needs_review = review.is_none()
        && fates
            .values()
            .any(|f| *f == Fate::Remove(Reason::NotChosen) || waits(f));
    let settled = removal::settle(world, template, intent, &mut fates, review);
    placement.confirmed_by = settled.confirmed_by;
    for (former, fate) in fates {
        let cluster = former.cluster.clone();
        let path = path(world, former);
        match fate {
            Fate::Remove(reason) => {
                let manner = removal::manner(&template.key, former);
                placement.removals.push(Removal {
                    cluster,
                    path,
                    reason,
                    manner,
                });
            }
            Fate::Keep(cause) => placement.kept.push(Kept {
                cluster,
                path,
                replicas: former.replicas,
                digest: former.digest,
                cause,
            }),
            Fate::Forget => placement.forgotten.push(cluster),
        }
    }
    placement.kept.sort_by(|a, b| a.path.cmp(&b.path));
    placement.removals.sort_by(|a, b| a.path.cmp(&b.path));
    settled.commands
}

/// Namespace and name of a cluster, as it is known now or was then.
fn path(world: &World, former: &Former) -> (String, String) {
    match world.cluster(&former.cluster) {
        Some(cluster) => (cluster.namespace.clone(), cluster.name.clone()),
        None => former.path.clone(),
    }
}

fn summarize(refused: &[(&Cluster, Refused)]) -> Vec<Refusal> {
    let mut by_reason: BTreeMap<Refused, Vec<String>> = BTreeMap::new();
    for (cluster, why) in refused {
        by_reason.entry(*why).or_default().push(cluster.path());
    }
    let refusal = |(why, mut clusters): (Refused, Vec<String>)| {
        let count = u32::try_from(clusters.len()).unwrap_or(u32::MAX);
        clusters.truncate(SAMPLES_MAX);
        Refusal {
            reason: why.reason().to_owned(),
            count,
            samples: clusters,
        }
    };
    by_reason.into_iter().map(refusal).collect()
}

fn held(kept: &[Kept], confirm: &[String]) -> Vec<Finding> {
    let mut by_cause: BTreeMap<Cause, Vec<String>> = BTreeMap::new();
    for kept in kept {
        let path = format!("{}/{}", kept.path.0, kept.path.1);
        by_cause.entry(kept.cause).or_default().push(path);
    }
    let finding = |(cause, mut samples): (Cause, Vec<String>)| {
        let count = u32::try_from(samples.len()).unwrap_or(u32::MAX);
        samples.truncate(SAMPLES_MAX);
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
