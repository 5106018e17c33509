//! What may be said about the choice of clusters, as the API takes it.

use super::*;

const POLICIES: &str = "/apis/policy.kurator.dev/v1alpha1/namespaces/n/distributionpolicies";
const OF_APPS: &str = "/apis/apps.kurator.dev/v1alpha1/namespaces/n/distributionpolicies";
const CLUSTERS: &str = "/apis/cluster.kurator.dev/v1alpha1/namespaces/n/attachedclusters";

fn policy(group: &str, placement: &Value) -> Value {
    json!({
        "apiVersion": format!("{group}/v1alpha1"), "kind": "DistributionPolicy",
        "metadata": {"name": "p"},
        "spec": {
            "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment"}],
            "priority": 7,
            "preemption": "Always",
            "placement": placement,
        },
    })
}

fn affinity(more: &Value) -> Value {
    let mut affinity = json!({
        "clusterNames": ["a"],
        "labelSelector": {"matchLabels": {"env": "prod"}},
        "fieldSelector": {"matchExpressions": [
            {"key": "region", "operator": "In", "values": ["eu"]},
            {"key": "version", "operator": "Gt", "values": ["1.29"]},
            {"key": "apiGroup", "operator": "NotIn", "values": ["x.example"]},
        ]},
        "fleets": ["production"],
        "exclude": ["b"],
    });
    if let (Some(all), Some(more)) = (affinity.as_object_mut(), more.as_object()) {
        all.extend(more.clone());
    }
    affinity
}

#[tokio::test(start_paused = true)]
async fn every_choice_is_kept_as_it_was_written_in_both_groups() {
    let hub = Hub::new().await;
    let rest = json!({
        "clusterTolerations": [
            {"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"},
            {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30},
        ],
        "spreadConstraints": [
            {"spreadByField": "region", "minGroups": 2, "maxGroups": 3},
            {"spreadByLabel": "tier"},
        ],
        "workloadAffinity": {
            "affinity": {"groupByLabelKey": "team"},
            "antiAffinity": {"groupByLabelKey": "ha"},
        },
    });
    let with = |field: &str, value: Value| {
        let mut placement = rest.clone();
        placement[field] = value;
        placement
    };
    let one = with("clusterAffinity", affinity(&json!({})));
    let several = [
        affinity(&json!({"affinityName": "near"})),
        affinity(&json!({"affinityName": "far"})),
    ];
    let several = with("clusterAffinities", json!(several));
    for (path, group, placement) in [
        (POLICIES, "policy.kurator.dev", &one),
        (OF_APPS, "apps.kurator.dev", &several),
    ] {
        let (code, made) = hub.call("POST", path, &policy(group, placement)).await;
        assert_eq!(code, 201, "{made}");
        let (_, read) = hub.call("GET", &format!("{path}/p"), &Value::Null).await;
        assert_eq!(read["spec"]["placement"], *placement);
        let understood = roadstead_plan::policy::Policy::read(&read).unwrap();
        assert_eq!((understood.priority, understood.preempts), (7, true));
        let groups = &understood.selecting.groups;
        assert!(
            groups
                .iter()
                .all(|group| group.affinity.fleets == ["production"])
        );
        assert_eq!(understood.identity.group, group);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cluster_says_where_it_is_and_what_it_keeps_away() {
    let hub = Hub::new().await;
    let spec = json!({
        "provider": "aws", "region": "eu", "zone": "eu-1", "unschedulable": true,
        "taints": [{"key": "gpu", "value": "a100", "effect": "NoSchedule"}, {"key": "x", "effect": "NoExecute"}],
    });
    let cluster = |spec: &Value| {
        json!({
            "apiVersion": "cluster.kurator.dev/v1alpha1", "kind": "AttachedCluster",
            "metadata": {"name": if spec["unschedulable"] == true { "a" } else { "b" }},
            "spec": spec,
        })
    };
    let (code, made) = hub.call("POST", CLUSTERS, &cluster(&spec)).await;
    assert_eq!((code, &made["spec"]), (201, &spec), "{made}");
    let read = roadstead_plan::cluster::Cluster::read(&made);
    assert_eq!((read.cordoned, read.taints.len()), (true, 2));
    assert_eq!(read.region.as_deref(), Some("eu"));
    let wrong = json!({"taints": [{"key": "x", "effect": "Maybe"}]});
    let (code, said) = hub.call("POST", CLUSTERS, &cluster(&wrong)).await;
    assert_eq!(code, 422, "{said}");
    assert!(
        said["message"]
            .to_string()
            .contains("spec.taints[0].effect"),
        "{said}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_of_a_fleet_or_of_a_policy_of_the_other_group_is_one_of_the_world() {
    let hub = Hub::new().await;
    let world = || {
        let key = world_key().unwrap();
        hub.store
            .snapshot()
            .get(key.as_str())
            .map(|entry| entry.revision)
    };
    let before = world();
    let policy = policy("apps.kurator.dev", &json!({}));
    assert_eq!(hub.call("POST", OF_APPS, &policy).await.0, 201);
    let then = world();
    assert!(then > before);
    let fleet = json!({
        "apiVersion": "fleet.kurator.dev/v1alpha1", "kind": "Fleet",
        "metadata": {"name": "f"}, "spec": {"clusters": [{"name": "a", "kind": "AttachedCluster"}]},
    });
    let fleets = "/apis/fleet.kurator.dev/v1alpha1/namespaces/n/fleets";
    assert_eq!(hub.call("POST", fleets, &fleet).await.0, 201);
    assert!(world() > then);
}

/// A disruption budget as the example has it is taken, by all twins of the policy; one without its figure is
/// not.
#[tokio::test(start_paused = true)]
async fn the_example_of_a_disruption_budget_is_taken() {
    let hub = Hub::new().await;
    let text = include_str!("../../../../deploy/examples/disruption-budget.yaml");
    let mut example: Value = serde_saphyr::from_str(text).unwrap();
    for (version, kind, at) in [
        (
            "policy.kurator.dev/v1alpha1",
            "DistributionPolicy",
            "namespaces/default/distributionpolicies",
        ),
        (
            "apps.kurator.dev/v1alpha1",
            "DistributionPolicy",
            "namespaces/default/distributionpolicies",
        ),
        (
            "policy.kurator.dev/v1alpha1",
            "ClusterDistributionPolicy",
            "clusterdistributionpolicies",
        ),
    ] {
        (example["apiVersion"], example["kind"]) = (version.into(), kind.into());
        if kind.starts_with("Cluster") {
            example["metadata"] = json!({"name": "shop"});
        }
        let path = format!("/apis/{version}/{at}");
        let (code, object) = hub.call("POST", &path, &example).await;
        assert_eq!(code, 201, "{object}");
        let policy = roadstead_plan::policy::Policy::read(&object).unwrap();
        assert_eq!(policy.budget.unwrap().most.to_string(), "25%");
        let mut slip = example.clone();
        slip["metadata"]["name"] = "slip".into();
        slip["spec"]["disruptionBudget"] = json!({"maxUnavailble": 1});
        let (code, status) = hub.call("POST", &path, &slip).await;
        assert_eq!(code, 422, "{status}");
    }
}
