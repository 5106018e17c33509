//! What a cluster has, what goes with what, and that it rests.

use serde_json::{Value, json};

use super::*;

#[test]
fn a_cluster_begins_with_namespaces_and_nodes_and_rests() {
    run(async {
        let member = start().await;
        let resting = settle(&member).await;
        tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
        assert_eq!(
            member.store.revision(),
            resting,
            "nothing is written when nothing changes"
        );
        for namespace in ["default", "kube-system", "kube-public", "kube-node-lease"] {
            let base = format!("/api/v1/namespaces/{namespace}");
            assert_eq!(status_of(&member, &base).await, 200);
            assert_eq!(
                status_of(&member, &format!("{base}/serviceaccounts/default")).await,
                200
            );
            assert_eq!(
                status_of(&member, &format!("{base}/configmaps/kube-root-ca.crt")).await,
                200
            );
        }
        assert!(
            get(&member, "/api/v1/namespaces/kube-system").await["metadata"]["uid"].is_string()
        );
        let nodes = items(&member, "/api/v1/nodes").await;
        assert_eq!(nodes.len(), 3);
        assert!(
            nodes
                .iter()
                .all(|node| condition(node, "Ready").0 == "True")
        );
    });
}

#[test]
fn the_identity_can_be_given() {
    run(async {
        let env = Env {
            clock: Arc::new(Clock(tokio::time::Instant::now())),
            entropy: Arc::new(Seeded(AtomicU64::new(7))),
            blocking: Arc::new(Never),
        };
        let options = Options {
            kube_system_uid: Some("harbour".to_owned()),
            ..Options::default()
        };
        let member = Member::start(env, options).await.unwrap();
        let found = get(&member, "/api/v1/namespaces/kube-system").await;
        assert_eq!(found["metadata"]["uid"], "harbour");
    });
}

#[test]
fn what_an_owner_owned_goes_with_it() {
    for (policy, sets, pods) in [("Background", 0, 0), ("Foreground", 0, 0), ("Orphan", 1, 2)] {
        run(async {
            let member = start().await;
            deploy(&member, "web", 2).await;
            let options =
                json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy});
            ok(&member, "DELETE", &format!("{DEPLOYMENTS}/web"), options).await;
            settle(&member).await;
            assert_eq!(
                status_of(&member, &format!("{DEPLOYMENTS}/web")).await,
                404,
                "{policy}"
            );
            let left = items(&member, REPLICA_SETS).await;
            assert_eq!(
                (left.len(), items(&member, PODS).await.len()),
                (sets, pods),
                "{policy}"
            );
            assert!(
                left.iter()
                    .all(|set| set["metadata"]["ownerReferences"].is_null())
            );
        });
    }
}

#[test]
fn a_pod_that_is_deleted_comes_back() {
    run(async {
        let member = start().await;
        deploy(&member, "web", 2).await;
        let pods = items(&member, PODS).await;
        let name = text(&pods[0], "/metadata/name");
        ok(&member, "DELETE", &format!("{PODS}/{name}"), Value::Null).await;
        settle(&member).await;
        let pods = items(&member, PODS).await;
        assert!(pods.len() == 2 && pods.iter().all(|pod| text(pod, "/metadata/name") != name));
    });
}

#[test]
fn a_namespace_goes_with_what_is_in_it() {
    run(async {
        let member = start().await;
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
        ok(&member, "POST", "/api/v1/namespaces", namespace).await;
        settle(&member).await;
        let base = "/apis/apps/v1/namespaces/shop/deployments";
        ok(
            &member,
            "POST",
            base,
            workload("Deployment", "web", json!({"replicas": 2})),
        )
        .await;
        settle(&member).await;
        assert_eq!(
            items(&member, "/api/v1/namespaces/shop/pods").await.len(),
            2
        );
        ok(&member, "DELETE", "/api/v1/namespaces/shop", Value::Null).await;
        settle(&member).await;
        assert_eq!(status_of(&member, "/api/v1/namespaces/shop").await, 404);
        let left = member.store.snapshot();
        let left: Vec<_> = left
            .range("/objects/")
            .filter(|e| e.key.as_str().contains("/shop/"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    });
}

#[test]
fn services_get_addresses_of_their_own() {
    run(async {
        let member = start().await;
        let base = "/api/v1/namespaces/default/services";
        for (name, kind) in [
            ("a", "ClusterIP"),
            ("b", "LoadBalancer"),
            ("c", "ExternalName"),
        ] {
            let spec =
                json!({"type": kind, "externalName": "example.com", "ports": [{"port": 80}]});
            let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec});
            ok(&member, "POST", base, service).await;
        }
        settle(&member).await;
        let ip = async |name: &str| {
            get(&member, &format!("{base}/{name}")).await["spec"]["clusterIP"].clone()
        };
        let (a, b) = (ip("a").await, ip("b").await);
        assert!(a.is_string() && b.is_string() && a != b);
        assert!(ip("c").await.is_null());
        let b = get(&member, &format!("{base}/b")).await;
        assert!(b["status"]["loadBalancer"]["ingress"][0]["ip"].is_string());
    });
}

#[test]
fn the_same_seed_gives_the_same_cluster() {
    let trace = || {
        run(async {
            let member = start().await;
            let begin = member.store.revision();
            deploy(&member, "web", 3).await;
            let patch = json!({"spec": {"template": template("web", "app:2")}});
            ok(&member, "PATCH", &format!("{DEPLOYMENTS}/web"), patch).await;
            settle(&member).await;
            let mut watch = member.store.watch("", begin).unwrap();
            std::iter::from_fn(|| watch.try_next().map(Result::unwrap)).collect::<Vec<_>>()
        })
    };
    assert_eq!(trace(), trace());
}
