//! `roadstead fence`: a user declares that a cluster is stopped, so that what it has counts no more and
//! comes up elsewhere.
//!
//! Writes the AttachedCluster's spec. Nothing is removed there before it is back and what replaces it is
//! healthy.

use serde_json::{Value, json};

use super::cordon::{path, paths, shown};
use crate::client::{Api, Error};
use crate::config::Fence;

/// Fences clusters, or lifts it. Gives the text to print.
///
/// # Errors
/// When a cluster is not there, or the hub does not answer, or refuses; those before it are done.
pub async fn fence(args: &Fence) -> Result<String, Error> {
    let hub = Api::connect(&args.clusters.target).await?;
    let fenced = if args.lift { Value::Null } else { true.into() };
    let patch = json!({"spec": {"fenced": fenced}});
    let mut lines = Vec::new();
    for (namespace, name) in paths(&hub, &args.clusters).await? {
        hub.merge(&path(&namespace, &name, "fence"), &patch).await?;
        lines.push(if args.lift {
            format!("{namespace}/{name} counts again; what it still has and is wanted there stays there")
        } else {
            format!(
                "{namespace}/{name} is taken for stopped: what it has comes up elsewhere, and goes there \
                 once that is healthy and the cluster is back; condition Fenced says how far it got"
            )
        });
    }
    Ok(shown(lines))
}
