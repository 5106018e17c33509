//! How a cluster joins: one question, one answer, on an ALPN that never changes.
//!
//! The agent knows the hub by the pins in its join token and proves itself by the token's secret;
//! it sends a request for a certificate, never its key. Later it renews its certificate the same way,
//! proving itself by the key of the old one. The frames here are frozen: variants are
//! only appended, released structs never change. Whether a token is good is the hub's authority's
//! to say, through [`Registrar`]; nothing is retried here.

mod client;
mod frames;
mod server;
#[cfg(test)]
mod tests;
mod token;

pub use client::{Enrolling, enrol, renew};
pub use frames::{
    Answer, CERTIFICATES_MAX, EnrolRequest, FRAME_BYTES_MAX, Granted, Refusal, RefusalCode,
    RenewRequest, Request, proof_text,
};
pub use server::{Registrar, serve};
pub use token::{JoinToken, TOKEN_TEXT_MAX, TokenError, TokenSecret};

use std::time::Duration;

/// How long the whole exchange may take once connected.
pub const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(15);
/// QUIC's code for "all is said".
pub const CLOSE_DONE: u32 = 0;
/// QUIC's code for "this is not the protocol".
pub const CLOSE_PROTOCOL: u32 = 1;

/// Why an enrolment did not happen.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The hub at every address is another than the one that made the token.
    #[error(transparent)]
    Foreign(#[from] super::tls::NotPinned),
    /// The hub said no, and why.
    #[error("the hub refused: {0}")]
    Refused(Refusal),
    /// No address could be connected to; the error is the last one's.
    #[error("none of the addresses leads to the hub")]
    Connect(#[source] super::endpoint::EndpointError),
    /// The token names no address.
    #[error("there is no address to find the hub at")]
    NoAddress,
    /// TLS settings or the request could not be made.
    #[error("the enrolment cannot be prepared")]
    Prepare(#[from] super::tls::TlsError),
    /// The QUIC settings could not be made.
    #[error("the QUIC settings cannot be made")]
    Settings(#[source] super::endpoint::EndpointError),
    /// The connection was lost in the middle.
    #[error("the connection was lost during the enrolment: {0}")]
    Lost(String),
    /// The other end said something that is not the protocol.
    #[error("the other end does not speak this protocol: {0}")]
    Protocol(&'static str),
    /// It took longer than [`EXCHANGE_TIMEOUT`].
    #[error("the enrolment took longer than {} s", EXCHANGE_TIMEOUT.as_secs())]
    Late,
}
