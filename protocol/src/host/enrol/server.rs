//! The hub's end of enrolment.

use std::future::Future;

use super::frames::{
    self, Answer, EnrolRequest, Granted, Refusal, RefusalCode, RenewRequest, Request,
};
use super::{CLOSE_DONE, CLOSE_PROTOCOL, EXCHANGE_TIMEOUT, EnrolError};
use crate::host::endpoint;

/// Who decides whether a token is good, and signs.
pub trait Registrar: Send + Sync {
    /// Redeems the request's token and signs its certificate, or says why not.
    fn enrol(&self, request: EnrolRequest)
    -> impl Future<Output = Result<Granted, Refusal>> + Send;

    /// Signs a new certificate for an identity given before, or says why not. `proven` is what the
    /// request's proof must be a signature of.
    fn renew(
        &self,
        request: RenewRequest,
        proven: &[u8],
    ) -> impl Future<Output = Result<Granted, Refusal>> + Send;
}

/// Serves the one exchange of a connection whose ALPN is enrolment's, then waits for the agent to
/// close it, all within [`EXCHANGE_TIMEOUT`].
pub async fn serve(
    connection: &quinn::Connection,
    registrar: &impl Registrar,
) -> Result<(), EnrolError> {
    let served = tokio::time::timeout(EXCHANGE_TIMEOUT, exchange(connection, registrar)).await;
    let served = served.map_err(|_| EnrolError::Late).flatten();
    let code = if matches!(served, Err(EnrolError::Protocol(_))) {
        CLOSE_PROTOCOL
    } else {
        CLOSE_DONE
    };
    connection.close(code.into(), b"");
    served
}

async fn exchange(
    connection: &quinn::Connection,
    registrar: &impl Registrar,
) -> Result<(), EnrolError> {
    let lost = |error: quinn::ConnectionError| EnrolError::Lost(endpoint::explain(&error));
    let (mut to, mut from) = connection.accept_bi().await.map_err(lost)?;
    let body = frames::read(&mut from).await?;
    let decided = match frames::decode::<Request>(&body) {
        Some(Request::Enrol(request)) if request.is_bounded() => registrar.enrol(request).await,
        Some(Request::Renew(request)) if request.is_bounded() => {
            registrar
                .renew(request, &frames::proof_text(connection)?)
                .await
        }
        Some(Request::Enrol(_) | Request::Renew(_)) => Err(Refusal::new(
            RefusalCode::Malformed,
            "the request exceeds its bounds",
        )),
        None => Err(Refusal::new(
            RefusalCode::Unsupported,
            "the hub does not understand this request; update the hub, or use an older agent",
        )),
    };
    let answer = decided.map_or_else(Answer::Refused, Answer::Granted);
    to.write_all(&frames::encode(&answer)?)
        .await
        .map_err(|e| EnrolError::Lost(e.to_string()))?;
    to.finish().map_err(|e| EnrolError::Lost(e.to_string()))?;
    connection.closed().await;
    Ok(())
}
