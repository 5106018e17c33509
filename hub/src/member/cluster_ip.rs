//! Addresses of services: taken from the uid, so that the same service always gets the same one.

use std::collections::BTreeSet;

use roadstead_protocol::wire::Digest;
use serde_json::{Value, json};

use super::cache::Cached;
use super::object::{set, text, uid};
use super::scene::Scene;

/// Addresses in 10.96.0.0/12 that can be given.
const RANGE: u32 = 1 << 20;
/// 10.96.0.0.
const BASE: u32 = 0x0a60_0000;

pub(super) fn look(scene: &mut Scene<'_>, service: &Cached) {
    let mut value = service.value.clone();
    let kind = match text(&value, "/spec/type") {
        "" => "ClusterIP".to_owned(),
        kind => kind.to_owned(),
    };
    if kind == "ExternalName" {
        return;
    }
    if text(&value, "/spec/clusterIP").is_empty() {
        let address = free(scene, uid(&service.value));
        set(&mut value, &["spec"], "clusterIP", address.as_str());
        set(&mut value, &["spec"], "clusterIPs", json!([address]));
    }
    let named = text(&value, "/status/loadBalancer/ingress/0/ip").is_empty();
    if kind == "LoadBalancer" && named {
        let Digest(hash) = Digest::of(uid(&service.value).as_bytes());
        let address = format!("198.51.100.{}", hash[0].clamp(1, 254));
        set(
            &mut value,
            &["status", "loadBalancer"],
            "ingress",
            json!([{"ip": address}]),
        );
    }
    scene.update(service, &value);
}

/// An address that no other service has.
fn free(scene: &Scene<'_>, uid: &str) -> String {
    let services = scene.cache.range("/objects/core/services/");
    let taken: BTreeSet<&str> = services
        .map(|c| text(&c.value, "/spec/clusterIP"))
        .collect();
    let Digest(hash) = Digest::of(uid.as_bytes());
    let start = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    let addresses = (0..RANGE).map(|i| {
        let offset = start.wrapping_add(i) % RANGE;
        std::net::Ipv4Addr::from(BASE + offset.max(1)).to_string()
    });
    addresses
        .into_iter()
        .find(|a| !taken.contains(a.as_str()))
        .unwrap_or_default()
}

/// The service through which a cluster reaches its own API.
pub(super) fn kubernetes() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": "kubernetes", "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "type": "ClusterIP", "clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"],
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}],
        },
        "status": {"loadBalancer": {}},
    })
}
