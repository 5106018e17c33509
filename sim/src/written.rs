//! What users write: the objects and policies of the model as Kubernetes' JSON, and their paths.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::check::safety::version;
use crate::model::{Effect, Kind, Name, Object, Policy, SPECIAL, Standing};
use crate::order::everywhere;

/// Where policies live.
const POLICIES: &str = "/apis/policy.kurator.dev/v1alpha1/namespaces/default/distributionpolicies";
/// Where those for every namespace live.
const CLUSTER_POLICIES: &str = "/apis/policy.kurator.dev/v1alpha1/clusterdistributionpolicies";

/// Where overrides live.
const OVERRIDES: &str = "/apis/policy.kurator.dev/v1alpha1/namespaces/default/overridepolicies";

/// How long it takes until something fails over.
const TOLERATES_SECONDS: u32 = 60;

/// The path of an object.
pub fn object_path(name: &Name) -> String {
    format!("{}/{}", name.0.path(), name.1)
}

/// The path of a policy.
pub fn policy_path(kind: Kind, group: u64) -> String {
    let all = match kind {
        Kind::ConfigMap | Kind::Deployment | Kind::Part => POLICIES,
        Kind::Shop => CLUSTER_POLICIES,
    };
    format!("{all}/{}", policy_name(kind, group))
}

/// The name of a policy.
pub fn policy_name(kind: Kind, group: u64) -> String {
    format!("{}-{group}", kind.name().to_lowercase())
}

/// The path of the override of a group's objects.
pub fn override_path(group: u64) -> String {
    format!("{OVERRIDES}/g{group}")
}

/// The override of a group's objects as it is sent.
pub(crate) fn override_json(group: u64, value: u64) -> Value {
    let everywhere = json!({"overrides": [{"path": "/data/site", "value": "${cluster.name}"}]});
    let on_one = json!({
        "targetClusters": {"clusterNames": [SPECIAL]},
        "overrides": [{"path": "/data/extra", "value": value.to_string()}],
    });
    json!({
        "apiVersion": "policy.kurator.dev/v1alpha1",
        "kind": "OverridePolicy",
        "metadata": {"name": format!("g{group}")},
        "spec": {
            "resourceSelectors": [{
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "labelSelector": {"matchLabels": {"group": format!("g{group}")}},
            }],
            "overrideRules": [everywhere, on_one],
        },
    })
}

/// Whether `found` is the override as it was sent.
pub(crate) fn same_override(found: &Value, value: u64) -> bool {
    let at = "/spec/overrideRules/1/overrides/0/value";
    found.pointer(at).and_then(Value::as_str) == Some(value.to_string().as_str())
}

/// Whether `found` is what the user wrote.
pub fn same_object(found: &Value, name: &Name, object: &Object) -> bool {
    let wanted = object_json(name, object);
    let at = |v: &Value, p: &str| v.pointer(p).cloned();
    [
        "/metadata/labels/group",
        "/data/version",
        "/spec/replicas",
        "/spec/template/spec/containers/0/image",
    ]
    .iter()
    .all(|p| at(found, p) == at(&wanted, p))
}

/// An object as it is sent.
pub(crate) fn object_json(name: &Name, object: &Object) -> Value {
    let metadata = json!({"name": name.1, "labels": {"group": format!("g{}", object.group)}});
    let part = format!("part-{}", name.1.strip_prefix("app-").unwrap_or_default());
    match name.0 {
        Kind::Part => json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "data": {"version": STANDARD.encode(object.version.to_string())},
        }),
        Kind::ConfigMap | Kind::Shop => json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "data": {"version": object.version.to_string()},
        }),
        Kind::Deployment => json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {
                "replicas": object.replicas,
                "selector": {"matchLabels": {"app": name.1}},
                "template": {
                    "metadata": {"labels": {"app": name.1}},
                    "spec": {"containers": [{
                        "name": "c",
                        "image": format!("image:{}", object.version),
                        "envFrom": [{"secretRef": {"name": part, "optional": true}}],
                    }]},
                },
            },
        }),
    }
}

/// The inverse: the name of an object and what a user can have written of it.
pub(crate) fn written_object(found: &Value) -> Option<(Name, Object)> {
    let text = |p: &str| found.pointer(p).and_then(Value::as_str);
    let kind = Kind::of(text("/kind")?, text("/metadata/namespace")?)?;
    let group = text("/metadata/labels/group")?.strip_prefix('g')?;
    let object = Object {
        group: group.parse().ok()?,
        version: version(kind, found)?,
        replicas: match kind {
            Kind::Deployment => found.pointer("/spec/replicas")?.as_i64()?,
            Kind::ConfigMap | Kind::Shop | Kind::Part => 1,
        },
    };
    Some(((kind, text("/metadata/name")?.to_owned()), object))
}

/// The label that names a cluster's pool.
const POOL: &str = "pool";

/// The key of the taint that users give.
const TAINT: &str = "sim";

fn effect_name(effect: Effect) -> &'static str {
    match effect {
        Effect::NoSchedule => "NoSchedule",
        Effect::NoExecute => "NoExecute",
    }
}

fn pool_name(pool: u64) -> String {
    format!("p{pool}")
}

/// How a cluster stands, as the change of its object that is sent.
pub(crate) fn standing_json(standing: Standing) -> Value {
    let Standing {
        pool,
        cordoned,
        drained,
        fenced,
        taint,
    } = standing;
    let pool = (pool != 0).then(|| pool_name(pool));
    let taints = taint.map(|effect| json!([{"key": TAINT, "effect": effect_name(effect)}]));
    json!({
        "metadata": {"labels": {POOL: pool}},
        "spec": {
            "unschedulable": cordoned.then_some(true),
            "drain": drained.then_some(true),
            "fenced": fenced.then_some(true),
            "taints": taints,
        },
    })
}

/// Whether the cluster `found` stands as the user said.
pub(crate) fn same_standing(found: &Value, standing: Standing) -> bool {
    let pool = found
        .pointer("/metadata/labels")
        .and_then(|all| all.get(POOL));
    let wanted = (standing.pool != 0).then(|| pool_name(standing.pool));
    let said = |field: &str| {
        let spec = found.pointer("/spec");
        spec.and_then(|spec| spec.get(field)) == Some(&Value::Bool(true))
    };
    let standings = ["unschedulable", "drain", "fenced"].map(said);
    let taint = found.pointer("/spec/taints/0/effect");
    let taint = taint.and_then(Value::as_str);
    pool.and_then(Value::as_str) == wanted.as_deref()
        && standings == [standing.cordoned, standing.drained, standing.fenced]
        && taint == standing.taint.map(effect_name)
}

/// A policy as it is sent.
pub(crate) fn policy_json(kind: Kind, group: u64, policy: &Policy) -> Value {
    let names: Vec<&String> = policy.clusters.keys().collect();
    let affinity = match policy.pool {
        None => json!({"clusterNames": names}),
        Some(pool) => json!({"labelSelector": {"matchLabels": {POOL: pool_name(pool)}}}),
    };
    let mut placement = json!({"clusterAffinity": affinity});
    if kind == Kind::Deployment {
        let weights: Vec<Value> = policy
            .clusters
            .iter()
            .map(|(c, w)| json!({"targetCluster": {"clusterNames": [c]}, "weight": w}))
            .collect();
        let weights = match policy.dynamic {
            true => json!({"dynamicWeight": "AvailableReplicas"}),
            false => json!({"staticWeightList": weights}),
        };
        placement["replicaScheduling"] = json!({
            "replicaDivisionPreference": "Weighted",
            "weightPreference": weights,
        });
    }
    if policy.tolerates {
        placement["clusterTolerations"] = json!([{"key": TAINT, "operator": "Exists"}]);
    }
    if let Some(most) = policy.spread {
        placement["spreadConstraints"] = json!([{"spreadByField": "cluster", "maxGroups": most}]);
    }
    let mut selector = json!({
        "apiVersion": kind.version(),
        "kind": kind.name(),
        "labelSelector": {"matchLabels": {"group": format!("g{group}")}},
    });
    if kind == Kind::Shop {
        selector["namespace"] = kind.place().2.into();
    }
    let of = match kind {
        Kind::ConfigMap | Kind::Deployment | Kind::Part => "DistributionPolicy",
        Kind::Shop => "ClusterDistributionPolicy",
    };
    let mut spec = json!({"resourceSelectors": [selector], "placement": placement});
    options(&mut spec, policy);
    json!({
        "apiVersion": "policy.kurator.dev/v1alpha1",
        "kind": of,
        "metadata": {"name": policy_name(kind, group)},
        "spec": spec,
    })
}

/// When something fails over, as a policy says it.
pub(crate) fn failover_json() -> Value {
    json!({
        "application": {"decisionConditions": {"tolerationSeconds": TOLERATES_SECONDS}},
        "cluster": {"tolerationSeconds": TOLERATES_SECONDS, "allowDuplicates": true},
    })
}

/// Adds to what is sent of a policy what it says beside where its objects go.
fn options(spec: &mut Value, policy: &Policy) {
    if policy.deps {
        spec["propagateDeps"] = true.into();
    }
    if policy.failover {
        spec["failover"] = failover_json();
    }
    if let Some(most) = policy.budget {
        spec["disruptionBudget"] = json!({"maxUnavailable": most});
    }
    if let Some(number) = policy.awaits {
        let (on, name) = everywhere(number);
        spec["dependsOn"] = json!([{"apiVersion": on.version(), "kind": on.name(), "name": name}]);
    }
    if policy.rollout {
        spec["rollout"] = json!({
            "stages": [
                {"name": "first", "share": 1},
                {"name": "second", "share": "100%", "maxConcurrent": 1},
            ],
            "waitForAway": true,
            "progressDeadlineSeconds": 3600,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::KINDS;

    #[test]
    fn what_is_written_is_read_back() {
        let object = Object {
            group: 3,
            version: 7,
            replicas: 1,
        };
        for kind in KINDS {
            let name = (kind, "web".to_owned());
            let mut sent = object_json(&name, &object);
            sent["metadata"]["namespace"] = kind.place().2.into();
            assert_eq!(written_object(&sent), Some((name, object.clone())));
        }
        assert_eq!(written_object(&json!({"kind": "ConfigMap"})), None);
    }

    #[test]
    fn a_cluster_stands_as_was_said() {
        let none = Standing::default();
        let one = Standing {
            pool: 1,
            cordoned: true,
            drained: true,
            fenced: true,
            taint: Some(Effect::NoExecute),
        };
        assert!(same_standing(&json!({}), none));
        assert!(!same_standing(&json!({}), one));
        let said = standing_json(one);
        assert!(same_standing(&said, one));
        assert!(!same_standing(&said, none));
    }
}
