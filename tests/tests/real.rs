//! Real clusters: what a real kube-apiserver does.

use roadstead_tests::{assets::Assets, cluster::Clusters, kubectl::Kubectl, skipped};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_cluster_answers() {
    let assets = match Assets::find() {
        Ok(assets) => assets,
        Err(e) => return skipped("a_real_cluster_answers", &format!("{e:#}")),
    };
    let folder = tempfile::tempdir().unwrap();
    let clusters = Clusters::start(assets, folder.path()).unwrap();
    let cluster = clusters.add("one", true).await.unwrap();
    let kubectl = Kubectl::new("1.36", &cluster.kubeconfig, folder.path()).unwrap();
    let version = kubectl.run("version").unwrap();
    assert!(version.contains("Server Version: v1.36"), "{version}");
}
