//! `roadstead preview` as scripts see it: what it exits with, and that nothing is written.

use std::path::Path;

use anyhow::Result;
use roadstead_tests::hub::{Hub, binary};
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// Two objects, and where they are made.
fn objects() -> [(&'static str, Value); 2] {
    let policy = json!({
        "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "DistributionPolicy",
        "metadata": {"name": "harbour", "namespace": "default"},
        "spec": {
            "resourceSelectors": [{
                "apiVersion": "v1", "kind": "ConfigMap",
                "labelSelector": {"matchLabels": {"app": "harbour"}},
            }],
            "placement": {"clusterAffinity": {"clusterNames": ["one"]}},
        },
    });
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "harbour", "namespace": "default", "labels": {"app": "harbour"}},
        "data": {"depth": "9"},
    });
    [
        (
            "/apis/policy.kurator.dev/v1alpha1/namespaces/default/distributionpolicies",
            policy,
        ),
        (MAPS, map),
    ]
}

/// What `roadstead preview` exits with, and what it says.
fn preview(hub: &Hub, file: &Path) -> Result<(Option<i32>, String)> {
    let mut command = std::process::Command::new(binary("roadstead")?);
    command.env("KUBECONFIG", hub.kubeconfig());
    let ran = command.args(["preview", "-f"]).arg(file).output()?;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    );
    Ok((ran.status.code(), said))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_exits_as_kubectl_diff_does() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path()).await.unwrap();
    let file = folder.path().join("harbour.yaml");
    let items: Vec<Value> = objects().into_iter().map(|(_, object)| object).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    std::fs::write(&file, list.to_string()).unwrap();
    for _ in 0..2 {
        let (code, said) = preview(&hub, &file).unwrap();
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("created"), "{said}");
    }
    let api = hub.api().await.unwrap();
    let there = api.get(&format!("{MAPS}/harbour")).await.unwrap();
    assert_eq!(there.code, 404, "nothing is written");
    for (path, object) in objects() {
        api.create(path, &object).await.unwrap().ok().unwrap();
    }
    let (code, said) = preview(&hub, &file).unwrap();
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("Nothing would change on any cluster."),
        "{said}"
    );

    std::fs::write(
        &file,
        "apiVersion: v1\nkind: Nothing\nmetadata: {name: x}\n",
    )
    .unwrap();
    let (code, said) = preview(&hub, &file).unwrap();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("no such kind is served"), "{said}");
    let (code, said) = preview(&hub, Path::new("/nowhere")).unwrap();
    assert_eq!(code, Some(2), "{said}");
}
