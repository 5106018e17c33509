//! A kubeconfig out of a Secret: found, bounded, and judged before anything is done with it.
//!
//! Whoever may write a Secret on the hub is not whoever runs the hub. So a kubeconfig may hold a server
//! and credentials, and nothing that would make the hub run a program, read a file of its own machine
//! or send what it has elsewhere. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use roadstead_protocol::api::cluster::SecretKey;
use roadstead_store::Snapshot;
use roadstead_store::records::{self, HostedProblem};
use serde_json::{Map, Value, json};

/// Longest kubeconfig, in bytes.
pub(super) const KUBECONFIG_BYTES_MAX: usize = 256 * 1024;
/// The key in a Secret's data where the cluster names none.
const KEY_DEFAULT: &str = "value";

/// What may stand at a cluster, and at a user. Whatever else there is has to be known first.
const CLUSTER_FIELDS: [&str; 5] = [
    "server",
    "certificate-authority-data",
    "insecure-skip-tls-verify",
    "tls-server-name",
    "disable-compression",
];
/// What other programs keep there; of no use here.
const EXTENSIONS: &str = "extensions";
const USER_FIELDS: [&str; 8] = [
    "client-certificate-data",
    "client-key-data",
    "token",
    "username",
    "password",
    "as",
    "as-groups",
    "as-uid",
];

/// A problem in these words.
pub(super) fn problem(reason: &str, message: impl Into<String>) -> HostedProblem {
    HostedProblem {
        reason: reason.to_owned(),
        message: message.into(),
    }
}

/// The kubeconfig that `secret` of `namespace` holds, if it may be used.
///
/// # Errors
/// What is wrong with it, and the way out.
pub(super) fn read(
    snapshot: &Snapshot,
    namespace: &str,
    secret: &SecretKey,
) -> Result<Bytes, HostedProblem> {
    let SecretKey { name, key } = secret;
    let key = if key.is_empty() { KEY_DEFAULT } else { key };
    let shown = format!("Secret {namespace}/{name}");
    let missing = |why: String| problem("KubeconfigMissing", why);
    let at = records::object_key("", "secrets", namespace, name)
        .map_err(|error| missing(format!("{shown} cannot be: {error}")))?;
    let entry = snapshot.get(at.as_str()).ok_or_else(|| {
        missing(format!(
            "there is no {shown}, which spec.kubeconfig names; what runs on the cluster goes on running"
        ))
    })?;
    let object: Value = records::decode(entry)
        .map_err(|error| missing(format!("{shown} is not readable: {error}")))?;
    let data = object.pointer("/data").and_then(|data| data.get(key));
    let text = data.and_then(Value::as_str).ok_or_else(|| {
        let keys = object.pointer("/data").and_then(Value::as_object);
        let keys: Vec<&str> = keys
            .into_iter()
            .flatten()
            .take(5)
            .map(|(k, _)| k.as_str())
            .collect();
        missing(format!(
            "{shown} has no key {key:?} (it has: {}); name the right one in spec.kubeconfig.key",
            keys.join(", ")
        ))
    })?;
    let bad = |why: String| problem("KubeconfigInvalid", format!("{shown}, key {key:?}: {why}"));
    if text.len() > KUBECONFIG_BYTES_MAX {
        return Err(bad(format!("longer than {KUBECONFIG_BYTES_MAX} bytes")));
    }
    let bytes = STANDARD
        .decode(text)
        .map_err(|_| bad("not base64".to_owned()))?;
    let judged = judge(&bytes).map_err(bad)?;
    Ok(judged.to_string().into())
}

/// What a hub may use of a kubeconfig, written anew: nobody reads it differently afterwards.
pub(super) fn judge(bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no text".to_owned())?;
    let config: Value =
        serde_saphyr::from_str(text).map_err(|error| format!("it is no YAML: {error}"))?;
    let current = string(&config, "current-context").ok_or("it has no current-context")?;
    let context = named(&config, "contexts", "context", current)?;
    let cluster = string(context, "cluster").ok_or("its context names no cluster")?;
    let cluster = named(&config, "clusters", "cluster", cluster)?;
    let server = string(cluster, "server").ok_or("its cluster has no server")?;
    if !server.starts_with("https://") {
        return Err(format!("server {server:?}: must begin with https://"));
    }
    let cluster = only(cluster, &CLUSTER_FIELDS, "cluster")?;
    let user = string(context, "user").ok_or("its context names no user")?;
    let user = named(&config, "users", "user", user)?;
    let user = only(user, &USER_FIELDS, "user")?;
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "hub",
        "contexts": [{"name": "hub", "context": {"cluster": "hub", "user": "hub"}}],
        "clusters": [{"name": "hub", "cluster": cluster}],
        "users": [{"name": "hub", "user": user}],
    }))
}

fn string<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field)?.as_str().filter(|text| !text.is_empty())
}

/// The one entry of a list that has this name.
fn named<'a>(config: &'a Value, list: &str, field: &str, name: &str) -> Result<&'a Value, String> {
    let all = config.get(list).and_then(Value::as_array);
    let mut found = all
        .into_iter()
        .flatten()
        .filter(|entry| string(entry, "name") == Some(name));
    let one = found
        .next()
        .and_then(|entry| entry.get(field))
        .ok_or_else(|| format!("{list} has no {name:?}"))?;
    match found.next() {
        None => Ok(one),
        Some(_) => Err(format!("{list} has {name:?} twice")),
    }
}

/// The value with its allowed fields, where it has no others.
fn only(value: &Value, allowed: &[&str], what: &str) -> Result<Value, String> {
    let mut kept = Map::new();
    let fields = value.as_object().into_iter().flatten();
    for (name, value) in fields.filter(|(_, v)| !v.is_null()) {
        if name == EXTENSIONS {
            continue;
        }
        if !allowed.contains(&name.as_str()) {
            return Err(format!(
                "its {what} has {name:?}, which a hub does not use (no programs, files or proxies): \
                 only {} may stand there; write certificates, keys and tokens into the kubeconfig \
                 itself, as `kubectl config view --flatten --minify` does",
                allowed.join(", ")
            ));
        }
        kept.insert(name.clone(), value.clone());
    }
    Ok(Value::Object(kept))
}
