//! The administrator's kubeconfig, as text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roadstead_protocol::host::{Identity, tls};

use crate::AuthorityError;

/// A kubeconfig that uses `identity` at `server`. YAML whose values are JSON strings, which need no
/// other escaping.
pub(crate) fn text(
    server: &str,
    authority_pem: &str,
    identity: &Identity,
) -> Result<String, AuthorityError> {
    let leaf = tls::certificates_to_pem(identity.chain.get(..1).unwrap_or_default());
    let key = identity.key.to_pem()?;
    let server = serde_json::Value::from(server);
    Ok(format!(
        "apiVersion: v1
kind: Config
current-context: roadstead
contexts:
- name: roadstead
  context:
    cluster: roadstead
    user: admin
clusters:
- name: roadstead
  cluster:
    server: {server}
    certificate-authority-data: {authority}
users:
- name: admin
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
",
        authority = STANDARD.encode(authority_pem),
        certificate = STANDARD.encode(leaf),
        key = STANDARD.encode(key),
    ))
}
