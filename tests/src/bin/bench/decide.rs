//! How fast decisions are made end to end: a hub's process with many clusters (none of which has an
//! agent), every decision durable before it is seen.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use roadstead_tests::api::{Api, JSON, text};
use roadstead_tests::hub::Hub;
use roadstead_tests::process::within;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::idle::Memory;
use super::samples::{Samples, ms};
use super::site::{CONFIG_MAPS, NAMESPACE};
use super::table::Table;

const CLUSTERS: usize = 1_000;
const OBJECTS: usize = 10_000;
const POLICIES: usize = 100;
/// Clusters of one site; a policy takes one site.
const SITE: usize = CLUSTERS / POLICIES;
/// Clusters of no site, which get one later.
const SPARE: usize = 10;
/// Objects of one policy: what a change of one cluster's label touches.
const TOUCHED: usize = OBJECTS / POLICIES;
/// What a change of a label may take, and for each object that it touches.
const CHANGE: Duration = Duration::from_millis(5);
const EACH: Duration = Duration::from_micros(200);
/// Requests under way at once.
const CONCURRENCY: usize = 16;
/// How long anything may take before it is given up.
const GIVE_UP: Duration = Duration::from_secs(300);
/// How long it is quiet after which everything is at rest.
const REST: Duration = Duration::from_secs(5);
/// For how long nothing happens after which all that follows from a change has happened.
const NOTHING: Duration = Duration::from_secs(3);

const ATTACHED: &str = "/apis/cluster.kurator.dev/v1alpha1/namespaces/bench/attachedclusters";
const POLICIES_PATH: &str =
    "/apis/policy.kurator.dev/v1alpha1/namespaces/bench/distributionpolicies";
const DECISIONS: &str = "/apis/roadstead.dev/v1alpha1/namespaces/bench/decisions";

fn cluster(number: usize, labels: &Value) -> Value {
    json!({
        "apiVersion": "cluster.kurator.dev/v1alpha1", "kind": "AttachedCluster",
        "metadata": {
            "name": format!("cluster-{number:04}"), "namespace": NAMESPACE, "labels": labels,
        },
        "spec": {},
    })
}

fn policy(number: usize) -> Value {
    let select = |key: &str, value: String| json!({"matchLabels": {key: value}});
    json!({
        "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "DistributionPolicy",
        "metadata": {"name": format!("p{number}"), "namespace": NAMESPACE},
        "spec": {
            "resourceSelectors": [{
                "apiVersion": "v1", "kind": "ConfigMap",
                "labelSelector": select("team", format!("t{number}")),
            }],
            "placement": {"clusterAffinity": {
                "labelSelector": select("site", format!("s{number}")),
            }},
        },
    })
}

fn object(number: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": format!("item-{number}"), "namespace": NAMESPACE,
            "labels": {"team": format!("t{}", number % POLICIES)},
        },
        "data": {"value": "one"},
    })
}

/// Creates objects, several at a time.
async fn create(api: &Api, path: &str, objects: impl Iterator<Item = Value>) -> Result<()> {
    let permits = Arc::new(Semaphore::new(CONCURRENCY));
    let mut tasks = JoinSet::new();
    for object in objects {
        let permit = Arc::clone(&permits).acquire_owned().await?;
        let (api, path) = (api.clone(), path.to_owned());
        tasks.spawn(async move {
            let _permit = permit;
            api.create(&path, &object).await?.ok()
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// Measures.
pub(crate) async fn measure(table: &mut Table) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let hub = Hub::start(folder.path()).await?;
    let api = hub.api().await?;
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    api.create("/api/v1/namespaces", &namespace).await?.ok()?;
    let sites = (0..CLUSTERS).map(|i| cluster(i, &json!({"site": format!("s{}", i / SITE)})));
    let spare = (CLUSTERS..CLUSTERS + SPARE).map(|i| cluster(i, &json!({})));
    create(&api, ATTACHED, sites.chain(spare)).await?;
    create(&api, CONFIG_MAPS, (0..OBJECTS).map(object)).await?;
    let started = Instant::now();
    create(&api, POLICIES_PATH, (0..POLICIES).map(policy)).await?;
    within(GIVE_UP, "all decisions are made", || async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let list = api.get(&format!("{DECISIONS}?limit=1")).await?.ok()?;
        let more = list.pointer("/metadata/remainingItemCount");
        let more = more.and_then(Value::as_u64).unwrap_or_default();
        anyhow::ensure!(more + 1 >= OBJECTS as u64, "{} of {OBJECTS}", more + 1);
        Ok(true)
    })
    .await?;
    let took = started.elapsed();
    let rate = OBJECTS as f64 / took.as_secs_f64();
    table.note(
        "durable decisions a second, 1 000 clusters, 10 000 objects, 100 policies",
        format!("{rate:.0}, all within {}", ms(took)),
    );
    tokio::time::sleep(REST).await;
    let memory = Memory::of(hub.id().context("no hub")?)?;
    table.note("the same: the hub's memory", memory.text());
    labels(table, &api).await
}

/// Gives clusters without a site one, and others a label that nobody reads.
async fn labels(table: &mut Table, api: &Api) -> Result<()> {
    let list = api.get(&format!("{DECISIONS}?limit=1")).await?.ok()?;
    let version = text(&list, "/metadata/resourceVersion");
    let path = format!("{DECISIONS}?watch=true&resourceVersion={version}");
    let mut watch = api.watch(&path, JSON).await?;
    while let Ok(Some(_)) = watch.next(REST).await {}
    let mut samples = Samples::default();
    for number in 0..SPARE {
        let with = cluster(CLUSTERS + number, &json!({"site": format!("s{number}")}));
        let path = format!("{ATTACHED}/{}", text(&with, "/metadata/name"));
        api.apply(&path, "bench", true, &with).await?.ok()?;
        let accepted = Instant::now();
        let mut touched = 0;
        while touched < TOUCHED {
            let event = watch.next(GIVE_UP).await?.context("the watch ended")?;
            let clusters = event.pointer("/object/spec/clusters");
            let clusters = clusters.and_then(Value::as_array).map_or(0, Vec::len);
            let generation = event.pointer("/object/metadata/generation");
            let again = generation.and_then(Value::as_i64).unwrap_or_default() > 1;
            touched += usize::from(clusters == SITE + 1 && again);
        }
        samples.add(accepted.elapsed());
        // What became of it is written afterwards, once for each decision.
        while let Ok(Some(_)) = watch.next(NOTHING).await {}
    }
    let goal = CHANGE + EACH * u32::try_from(TOUCHED)?;
    table.goal(
        &format!("a label of one cluster → the {TOUCHED} new decisions"),
        samples.text(),
        format!("p50 ≤ {} (5 ms + 0.2 ms for each)", ms(goal)),
        samples.percentile(50) <= goal,
    );
    let other = cluster(0, &json!({"site": "s0", "colour": "green"}));
    let path = format!("{ATTACHED}/{}", text(&other, "/metadata/name"));
    api.apply(&path, "bench", true, &other).await?.ok()?;
    let mut events = 0;
    while let Ok(Some(_)) = watch.next(NOTHING).await {
        events += 1;
    }
    table.goal(
        "a label that no policy reads: decisions written",
        events.to_string(),
        "0".to_owned(),
        events == 0,
    );
    Ok(())
}
