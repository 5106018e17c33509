//! Which clusters are looked at again, and when: cordons, taints, what clusters report, fleets.

use super::displacing::well;
use super::*;

/// An AttachedCluster with this spec.
fn cluster(name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "cluster.kurator.dev/v1alpha1", "kind": "AttachedCluster",
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    })
}

/// A policy for `app: web` with this placement.
fn placing(placement: Value) -> Value {
    let mut policy = weighted("p", &[]);
    policy["spec"]["placement"] = placement;
    policy
}

fn on(hub: &Hub, clusters: &[&str]) -> Vec<String> {
    clusters.iter().map(|name| hub.ledger(name)).collect()
}

fn placed(hub: &Hub) -> String {
    condition(&hub.decision().unwrap(), "Placed")
}

#[tokio::test(start_paused = true)]
async fn a_cordon_keeps_away_until_it_is_lifted() {
    let hub = Hub::new(&["a", "b"]).await;
    hub.apply(cluster("b", json!({"unschedulable": true})))
        .await;
    hub.apply(deployment(2, "web:1")).await;
    hub.apply(placing(json!({}))).await;
    hub.settle().await;
    assert_eq!(on(&hub, &["a", "b"]), ["2 web:1", "-"]);
    let refused = &hub.decision().unwrap()["status"]["refused"][0];
    assert_eq!(
        (&refused["reason"], &refused["count"]),
        (&json!("Cordoned"), &json!(1))
    );
    hub.apply(cluster("b", json!({}))).await;
    hub.settle().await;
    assert_eq!(on(&hub, &["a", "b"]), ["2 web:1", "2 web:1"]);
    // Nothing new goes there, and what is there is kept up to date.
    hub.apply(cluster("b", json!({"unschedulable": true})))
        .await;
    hub.apply(deployment(2, "web:2")).await;
    hub.settle().await;
    assert_eq!(on(&hub, &["a", "b"]), ["2 web:2", "2 web:2"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_tolerated_for_some_seconds_leaves_after_them() {
    let hub = Hub::new(&["a", "b"]).await;
    hub.apply(deployment(2, "web:1")).await;
    let tolerates = json!({"clusterTolerations": [
        {"key": "bad", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60},
    ]});
    hub.apply(placing(tolerates)).await;
    hub.settle().await;
    let taints = json!({"taints": [{"key": "bad", "effect": "NoExecute"}]});
    hub.apply(cluster("b", taints)).await;
    tokio::time::sleep(Duration::from_secs(55)).await;
    assert_eq!(on(&hub, &["a", "b"]), ["2 web:1", "2 web:1"]);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(on(&hub, &["a", "b"]), ["2 web:1", "gone"]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_begins_to_count_anew() {
    let mut hub = Hub::new(&["a", "b"]).await;
    hub.apply(deployment(2, "web:1")).await;
    let tolerates = json!({"clusterTolerations": [
        {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60},
    ]});
    hub.apply(placing(tolerates)).await;
    let taints = json!({"taints": [{"key": "bad", "effect": "NoExecute"}]});
    hub.settle().await;
    hub.apply(cluster("b", taints)).await;
    tokio::time::sleep(Duration::from_secs(40)).await;
    hub.handle.take().unwrap().stop().await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    hub.start();
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(hub.ledger("b"), "2 web:1");
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(hub.ledger("b"), "gone");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_becomes_ready_gets_its_share() {
    let hub = Hub::new(&["prod"]).await;
    hub.join("dr").await;
    hub.apply(deployment(20, "web:1")).await;
    hub.apply(weighted("p", &[("prod", 90), ("dr", 10)])).await;
    hub.settle().await;
    assert_eq!(on(&hub, &["prod", "dr"]), ["20 web:1", "-"]);
    hub.connect("dr").await;
    hub.settle().await;
    let two = json!({"replicas": 2, "readyReplicas": 2});
    hub.report("dr", ItemState::Applied, Health::Healthy, two)
        .await;
    hub.settle().await;
    assert_eq!(on(&hub, &["prod", "dr"]), ["18 web:1", "2 web:1"]);
    // Who has a share keeps it, whether it answers or not.
    hub.liveness("dr", false).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(on(&hub, &["prod", "dr"]), ["18 web:1", "2 web:1"]);
}

#[tokio::test(start_paused = true)]
async fn an_object_waits_for_its_api() {
    let hub = Hub::new(&["a"]).await;
    let serves = |groups: &[&str]| Facts {
        version: "v1.36.3".to_owned(),
        nodes: 1,
        ready_nodes: 1,
        api_groups: groups.iter().map(|g| (*g).to_owned()).collect(),
        ..Facts::default()
    };
    hub.facts("a", &serves(&["v1"])).await;
    hub.settle().await;
    hub.apply(deployment(2, "web:1")).await;
    hub.apply(placing(json!({}))).await;
    hub.settle().await;
    assert_eq!(
        (hub.ledger("a").as_str(), placed(&hub).as_str()),
        ("-", "False NothingOpen")
    );
    hub.facts("a", &serves(&["apps/v1", "v1"])).await;
    hub.settle().await;
    assert_eq!(
        (hub.ledger("a").as_str(), placed(&hub).as_str()),
        ("2 web:1", "True Placed")
    );
    // What is served no more takes nothing away.
    hub.facts("a", &serves(&["v1"])).await;
    hub.settle().await;
    assert_eq!(
        (hub.ledger("a").as_str(), placed(&hub).as_str()),
        ("2 web:1", "True Placed")
    );
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_changes_changes_who_has_it() {
    let hub = Hub::new(&["a", "b"]).await;
    let fleet = |members: &[&str]| {
        let members: Vec<Value> = members
            .iter()
            .map(|m| json!({"name": m, "kind": "Cluster"}))
            .collect();
        json!({
            "apiVersion": "fleet.kurator.dev/v1alpha1", "kind": "Fleet",
            "metadata": {"name": "f", "namespace": "default"},
            "spec": {"clusters": members},
        })
    };
    hub.apply(fleet(&["a"])).await;
    hub.apply(deployment(2, "web:1")).await;
    hub.apply(placing(json!({"clusterAffinity": {"fleets": ["f"]}})))
        .await;
    hub.settle().await;
    assert_eq!(on(&hub, &["a", "b"]), ["2 web:1", "-"]);
    hub.apply(fleet(&["a", "b"])).await;
    hub.settle().await;
    assert_eq!(on(&hub, &["a", "b"]), ["2 web:1", "2 web:1"]);
    hub.apply(fleet(&["b"])).await;
    hub.settle().await;
    assert_eq!(on(&hub, &["a", "b"]), ["gone", "2 web:1"]);
}

#[tokio::test(start_paused = true)]
async fn a_policy_of_the_other_group_is_obeyed_and_says_how_it_goes() {
    let hub = Hub::new(&["a", "b"]).await;
    hub.apply(deployment(2, "web:1")).await;
    let mut policy = placing(json!({"clusterAffinity": {"clusterNames": ["a"]}}));
    policy["apiVersion"] = json!("apps.kurator.dev/v1alpha1");
    hub.apply(policy.clone()).await;
    hub.settle().await;
    assert_eq!(on(&hub, &["a", "b"]), ["2 web:1", "-"]);
    let key = "/objects/apps.kurator.dev/distributionpolicies/default/p";
    assert_eq!(condition(&hub.get(key).unwrap(), "Placed"), "True Placed");
    assert_eq!(
        hub.decision().unwrap()["spec"]["policy"]["group"],
        "apps.kurator.dev"
    );
    // One of the usual group comes too late, and says who holds it.
    hub.apply(weighted("q", &[("b", 1)])).await;
    hub.settle().await;
    assert_eq!(on(&hub, &["a", "b"]), ["2 web:1", "-"]);
    assert_eq!(
        condition(&hub.policy("q"), "Placed"),
        "False ClaimedByAnother"
    );
    let conditions = hub.policy("q")["status"]["conditions"].to_string();
    assert!(
        conditions.contains("is held by DistributionPolicy.apps.kurator.dev default/p"),
        "{conditions}"
    );
    hub.delete(&policy).await;
    hub.settle().await;
    assert_eq!(on(&hub, &["a", "b"]), ["2 web:1", "2 web:1"]);
    for cluster in ["a", "b"] {
        well(&hub, cluster, 2).await;
    }
    assert_eq!(on(&hub, &["a", "b"]), ["gone", "2 web:1"]);
}

#[tokio::test(start_paused = true)]
async fn what_every_cluster_has_of_its_own_stays_at_home() {
    let hub = Hub::new(&["a"]).await;
    let mut policy = placing(json!({}));
    policy["spec"]["resourceSelectors"] = json!([{"apiVersion": "v1", "kind": "ConfigMap"}]);
    hub.apply(policy).await;
    for name in ["kube-root-ca.crt", "mine"] {
        hub.apply(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "default"},
        }))
        .await;
    }
    hub.settle().await;
    assert_eq!(hub.policy("p")["status"]["selected"], 1);
    let decision = |name: &str| {
        hub.get(&format!(
            "/objects/roadstead.dev/decisions/default/configmap.{name}"
        ))
    };
    assert!(decision("mine").is_some());
    assert_eq!(decision("kube-root-ca.crt"), None);
}

/// A Deployment of the team `blue`.
fn of_team(name: &str) -> Value {
    let mut object = deployment(1, "web:1");
    object["metadata"] = json!({
        "name": name, "namespace": "default", "labels": {"app": "web", "team": "blue"},
    });
    object
}

/// The clusters that a decision names.
fn where_is(hub: &Hub, name: &str) -> Vec<String> {
    let key = format!("/objects/roadstead.dev/decisions/default/deployment.apps.{name}");
    let decision = hub.get(&key).unwrap_or_default();
    let clusters = decision["spec"]["clusters"].as_array().cloned();
    let clusters = clusters.unwrap_or_default().into_iter();
    clusters
        .map(|c| c["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn workloads_that_are_to_be_apart_never_meet_though_decided_at_once() {
    let hub = Hub::new(&["a", "b"]).await;
    let one_each = json!({
        "workloadAffinity": {"antiAffinity": {"groupByLabelKey": "team"}},
        "spreadConstraints": [{"spreadByField": "cluster", "maxGroups": 1}],
    });
    hub.apply(placing(one_each)).await;
    for name in ["web", "db", "cache"] {
        hub.apply(of_team(name)).await;
    }
    hub.settle().await;
    let all = ["web", "db", "cache"].map(|name| where_is(&hub, name));
    let mut taken: Vec<String> = all.concat();
    taken.sort();
    assert_eq!(taken, ["a", "b"], "{all:?}");
    // The one for which there was no place comes when another goes.
    let names = ["web", "db", "cache"];
    let waiting = names[all.iter().position(Vec::is_empty).unwrap()];
    let gone = names[all.iter().position(|at| at == &["a"]).unwrap()];
    hub.delete(&of_team(gone)).await;
    hub.settle().await;
    assert_eq!(where_is(&hub, waiting), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn workloads_that_are_to_be_together_follow_the_first() {
    let hub = Hub::new(&["a", "b"]).await;
    hub.apply(cluster("a", json!({"unschedulable": true})))
        .await;
    let together = json!({"workloadAffinity": {"affinity": {"groupByLabelKey": "team"}}});
    hub.apply(placing(together)).await;
    hub.apply(of_team("web")).await;
    hub.settle().await;
    hub.apply(cluster(
        "a",
        json!({"taints": [{"key": "x", "effect": "NoSchedule"}]}),
    ))
    .await;
    hub.settle().await;
    hub.apply(of_team("db")).await;
    hub.settle().await;
    assert_eq!(
        (where_is(&hub, "web"), where_is(&hub, "db")),
        (vec!["b".to_owned()], vec!["b".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn a_removal_because_of_a_peer_is_counted_among_the_others() {
    let mut hub = Hub::new(&["a", "b"]).await;
    hub.handle.take().unwrap().stop().await;
    hub.options.limits = roadstead_plan::Limits {
        removal_percent: 0,
        removal_min: 0,
    };
    hub.start();
    let of = |name: &str, object: &str, placement: Value| {
        let mut policy = placing(placement);
        policy["metadata"]["name"] = name.into();
        policy["spec"]["resourceSelectors"] =
            json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": object}]);
        policy
    };
    let apart = json!({
        "workloadAffinity": {"antiAffinity": {"groupByLabelKey": "team"}},
        "clusterAffinities": [
            {"affinityName": "one", "clusterNames": ["a"]},
            {"affinityName": "two", "clusterNames": ["b"]},
        ],
    });
    hub.apply(of("p", "web", apart)).await;
    hub.apply(of_team("web")).await;
    hub.settle().await;
    let beside = json!({"workloadAffinity": {"affinity": {"groupByLabelKey": "team"}}});
    hub.apply(of("q", "db", beside)).await;
    hub.apply(of_team("db")).await;
    hub.settle().await;
    assert_eq!(
        (where_is(&hub, "web"), where_is(&hub, "db")),
        (vec!["a".to_owned()], vec!["a".to_owned()])
    );
    let mut again = of_team("web");
    again["metadata"]["annotations"] = json!({"roadstead.dev/rebalance": "1"});
    hub.apply(again).await;
    hub.settle().await;
    assert_eq!(on(&hub, &["a", "b"]), ["1 web:1", "1 web:1"]);
    assert!(
        placed(&hub).contains("LargeRemovalNeedsConfirmation"),
        "{}",
        placed(&hub)
    );
}

#[test]
fn the_usual_group_is_the_one_that_kubectl_finds_first() {
    let registry = Registry::hub(CRDS).unwrap();
    let groups: Vec<&str> = registry
        .groups()
        .into_iter()
        .map(|(group, _)| group)
        .collect();
    let place = |group: &str| groups.iter().position(|g| *g == group).unwrap();
    assert!(place("policy.kurator.dev") < place("apps.kurator.dev"));
}

#[tokio::test(start_paused = true)]
async fn an_override_follows_what_clusters_report() {
    let hub = Hub::new(&["a"]).await;
    hub.apply(json!({
        "apiVersion": "policy.kurator.dev/v1alpha1",
        "kind": "OverridePolicy",
        "metadata": {"name": "o", "namespace": "default"},
        "spec": {
            "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment"}],
            "overrideRules": [{
                "targetClusters": {"fieldSelector": {"matchExpressions": [
                    {"key": "version", "operator": "In", "values": ["1.31"]},
                ]}},
                "overriders": {"imageOverrider": [
                    {"component": "Tag", "operator": "replace", "value": "2"},
                ]},
            }],
        },
    }))
    .await;
    hub.apply(deployment(2, "web:1")).await;
    hub.apply(placing(json!({}))).await;
    hub.settle().await;
    assert_eq!(on(&hub, &["a"]), ["2 web:1"]);
    for (version, image) in [("v1.31.9", "2 web:2"), ("v1.32.0", "2 web:1")] {
        let facts = Facts {
            version: version.to_owned(),
            ..Facts::default()
        };
        hub.facts("a", &facts).await;
        hub.settle().await;
        assert_eq!(on(&hub, &["a"]), [image]);
    }
}
