//! `roadstead detach`: takes a cluster out of the fleet, and leaves what runs on it as it is.
//!
//! Deletes the AttachedCluster, as `kubectl delete` would, and waits for nothing: a cluster that is
//! away hears of it when it calls again, and may never call. On the member nothing is removed.

use serde_json::Value;

use crate::client::{Api, Error};
use crate::config::Detach;

/// Detaches the cluster. Gives the text to print.
///
/// # Errors
/// When there is no such cluster, or the hub does not answer, or refuses.
pub async fn detach(args: &Detach) -> Result<String, Error> {
    let hub = Api::connect(&args.target).await?;
    let namespace = args.namespace.as_ref().unwrap_or(&hub.namespace);
    let path = format!(
        "/apis/cluster.kurator.dev/v1alpha1/namespaces/{namespace}/attachedclusters/{}",
        args.name
    );
    let missing = |error| match error {
        Error::Refused(status) if status.code == 404 => Error::NotFound(format!(
            "there is no AttachedCluster {namespace}/{}; `kubectl get attachedclusters -A` lists them",
            args.name
        )),
        Error::Refused(_)
        | Error::Kubeconfig(_)
        | Error::Connect(_)
        | Error::Request(..)
        | Error::Flag(_)
        | Error::NotFound(_)
        | Error::Partly(..) => error,
    };
    let cluster = hub.get(&path).await.map_err(missing)?;
    let left = hub.delete(&path).await.map_err(missing)?;
    Ok(shown(namespace, &args.name, &cluster, &left))
}

fn shown(namespace: &str, name: &str, cluster: &Value, left: &Value) -> String {
    let finalizers = left
        .pointer("/metadata/finalizers")
        .and_then(Value::as_array)
        .map(|all| {
            let names: Vec<&str> = all.iter().filter_map(Value::as_str).collect();
            names.join(", ")
        })
        .filter(|names| !names.is_empty());
    let mut text = format!(
        "AttachedCluster {namespace}/{name} is detached: its identity is worth nothing any more, and \
         what runs on the cluster stays as it is.\n"
    );
    if let Some(finalizers) = finalizers {
        text.push_str(&format!(
            "The object itself stays until its finalizers are gone: {finalizers}.\n"
        ));
    }
    let hosted = cluster.pointer("/spec/kubeconfig").is_some();
    text.push_str(if hosted {
        "Nothing of the hub runs there; what remains of it: kubectl delete namespace roadstead-system (on the cluster)\n"
    } else {
        "Its agent, when it next calls, stops applying. To take it away from the cluster: \
         kubectl delete namespace roadstead-system (on the cluster), or stop its process.\n"
    });
    text.push_str(&format!(
        "To manage the cluster again: roadstead join {name} -n {namespace}"
    ));
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn says_what_stays_and_what_to_do() {
        let text = shown(
            "a",
            "edge",
            &json!({"spec": {}}),
            &json!({"status": "Success"}),
        );
        assert!(
            text.contains("stays as it is") && text.contains("join edge -n a"),
            "{text}"
        );
        assert!(!text.contains("finalizers"), "{text}");
        let held = json!({"metadata": {"finalizers": ["x/y"]}});
        let hosted = json!({"spec": {"kubeconfig": {"name": "s", "key": "value"}}});
        let text = shown("a", "edge", &hosted, &held);
        assert!(
            text.contains("x/y") && text.contains("Nothing of the hub runs"),
            "{text}"
        );
    }
}
