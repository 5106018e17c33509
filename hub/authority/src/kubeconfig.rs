//! A user's kubeconfig, as text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roadstead_protocol::host::{Identity, tls};

use crate::AuthorityError;

/// A kubeconfig that uses `identity` at `server`, for a user and a namespace (empty: none is said). YAML whose values are JSON strings, which need no
/// other escaping.
pub(crate) fn text(
    server: &str,
    authority_pem: &str,
    (user, namespace): (&str, &str),
    identity: &Identity,
) -> Result<String, AuthorityError> {
    let leaf = tls::certificates_to_pem(identity.chain.get(..1).unwrap_or_default());
    let key = identity.key.to_pem()?;
    let server = serde_json::Value::from(server);
    let namespace = match namespace {
        "" => String::new(),
        namespace => format!("\n    namespace: {}", serde_json::Value::from(namespace)),
    };
    let user = serde_json::Value::from(user);
    Ok(format!(
        "apiVersion: v1
kind: Config
current-context: roadstead
contexts:
- name: roadstead
  context:
    cluster: roadstead
    user: {user}{namespace}
clusters:
- name: roadstead
  cluster:
    server: {server}
    certificate-authority-data: {authority}
users:
- name: {user}
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
",
        authority = STANDARD.encode(authority_pem),
        certificate = STANDARD.encode(leaf),
        key = STANDARD.encode(key),
    ))
}
