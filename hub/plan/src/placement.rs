//! The decision about one template: who gets what, who keeps what, who loses it, and why.

use std::collections::BTreeMap;

use roadstead_protocol::api::decision::{PolicyRef, Refusal, SAMPLES_MAX};
use roadstead_protocol::wire::Digest;
use serde_json::Value;

use crate::affinity::{Chosen, Refused, select};
use crate::claim::{claim, overriding};
use crate::cluster::Cluster;
use crate::division::{Claimant, divide};
use crate::finding::{Cause, Finding};
use crate::overrides::Overriding;
use crate::pointer::Pointer;
use crate::policy::{Overrides, Policy, Replicas};
use crate::removal::{self, Fate, Reason};
use crate::render::{self, Content};
use crate::review::Review;
use crate::template::{Former, Template, is_template};
use crate::weights::weigh;
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
    /// Whether the member lets go of the object instead of deleting it.
    pub release: bool,
}

/// What is wanted, before it is rendered and before anything is known about removals.
#[derive(Clone, Debug, Default)]
pub(crate) struct Intent<'a> {
    pub(crate) winner: Option<&'a Policy>,
    pub(crate) contenders: Vec<&'a Policy>,
    pub(crate) overrides: Vec<&'a Overrides>,
    pub(crate) targets: Vec<Wanted<'a>>,
    pub(crate) refused: Vec<(&'a Cluster, Refused)>,
    /// Why nothing may change at all.
    pub(crate) blocked: Option<Cause>,
    pub(crate) findings: Vec<Finding>,
}

/// A cluster that is to get it.
#[derive(Clone, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) chosen: Chosen,
    pub(crate) weight: Option<u32>,
    pub(crate) replicas: Option<u32>,
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
    settle_former(
        world,
        template,
        &intent,
        &rendered.failed,
        review,
        &mut placement,
    );
    placement.refused = summarize(&intent.refused);
    placement.findings.extend(intent.findings);
    placement.findings.extend(held(&placement.kept));
    placement
}

/// What the policies want for a template.
pub(crate) fn intend<'a>(world: &'a World, template: &Template<'a>) -> Intent<'a> {
    let mut intent = Intent::default();
    let Some(object) = template.object else {
        return intent;
    };
    if let Some(blocker) = blocker(world, template) {
        intent.blocked = Some(Cause::PolicyUnreadable);
        intent.findings.push(blocker);
        return intent;
    }
    let labels = template.metadata().labels;
    if !is_template(&template.key, &labels) {
        intent.findings.push(Finding::NoPolicy);
        return intent;
    }
    let claims = claim(world, &template.key, &labels);
    intent.contenders = claims.contenders;
    let Some((policy, _)) = claims.winner else {
        intent.findings.push(Finding::NoPolicy);
        return intent;
    };
    intent.winner = Some(policy);
    intent.overrides = overriding(world, &template.key, &labels);
    choose(world, policy, &mut intent);
    share(world, policy, template, object, &mut intent);
    intent
}

/// The unreadable policy that keeps this template from being decided about: one that put it where
/// it runs, or one that might change what it says.
fn blocker(world: &World, template: &Template<'_>) -> Option<Finding> {
    let mut policies = template.former.iter().flat_map(|f| &f.policies);
    let claimed = policies.find_map(|uid| world.unreadable(uid));
    let changing = || {
        world.unreadable.iter().filter(|u| u.overrides()).find(|u| {
            u.identity
                .namespace
                .as_ref()
                .is_none_or(|ns| *ns == template.key.namespace)
        })
    };
    let found = claimed.or_else(changing)?;
    let policy = found.identity.to_string();
    Some(Finding::Unreadable {
        policy,
        problem: found.problem.clone(),
    })
}

/// Chooses clusters.
fn choose<'a>(world: &'a World, policy: &'a Policy, intent: &mut Intent<'a>) {
    let selection = select(world, policy.identity.viewpoint(), &policy.affinity);
    let wanted = selection
        .chosen
        .into_iter()
        .map(|(cluster, chosen)| Wanted {
            cluster,
            chosen,
            weight: None,
            replicas: None,
        });
    intent.targets = wanted.collect();
    intent.refused = selection.refused;
    if !selection.unknown.is_empty() {
        let names = selection.unknown.into_iter().take(SAMPLES_MAX).collect();
        intent.findings.push(Finding::UnknownClusters(names));
    }
    for (name, several) in selection.ambiguous.into_iter().take(SAMPLES_MAX) {
        let clusters = several.iter().take(SAMPLES_MAX).map(|c| c.path()).collect();
        intent
            .findings
            .push(Finding::AmbiguousCluster { name, clusters });
    }
    if intent.targets.is_empty() {
        intent.findings.push(Finding::NoCluster);
    }
}

/// Shares out replicas, where there are any to share.
fn share<'a>(
    world: &'a World,
    policy: &'a Policy,
    template: &Template<'a>,
    object: &Value,
    intent: &mut Intent<'a>,
) {
    let (Replicas::Divided(list), Some(path)) = (&policy.replicas, template.replicas_path) else {
        return;
    };
    let Some(total) = replicas(object, path) else {
        intent.findings.push(Finding::BadReplicas(path.to_owned()));
        intent.blocked = Some(Cause::BadReplicas);
        intent.targets.clear();
        return;
    };
    let clusters: Vec<&Cluster> = intent.targets.iter().map(|t| t.cluster).collect();
    let weights = weigh(
        world,
        policy.identity.viewpoint(),
        list.as_deref(),
        &clusters,
    );
    if !clusters.is_empty() && weights.iter().all(|w| *w == 0) {
        intent.findings.push(Finding::ZeroWeights);
        intent.blocked = Some(Cause::ZeroWeights);
        intent.targets.clear();
        return;
    }
    let weighed = std::mem::take(&mut intent.targets).into_iter().zip(weights);
    let (some, none): (Vec<_>, Vec<_>) = weighed.partition(|(_, weight)| *weight > 0);
    intent.refused.extend(
        none.into_iter()
            .map(|(w, _)| (w.cluster, Refused::ZeroWeight)),
    );
    let former = |uid: &str| {
        template
            .former
            .iter()
            .find(|f| f.cluster == uid)
            .and_then(|f| f.replicas)
            .unwrap_or(0)
    };
    let claimants: Vec<Claimant> = some
        .iter()
        .map(|(w, weight)| Claimant {
            weight: *weight,
            former: former(&w.cluster.uid),
        })
        .collect();
    let shares = divide(total, &claimants).unwrap_or_default();
    let shared = some
        .into_iter()
        .zip(shares)
        .map(|((wanted, weight), share)| Wanted {
            weight: Some(weight),
            replicas: Some(share),
            ..wanted
        });
    intent.targets = shared.collect();
}

/// How many replicas an object wants: one where nothing is said, `None` where it is no number.
fn replicas(object: &Value, path: &str) -> Option<u32> {
    match object.pointer(&path.replace('.', "/")) {
        None | Some(Value::Null) => Some(1),
        Some(said) => said
            .as_i64()
            .and_then(|n| i32::try_from(n).ok())
            .and_then(|n| u32::try_from(n).ok()),
    }
}

/// What rendering came to.
struct Rendered {
    targets: Vec<Target>,
    overrides: Vec<PolicyRef>,
    failed: Vec<String>,
}

/// Renders for every cluster that is to get it.
fn render_all(world: &World, template: &Template<'_>, intent: &mut Intent<'_>) -> Rendered {
    let mut out = Rendered {
        targets: Vec::new(),
        overrides: Vec::new(),
        failed: Vec::new(),
    };
    let Some(object) = template.object else {
        return out;
    };
    let base = render::strip(object);
    let overriding = Overriding::new(world, &intent.overrides);
    let mut plain: BTreeMap<Option<u32>, Content> = BTreeMap::new();
    let mut had_part: Vec<PolicyRef> = Vec::new();
    for wanted in std::mem::take(&mut intent.targets) {
        match render_one(template, &base, &overriding, &wanted, &mut plain) {
            Ok((content, policies)) => {
                had_part.extend(policies);
                out.targets.push(target(&wanted, content, intent.winner));
                intent.targets.push(wanted);
            }
            Err(problem) => {
                let cluster = wanted.cluster.path();
                intent
                    .findings
                    .push(Finding::NotRendered { cluster, problem });
                intent.refused.push((wanted.cluster, Refused::NotRendered));
                out.failed.push(wanted.cluster.uid.clone());
            }
        }
    }
    let order = intent.overrides.iter().map(|o| o.identity.reference());
    out.overrides = order.filter(|o| had_part.contains(o)).collect();
    out
}

fn target(wanted: &Wanted<'_>, content: Content, policy: Option<&Policy>) -> Target {
    Target {
        cluster: wanted.cluster.uid.clone(),
        path: (
            wanted.cluster.namespace.clone(),
            wanted.cluster.name.clone(),
        ),
        replicas: wanted.replicas,
        content,
        overwrite: policy.is_some_and(|p| p.overwrite),
        chosen: wanted.chosen,
        weight: wanted.weight,
    }
}

/// Renders for one cluster. Contents that no override touches are made once per share.
fn render_one(
    template: &Template<'_>,
    base: &Value,
    overriding: &Overriding<'_>,
    wanted: &Wanted<'_>,
    plain: &mut BTreeMap<Option<u32>, Content>,
) -> Result<(Content, Vec<PolicyRef>), String> {
    let concerned = overriding.concern(wanted.cluster);
    if !concerned && let Some(content) = plain.get(&wanted.replicas) {
        return Ok((content.clone(), Vec::new()));
    }
    let mut object = base.clone();
    if let (Some(share), Some(path)) = (wanted.replicas, template.replicas_path) {
        let pointer = Pointer::parse(&path.replace('.', "/")).map_err(|e| e.to_string())?;
        pointer
            .set(&mut object, Value::from(share))
            .map_err(|e| e.to_string())?;
    }
    let policies = overriding
        .apply(wanted.cluster, &mut object)
        .map_err(|error| format!("{error}: {}", error.source))?;
    let content = render::seal(&object, &template.key).map_err(|e| e.to_string())?;
    if !concerned {
        plain.insert(wanted.replicas, content.clone());
    }
    Ok((
        content,
        policies.iter().map(|p| p.identity.reference()).collect(),
    ))
}

/// Decides about everyone who was given it before and is not given it now.
fn settle_former(
    world: &World,
    template: &Template<'_>,
    intent: &Intent<'_>,
    failed: &[String],
    review: Option<&Review>,
    placement: &mut Placement,
) {
    let gets = |uid: &str| placement.targets.iter().any(|t| t.cluster == uid);
    let mut fates: BTreeMap<&Former, Fate> = BTreeMap::new();
    for former in template.former.iter().filter(|f| !gets(&f.cluster)) {
        let fate = if failed.contains(&former.cluster) {
            Fate::Keep(Cause::NotRendered)
        } else {
            removal::fate(world, template, intent, former)
        };
        fates.insert(former, fate);
    }
    placement.needs_review = review.is_none()
        && fates
            .values()
            .any(|f| *f == Fate::Remove(Reason::NotChosen));
    removal::settle(world, template, intent, &mut fates, review);
    for (former, fate) in fates {
        let cluster = former.cluster.clone();
        let path = path(world, former);
        match fate {
            Fate::Remove(reason) => {
                let release = removal::releases(&template.key, former);
                placement.removals.push(Removal {
                    cluster,
                    path,
                    reason,
                    release,
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

fn held(kept: &[Kept]) -> Vec<Finding> {
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
        }
    };
    by_cause.into_iter().map(finding).collect()
}
