//! `roadstead freeze` and `roadstead unfreeze`: nothing is applied, deleted or repaired on a cluster
//! until it is lifted, also by an agent that is away meanwhile.
//!
//! Both write an annotation of the AttachedCluster, as `kubectl annotate` would.

use roadstead_protocol::api::names::{FREEZE_ANNOTATION, FREEZE_REASON_ANNOTATION};
use serde_json::{Value, json};

use crate::client::{Api, Error};
use crate::config::{Clusters, Freeze, Unfreeze};

const ALL: &str = "/apis/cluster.kurator.dev/v1alpha1/attachedclusters";

/// Freezes. Gives the text to print.
///
/// # Errors
/// When a cluster is not there, or the hub does not answer, or refuses; the ones before it are frozen.
pub async fn freeze(args: &Freeze) -> Result<String, Error> {
    let annotations = json!({
        FREEZE_ANNOTATION: "true",
        FREEZE_REASON_ANNOTATION: args.reason,
    });
    let paths = annotate(&args.clusters, &annotations).await?;
    Ok(shown(&paths, |name| {
        format!(
            "{name} is to be frozen; condition Frozen turns True once its agent has confirmed it"
        )
    }))
}

/// Lifts it. Gives the text to print.
///
/// # Errors
/// As [`freeze`].
pub async fn unfreeze(args: &Unfreeze) -> Result<String, Error> {
    let annotations = json!({FREEZE_ANNOTATION: "false", FREEZE_REASON_ANNOTATION: Value::Null});
    let paths = annotate(&args.clusters, &annotations).await?;
    Ok(shown(&paths, |name| {
        format!("{name} is no longer to be frozen; its agent catches up once it has heard of it")
    }))
}

/// Annotates the clusters, and gives their namespaces and names.
async fn annotate(clusters: &Clusters, annotations: &Value) -> Result<Vec<String>, Error> {
    let hub = Api::connect(&clusters.target).await?;
    let namespace = clusters.namespace.as_ref().unwrap_or(&hub.namespace);
    let paths: Vec<(String, String)> = if clusters.all {
        hub.list(ALL).await?.iter().map(named).collect()
    } else {
        let names = clusters.names.iter();
        names
            .map(|name| (namespace.clone(), name.clone()))
            .collect()
    };
    let patch = json!({"metadata": {"annotations": annotations}});
    let mut done = Vec::new();
    for (namespace, name) in paths {
        let path = format!(
            "/apis/cluster.kurator.dev/v1alpha1/namespaces/{namespace}/attachedclusters/{name}\
             ?fieldManager=roadstead-freeze"
        );
        hub.merge(&path, &patch).await?;
        done.push(format!("{namespace}/{name}"));
    }
    Ok(done)
}

fn named(cluster: &Value) -> (String, String) {
    let text = |pointer: &str| {
        let text = cluster.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    (text("/metadata/namespace"), text("/metadata/name"))
}

fn shown(paths: &[String], line: impl Fn(&str) -> String) -> String {
    if paths.is_empty() {
        return "There are no clusters.".to_owned();
    }
    let lines: Vec<String> = paths.iter().map(|path| line(path)).collect();
    lines.join("\n")
}
