//! A cluster that was detached and is attached anew: nothing of its agent is left but what it put there.

use super::*;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const POLICY: &str =
    "/apis/policy.kurator.dev/v1alpha1/namespaces/default/distributionpolicies/all";

impl Stage {
    fn member_api(&self, member: &str) -> Api {
        let members = self.servers.0.lock().unwrap();
        let rest = &members.get(&server(member)).unwrap().rest;
        Api::over(kube::Client::new(
            rest.service(Identity::admin()),
            "default",
        ))
    }

    async fn put(&self, name: &str, value: &str) {
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "default"}, "data": {"key": value},
        });
        self.api
            .apply(&format!("{MAPS}/{name}"), &map)
            .await
            .unwrap();
    }

    /// Waits until the member's ConfigMap says this.
    async fn until_says(&self, member: &str, name: &str, value: &str) {
        let api = self.member_api(member);
        let looked = tokio::time::timeout(WITHIN, async {
            loop {
                let found = api.get(&format!("{MAPS}/{name}")).await;
                if found.is_ok_and(|found| found["data"]["key"] == value) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(looked.await.is_ok(), "{name} does not say {value}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_cluster_was_given_before_it_was_detached_is_still_its_own() {
    let stage = Stage::start(&["a"]).await;
    stage.secret("s", &kubeconfig("a")).await;
    stage.attach("one", "s").await;
    stage.ready("one").await;
    let policy = json!({
        "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "DistributionPolicy",
        "metadata": {"name": "all", "namespace": "default"},
        "spec": {
            "resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap"}],
            "placement": {"clusterAffinity": {"clusterNames": ["one"]}},
        },
    });
    stage.api.apply(POLICY, &policy).await.unwrap();
    for name in ["a", "b"] {
        stage.put(name, "1").await;
        stage.until_says("a", name, "1").await;
    }
    stage.api.delete(&format!("{CLUSTERS}/one")).await.unwrap();
    stage.api.delete(&format!("{MAPS}/b")).await.unwrap();
    stage.put("a", "2").await;
    let gone = tokio::time::timeout(WITHIN, async {
        while stage.api.get(&format!("{CLUSTERS}/one")).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(gone.await.is_ok(), "it is still attached");
    stage.attach("one", "s").await;
    stage.ready("one").await;
    stage.until_says("a", "a", "2").await;
    stage.until("one", "Held", "True Unclaimed").await;
    let path = format!("{CLUSTERS}/one/reconcile");
    let waits = stage.api.get(&path).await.unwrap();
    let items = waits["status"]["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{items:?}");
    assert_eq!(items[0]["name"], "b");
    stage.until_says("a", "b", "1").await;
    stage.end().await;
}
