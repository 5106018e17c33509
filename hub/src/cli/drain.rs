//! `roadstead drain`: what runs on a cluster goes elsewhere, as far as there is another place for it.
//!
//! Writes the AttachedCluster's spec, as `kubectl edit` would, and then tells how far it got from the
//! cluster's own condition. `roadstead uncordon` ends it.

use std::io::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::cordon::{path, paths};
use crate::client::{Api, Error};
use crate::config::{Drain, Uncordon};

/// How often it is looked at how far it got.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How soon after a change its decisions are made: for so long nothing that comes up is not yet believed.
const DECIDED_WITHIN: Duration = Duration::from_secs(2);
const DECISIONS: &str = "/apis/roadstead.dev/v1alpha1/decisions";

/// Drains clusters. Gives the text to print; how far it got goes to standard error.
///
/// # Errors
/// When a cluster is not there, the hub does not answer, or refuses, or the time is up.
pub async fn drain(args: &Drain) -> Result<String, Error> {
    let hub = Api::connect(&args.clusters.target).await?;
    let patch = json!({"spec": {"unschedulable": true, "drain": true}});
    let all = paths(&hub, &args.clusters).await?;
    for (namespace, name) in &all {
        hub.merge(&path(namespace, name, "drain"), &patch).await?;
    }
    let mut lines = Vec::new();
    for (namespace, name) in &all {
        if args.no_wait {
            lines.push(format!(
                "{namespace}/{name} is to be drained; its condition Drained says how far it got"
            ));
            continue;
        }
        let at = (namespace.as_str(), name.as_str());
        let said = until(args.timeout, at, || progress(&hub, at)).await?;
        lines.push(format!("{namespace}/{name} is drained: {said}"));
    }
    Ok(super::cordon::shown(lines))
}

/// Opens clusters to what is new, and ends their draining. Gives the text to print.
///
/// # Errors
/// As [`drain`].
pub async fn uncordon(args: &Uncordon) -> Result<String, Error> {
    let hub = Api::connect(&args.clusters.target).await?;
    let patch = json!({"spec": {"unschedulable": Value::Null, "drain": Value::Null}});
    let mut lines = Vec::new();
    for (namespace, name) in paths(&hub, &args.clusters).await? {
        let before = hub.get(&path(&namespace, &name, "cordon")).await?;
        hub.merge(&path(&namespace, &name, "cordon"), &patch)
            .await?;
        let mut line = format!("{namespace}/{name} is open to what is new");
        let drained = before.pointer("/spec/drain") == Some(&Value::Bool(true));
        if drained && args.wait {
            let at = (namespace.as_str(), name.as_str());
            let opened = tokio::time::Instant::now();
            let hub = &hub;
            let look = || async move {
                let (done, said) = arrivals(hub, at).await?;
                Ok((done && opened.elapsed() >= DECIDED_WITHIN, said))
            };
            let said = until(args.timeout, at, look).await?;
            line = format!("{line}: {said}");
        } else if drained {
            line.push_str("; shares by weight come back by themselves, what else left comes back with `roadstead rebalance`");
        }
        lines.push(line);
    }
    Ok(super::cordon::shown(lines))
}

/// Waits until `look` says that it is done, and tells each time what is new. Gives the last word.
async fn until<F>(
    timeout: Option<u64>,
    (namespace, name): (&str, &str),
    mut look: impl FnMut() -> F,
) -> Result<String, Error>
where
    F: Future<Output = Result<(bool, String), Error>>,
{
    let started = tokio::time::Instant::now();
    let mut last = String::new();
    loop {
        let (done, said) = look().await?;
        if done {
            return Ok(said);
        }
        if said != last {
            // Whom nobody listens to any more is told nothing.
            let _closed = writeln!(std::io::stderr().lock(), "{namespace}/{name}: {said}");
            last.clone_from(&said);
        }
        if timeout.is_some_and(|seconds| started.elapsed() >= Duration::from_secs(seconds)) {
            return Err(Error::Flag(format!(
                "{namespace}/{name} is not done after {} s: {said}; it goes on without this command",
                timeout.unwrap_or_default()
            )));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether all that can leave a cluster has left, and its condition's words.
async fn progress(hub: &Api, (namespace, name): (&str, &str)) -> Result<(bool, String), Error> {
    Ok(drained(&hub.get(&path(namespace, name, "drain")).await?))
}

fn drained(cluster: &Value) -> (bool, String) {
    let conditions = cluster.pointer("/status/conditions");
    let conditions = conditions.and_then(Value::as_array);
    let condition = conditions
        .into_iter()
        .flatten()
        .find(|c| c.get("type").and_then(Value::as_str) == Some("Drained"));
    let Some(condition) = condition else {
        return (false, "waiting for the hub to look at it".to_owned());
    };
    let text = |field: &str| condition.get(field).and_then(Value::as_str);
    let generation = cluster.pointer("/metadata/generation");
    let current = condition.get("observedGeneration") == generation;
    let message = text("message").unwrap_or_default().to_owned();
    (current && text("status") == Some("True"), message)
}

/// Whether nothing comes up on a cluster any more, and what does.
async fn arrivals(hub: &Api, (namespace, name): (&str, &str)) -> Result<(bool, String), Error> {
    let here = |target: &&Value| {
        let is =
            |field: &str, value: &str| target.get(field).and_then(Value::as_str) == Some(value);
        is("namespace", namespace)
            && is("name", name)
            && target.get("arriving") == Some(&Value::Bool(true))
    };
    let decisions = hub.list(DECISIONS).await?;
    let comes = |decision: &&Value| {
        let targets = decision.pointer("/spec/clusters").and_then(Value::as_array);
        targets.into_iter().flatten().any(|target| here(&target))
    };
    Ok(match decisions.iter().filter(comes).count() {
        0 => (true, "nothing more is on its way back to it".to_owned()),
        1 => (false, "1 object comes up on it".to_owned()),
        n => (false, format!("{n} objects come up on it")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_done_when_the_condition_says_so_of_this_generation() {
        let cluster = |status: &str, observed: i64| {
            json!({"metadata": {"generation": 3}, "status": {"conditions": [
                {"type": "Ready", "status": "True"},
                {"type": "Drained", "status": status, "observedGeneration": observed, "message": "m"},
            ]}})
        };
        assert_eq!(drained(&cluster("True", 3)), (true, "m".to_owned()));
        assert!(!drained(&cluster("True", 2)).0 && !drained(&cluster("False", 3)).0);
        assert!(!drained(&json!({})).0);
    }
}
