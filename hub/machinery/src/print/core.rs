//! Columns of the kinds around workloads: namespaces, nodes, services, configuration, events, RBAC.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Printer, age, count, created, labels, list, number, or_none, text};

pub(super) const PLAIN: &[Printer] = &[Printer("Age", "string", 0, created)];

pub(super) const NAMESPACE: &[Printer] = &[
    Printer("Status", "string", 0, |o, _| {
        json!(text(o, "/status/phase"))
    }),
    Printer("Age", "string", 0, created),
];

pub(super) const NODE: &[Printer] = &[
    Printer("Status", "string", 0, node_status),
    Printer("Roles", "string", 0, node_roles),
    Printer("Age", "string", 0, created),
    Printer("Version", "string", 0, |o, _| {
        json!(text(o, "/status/nodeInfo/kubeletVersion"))
    }),
    Printer("Internal-IP", "string", 1, |o, _| {
        node_address(o, "InternalIP")
    }),
    Printer("External-IP", "string", 1, |o, _| {
        node_address(o, "ExternalIP")
    }),
    Printer("OS-Image", "string", 1, |o, _| {
        unknown(text(o, "/status/nodeInfo/osImage"))
    }),
    Printer("Kernel-Version", "string", 1, |o, _| {
        unknown(text(o, "/status/nodeInfo/kernelVersion"))
    }),
    Printer("Container-Runtime", "string", 1, |o, _| {
        unknown(text(o, "/status/nodeInfo/containerRuntimeVersion"))
    }),
];

pub(super) const SERVICE: &[Printer] = &[
    Printer("Type", "string", 0, |o, _| match text(o, "/spec/type") {
        "" => json!("ClusterIP"),
        kind => json!(kind),
    }),
    Printer("Cluster-IP", "string", 0, |o, _| {
        or_none(text(o, "/spec/clusterIP").to_owned())
    }),
    Printer("External-IP", "string", 0, |o, _| {
        let ips = list(o, "/spec/externalIPs")
            .iter()
            .filter_map(Value::as_str);
        let given = list(o, "/status/loadBalancer/ingress")
            .iter()
            .map(|i| match text(i, "/ip") {
                "" => text(i, "/hostname"),
                ip => ip,
            });
        or_none(given.chain(ips).collect::<Vec<_>>().join(","))
    }),
    Printer("Port(s)", "string", 0, ports),
    Printer("Age", "string", 0, created),
    Printer("Selector", "string", 1, |o, _| {
        or_none(labels(o, "/spec/selector"))
    }),
];

pub(super) const CONFIG_MAP: &[Printer] = &[
    Printer("Data", "integer", 0, |o, _| {
        json!(count(o, "/data") + count(o, "/binaryData"))
    }),
    Printer("Age", "string", 0, created),
];

pub(super) const SECRET: &[Printer] = &[
    Printer("Type", "string", 0, |o, _| match text(o, "/type") {
        "" => json!("Opaque"),
        kind => json!(kind),
    }),
    Printer("Data", "integer", 0, |o, _| json!(count(o, "/data"))),
    Printer("Age", "string", 0, created),
];

pub(super) const SERVICE_ACCOUNT: &[Printer] = &[
    Printer("Secrets", "integer", 0, |o, _| json!(count(o, "/secrets"))),
    Printer("Age", "string", 0, created),
];

pub(super) const CLAIM: &[Printer] = &[
    Printer("Status", "string", 0, |o, _| {
        json!(text(o, "/status/phase"))
    }),
    Printer("Volume", "string", 0, |o, _| {
        json!(text(o, "/spec/volumeName"))
    }),
    Printer("Capacity", "string", 0, |o, _| {
        json!(text(o, "/status/capacity/storage"))
    }),
    Printer("Access Modes", "string", 0, |o, _| {
        let modes = list(o, "/spec/accessModes")
            .iter()
            .filter_map(Value::as_str);
        json!(modes.map(short_mode).collect::<Vec<_>>().join(","))
    }),
    Printer("StorageClass", "string", 0, |o, _| {
        json!(text(o, "/spec/storageClassName"))
    }),
    Printer("Age", "string", 0, created),
];

pub(super) const EVENT: &[Printer] = &[
    Printer("Last Seen", "string", 0, last_seen),
    Printer("Type", "string", 0, |o, _| json!(text(o, "/type"))),
    Printer("Reason", "string", 0, |o, _| json!(text(o, "/reason"))),
    Printer("Object", "string", 0, |o, _| {
        let of = |field: &str| match text(o, &format!("/involvedObject/{field}")) {
            "" => text(o, &format!("/regarding/{field}")),
            found => found,
        };
        json!(format!("{}/{}", of("kind").to_lowercase(), of("name")))
    }),
    Printer("Message", "string", 0, |o, _| match text(o, "/message") {
        "" => json!(text(o, "/note").trim()),
        message => json!(message.trim()),
    }),
    Printer("Source", "string", 1, |o, _| {
        match text(o, "/source/component") {
            "" => json!(text(o, "/reportingComponent")),
            component => json!(component),
        }
    }),
    Printer("Count", "integer", 1, |o, _| {
        json!(number(o, "/count").max(1))
    }),
];

pub(super) const LEASE: &[Printer] = &[
    Printer("Holder", "string", 0, |o, _| {
        json!(text(o, "/spec/holderIdentity"))
    }),
    Printer("Age", "string", 0, created),
];

pub(super) const INGRESS: &[Printer] = &[
    Printer("Class", "string", 0, |o, _| {
        or_none(text(o, "/spec/ingressClassName").to_owned())
    }),
    Printer("Hosts", "string", 0, |o, _| {
        let hosts = list(o, "/spec/rules").iter().map(|r| text(r, "/host"));
        let hosts: Vec<&str> = hosts.filter(|h| !h.is_empty()).collect();
        json!(if hosts.is_empty() {
            "*".to_owned()
        } else {
            hosts.join(",")
        })
    }),
    Printer("Address", "string", 0, |o, _| {
        let all = list(o, "/status/loadBalancer/ingress")
            .iter()
            .map(|i| text(i, "/ip"));
        json!(all.collect::<Vec<_>>().join(","))
    }),
    Printer("Ports", "string", 0, |o, _| {
        json!(if list(o, "/spec/tls").is_empty() {
            "80"
        } else {
            "80, 443"
        })
    }),
    Printer("Age", "string", 0, created),
];

pub(super) const CRD: &[Printer] = &[Printer("Created At", "date", 0, |o, _| {
    json!(text(o, "/metadata/creationTimestamp"))
})];

pub(super) const ROLE: &[Printer] = &[Printer("Created At", "date", 0, |o, _| {
    json!(text(o, "/metadata/creationTimestamp"))
})];

pub(super) const BINDING: &[Printer] = &[
    Printer("Role", "string", 0, |o, _| {
        json!(format!(
            "{}/{}",
            text(o, "/roleRef/kind"),
            text(o, "/roleRef/name")
        ))
    }),
    Printer("Age", "string", 0, created),
];

fn unknown(text: &str) -> Value {
    json!(if text.is_empty() { "<unknown>" } else { text })
}

fn node_status(o: &Value, _: Timestamp) -> Value {
    let ready = list(o, "/status/conditions")
        .iter()
        .find(|c| c["type"] == "Ready");
    let mut words = vec![match ready.map(|c| text(c, "/status")) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }];
    if o.pointer("/spec/unschedulable") == Some(&Value::Bool(true)) {
        words.push("SchedulingDisabled");
    }
    json!(words.join(","))
}

fn node_roles(o: &Value, _: Timestamp) -> Value {
    let map = o.pointer("/metadata/labels").and_then(Value::as_object);
    let roles = map.into_iter().flatten();
    let roles = roles.filter_map(|(k, _)| k.strip_prefix("node-role.kubernetes.io/"));
    or_none(roles.collect::<Vec<_>>().join(","))
}

fn node_address(o: &Value, kind: &str) -> Value {
    let found = list(o, "/status/addresses")
        .iter()
        .find(|a| a["type"] == kind);
    or_none(
        found
            .map(|a| text(a, "/address").to_owned())
            .unwrap_or_default(),
    )
}

fn ports(o: &Value, _: Timestamp) -> Value {
    let each = list(o, "/spec/ports").iter().map(|p| {
        let protocol = match text(p, "/protocol") {
            "" => "TCP",
            protocol => protocol,
        };
        match number(p, "/nodePort") {
            0 => format!("{}/{protocol}", number(p, "/port")),
            node => format!("{}:{node}/{protocol}", number(p, "/port")),
        }
    });
    or_none(each.collect::<Vec<_>>().join(","))
}

fn short_mode(mode: &str) -> &str {
    match mode {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOncePod" => "RWOP",
        other => other,
    }
}

fn last_seen(o: &Value, now: Timestamp) -> Value {
    let times = [
        "/series/lastObservedTime",
        "/lastTimestamp",
        "/deprecatedLastTimestamp",
        "/eventTime",
        "/firstTimestamp",
    ];
    let found = times.iter().map(|p| text(o, p)).find(|t| !t.is_empty());
    json!(age(found.unwrap_or_default(), now))
}
