//! What goes along, what is waited for, what stays.

use roadstead_protocol::wire::Meta;
use roadstead_store::records::{AWAITS_PREFIX, REQUIRES_PREFIX};

use super::*;

fn key(group: &str, kind: &str, name: &str) -> ItemKey {
    ItemKey {
        group: group.to_owned(),
        kind: kind.to_owned(),
        namespace: "default".to_owned(),
        name: name.to_owned(),
    }
}

pub(super) fn files() -> ItemKey {
    key("", "ConfigMap", "files")
}

pub(super) fn config_map() -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "files", "namespace": "default"},
        "data": {"a": "b"},
    })
}

/// `web` with a volume from the ConfigMap `name`.
pub(super) fn with_volume(name: &str) -> Value {
    let mut web = deployment(1, "web:1");
    web["spec"]["template"]["spec"]["volumes"] =
        json!([{"name": "f", "configMap": {"name": name}}]);
    web
}

fn job() -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "migrate", "namespace": "default"},
        "spec": {"template": {"spec": {"containers": [{"name": "m", "image": "m:1"}]}}},
    })
}

/// A policy for all objects of a kind on these clusters, with more of its spec.
pub(super) fn policy(
    name: &str,
    (version, kind): (&str, &str),
    clusters: &[&str],
    more: Value,
) -> Value {
    let mut spec = json!({
        "resourceSelectors": [{"apiVersion": version, "kind": kind}],
        "placement": {"clusterAffinity": {"clusterNames": clusters}},
    });
    let fields = spec.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    json!({
        "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "DistributionPolicy",
        "metadata": {"name": name, "namespace": "default"}, "spec": spec,
    })
}

pub(super) const WEB: (&str, &str) = ("apps/v1", "Deployment");

pub(super) fn record(hub: &Hub, cluster: &str, item: &ItemKey) -> Option<LedgerEntry> {
    let snapshot = hub.store.snapshot();
    let key = ledger_key(&format!("attachedcluster-{cluster}"), item).unwrap();
    snapshot.get(key.as_str()).map(|e| decode(e).unwrap())
}

/// What the clusters' ledgers say about an item.
pub(super) fn on(hub: &Hub, item: &ItemKey, clusters: &[&str]) -> String {
    let of = |cluster: &&str| match record(hub, cluster, item).map(|r| r.state) {
        None => "-",
        Some(LedgerState::Put { .. }) => "put",
        Some(LedgerState::Tombstone) => "gone",
    };
    clusters.iter().map(of).collect::<Vec<_>>().join(" ")
}

async fn acknowledge(hub: &Hub, item: &ItemKey, clusters: &[&str]) {
    for cluster in clusters {
        let key = ledger_key(&format!("attachedcluster-{cluster}"), item).unwrap();
        hub.store.commit(Txn::new().delete(key)).await.unwrap();
    }
}

pub(super) async fn report(hub: &Hub, cluster: &str, item: &ItemKey, health: Health) {
    let uid = format!("attachedcluster-{cluster}");
    let revision = {
        let snapshot = hub.store.snapshot();
        snapshot
            .get(ledger_key(&uid, item).unwrap().as_str())
            .unwrap()
            .revision
    };
    let report = ItemReport {
        key: item.clone(),
        stamp: hub.store.lineage().stamp(revision).unwrap(),
        state: ItemState::Applied,
        reason: "Reason".to_owned(),
        message: String::new(),
        generation: 1,
        health,
        status: "{}".into(),
    };
    let report = ReportRecord::new(report, hub.env.clock.now());
    let key = report_key(&uid, item).unwrap();
    let txn = Txn::new().put(key, encode(&report).unwrap());
    hub.volatile.commit(txn).await.unwrap();
}

fn links(hub: &Hub) -> usize {
    let snapshot = hub.store.snapshot();
    let all = [REQUIRES_PREFIX, AWAITS_PREFIX];
    all.iter()
        .map(|prefix| snapshot.range(prefix).count())
        .sum()
}

pub(super) fn decision(hub: &Hub, name: &str) -> Value {
    let key = format!("/objects/roadstead.dev/decisions/default/{name}");
    hub.get(&key).unwrap_or_default()
}

/// A hub with one cluster, to which a policy with `more` sends an app that needs a ConfigMap.
pub(super) async fn accompanied(more: Value) -> Hub {
    let hub = Hub::new(&["a"]).await;
    hub.apply(policy("p", WEB, &["a"], more)).await;
    hub.apply(config_map()).await;
    hub.apply(with_volume("files")).await;
    hub.settle().await;
    hub
}

#[tokio::test(start_paused = true)]
async fn a_config_map_goes_along_moves_and_leaves_with_the_last_that_needs_it() {
    let hub = Hub::new(&["a", "b", "c"]).await;
    let follow = |clusters: &[&str]| policy("p", WEB, clusters, json!({"propagateDeps": true}));
    hub.apply(follow(&["a", "b"])).await;
    hub.apply(with_volume("files")).await;
    hub.settle().await;
    assert_eq!(on(&hub, &files(), &["a", "b", "c"]), "- - -");
    // It may come later than what needs it.
    hub.apply(config_map()).await;
    hub.settle().await;
    assert_eq!(on(&hub, &files(), &["a", "b", "c"]), "put put -");
    let said = decision(&hub, "configmap.files");
    assert_eq!(said["spec"]["requiredBy"][0]["name"], "web");
    assert_eq!(condition(&said, "Placed"), "True Placed");
    hub.apply(follow(&["b", "c"])).await;
    hub.settle().await;
    assert_eq!(on(&hub, &web(), &["a", "b", "c"]), "put put put");
    assert_eq!(on(&hub, &files(), &["a", "b", "c"]), "put put put");
    hub.report("c", ItemState::Applied, Health::Healthy, json!({}))
        .await;
    hub.settle().await;
    assert_eq!(on(&hub, &web(), &["a", "b", "c"]), "gone put put");
    assert_eq!(on(&hub, &files(), &["a", "b", "c"]), "gone put put");
    acknowledge(&hub, &web(), &["a"]).await;
    acknowledge(&hub, &files(), &["a"]).await;
    // Another that needs it too.
    let mut other = with_volume("files");
    other["metadata"]["name"] = "other".into();
    hub.apply(other).await;
    hub.settle().await;
    hub.delete(&with_volume("files")).await;
    hub.settle().await;
    assert_eq!(on(&hub, &web(), &["b", "c"]), "gone gone");
    assert_eq!(on(&hub, &files(), &["b", "c"]), "put put");
    acknowledge(&hub, &web(), &["b", "c"]).await;
    let mut other = with_volume("elsewhere");
    other["metadata"]["name"] = "other".into();
    hub.apply(other).await;
    hub.settle().await;
    assert_eq!(on(&hub, &files(), &["b", "c"]), "gone gone");
    acknowledge(&hub, &files(), &["b", "c"]).await;
    hub.settle().await;
    assert_eq!(decision(&hub, "configmap.files"), Value::Null);
    assert_eq!(links(&hub), 1, "only the one to `elsewhere`");
}

#[tokio::test(start_paused = true)]
async fn what_goes_along_writes_nothing_when_nothing_changes() {
    let hub = Hub::new(&["a", "b"]).await;
    hub.apply(policy("p", WEB, &["a", "b"], json!({"propagateDeps": true, "dependsOn": [{"apiVersion": "batch/v1", "kind": "Job", "name": "migrate"}]}))).await;
    hub.apply(policy("j", ("batch/v1", "Job"), &["a"], json!({})))
        .await;
    hub.apply(config_map()).await;
    hub.apply(job()).await;
    hub.apply(with_volume("files")).await;
    hub.settle().await;
    hub.settle().await;
    let revision = hub.store.revision();
    tokio::time::sleep(Duration::from_secs(3000)).await;
    assert_eq!(hub.store.revision(), revision);
}

#[tokio::test(start_paused = true)]
async fn nothing_of_another_namespace_and_nothing_unasked_goes_along() {
    let hub = Hub::new(&["a"]).await;
    let mut foreign = config_map();
    foreign["metadata"]["namespace"] = "other".into();
    hub.apply(foreign).await;
    hub.apply(policy("p", WEB, &["a"], json!({"propagateDeps": true})))
        .await;
    hub.apply(with_volume("files")).await;
    hub.settle().await;
    let mut item = files();
    item.namespace = "other".to_owned();
    assert_eq!(on(&hub, &item, &["a"]), "-");
    assert_eq!(on(&hub, &files(), &["a"]), "-");
    hub.apply(policy("p", WEB, &["a"], json!({}))).await;
    hub.settle().await;
    hub.apply(config_map()).await;
    hub.settle().await;
    assert_eq!(on(&hub, &files(), &["a"]), "-");
}

#[tokio::test(start_paused = true)]
async fn switching_it_off_asks_before_it_takes_away() {
    let hub = accompanied(json!({"propagateDeps": true})).await;
    assert_eq!(on(&hub, &files(), &["a"]), "put");
    hub.apply(policy("p", WEB, &["a"], json!({"propagateDeps": false})))
        .await;
    hub.settle().await;
    assert_eq!(on(&hub, &files(), &["a"]), "put");
    let said = condition(&decision(&hub, "configmap.files"), "Placed");
    assert_eq!(said, "False RemovalNeedsConfirmation");
}

fn after_job() -> Value {
    json!({"dependsOn": [{"apiVersion": "batch/v1", "kind": "Job", "name": "migrate"}]})
}

#[tokio::test(start_paused = true)]
async fn an_app_waits_for_its_migration_cluster_by_cluster() {
    let hub = Hub::new(&["a", "b"]).await;
    let migrate = key("batch", "Job", "migrate");
    hub.apply(policy("j", ("batch/v1", "Job"), &["a", "b"], json!({})))
        .await;
    hub.apply(policy("p", WEB, &["a", "b"], after_job())).await;
    hub.apply(job()).await;
    hub.apply(deployment(1, "web:1")).await;
    hub.settle().await;
    assert_eq!(on(&hub, &migrate, &["a", "b"]), "put put");
    assert_eq!(on(&hub, &web(), &["a", "b"]), "- -");
    let said = hub.decision().unwrap();
    assert_eq!(condition(&said, "Placed"), "False Awaiting");
    report(&hub, "b", &migrate, Health::Healthy).await;
    report(&hub, "a", &migrate, Health::Progressing).await;
    hub.settle().await;
    assert_eq!(on(&hub, &web(), &["a", "b"]), "- put");
    report(&hub, "a", &migrate, Health::Healthy).await;
    hub.settle().await;
    assert_eq!(on(&hub, &web(), &["a", "b"]), "put put");
    assert_eq!(condition(&hub.decision().unwrap(), "Placed"), "True Placed");
    // A new migration comes first, and what runs goes on meanwhile.
    let mut second = job();
    second["spec"]["template"]["spec"]["containers"][0]["image"] = "m:2".into();
    hub.apply(second).await;
    hub.settle().await;
    hub.apply(deployment(1, "web:2")).await;
    hub.settle().await;
    assert_eq!(
        (hub.ledger("a"), hub.ledger("b")),
        ("1 web:1".into(), "1 web:1".into())
    );
    report(&hub, "a", &migrate, Health::Healthy).await;
    hub.settle().await;
    assert_eq!(
        (hub.ledger("a"), hub.ledger("b")),
        ("1 web:2".into(), "1 web:1".into())
    );
}

#[tokio::test(start_paused = true)]
async fn a_circle_of_waiting_gives_nothing_and_says_so() {
    let hub = Hub::new(&["a"]).await;
    let on_web =
        json!({"dependsOn": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}]});
    hub.apply(policy("j", ("batch/v1", "Job"), &["a"], on_web))
        .await;
    hub.apply(policy("p", WEB, &["a"], after_job())).await;
    hub.apply(job()).await;
    hub.apply(deployment(1, "web:1")).await;
    hub.settle().await;
    assert_eq!(on(&hub, &web(), &["a"]), "-");
    let said = hub.decision().unwrap()["status"].to_string();
    assert!(
        said.contains("goes in a circle: Job.batch default/migrate → Deployment.apps default/web"),
        "{said}"
    );
    // Broken, it goes on.
    hub.apply(policy("j", ("batch/v1", "Job"), &["a"], json!({})))
        .await;
    hub.settle().await;
    report(&hub, "a", &key("batch", "Job", "migrate"), Health::Healthy).await;
    hub.settle().await;
    assert_eq!(on(&hub, &web(), &["a"]), "put");
}

#[tokio::test(start_paused = true)]
async fn what_is_suspended_waits_and_goes_on_when_it_is_lifted() {
    let hub = Hub::new(&["a", "b"]).await;
    let with = |suspension: Value| policy("p", WEB, &["a", "b"], json!({"suspension": suspension}));
    hub.apply(with(json!({}))).await;
    hub.apply(deployment(1, "web:1")).await;
    hub.settle().await;
    hub.apply(with(
        json!({"dispatchingOnClusters": {"clusterNames": ["a"]}}),
    ))
    .await;
    hub.apply(deployment(1, "web:2")).await;
    hub.settle().await;
    assert_eq!(
        (hub.ledger("a"), hub.ledger("b")),
        ("1 web:1".into(), "1 web:2".into())
    );
    hub.apply(with(json!({"dispatching": true}))).await;
    hub.delete(&deployment(1, "web:2")).await;
    hub.settle().await;
    assert_eq!(on(&hub, &web(), &["a", "b"]), "put put");
    hub.apply(with(json!({"dispatching": false}))).await;
    hub.settle().await;
    assert_eq!(on(&hub, &web(), &["a", "b"]), "gone gone");
}

#[tokio::test(start_paused = true)]
async fn what_a_policy_preserves_is_let_go_with_all_that_went_along() {
    let more = json!({"propagateDeps": true, "preserveResourcesOnDeletion": true});
    let hub = accompanied(more).await;
    hub.delete(&with_volume("files")).await;
    hub.settle().await;
    for item in [web(), files()] {
        let record = record(&hub, "a", &item).unwrap();
        assert_eq!(
            (record.state, record.meta),
            (LedgerState::Tombstone, vec![Meta::Release])
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_policy_leaves_to_others_is_told_to_the_agents() {
    let hub = Hub::new(&["a"]).await;
    let with = |drift: Value| policy("p", WEB, &["a"], json!({"drift": drift}));
    hub.apply(with(json!({"ignoreFields": ["/spec/replicas"]})))
        .await;
    hub.apply(deployment(1, "web:1")).await;
    hub.settle().await;
    let left = |pointer: &str| vec![Meta::IgnoreFields(vec![pointer.to_owned()])];
    assert_eq!(
        record(&hub, "a", &web()).unwrap().meta,
        left("/spec/replicas")
    );
    hub.apply(with(json!({"correction": "Report"}))).await;
    hub.settle().await;
    assert_eq!(record(&hub, "a", &web()).unwrap().meta, left(""));
    hub.apply(with(json!({}))).await;
    hub.settle().await;
    assert_eq!(record(&hub, "a", &web()).unwrap().meta, vec![]);
}

#[tokio::test(start_paused = true)]
async fn deleting_the_policy_takes_along_what_went_along() {
    let hub = Hub::new(&["a"]).await;
    let follow = policy("p", WEB, &["a"], json!({"propagateDeps": true}));
    hub.apply(follow.clone()).await;
    hub.apply(config_map()).await;
    hub.apply(with_volume("files")).await;
    hub.settle().await;
    hub.delete(&follow).await;
    hub.settle().await;
    assert_eq!(on(&hub, &web(), &["a"]), "gone");
    assert_eq!(on(&hub, &files(), &["a"]), "gone");
    acknowledge(&hub, &web(), &["a"]).await;
    hub.settle().await;
    acknowledge(&hub, &files(), &["a"]).await;
    hub.settle().await;
    assert_eq!(decision(&hub, "configmap.files"), Value::Null);
    assert_eq!(links(&hub), 0);
}

#[tokio::test(start_paused = true)]
async fn what_lost_its_decision_takes_nothing_along() {
    let hub = accompanied(json!({"propagateDeps": true})).await;
    // The template and its decision are lost, and nobody deleted it.
    let object = Hub::key(&with_volume("files"));
    let stands =
        Key::parse("/objects/roadstead.dev/decisions/default/deployment.apps.web").unwrap();
    let txn = Txn::new().delete(object).delete(stands);
    hub.store.commit(txn).await.unwrap();
    hub.settle().await;
    assert_eq!(on(&hub, &web(), &["a"]), "put");
    assert_eq!(on(&hub, &files(), &["a"]), "put");
}
