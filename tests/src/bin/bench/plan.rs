//! How fast decisions are made: pure, in memory, on one core, with the reasons for every cluster that
//! gets nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result};
use roadstead_plan::{
    Approvals, Around, Decided, Former, Limits, Part, Placement, Review, Template, World, place,
};
use roadstead_protocol::wire::ItemKey;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::table::Table;

const CLUSTERS: usize = 1_000;
const OBJECTS: usize = 10_000;
const POLICIES: usize = 100;
/// Clusters of one region; a policy takes one region.
const REGION: usize = 10;
/// Decisions a second on one core.
const GOAL: f64 = 5_000.0;

fn cluster(number: usize) -> Value {
    json!({
        "apiVersion": "cluster.kurator.dev/v1alpha1", "kind": "AttachedCluster",
        "metadata": {
            "name": format!("cluster-{number:04}"), "namespace": "default", "uid": format!("c-{number}"),
            "labels": {"region": format!("r{}", number / REGION), "tier": format!("t{}", number % 3)},
        },
        "spec": {},
        "status": {
            "version": "v1.36.3",
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "AgentConnected",
                "lastTransitionTime": "2026-11-21T12:00:00Z",
            }],
        },
    })
}

fn policy(number: usize) -> Value {
    let weights: Vec<Value> = (0..3)
        .map(|tier| {
            let labels = json!({"matchLabels": {"tier": format!("t{tier}")}});
            json!({"targetCluster": {"labelSelector": labels}, "weight": 10 * (tier + 1)})
        })
        .collect();
    json!({
        "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "DistributionPolicy",
        "metadata": {"name": format!("p{number}"), "namespace": "default", "uid": format!("p-{number}")},
        "spec": {
            "resourceSelectors": [{
                "apiVersion": "apps/v1", "kind": "Deployment",
                "labelSelector": {"matchLabels": {"team": format!("t{number}")}},
            }],
            "placement": {
                "clusterAffinity": {"labelSelector": {"matchLabels": {"region": format!("r{number}")}}},
                "replicaScheduling": {"weightPreference": {"staticWeightList": weights}},
            },
        },
    })
}

fn object(number: usize) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": format!("app-{number}"), "namespace": "default", "uid": format!("o-{number}"),
            "labels": {"team": format!("t{}", number % POLICIES)},
        },
        "spec": {
            "replicas": 20 + number % 7,
            "template": {"spec": {"containers": [{"name": "app", "image": "registry.example/app:1"}]}},
        },
    })
}

fn template<'a>(object: &'a Value, name: String, before: Option<&Placement>) -> Template<'a> {
    let policy = before.and_then(|p| p.policy.as_ref());
    let given = before.into_iter().flat_map(|p| &p.targets);
    let former = given.map(|t| Former {
        cluster: t.cluster.clone(),
        path: t.path.clone(),
        policies: t.policies.clone(),
        digest: Some(t.content.digest),
        replicas: t.replicas,
        seen: t.replicas,
        ..Former::default()
    });
    Template {
        key: ItemKey {
            group: "apps".to_owned(),
            kind: "Deployment".to_owned(),
            namespace: "default".to_owned(),
            name,
        },
        object: Some(object),
        replicas_path: Some(".spec.replicas"),
        former: former.collect(),
        basis: before.and_then(|p| p.basis.clone()),
        pledges: Vec::new(),
        around: Around::default(),
        decided: Decided {
            policy: policy.map(|p| p.uid.clone()).unwrap_or_default(),
            ..Decided::default()
        },
        observed: BTreeMap::new(),
        failing: Default::default(),
        budget: None,
        rollout: roadstead_plan::rollout::Waves::default(),
        now: Duration::ZERO,
    }
}

/// Decides about all objects, and says how many decisions a second that was.
fn round(world: &World, objects: &[Value], before: &[Placement]) -> Result<(f64, Vec<Placement>)> {
    let templates = objects.iter().enumerate();
    let templates: Vec<Template<'_>> = templates
        .map(|(i, object)| template(object, format!("app-{i}"), before.get(i)))
        .collect();
    let review = Review::of(world, std::iter::empty::<&Part>(), &Approvals::new());
    let started = Instant::now();
    let placed: Vec<Placement> = templates
        .iter()
        .map(|template| place(world, template, Some(&review)))
        .collect();
    let took = started.elapsed().as_secs_f64();
    let right = placed
        .iter()
        .all(|p| p.targets.len() == REGION && !p.refused.is_empty());
    anyhow::ensure!(right, "a decision is not what it should be");
    let decided = u32::try_from(placed.len()).context("too many")?;
    Ok((f64::from(decided) / took, placed))
}

/// Measures.
pub(crate) fn measure(table: &mut Table) -> Result<()> {
    let clusters = (0..CLUSTERS).map(cluster);
    let found: Vec<Value> = clusters.chain((0..POLICIES).map(policy)).collect();
    let world = World::read(&found, BTreeSet::new(), Limits::default());
    let objects: Vec<Value> = (0..OBJECTS).map(object).collect();
    let (first, placed) = round(&world, &objects, &[])?;
    let (again, _) = round(&world, &objects, &placed)?;
    let slower = first.min(again);
    table.goal(
        "pure decisions a second, one core, 1 000 clusters, 10 000 objects",
        format!("{first:.0} at first, {again:.0} again"),
        format!("≥ {GOAL:.0}"),
        slower >= GOAL,
    );
    Ok(())
}
