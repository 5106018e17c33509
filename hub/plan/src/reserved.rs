//! What is never sent to a cluster, whatever a policy selects: what every cluster has of its own.

use roadstead_protocol::wire::ItemKey;

/// What namespaces begin with that belong to a cluster itself.
const RESERVED_NAMESPACE_PREFIX: &str = "kube-";
/// The service account that every namespace has.
const DEFAULT_ACCOUNT: &str = "default";
/// The ConfigMap with the cluster's own authority, which every namespace has.
const ROOT_CA: &str = "kube-root-ca.crt";
/// Types of Secrets whose content is worth something in one cluster only.
const TOKENS: &[&str] = &[
    "kubernetes.io/service-account-token",
    "bootstrap.kubernetes.io/token",
];

/// Why an object is never sent anywhere, if it is not. `kind_of_secret` is a Secret's `type`.
pub fn reserved(key: &ItemKey, kind_of_secret: &str) -> Option<&'static str> {
    let core = key.group.is_empty();
    let namespace = match (core, key.kind.as_str()) {
        (true, "Namespace") => &key.name,
        (true | false, _) => &key.namespace,
    };
    if namespace.starts_with(RESERVED_NAMESPACE_PREFIX) {
        return Some("a namespace that begins with kube- is each cluster's own, with all inside");
    }
    match (core, key.kind.as_str()) {
        (true, "ServiceAccount") if key.name == DEFAULT_ACCOUNT => {
            Some("each cluster makes the default service account of a namespace itself")
        }
        (true, "ConfigMap") if key.name == ROOT_CA => {
            Some("it holds the authority of one cluster, and each cluster has its own")
        }
        (true, "Secret") if TOKENS.contains(&kind_of_secret) => {
            Some("a token is worth something in the cluster that made it, and nowhere else")
        }
        (true | false, _) => None,
    }
}
