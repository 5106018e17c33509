//! `attachedclusters/NAME/token`: asks for a join token, as `serviceaccounts/NAME/token` does for a
//! service account's.

use std::time::Duration;

use roadstead_authority::{Authority, Issue};
use roadstead_machinery::status::{FieldError, Status};
use roadstead_protocol::api::token::{
    self, EXPIRATION_SECONDS_DEFAULT, EXPIRATION_SECONDS_MAX, EXPIRATION_SECONDS_MIN, JoinToken,
};
use roadstead_rest::Subresource;
use serde_json::{Value, json};

/// Issues a token for the cluster that the request names; agents find the hub at `addresses`.
pub(super) async fn answer(
    authority: Authority,
    addresses: Vec<String>,
    now: jiff::Timestamp,
    request: Subresource,
) -> Result<Value, Status> {
    if request.method != "POST" {
        return Err(Status::method_not_allowed());
    }
    let seconds = lifetime(&request)?;
    by_kubeconfig(&request)?;
    let uid = request
        .object
        .pointer("/metadata/uid")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let namespace = request.namespace.clone().unwrap_or_default();
    let issue = Issue {
        cluster_uid: uid.to_owned(),
        namespace: namespace.clone(),
        name: request.name.clone(),
        addresses,
        life: Duration::from_secs(seconds),
    };
    let token = authority.issue_token(issue).await.map_err(unavailable)?;
    let life = jiff::SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(0));
    let until = now.checked_add(life).unwrap_or(now);
    // Whole seconds, as all times of the API.
    let until = jiff::Timestamp::from_second(until.as_second()).unwrap_or(until);
    let answer = JoinToken {
        api_version: "roadstead.dev/v1alpha1".to_owned(),
        kind: token::KIND.to_owned(),
        spec: token::Spec {
            expiration_seconds: i64::try_from(seconds).ok(),
        },
        status: Some(token::Status {
            token: token.encode().map_err(unavailable)?,
            expiration_timestamp: until.to_string(),
        }),
    };
    let mut value = serde_json::to_value(answer).map_err(Status::internal)?;
    if let Some(map) = value.as_object_mut() {
        map.insert(
            "metadata".into(),
            json!({"name": request.name, "namespace": namespace}),
        );
    }
    Ok(value)
}

/// Refuses where the hub itself looks after the cluster: of two that do one would have to stop.
fn by_kubeconfig(request: &Subresource) -> Result<(), Status> {
    let secret = request.object.pointer("/spec/kubeconfig/name");
    let Some(secret) = secret.and_then(Value::as_str) else {
        return Ok(());
    };
    let why = format!(
        "the hub looks after this cluster itself, by the kubeconfig in Secret {secret}: for an agent of its own take \
         spec.kubeconfig away first (kubectl -n {} patch attachedcluster {} --type=json -p '[{{\"op\":\"remove\",\"path\":\"/spec/kubeconfig\"}}]')",
        request.namespace.as_deref().unwrap_or_default(),
        request.name
    );
    Err(Status::conflict(
        "cluster.kurator.dev",
        "attachedclusters",
        &request.name,
        &why,
    ))
}

/// The whole chain of what went wrong: a full disk, say.
fn unavailable(error: impl std::error::Error + 'static) -> Status {
    Status::unavailable(crate::chain(&error))
}

/// How long the token is to be good, in seconds.
fn lifetime(request: &Subresource) -> Result<u64, Status> {
    let asked = request
        .body
        .pointer("/spec/expirationSeconds")
        .filter(|v| !v.is_null());
    let seconds = match asked {
        None => Some(EXPIRATION_SECONDS_DEFAULT),
        Some(value) => value
            .as_i64()
            .filter(|n| (EXPIRATION_SECONDS_MIN..=EXPIRATION_SECONDS_MAX).contains(n)),
    };
    seconds.and_then(|n| u64::try_from(n).ok()).ok_or_else(|| {
        let why =
            format!("must be an integer from {EXPIRATION_SECONDS_MIN} to {EXPIRATION_SECONDS_MAX}");
        let error = FieldError::invalid(
            "spec.expirationSeconds",
            asked.unwrap_or(&Value::Null),
            &why,
        );
        Status::invalid("roadstead.dev", token::KIND, &request.name, &[error])
    })
}
