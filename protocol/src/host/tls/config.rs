//! rustls settings for each end: TLS 1.3 only, no resumption, no early data.
//!
//! Resumption is off because a revoked or replaced certificate must not live on in a ticket, and
//! because its caches are randomly keyed.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::WebPkiServerVerifier;
use rustls::server::{NoServerSessionStorage, WantsServerCert, WebPkiClientVerifier};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, ServerConfig, version};
use rustls_pki_types::CertificateDer;

use super::faces::Faces;
use super::verify::{Hinting, PinWitness, PinnedAuthority};
use super::{Crypto, ENROL_ALPN, Identity, Pin, SESSION_ALPN, TlsError};

/// What an agent opens a session with: its own certificate, and trust in `authorities`.
pub fn session_client(
    crypto: &Crypto,
    identity: &Identity,
    authorities: &[CertificateDer<'static>],
) -> Result<ClientConfig, TlsError> {
    let roots = Arc::new(roots(authorities)?);
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&crypto.provider))
        .build()
        .map_err(|e| TlsError::Authorities(e.to_string()))?;
    let mut config =
        ClientConfig::builder_with_details(Arc::clone(&crypto.provider), crypto.time())
            .with_protocol_versions(&[&version::TLS13])
            .map_err(TlsError::Settings)?
            .with_webpki_verifier(verifier)
            .with_client_auth_cert(identity.chain.clone(), identity.key.to_der())
            .map_err(TlsError::Settings)?;
    config.alpn_protocols = vec![SESSION_ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// What an agent renews its certificate with: trust in `authorities`, and no certificate of its own
/// in the handshake, since that may have expired. It proves itself in the request. The hub is told
/// whom the agent trusts, so that it can show a certificate of an authority that it had before.
pub fn renew_client(
    crypto: &Crypto,
    authorities: &[CertificateDer<'static>],
) -> Result<ClientConfig, TlsError> {
    let roots = Arc::new(roots(authorities)?);
    let subjects = roots.subjects();
    let webpki = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&crypto.provider))
        .build()
        .map_err(|e| TlsError::Authorities(e.to_string()))?;
    let verifier = Hinting::new(webpki, subjects);
    let mut config =
        ClientConfig::builder_with_details(Arc::clone(&crypto.provider), crypto.time())
            .with_protocol_versions(&[&version::TLS13])
            .map_err(TlsError::Settings)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
    config.alpn_protocols = vec![ENROL_ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// What an agent enrols with: no certificate of its own, and trust in the authority that is pinned.
///
/// The witness tells afterwards whether a failed handshake was for want of a pinned authority.
pub fn enrol_client(crypto: &Crypto, pins: &[Pin]) -> Result<(ClientConfig, PinWitness), TlsError> {
    let witness = PinWitness::default();
    let provider = Arc::clone(&crypto.provider);
    let verifier = Arc::new(PinnedAuthority::new(
        provider,
        pins.to_vec(),
        witness.clone(),
    ));
    let mut config =
        ClientConfig::builder_with_details(Arc::clone(&crypto.provider), crypto.time())
            .with_protocol_versions(&[&version::TLS13])
            .map_err(TlsError::Settings)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
    config.alpn_protocols = vec![ENROL_ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok((config, witness))
}

/// The hub's QUIC port: sessions with agents that `agents` signed, and enrolment without a
/// certificate. A certificate of another authority fails the handshake.
///
/// Sessions see `identity`. Who renews is shown one of `identity` and `former` (newest first) that it
/// says to trust; who says nothing, as with a join token, is shown the oldest.
pub fn hub_server(
    crypto: &Crypto,
    identity: &Identity,
    former: &[Identity],
    agents: &[CertificateDer<'static>],
) -> Result<ServerConfig, TlsError> {
    let faces = Faces::new(crypto, identity, former)?;
    let builder = server(crypto, agents)?;
    Ok(finished(
        builder.with_cert_resolver(Arc::new(faces)),
        &[SESSION_ALPN, ENROL_ALPN],
    ))
}

/// The hub's REST port: clients that `users` signed, and clients without a certificate.
pub fn rest_server(
    crypto: &Crypto,
    identity: &Identity,
    users: &[CertificateDer<'static>],
) -> Result<ServerConfig, TlsError> {
    let config = server(crypto, users)?
        .with_single_cert(identity.chain.clone(), identity.key.to_der())
        .map_err(TlsError::Settings)?;
    Ok(finished(config, &[b"h2", b"http/1.1"]))
}

fn server(
    crypto: &Crypto,
    clients: &[CertificateDer<'static>],
) -> Result<ConfigBuilder<ServerConfig, WantsServerCert>, TlsError> {
    let roots = Arc::new(roots(clients)?);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&crypto.provider))
        .allow_unauthenticated()
        .build()
        .map_err(|e| TlsError::Authorities(e.to_string()))?;
    let builder = ServerConfig::builder_with_details(Arc::clone(&crypto.provider), crypto.time())
        .with_protocol_versions(&[&version::TLS13])
        .map_err(TlsError::Settings)?;
    Ok(builder.with_client_cert_verifier(verifier))
}

fn finished(mut config: ServerConfig, alpn: &[&[u8]]) -> ServerConfig {
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config
}

pub(super) fn roots(authorities: &[CertificateDer<'static>]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots
            .add(authority.clone())
            .map_err(|e| TlsError::Authorities(e.to_string()))?;
    }
    Ok(roots)
}
