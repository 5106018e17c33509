//! What a cluster has before anyone asks for anything: namespaces, nodes, the API's own service;
//! and what every namespace has.

use roadstead_protocol::env::Env;
use roadstead_store::records::{ObjectKey, object_key};
use roadstead_store::{InvalidKey, Txn};
use serde_json::{Value, json};

use super::cache::Cached;
use super::object::{is_deleting, name, namespace, set, timestamp};
use super::scene::Scene;
use super::{Options, cluster_ip};

const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];
/// What stands in for the certificate of the cluster's authority.
const CA: &str = "-----BEGIN CERTIFICATE-----\nsimulated\n-----END CERTIFICATE-----\n";

/// The first objects, in one transaction.
pub(super) fn objects(env: &Env, options: &Options) -> Result<Txn, InvalidKey> {
    let mut txn = Txn::new();
    let mut add = |plural: &str, mut object: Value, uid: Option<String>| {
        let now = timestamp(env.clock.now());
        set(&mut object, &["metadata"], "creationTimestamp", now);
        set(
            &mut object,
            &["metadata"],
            "uid",
            uid.unwrap_or_else(|| env.uid()),
        );
        let key = object_key("", plural, namespace(&object), name(&object))?;
        txn.ops.push(roadstead_store::Op::Put {
            key,
            value: object.to_string().into(),
        });
        Ok(())
    };
    for namespace in NAMESPACES {
        let uid = options
            .kube_system_uid
            .clone()
            .filter(|_| namespace == "kube-system");
        let object = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": namespace, "labels": {"kubernetes.io/metadata.name": namespace}},
            "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
        });
        add("namespaces", object, uid)?;
    }
    for number in 1..=options.nodes {
        add("nodes", node(env, options, number), None)?;
    }
    add("services", cluster_ip::kubernetes(), None)?;
    Ok(txn)
}

fn node(env: &Env, options: &Options, number: usize) -> Value {
    let name = format!("{}-{number}", options.node_prefix);
    let now = timestamp(env.clock.now());
    let condition = |kind: &str, status: &str, reason: &str| {
        json!({
            "type": kind, "status": status, "reason": reason, "message": "",
            "lastHeartbeatTime": now, "lastTransitionTime": now,
        })
    };
    let room = json!({
        "cpu": options.node_cpu, "memory": options.node_memory,
        "pods": options.node_pods.to_string(), "ephemeral-storage": "100Gi",
    });
    let address = format!("192.168.{}.{}", number / 250, number % 250 + 1);
    let mut node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {
            "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
        }},
        "spec": {},
        "status": {
            "capacity": room, "allocatable": room,
            "addresses": [
                {"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name},
            ],
            "conditions": [
                condition("MemoryPressure", "False", "KubeletHasSufficientMemory"),
                condition("DiskPressure", "False", "KubeletHasNoDiskPressure"),
                condition("PIDPressure", "False", "KubeletHasSufficientPID"),
                condition("Ready", "True", "KubeletReady"),
            ],
            "nodeInfo": {
                "kubeletVersion": "v1.36.3", "kubeProxyVersion": "", "osImage": "Simulated",
                "operatingSystem": "linux", "architecture": "amd64", "kernelVersion": "0",
                "containerRuntimeVersion": "simulated://0", "machineID": "", "systemUUID": "",
                "bootID": "",
            },
        },
    });
    for (label, value) in &options.node_labels {
        set(&mut node, &["metadata", "labels"], label, value.as_str());
    }
    node
}

/// Whether every namespace has this object.
pub(super) fn is_content(object: &ObjectKey) -> bool {
    let kind = (
        object.group.as_str(),
        object.plural.as_str(),
        object.name.as_str(),
    );
    matches!(
        kind,
        ("", "serviceaccounts", "default") | ("", "configmaps", "kube-root-ca.crt")
    )
}

/// Makes what every namespace has.
pub(super) fn namespace_contents(scene: &mut Scene<'_>, cached: &Cached) {
    if is_deleting(&cached.value) {
        return;
    }
    let namespace = name(&cached.value);
    let missing = |plural: &str, name: &str| {
        scene
            .cache
            .get(&format!("/objects/core/{plural}/{namespace}/{name}"))
            .is_none()
    };
    let (account, config) = (
        missing("serviceaccounts", "default"),
        missing("configmaps", "kube-root-ca.crt"),
    );
    if account {
        let object = json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": namespace},
        });
        scene.create("", "serviceaccounts", object);
    }
    if config {
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "kube-root-ca.crt", "namespace": namespace},
            "data": {"ca.crt": CA},
        });
        scene.create("", "configmaps", object);
    }
}
