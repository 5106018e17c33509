//! What goes first.
//!
//! Namespaces and definitions of kinds before what stands in them, webhooks after what serves them,
//! and the reverse where things go away. An order of preference among what is ready, and a few waits
//! between keys that are being tried for the first time: a failing object delays nobody.

use roadstead_protocol::wire::ItemKey;

/// A place in the order; smaller goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Phase(u8);

const LAST_PUT: u8 = 4;

/// Where `key` stands in the order.
pub fn phase(key: &ItemKey, tombstone: bool) -> Phase {
    let put = rank(key);
    Phase(if tombstone {
        LAST_PUT + 1 + (LAST_PUT - put)
    } else {
        put
    })
}

fn rank(key: &ItemKey) -> u8 {
    match (key.group.as_str(), key.kind.as_str()) {
        ("", "Namespace") | ("apiextensions.k8s.io", "CustomResourceDefinition") => 0,
        ("admissionregistration.k8s.io" | "apiregistration.k8s.io", _) => LAST_PUT,
        (
            "rbac.authorization.k8s.io" | "scheduling.k8s.io" | "storage.k8s.io" | "node.k8s.io",
            _,
        )
        | ("", "ServiceAccount" | "ResourceQuota" | "LimitRange" | "PersistentVolume") => 1,
        ("", "ConfigMap" | "Secret" | "Service" | "PersistentVolumeClaim") => 2,
        _ => 3,
    }
}

/// Whether `key` waits for the first attempt at `other`, which is under way or about to be.
pub fn waits_for(key: &ItemKey, phase: Phase, other: &ItemKey, other_phase: Phase) -> bool {
    if other_phase >= phase || other_phase > Phase(LAST_PUT) {
        return false;
    }
    match (other.group.as_str(), other.kind.as_str()) {
        ("", "Namespace") => other.name == key.namespace,
        // A definition's name is `<plural>.<group>`.
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            !key.group.is_empty()
                && other
                    .name
                    .split_once('.')
                    .is_some_and(|(_, group)| group == key.group)
        }
        _ => phase == Phase(LAST_PUT),
    }
}

/// Whether deleting `key` would delete everything inside it.
pub fn holds_others(key: &ItemKey) -> bool {
    rank(key) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(group: &str, kind: &str, namespace: &str, name: &str) -> ItemKey {
        ItemKey {
            group: group.into(),
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    #[test]
    fn puts_go_inwards_and_tombstones_outwards() {
        let order = [
            key("", "Namespace", "", "web"),
            key("rbac.authorization.k8s.io", "Role", "web", "r"),
            key("", "ConfigMap", "web", "c"),
            key("apps", "Deployment", "web", "d"),
            key(
                "admissionregistration.k8s.io",
                "ValidatingWebhookConfiguration",
                "",
                "w",
            ),
        ];
        let puts: Vec<Phase> = order.iter().map(|k| phase(k, false)).collect();
        let tombstones: Vec<Phase> = order.iter().rev().map(|k| phase(k, true)).collect();
        assert!(puts.is_sorted_by(|a, b| a < b), "{puts:?}");
        assert!(tombstones.is_sorted_by(|a, b| a < b), "{tombstones:?}");
        assert!(puts.last() < tombstones.first());
    }

    #[test]
    fn only_what_depends_waits() {
        let check = |a: &ItemKey, b: &ItemKey, expected: bool| {
            assert_eq!(
                waits_for(a, phase(a, false), b, phase(b, false)),
                expected,
                "{a} for {b}"
            );
        };
        let namespace = key("", "Namespace", "", "web");
        let definition = key(
            "apiextensions.k8s.io",
            "CustomResourceDefinition",
            "",
            "shops.example.org",
        );
        let shop = key("example.org", "Shop", "web", "a");
        let webhook = key(
            "admissionregistration.k8s.io",
            "ValidatingWebhookConfiguration",
            "",
            "w",
        );
        check(&shop, &namespace, true);
        check(&shop, &definition, true);
        check(&key("example.org", "Shop", "other", "a"), &namespace, false);
        check(&key("", "ConfigMap", "web", "a"), &definition, false);
        check(&webhook, &shop, true);
        check(&shop, &webhook, false);
    }
}
