//! How an agent that knows a hub only by its pins recognises it.
//!
//! The hub presents its chain with the authority's certificate at the end; the authority whose hash
//! is pinned is trusted, and the rest is verified as usual (name, dates, signatures).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{Pin, TlsError};

/// Checks a certificate that an agent's authority among `authorities` is said to have signed, as of
/// `at`, and that `signature` is its key's signature of `text`.
pub fn verify_possession(
    authorities: &[CertificateDer<'static>],
    certificate: &CertificateDer<'_>,
    at: jiff::Timestamp,
    text: &[u8],
    signature: &[u8],
) -> Result<(), TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots
            .add(authority.clone())
            .map_err(|e| TlsError::Authorities(e.to_string()))?;
    }
    // Verification draws no randomness, so that nothing need be injected.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|e| TlsError::Authorities(e.to_string()))?;
    let seconds = u64::try_from(at.as_second()).map_err(|_| TlsError::Moment(at))?;
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    verifier
        .verify_client_cert(certificate, &[], at)
        .map_err(TlsError::Settings)?;
    let key = super::cert::public_key(certificate)?;
    ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, key)
        .verify(text, signature)
        .map_err(|_| TlsError::Possession)
}

/// Trusts as webpki does, and tells the server by name whom.
#[derive(Debug)]
pub(super) struct Hinting {
    webpki: Arc<WebPkiServerVerifier>,
    subjects: Vec<DistinguishedName>,
}

impl Hinting {
    pub(super) fn new(webpki: Arc<WebPkiServerVerifier>, subjects: Vec<DistinguishedName>) -> Self {
        Self { webpki, subjects }
    }
}

impl ServerCertVerifier for Hinting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.webpki
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        (!self.subjects.is_empty()).then_some(&self.subjects)
    }
}

/// No certificate that the hub presented is pinned.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error(
    "the hub at this address is not the one that made the join token (none of its certificates is pinned); \
     make a token on this hub, or correct the address"
)]
pub struct NotPinned;

/// Tells afterwards whether a handshake failed because nothing was pinned: rustls' own errors reach
/// the caller only as text.
#[derive(Clone, Debug, Default)]
pub struct PinWitness(Arc<AtomicBool>);

impl PinWitness {
    /// The error, if any handshake since found nothing pinned.
    pub fn mismatch(&self) -> Option<NotPinned> {
        self.0.load(Ordering::Relaxed).then_some(NotPinned)
    }
}

/// Trusts the authority among the presented certificates whose hash is pinned.
#[derive(Debug)]
pub(super) struct PinnedAuthority {
    provider: Arc<CryptoProvider>,
    pins: Vec<Pin>,
    witness: PinWitness,
}

impl PinnedAuthority {
    pub(super) fn new(provider: Arc<CryptoProvider>, pins: Vec<Pin>, witness: PinWitness) -> Self {
        Self {
            provider,
            pins,
            witness,
        }
    }
}

impl ServerCertVerifier for PinnedAuthority {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pinned = intermediates
            .iter()
            .find(|c| self.pins.contains(&Pin::of(c)));
        let Some(pinned) = pinned else {
            self.witness.0.store(true, Ordering::Relaxed);
            let other = OtherError(Arc::new(NotPinned));
            return Err(Error::InvalidCertificate(CertificateError::Other(other)));
        };
        let mut roots = RootCertStore::empty();
        roots.add(pinned.clone().into_owned())?;
        let webpki = WebPkiServerVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(&self.provider),
        )
        .build()
        .map_err(|e| Error::General(e.to_string()))?;
        webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
