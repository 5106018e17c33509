//! What makes no sense is said, and removes nothing.

use super::*;

const BATCH: &str = "batch/v1";

/// What is written over what runs, where that is said, and in which words.
struct Nonsense {
    what: &'static str,
    /// Written over the spec of policy `p`.
    spec: Value,
    /// The condition of the policy that says it.
    kind: &'static str,
    is: &'static str,
    says: &'static str,
}

fn placement(what: &'static str, placement: Value) -> Nonsense {
    Nonsense {
        what,
        spec: json!({"placement": placement}),
        kind: "Valid",
        is: "False Unreadable",
        says: "spec.placement",
    }
}

/// With which condition it is said that nothing can be placed so.
fn placed(said: Nonsense, is: &'static str, says: &'static str) -> Nonsense {
    Nonsense {
        kind: "Placed",
        is,
        says,
        ..said
    }
}

fn contradictions() -> Vec<Nonsense> {
    let both = json!({"clusterNames": ["a", "b"], "exclude": ["a", "b"]});
    let regions = json!({"matchExpressions": [
        {"key": "region", "operator": "In", "values": ["eu"]},
        {"key": "region", "operator": "NotIn", "values": ["eu"]},
    ]});
    vec![
        placed(
            placement(
                "clusters that are chosen and left out",
                json!({"clusterAffinity": both}),
            ),
            "False NoCluster",
            "confirm-removal",
        ),
        placed(
            placement(
                "a region that is that one and is not",
                json!({"clusterAffinity": {"fieldSelector": regions}}),
            ),
            "False NoCluster",
            "confirm-removal",
        ),
        placed(
            placement(
                "more regions than there are",
                json!({"spreadConstraints": [{"spreadByField": "region", "minGroups": 3}]}),
            ),
            "False SpreadUnmet",
            "at least 3 groups by region",
        ),
        placement(
            "at least two and at most one",
            json!({"spreadConstraints": [{"spreadByField": "cluster", "minGroups": 2, "maxGroups": 1}]}),
        ),
        placement(
            "a field and a label to spread by",
            json!({"spreadConstraints": [{"spreadByField": "zone", "spreadByLabel": "rack"}]}),
        ),
        placement(
            "weights and as few as possible",
            json!({"replicaScheduling": {
                "replicaDivisionPreference": "Aggregated",
                "weightPreference": {"dynamicWeight": "AvailableReplicas"},
            }}),
        ),
        placement(
            "one choice of clusters and several",
            json!({
                "clusterAffinity": {"clusterNames": ["a"]},
                "clusterAffinities": [{"affinityName": "first", "clusterNames": ["b"]}],
            }),
        ),
    ]
}

fn numbers() -> Vec<Nonsense> {
    let weights = |one: Value, two: Value| {
        json!({
            "clusterAffinity": {"clusterNames": ["a", "b"]},
            "replicaScheduling": {"weightPreference": {"staticWeightList": [
                {"targetCluster": {"clusterNames": ["a"]}, "weight": one},
                {"targetCluster": {"clusterNames": ["b"]}, "weight": two},
            ]}},
        })
    };
    let gpus = |least: Value| {
        json!({
            "clusterAffinity": {"clusterNames": ["a", "b"]},
            "resourceConstraints": [{"name": "nvidia.com/gpu", "minQuantity": least}],
        })
    };
    let readable = |said: Nonsense, says| Nonsense { says, ..said };
    vec![
        readable(
            placement("a weight below nothing", weights(json!(-1), json!(1))),
            "-1",
        ),
        readable(
            placement(
                "a weight beyond all bounds",
                weights(json!(1_u64 << 40), json!(1)),
            ),
            "1099511627776",
        ),
        placed(
            placement("weights of nothing", weights(json!(0), json!(0))),
            "False ZeroWeights",
            "no chosen cluster has a weight",
        ),
        placement("less than no hardware", gpus(json!(-4))),
        readable(
            placement("more hardware than can be counted", gpus(json!("9E"))),
            "below 18P",
        ),
        placed(
            placement("more hardware than there is anywhere", gpus(json!("9P"))),
            "True Placed",
            "decided for 2 clusters",
        ),
    ]
}

fn waits() -> Vec<Nonsense> {
    let on = |name: &str| json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": name});
    let elsewhere = json!([
        {"apiVersion": BATCH, "kind": "Job", "name": "j", "namespace": "kube-system"},
    ]);
    let many: Vec<Value> = (0..33).map(|i| on(&format!("w{i}"))).collect();
    let said = |what, depends_on: Value, says| Nonsense {
        spec: json!({"dependsOn": depends_on}),
        says,
        ..placement(what, json!({}))
    };
    vec![
        said(
            "waiting for another namespace",
            elsewhere,
            "spec.dependsOn[0].namespace",
        ),
        said(
            "waiting for too many",
            many.into(),
            "spec.dependsOn: Too many: 33",
        ),
    ]
}

/// Words of a condition.
pub(super) fn words(object: &Value, kind: &str) -> String {
    let all = object["status"]["conditions"].as_array();
    let found = all.into_iter().flatten().find(|c| c["type"] == kind);
    found.map_or_else(String::new, |c| {
        c["message"].as_str().unwrap_or_default().to_owned()
    })
}

async fn running() -> Hub {
    let hub = Hub::new(&["a", "b"]).await;
    hub.apply(weighted("p", &[("a", 1), ("b", 1)])).await;
    hub.apply(deployment(10, "web:1")).await;
    hub.settle().await;
    hub
}

pub(super) fn ledgers(hub: &Hub) -> [String; 2] {
    ["a", "b"].map(|cluster| hub.ledger(cluster))
}

/// What is not as it should be when this is written over what runs, and then put right.
async fn wrong(case: &Nonsense) -> Vec<String> {
    let hub = running().await;
    let fine = weighted("p", &[("a", 1), ("b", 1)]);
    let before = ledgers(&hub);
    let mut policy = fine.clone();
    let spec = policy["spec"].as_object_mut().unwrap();
    spec.extend(case.spec.as_object().unwrap().clone());
    hub.apply(policy).await;
    hub.settle().await;
    let policy = hub.policy("p");
    let (is, text) = (condition(&policy, case.kind), words(&policy, case.kind));
    let mut wrong = Vec::new();
    if is != case.is || !text.contains(case.says) {
        wrong.push(format!("{}: {is}: {text}", case.what));
    }
    let now = ledgers(&hub);
    if now.iter().any(|there| there == "gone" || there == "-") {
        wrong.push(format!("{}: {before:?} became {now:?}", case.what));
    }
    // Put right, it goes on as if nothing had been.
    hub.apply(fine).await;
    hub.settle().await;
    let (is, now) = (condition(&hub.policy("p"), "Placed"), ledgers(&hub));
    if is != "True Placed" || now != before {
        wrong.push(format!("{}, put right: {is}, {now:?}", case.what));
    }
    wrong
}

#[tokio::test(start_paused = true)]
async fn policies_that_make_no_sense_leave_what_runs() {
    let mut all = Vec::new();
    for case in contradictions().iter().chain(&numbers()).chain(&waits()) {
        all.extend(wrong(case).await);
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// An override policy for `app: web` with one rule.
fn overriding(rule: Value) -> Value {
    json!({
        "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "OverridePolicy",
        "metadata": {"name": "o", "namespace": "default"},
        "spec": {
            "resourceSelectors": [{
                "apiVersion": "apps/v1", "kind": "Deployment",
                "labelSelector": {"matchLabels": {"app": "web"}},
            }],
            "overrideRules": [rule],
        },
    })
}

#[tokio::test(start_paused = true)]
async fn overrides_that_cannot_be_made_leave_that_cluster_as_it_is() {
    let at = |path: &str, op: &str, value: Value| json!({"overrides": [{"path": path, "op": op, "value": value}]});
    let cases = [
        (
            at("/spec/nowhere/at/all", "replace", json!(1)),
            "/spec/nowhere/at/all",
        ),
        (
            at(
                "/spec/template/spec/containers/7/image",
                "replace",
                json!("x"),
            ),
            "containers/7",
        ),
        (
            at("/spec/replicas/deeper", "add", json!(1)),
            "/spec/replicas",
        ),
        (
            at("/spec/replicas", "replace", json!("many")),
            "no number of replicas",
        ),
        (
            at("/spec/replicas", "replace", json!(-3)),
            "no number of replicas",
        ),
        (
            at("/metadata/name", "replace", json!("other")),
            "what the object is",
        ),
        (
            at("/kind", "replace", json!("DaemonSet")),
            "what the object is",
        ),
        (
            json!({"overriders": {"labelsOverrider": [
                {"operator": "add", "value": {"site": "${cluster.colour}"}},
            ]}}),
            "cluster.colour",
        ),
    ];
    let mut wrong = Vec::new();
    for (mut rule, says) in cases {
        let hub = running().await;
        rule["targetClusters"] = json!({"clusterNames": ["b"]});
        hub.apply(overriding(rule)).await;
        hub.apply(deployment(10, "web:2")).await;
        hub.settle().await;
        // The other cluster goes on; that one stays as it is, and says why.
        let decision = hub.decision().unwrap();
        let (is, text) = (condition(&decision, "Placed"), words(&decision, "Placed"));
        let said = is == "False OverrideFailed" && text.contains(says);
        if !said || !text.contains("default/b") || ledgers(&hub) != ["5 web:2", "5 web:1"] {
            wrong.push(format!("{says}: {is}: {text}: {:?}", ledgers(&hub)));
        }
        hub.delete(&overriding(json!({}))).await;
        hub.settle().await;
        if ledgers(&hub) != ["5 web:2", "5 web:2"] {
            wrong.push(format!("{says}, put right: {:?}", ledgers(&hub)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn huge_numbers_are_divided_exactly() {
    let hub = Hub::new(&["a", "b"]).await;
    let most = u32::try_from(i32::MAX).unwrap();
    hub.apply(weighted("p", &[("a", 1_000_000), ("b", 1)]))
        .await;
    hub.apply(deployment(most, "web:1")).await;
    hub.settle().await;
    let share = |cluster: &str| -> u64 {
        let ledger = hub.ledger(cluster);
        ledger.split(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(share("a") + share("b"), u64::from(most));
    assert_eq!(share("b"), 2147);
}

/// A policy that is written over what a circle of waiting keeps: what runs goes on, and is brought up
/// to date once the circle is broken.
#[tokio::test(start_paused = true)]
async fn a_circle_around_what_runs_takes_nothing_from_it() {
    let hub = running().await;
    let job = json!({
        "apiVersion": BATCH, "kind": "Job",
        "metadata": {"name": "tide", "namespace": "default"},
        "spec": {"template": {"spec": {"containers": [{"name": "j", "image": "tide:1"}]}}},
    });
    let mut policy = weighted("p", &[("a", 1), ("b", 1)]);
    policy["spec"]["dependsOn"] = json!([{"apiVersion": BATCH, "kind": "Job", "name": "tide"}]);
    let mut of_job = weighted("j", &[("a", 1), ("b", 1)]);
    of_job["spec"]["placement"] = json!({"clusterAffinity": {"clusterNames": ["a", "b"]}});
    of_job["spec"]["resourceSelectors"] = json!([{"apiVersion": BATCH, "kind": "Job"}]);
    of_job["spec"]["dependsOn"] =
        json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}]);
    hub.apply(of_job).await;
    hub.apply(job).await;
    hub.apply(policy).await;
    hub.settle().await;
    assert_eq!(ledgers(&hub), ["5 web:1", "5 web:1"]);
    hub.apply(deployment(10, "web:2")).await;
    hub.settle().await;
    let decision = hub.decision().unwrap();
    let said = decision["status"].to_string();
    assert!(said.contains("goes in a circle"), "{said}");
    assert_eq!(ledgers(&hub), ["5 web:1", "5 web:1"]);
    hub.apply(weighted("p", &[("a", 1), ("b", 1)])).await;
    hub.settle().await;
    assert_eq!(ledgers(&hub), ["5 web:2", "5 web:2"]);
}

/// A policy may select what the others of its objects wait for: nothing waits for itself.
#[tokio::test(start_paused = true)]
async fn what_is_to_wait_for_itself_does_not_wait() {
    let hub = running().await;
    let mut policy = weighted("p", &[("a", 1), ("b", 1)]);
    policy["spec"]["dependsOn"] =
        json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}]);
    hub.apply(policy).await;
    hub.apply(deployment(10, "web:2")).await;
    hub.settle().await;
    assert_eq!(ledgers(&hub), ["5 web:2", "5 web:2"]);
    assert_eq!(condition(&hub.policy("p"), "Placed"), "True Placed");
}
