//! Conditions of clusters and fleets: Ready as observed, Unknown after the grace period.

use roadstead_protocol::api::facts::Problem;

use super::*;

fn cluster(hub: &Hub, name: &str) -> Value {
    hub.get(&format!(
        "/objects/cluster.kurator.dev/attachedclusters/default/{name}"
    ))
    .unwrap()
}

fn ready(hub: &Hub, name: &str) -> String {
    condition(&cluster(hub, name), "Ready")
}

#[tokio::test(start_paused = true)]
async fn ready_follows_the_agent_and_becomes_unknown_after_the_grace_period() {
    let hub = Hub::new(&["a"]).await;
    assert_eq!(ready(&hub, "a"), "True AgentConnected");
    assert_eq!(cluster(&hub, "a")["status"]["version"], "v1.36.3");
    hub.liveness("a", false).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(ready(&hub, "a"), "True AgentConnected");
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(ready(&hub, "a"), "Unknown AgentSilent");
    assert!(cluster(&hub, "a")["status"]["lastHeardTime"].is_string());
    hub.connect("a").await;
    hub.settle().await;
    assert_eq!(ready(&hub, "a"), "True AgentConnected");
    assert!(cluster(&hub, "a")["status"]["lastHeardTime"].is_null());
}

#[tokio::test(start_paused = true)]
async fn the_silence_before_the_end_of_a_session_counts() {
    let hub = Hub::new(&["a"]).await;
    let key = liveness_key("attachedcluster-a").unwrap();
    let snapshot = hub.volatile.snapshot();
    let mut record: Liveness = decode(snapshot.get(key.as_str()).unwrap()).unwrap();
    record.connected = false;
    record.since = hub.env.clock.now();
    record.last_heard = record.since - jiff::SignedDuration::from_secs(33);
    let txn = Txn::new().put(key, encode(&record).unwrap());
    hub.volatile.commit(txn).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(ready(&hub, "a"), "True AgentConnected");
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(ready(&hub, "a"), "Unknown AgentSilent");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_cannot_reach_its_cluster_says_so() {
    let hub = Hub::new(&["a"]).await;
    let problem = Problem {
        reason: "ApiUnreachable".to_owned(),
        message: "refused".to_owned(),
    };
    hub.facts(
        "a",
        &Facts {
            problem: Some(problem),
            ..Facts::default()
        },
    )
    .await;
    hub.settle().await;
    assert_eq!(ready(&hub, "a"), "False ApiUnreachable");
    assert_eq!(cluster(&hub, "a")["status"]["version"], "v1.36.3");
}

#[tokio::test(start_paused = true)]
async fn who_never_joined_is_unknown() {
    let hub = Hub::new(&[]).await;
    hub.join("a").await;
    hub.settle().await;
    assert_eq!(ready(&hub, "a"), "Unknown NotJoined");
}

#[tokio::test(start_paused = true)]
async fn a_new_hub_gives_agents_the_grace_period_to_call() {
    let mut hub = Hub::new(&["a"]).await;
    hub.handle.take().unwrap().stop().await;
    let open = Store::open(
        hub.env.clone(),
        Backend::Memory,
        roadstead_store::Options::default(),
    );
    hub.volatile = open.await.unwrap();
    hub.start();
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(ready(&hub, "a"), "True AgentConnected");
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(ready(&hub, "a"), "Unknown AgentSilent");
}

#[tokio::test(start_paused = true)]
async fn a_fleet_is_ready_when_its_members_are() {
    let hub = Hub::new(&["a", "b"]).await;
    let fleet = |names: &[(&str, &str)]| {
        let clusters: Vec<Value> = names
            .iter()
            .map(|(name, kind)| json!({"name": name, "kind": kind}))
            .collect();
        json!({
            "apiVersion": "fleet.kurator.dev/v1alpha1", "kind": "Fleet",
            "metadata": {"name": "f", "namespace": "default"}, "spec": {"clusters": clusters},
        })
    };
    let get = || {
        hub.get("/objects/fleet.kurator.dev/fleets/default/f")
            .unwrap()
    };
    hub.apply(fleet(&[("a", "AttachedCluster"), ("b", "Cluster")]))
        .await;
    hub.settle().await;
    assert_eq!(condition(&get(), "Ready"), "True MembersReady");
    assert_eq!(
        get()["status"]["members"][1]["message"],
        "found as AttachedCluster"
    );
    hub.liveness("b", false).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(condition(&get(), "Ready"), "Unknown MembersSilent");
    hub.apply(fleet(&[
        ("a", "AttachedCluster"),
        ("none", "AttachedCluster"),
    ]))
    .await;
    hub.settle().await;
    assert_eq!(condition(&get(), "Ready"), "False MembersNotReady");
    assert_eq!(get()["status"]["unReadyClusters"], 1);
}
