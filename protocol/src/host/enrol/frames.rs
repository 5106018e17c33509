//! The frozen frames of enrolment, each with a golden sample.
//!
//! A frame is a big-endian `u32` length and that many bytes of postcard. Both ends bound the length
//! before they read, and the counts before they use what came.

use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::EnrolError;
use super::token::TokenSecret;
use crate::wire::limits::{ADDRESSES_MAX, MESSAGE_BYTES_MAX, NAME_BYTES_MAX};

/// Longest frame of an enrolment in bytes, its length prefix not counted.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;
/// What the proof of a renewal begins with.
const PROOF_LABEL: &[u8] = b"roadstead renewal 1";
/// Length of an Ed25519 signature in bytes.
const PROOF_BYTES: usize = 64;
/// Most certificates in a chain or list.
pub const CERTIFICATES_MAX: usize = 16;

/// What an agent asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// To become the agent of a token's cluster.
    Enrol(EnrolRequest),
    /// A new certificate for an identity that the hub gave before.
    Renew(RenewRequest),
}

/// A request to become the agent of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolRequest {
    /// The agent's release, for people.
    pub release: String,
    /// The token's id.
    pub token: String,
    /// The token's secret.
    pub secret: TokenSecret,
    /// The request for a certificate, DER; signed by the agent's own key.
    pub request: Vec<u8>,
    /// The UID of the member's `kube-system` namespace, to which the identity is bound.
    pub member_uid: String,
}

/// A request for a new certificate, with proof that the agent has the key of the old one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewRequest {
    /// The agent's release, for people.
    pub release: String,
    /// The certificate that the hub gave before, DER. May have expired, by a year at most.
    pub certificate: Vec<u8>,
    /// The request for a certificate, DER; its key may be a new one.
    pub request: Vec<u8>,
    /// The old key's signature over [`proof_text`] of this connection.
    pub proof: Vec<u8>,
}

/// What the hub answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It is granted.
    Granted(Granted),
    /// It is not, and why.
    Refused(Refusal),
}

/// An agent's new identity, and what it needs to find its hub again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// The hub's own identity.
    pub hub: String,
    /// The cluster's UID, as in the certificate.
    pub cluster: String,
    /// The certificate's chain, DER, the leaf first.
    pub chain: Vec<Vec<u8>>,
    /// The authorities to trust from now on, DER.
    pub authorities: Vec<Vec<u8>>,
    /// Where the hub is to be found from now on, as `host:port`.
    pub addresses: Vec<String>,
}

/// Why a hub does not enrol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// For programs.
    pub code: RefusalCode,
    /// For people, with what to do. Bounded.
    pub message: String,
}

/// Why a hub does not enrol, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusalCode {
    /// The token was used already.
    Used,
    /// The token, or the certificate to be renewed, is too old.
    Expired,
    /// This hub never made such a token or certificate, or the secret or proof is another's.
    Unknown,
    /// The cluster is no longer there.
    Detached,
    /// The request for a certificate is not one.
    Malformed,
    /// The frame was not understood: the agent is newer than the hub.
    Unsupported,
    /// The hub cannot do it now; the token is still good.
    Unavailable,
}

impl Refusal {
    /// A refusal; a message beyond its bound is cut.
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        let mut message = message.into();
        let cut = (0..=MESSAGE_BYTES_MAX)
            .rev()
            .find(|at| message.is_char_boundary(*at));
        message.truncate(cut.unwrap_or_default());
        Self { code, message }
    }
}

/// What a renewal signs: something that only the two ends of this connection know, so that a proof
/// is worth nothing anywhere else.
pub fn proof_text(connection: &quinn::Connection) -> Result<Vec<u8>, EnrolError> {
    let mut secret = [0; 32];
    connection
        .export_keying_material(&mut secret, PROOF_LABEL, &[])
        .map_err(|_| EnrolError::Protocol("the connection exports no secret"))?;
    Ok([PROOF_LABEL, &secret].concat())
}

impl RenewRequest {
    /// Whether every part is within its bound; the frame's own bound covers the certificates.
    pub(super) fn is_bounded(&self) -> bool {
        self.release.len() <= NAME_BYTES_MAX && self.proof.len() == PROOF_BYTES
    }
}

impl EnrolRequest {
    /// Whether every part is within its bound.
    pub(super) fn is_bounded(&self) -> bool {
        [&self.release, &self.token, &self.member_uid]
            .iter()
            .all(|text| text.len() <= NAME_BYTES_MAX)
    }
}

impl Granted {
    /// Whether every part is within its bound.
    pub(super) fn is_bounded(&self) -> bool {
        let texts = self
            .addresses
            .iter()
            .chain([&self.hub, &self.cluster])
            .all(|t| t.len() <= 2 * NAME_BYTES_MAX);
        let counts = self.chain.len() <= CERTIFICATES_MAX
            && self.authorities.len() <= CERTIFICATES_MAX
            && self.addresses.len() <= ADDRESSES_MAX;
        texts && counts && !self.chain.is_empty()
    }
}

/// Encodes a frame with its length.
pub(super) fn encode<T: Serialize>(frame: &T) -> Result<Vec<u8>, EnrolError> {
    let body = postcard::to_allocvec(frame)
        .map_err(|_| EnrolError::Protocol("a frame cannot be encoded"))?;
    let length = u32::try_from(body.len())
        .ok()
        .filter(|_| body.len() <= FRAME_BYTES_MAX);
    let length = length.ok_or(EnrolError::Protocol("a frame is too long"))?;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// Reads one frame's body from a stream: the length first, bounded.
pub(super) async fn read(stream: &mut quinn::RecvStream) -> Result<Vec<u8>, EnrolError> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await.map_err(lost)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > FRAME_BYTES_MAX {
        return Err(EnrolError::Protocol("a frame is too long"));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.map_err(lost)?;
    Ok(body)
}

/// Decodes a frame's body. `None` when it is not one that this release knows.
pub(super) fn decode<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    postcard::take_from_bytes(body)
        .ok()
        .and_then(|(frame, rest)| rest.is_empty().then_some(frame))
}

fn lost(error: quinn::ReadExactError) -> EnrolError {
    match error {
        quinn::ReadExactError::FinishedEarly(_) => EnrolError::Protocol("a frame ended early"),
        quinn::ReadExactError::ReadError(quinn::ReadError::ConnectionLost(lost)) => {
            EnrolError::Lost(crate::host::endpoint::explain(&lost))
        }
        quinn::ReadExactError::ReadError(other) => EnrolError::Lost(other.to_string()),
    }
}
