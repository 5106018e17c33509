//! The agent's end of enrolment.

use std::sync::Arc;

use rustls_pki_types::CertificateDer;

use super::frames::{self, Answer, EnrolRequest, Granted, RenewRequest, Request};
use super::token::JoinToken;
use super::{CLOSE_DONE, EXCHANGE_TIMEOUT, EnrolError};
use crate::env::Env;
use crate::host::endpoint;
use crate::host::net::Network;
use crate::host::tls::{self, Crypto, Identity, PinWitness, SecretKey};

/// What enrolment needs from its process.
#[derive(Clone)]
pub struct Enrolling {
    /// Entropy.
    pub env: Env,
    /// Cryptography.
    pub crypto: Crypto,
    /// Names.
    pub network: Arc<dyn Network>,
    /// The agent's endpoint.
    pub endpoint: quinn::Endpoint,
    /// The agent's release, for people.
    pub release: String,
}

/// Enrols with the hub of `token`: the certificate will be for `key` and the member `member_uid`.
///
/// The token's addresses are tried in turn, once each; a refusal ends the attempt, since every
/// address leads to the same hub.
pub async fn enrol(
    with: &Enrolling,
    token: &JoinToken,
    key: &SecretKey,
    member_uid: &str,
) -> Result<Granted, EnrolError> {
    let (tls, witness) = tls::enrol_client(&with.crypto, &token.pins)?;
    let config = endpoint::client_config(&with.env, tls).map_err(EnrolError::Settings)?;
    let request = Request::Enrol(EnrolRequest {
        release: with.release.clone(),
        token: token.id.clone(),
        secret: token.secret,
        request: tls::make_request(key)?,
        member_uid: member_uid.to_owned(),
    });
    attempt(with, &token.addresses, &config, &witness, |_| {
        frames::encode(&request)
    })
    .await
}

/// Has the certificate of `old` renewed for `key`, which may be the old key, by a hub at one of
/// `addresses` that `authorities` vouch for. An expired certificate is renewed too, for a year.
pub async fn renew(
    with: &Enrolling,
    addresses: &[String],
    authorities: &[CertificateDer<'static>],
    old: &Identity,
    key: &SecretKey,
) -> Result<Granted, EnrolError> {
    let tls = tls::renew_client(&with.crypto, authorities)?;
    let config = endpoint::client_config(&with.env, tls).map_err(EnrolError::Settings)?;
    let certificate = old
        .chain
        .first()
        .map(|leaf| leaf.to_vec())
        .unwrap_or_default();
    let request = tls::make_request(key)?;
    let frame = |connection: &quinn::Connection| {
        frames::encode(&Request::Renew(RenewRequest {
            release: with.release.clone(),
            certificate: certificate.clone(),
            request: request.clone(),
            proof: old.key.sign(&frames::proof_text(connection)?)?,
        }))
    };
    attempt(with, addresses, &config, &PinWitness::default(), frame).await
}

/// Asks at one address after the other, until one answers.
async fn attempt(
    with: &Enrolling,
    addresses: &[String],
    config: &quinn::ClientConfig,
    witness: &PinWitness,
    frame: impl Fn(&quinn::Connection) -> Result<Vec<u8>, EnrolError>,
) -> Result<Granted, EnrolError> {
    let mut last = EnrolError::NoAddress;
    for address in addresses {
        match endpoint::connect(&with.endpoint, &*with.network, address, config).await {
            Ok(connection) => match exchange(&connection, &frame(&connection)?).await {
                // What answers there may be no hub, or one that is going down.
                Err(error @ (EnrolError::Lost(_) | EnrolError::Late | EnrolError::Protocol(_))) => {
                    last = error;
                }
                settled => return settled,
            },
            Err(error) => {
                last = witness
                    .mismatch()
                    .map_or_else(|| EnrolError::Connect(error), EnrolError::Foreign);
            }
        }
    }
    Err(last)
}

async fn exchange(connection: &quinn::Connection, request: &[u8]) -> Result<Granted, EnrolError> {
    let answer = tokio::time::timeout(EXCHANGE_TIMEOUT, ask(connection, request)).await;
    connection.close(CLOSE_DONE.into(), b"done");
    match answer.map_err(|_| EnrolError::Late)?? {
        Answer::Granted(granted) if granted.is_bounded() => Ok(granted),
        Answer::Granted(_) => Err(EnrolError::Protocol("the grant exceeds its bounds")),
        Answer::Refused(refusal) => Err(EnrolError::Refused(refusal)),
    }
}

async fn ask(connection: &quinn::Connection, request: &[u8]) -> Result<Answer, EnrolError> {
    let lost = |error: &quinn::ConnectionError| EnrolError::Lost(endpoint::explain(error));
    let (mut to, mut from) = connection.open_bi().await.map_err(|e| lost(&e))?;
    to.write_all(request)
        .await
        .map_err(|e| EnrolError::Lost(e.to_string()))?;
    to.finish().map_err(|e| EnrolError::Lost(e.to_string()))?;
    let body = frames::read(&mut from).await?;
    frames::decode(&body).ok_or(EnrolError::Protocol(
        "the hub's answer is not understood; update the agent",
    ))
}
