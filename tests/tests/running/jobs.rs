//! Jobs run once, also where their time to live removes them; and they are divided as they are made.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use roadstead_tests::api::{JSON, Watch, text};
use roadstead_tests::fleet::Fleet;
use serde_json::{Value, json};

use crate::stage::{SOON, policy, until_gone};
use crate::{DR, EDGE, PROD};

const JOBS: &str = "/apis/batch/v1/namespaces/default/jobs";
const BATCH: (&str, &str) = ("batch/v1", "Job");
/// How long nothing may happen after the end; drift is put right within milliseconds.
const QUIET: Duration = Duration::from_secs(4);

fn job(name: &str, completions: u32, more: &Value) -> String {
    let mut job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {
            "completions": completions, "parallelism": completions,
            "template": {"spec": {
                "restartPolicy": "Never",
                "containers": [{"name": "work", "image": "registry.example/work:1"}],
            }},
        },
    });
    if let (Some(spec), Some(more)) = (job["spec"].as_object_mut(), more.as_object()) {
        spec.extend(more.clone());
    }
    job.to_string()
}

/// Waits until the watched Job was removed, and says how often it was complete and which UIDs it had.
async fn to_its_end(watch: &mut Watch) -> Result<(bool, Vec<String>)> {
    let (mut complete, mut uids) = (false, Vec::new());
    loop {
        let event = watch.next(SOON).await?.context("the watch has ended")?;
        let object = event.get("object").unwrap_or(&Value::Null);
        complete |= object.pointer("/status/succeeded") == Some(&Value::from(2));
        let uid = text(object, "/metadata/uid").to_owned();
        if !uids.contains(&uid) {
            uids.push(uid);
        }
        if text(&event, "/type") == "DELETED" {
            return Ok((complete, uids));
        }
    }
}

/// Nothing comes for a while, on any of the clusters.
async fn quiet(watches: &mut [(&str, Watch)], when: &str) -> Result<()> {
    tokio::time::sleep(QUIET).await;
    for (cluster, watch) in watches {
        // What came meanwhile is there to be read.
        if let Ok(event) = watch.next(Duration::from_millis(100)).await {
            anyhow::bail!("{cluster} {when}: {event:?}");
        }
    }
    Ok(())
}

/// A Job that its time to live removes is not run again: not as drift, not after the agent started
/// anew.
pub(crate) async fn run_once(fleet: &mut Fleet) -> Result<()> {
    let name = "tide";
    let mut watches = Vec::new();
    for cluster in [PROD, EDGE] {
        let path = format!("{JOBS}?watch=true&fieldSelector=metadata.name%3D{name}");
        let watch = fleet.site(cluster)?.api.watch(&path, JSON).await?;
        watches.push((cluster, watch));
    }
    let both = json!({"placement": {"clusterAffinity": {"clusterNames": [PROD, EDGE]}}});
    fleet.apply("default", &policy(name, BATCH, both))?;
    let brief = json!({"ttlSecondsAfterFinished": 1});
    fleet.apply("default", &job(name, 2, &brief))?;
    for (cluster, watch) in &mut watches {
        let (complete, uids) = to_its_end(watch).await?;
        ensure!(
            complete && uids.len() == 1,
            "{cluster}: {complete}, {uids:?}"
        );
    }
    quiet(&mut watches, "after its end").await?;
    for (cluster, _) in &watches {
        let decision = ("default", "job.batch.tide");
        let well = |c: &Value| text(c, "/state") == "Applied" && text(c, "/health") == "Healthy";
        fleet.until_decision(decision, cluster, well).await?;
    }
    let agent = fleet.agent(PROD)?;
    agent.kill().await?;
    agent.begin(None)?;
    fleet.until_ready(PROD, "True").await?;
    quiet(&mut watches, "after a restart of the agent").await?;
    let both = format!("job/{name} distributionpolicy/{name}");
    fleet.kubectl.run(&format!("delete {both} --wait=false"))?;
    Ok(())
}

/// Completions are shared out, once.
pub(crate) async fn divided(fleet: &Fleet) -> Result<()> {
    let name = "haul";
    let halves = json!({"placement": {
        "clusterAffinity": {"clusterNames": [PROD, DR]},
        "replicaScheduling": {"replicaDivisionPreference": "Weighted"},
    }});
    fleet.apply("default", &policy(name, BATCH, halves))?;
    fleet.apply("default", &job(name, 6, &json!({})))?;
    let path = format!("{JOBS}/{name}");
    for cluster in [PROD, DR] {
        let site = fleet.site(cluster)?;
        let done = |o: Option<&Value>| {
            o.is_some_and(|o| {
                let three = Some(&Value::from(3));
                o.pointer("/spec/completions") == three
                    && o.pointer("/spec/parallelism") == three
                    && o.pointer("/status/succeeded") == three
            })
        };
        site.until_within(SOON, &path, "its half is done", done)
            .await?;
    }
    let line = format!("wait job/{name} --for=condition=Complete --timeout=60s");
    fleet.kubectl.run(&line)?;
    let both = format!("job/{name} distributionpolicy/{name}");
    fleet.kubectl.run(&format!("delete {both} --wait=false"))?;
    for cluster in [PROD, DR] {
        until_gone(fleet.site(cluster)?, &path).await?;
    }
    Ok(())
}
