//! A Deployment: what its controllers make of it.

use anyhow::{Result, ensure};
use roadstead_tests::api::text;
use roadstead_tests::process::eventually;
use serde_json::{Value, json};

use crate::script::Script;

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/parity/deployments";
const SETS: &str = "/apis/apps/v1/namespaces/parity/replicasets";

/// A Deployment.
pub(crate) fn object(name: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "web", "image": "registry.example/web:1"}]},
            },
        },
    })
}

async fn sets(s: &Script) -> Result<Vec<Value>> {
    let list = s
        .api
        .get(&format!("{SETS}?labelSelector=app%3Dapp"))
        .await?
        .ok()?;
    Ok(list
        .get("items")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default())
}

pub(crate) async fn deployment(s: &mut Script) -> Result<()> {
    let path = format!("{DEPLOYMENTS}/app");
    let applied = s
        .api
        .apply(&path, "roadstead", false, &object("app", 2))
        .await?;
    // Not what the API server adds by itself: a simulated member adds next to nothing.
    let fields = &["/metadata/managedFields/0/fieldsV1"];
    s.note("a Deployment", &applied, (201, fields))?;
    let observed = |o: Option<&Value>, generation: i64| {
        o.is_some_and(|o| o.pointer("/status/observedGeneration") == Some(&json!(generation)))
    };
    s.until(&path, "it is observed", |o| observed(o, 1)).await?;
    eventually("it has a ReplicaSet", || async {
        Ok(sets(s).await?.len() == 1)
    })
    .await?;
    let set = sets(s).await?.into_iter().next().unwrap_or_default();
    let fields = &[
        "/spec/replicas",
        "/metadata/ownerReferences/0/kind",
        "/metadata/ownerReferences/0/controller",
        "/metadata/ownerReferences/0/blockOwnerDeletion",
    ];
    s.write("its ReplicaSet", 0, &set, fields);

    let scaled = s
        .api
        .merge(&format!("{path}/scale"), &json!({"spec": {"replicas": 3}}))
        .await?;
    s.note("scale", &scaled, (200, &["/kind", "/apiVersion", "/spec"]))?;
    s.until(&path, "the new scale is observed", |o| observed(o, 2))
        .await?;

    let options =
        json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"});
    let gone = s.api.delete(&path, Some(&options)).await?;
    s.note("delete", &gone, (200, &["/kind", "/status"]))?;
    eventually("its ReplicaSet goes, too", || async {
        Ok(sets(s).await?.is_empty())
    })
    .await?;
    ensure!(
        text(&set, "/metadata/ownerReferences/0/name") == "app",
        "{set}"
    );
    Ok(())
}
