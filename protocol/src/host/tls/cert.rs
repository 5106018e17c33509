//! Making and reading certificates.
//!
//! Every certificate is dated by the injected clock and numbered from the injected entropy. What a
//! request asks for is ignored but for its public key: the profile alone decides what is signed.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _,
    SanType, SerialNumber,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::{HUB_NAME, Identity, SecretKey, TlsError};
use crate::env::Env;
use crate::host::clock::BEGUN;

/// How long an authority's own certificate is good.
const AUTHORITY_LIFE: Duration = Duration::from_secs(3650 * 24 * 3600);
/// How long a server's or an administrator's certificate is good; a user's at most.
pub const SERVER_LIFE: Duration = Duration::from_secs(365 * 24 * 3600);
/// How long an agent's certificate is good.
pub const AGENT_LIFE: Duration = Duration::from_secs(90 * 24 * 3600);
/// How far before its making a certificate begins, for clocks that are behind.
pub const CLOCK_SLACK: Duration = Duration::from_secs(3600);
/// Length of a serial number in bytes.
const SERIAL_BYTES: usize = 16;
/// What precedes a cluster's UID in the URI of its agent's certificate.
const CLUSTER_URI: &str = "roadstead://cluster/";
/// What precedes a group in a URI of a user's certificate: an organisation is written only once.
const GROUP_URI: &str = "roadstead://group/";
/// Characters per line of PEM.
const PEM_LINE: usize = 64;
/// Longest certificate request that is read, in bytes.
const REQUEST_BYTES_MAX: usize = 8 * 1024;

/// What a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Profile {
    /// The hub's QUIC port, as [`HUB_NAME`].
    Hub,
    /// The hub's REST port, under these host names and IP addresses.
    Rest {
        /// DNS names and IP addresses, as text.
        names: Vec<String>,
    },
    /// A person or program at the REST port.
    User {
        /// The user (common name).
        name: String,
        /// Its groups: the first is the organisation, a URI names each further one.
        groups: Vec<String>,
        /// For how long.
        life: Duration,
    },
    /// An agent, by its cluster's UID.
    Agent {
        /// The cluster's UID.
        cluster_uid: String,
    },
}

/// A certificate signed for a key that someone else keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// DER certificates, the leaf first, its authority last.
    pub chain: Vec<CertificateDer<'static>>,
    /// Until when the leaf is good.
    pub not_after: jiff::Timestamp,
}

/// Makes an authority: a key and a certificate that signs itself. It begins before any clock that is
/// believed, whatever the clock says now: one that is ahead must lock nobody out once it is right.
pub fn make_authority(env: &Env, common_name: &str) -> Result<Identity, TlsError> {
    let key = SecretKey::generate(env);
    let pair = key.pair()?;
    let mut params = dated(env, AUTHORITY_LIFE)?;
    let begun = since_epoch(jiff::Timestamp::constant(BEGUN, 0))?;
    let begun = rcgen::date_time_ymd(1970, 1, 1) + begun - CLOCK_SLACK;
    params.not_before = params.not_before.min(begun);
    params.distinguished_name = subject(common_name, None);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&pair).map_err(TlsError::Make)?;
    Ok(Identity {
        chain: vec![certificate.der().clone()],
        key,
    })
}

/// Makes a key and has `authority` sign a certificate for it.
pub fn sign(env: &Env, authority: &Identity, profile: &Profile) -> Result<Identity, TlsError> {
    let key = SecretKey::generate(env);
    let pair = key.pair()?;
    let (issuer, root) = issuer(authority)?;
    let certificate = params(env, profile, &root)?
        .signed_by(&pair, &issuer)
        .map_err(TlsError::Make)?;
    Ok(Identity {
        chain: vec![certificate.der().clone(), root],
        key,
    })
}

/// A certificate request (DER) for `key`. It names nothing: the signer decides.
pub fn make_request(key: &SecretKey) -> Result<Vec<u8>, TlsError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let request = params
        .serialize_request(&key.pair()?)
        .map_err(TlsError::Make)?;
    Ok(request.der().to_vec())
}

/// The blake3 hash, in hexadecimal, of the public key that a request (DER) is for.
///
/// # Errors
/// As [`sign_request`].
pub fn request_key(request: &[u8]) -> Result<String, TlsError> {
    let key = read_request(request)?.public_key.subject_public_key_info();
    Ok(blake3::hash(&key).to_hex().to_string())
}

/// Has `authority` sign a certificate for the key of a request (DER) from elsewhere.
///
/// # Errors
/// [`TlsError::Request`] when the request is too long, malformed or not signed by its own key.
pub fn sign_request(
    env: &Env,
    authority: &Identity,
    request: &[u8],
    profile: &Profile,
) -> Result<Issued, TlsError> {
    let asked = read_request(request)?;
    let (issuer, root) = issuer(authority)?;
    let certificate = params(env, profile, &root)?.signed_by(&asked.public_key, &issuer);
    let leaf = certificate.map_err(TlsError::Make)?.der().clone();
    let until = not_after(&leaf)?;
    Ok(Issued {
        chain: vec![leaf, root],
        not_after: until,
    })
}

fn read_request(request: &[u8]) -> Result<CertificateSigningRequestParams, TlsError> {
    if request.len() > REQUEST_BYTES_MAX {
        return Err(TlsError::Request(
            rcgen::Error::CouldNotParseCertificationRequest,
        ));
    }
    let request = CertificateSigningRequestDer::from(request);
    CertificateSigningRequestParams::from_der(&request).map_err(TlsError::Request)
}

/// The URI that names a cluster in its agent's certificate.
pub fn cluster_uri(uid: &str) -> String {
    format!("{CLUSTER_URI}{uid}")
}

/// The UID of the cluster that a certificate names.
///
/// # Errors
/// When it names none, or more than one thing.
pub fn cluster_uid(certificate: &CertificateDer<'_>) -> Result<String, TlsError> {
    let parsed = parse(certificate)?;
    let names = parsed
        .subject_alternative_name()
        .map_err(|e| TlsError::Parse(e.to_string()))?;
    let names = names
        .map(|san| san.value.general_names.as_slice())
        .unwrap_or_default();
    let [GeneralName::URI(uri)] = names else {
        return Err(TlsError::NoCluster);
    };
    match uri.strip_prefix(CLUSTER_URI) {
        Some(uid) if is_uid(uid) => Ok(uid.to_owned()),
        Some(_) | None => Err(TlsError::NoCluster),
    }
}

/// When a certificate should be renewed: once two thirds of its life are over.
pub fn renewal_due(certificate: &CertificateDer<'_>) -> Result<jiff::Timestamp, TlsError> {
    let parsed = parse(certificate)?;
    let (from, to) = (
        parsed.validity().not_before.timestamp(),
        parsed.validity().not_after.timestamp(),
    );
    let due = to.saturating_sub(to.saturating_sub(from) / 3);
    jiff::Timestamp::from_second(due).map_err(|e| TlsError::Parse(e.to_string()))
}

/// From when on a certificate is good.
pub fn not_before(certificate: &CertificateDer<'_>) -> Result<jiff::Timestamp, TlsError> {
    let seconds = parse(certificate)?.validity().not_before.timestamp();
    jiff::Timestamp::from_second(seconds).map_err(|e| TlsError::Parse(e.to_string()))
}

/// When an agent's certificate was made, by its hub's clock.
pub fn issued_at(certificate: &CertificateDer<'_>) -> Result<jiff::Timestamp, TlsError> {
    let from = not_before(certificate)?;
    from.checked_add(CLOCK_SLACK)
        .map_err(|_| TlsError::Moment(from))
}

/// Whether a certificate is for this key.
pub fn is_for(certificate: &CertificateDer<'_>, key: &SecretKey) -> Result<bool, TlsError> {
    Ok(public_key(certificate)? == key.pair()?.public_key_raw())
}

/// The bytes of a certificate's public key.
pub(super) fn public_key(certificate: &CertificateDer<'_>) -> Result<Vec<u8>, TlsError> {
    Ok(parse(certificate)?
        .public_key()
        .subject_public_key
        .data
        .to_vec())
}

/// The user and groups that a user's certificate names: common name; organisations, and URIs of groups.
pub fn user(certificate: &CertificateDer<'_>) -> Result<(String, Vec<String>), TlsError> {
    let parsed = parse(certificate)?;
    let subject = parsed.subject();
    let text =
        |name: &x509_parser::x509::AttributeTypeAndValue<'_>| name.as_str().map(str::to_owned).ok();
    let user = subject.iter_common_name().find_map(text);
    let user = user.ok_or_else(|| TlsError::Parse("the certificate names no user".to_owned()))?;
    let mut groups: Vec<String> = subject.iter_organization().filter_map(text).collect();
    let names = parsed.subject_alternative_name();
    let names = names.map_err(|e| TlsError::Parse(e.to_string()))?;
    let names = names.iter().flat_map(|san| &san.value.general_names);
    for name in names {
        if let GeneralName::URI(uri) = name {
            groups.extend(uri.strip_prefix(GROUP_URI).map(str::to_owned));
        }
    }
    Ok((user, groups))
}

/// Certificates as PEM text, one after the other.
pub fn certificates_to_pem(certificates: &[CertificateDer<'_>]) -> String {
    let block = |der: &CertificateDer<'_>| {
        let encoded = STANDARD.encode(der);
        let lines: Vec<_> = encoded
            .as_bytes()
            .chunks(PEM_LINE)
            .map(String::from_utf8_lossy)
            .collect();
        format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            lines.join("\n")
        )
    };
    certificates.iter().map(block).collect()
}

/// The certificates in a PEM text, in their order; an empty list is an error.
pub fn certificates_from_pem(text: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let found = found.map_err(|e| TlsError::Parse(e.to_string()))?;
    if found.is_empty() {
        return Err(TlsError::Parse(
            "there is no certificate in the text".to_owned(),
        ));
    }
    Ok(found)
}

/// Until when a certificate is good.
pub fn not_after(certificate: &CertificateDer<'_>) -> Result<jiff::Timestamp, TlsError> {
    let seconds = parse(certificate)?.validity().not_after.timestamp();
    jiff::Timestamp::from_second(seconds).map_err(|e| TlsError::Parse(e.to_string()))
}

/// Whether `text` can be a UID: hexadecimal digits and dashes, 1 to 64 of them.
fn is_uid(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, TlsError> {
    let (_, parsed) =
        X509Certificate::from_der(certificate).map_err(|e| TlsError::Parse(e.to_string()))?;
    Ok(parsed)
}

fn issuer(
    authority: &Identity,
) -> Result<(Issuer<'static, KeyPair>, CertificateDer<'static>), TlsError> {
    let root = authority
        .chain
        .last()
        .cloned()
        .ok_or_else(|| TlsError::Parse("the authority has none".into()))?;
    let issuer = Issuer::from_ca_cert_der(&root, authority.key.pair()?).map_err(TlsError::Make)?;
    Ok((issuer, root))
}

fn params(
    env: &Env,
    profile: &Profile,
    root: &CertificateDer<'_>,
) -> Result<CertificateParams, TlsError> {
    let life = match profile {
        Profile::Hub | Profile::Rest { .. } => SERVER_LIFE,
        Profile::User { life, .. } => *life,
        Profile::Agent { .. } => AGENT_LIFE,
    };
    let mut params = dated(env, life)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params.extended_key_usages = match profile {
        Profile::Hub | Profile::Rest { .. } => vec![ExtendedKeyUsagePurpose::ServerAuth],
        Profile::User { .. } | Profile::Agent { .. } => vec![ExtendedKeyUsagePurpose::ClientAuth],
    };
    if !matches!(profile, Profile::Agent { .. }) {
        // A peer's clock may be months behind, or the hub's was ahead when this was made: that must
        // keep nobody from the hub.
        params.not_before = rcgen::date_time_ymd(1970, 1, 1) + since_epoch(not_before(root)?)?;
    }
    match profile {
        Profile::Hub => {
            params.distinguished_name = subject(HUB_NAME, None);
            params.subject_alt_names = vec![name(HUB_NAME)?];
        }
        Profile::Rest { names } => {
            params.distinguished_name = subject("roadstead", None);
            params.subject_alt_names = names.iter().map(|n| name(n)).collect::<Result<_, _>>()?;
        }
        Profile::User { name, groups, .. } => {
            params.distinguished_name = subject(name, groups.first().map(String::as_str));
            let further = groups.iter().skip(1).map(|group| {
                let uri = format!("{GROUP_URI}{group}").try_into();
                Ok(SanType::URI(uri.map_err(TlsError::Make)?))
            });
            params.subject_alt_names = further.collect::<Result<_, TlsError>>()?;
        }
        Profile::Agent { cluster_uid } => {
            let uri = cluster_uri(cluster_uid)
                .try_into()
                .map_err(TlsError::Make)?;
            params.distinguished_name = subject("roadstead-agent", None);
            params.subject_alt_names = vec![SanType::URI(uri)];
        }
    }
    Ok(params)
}

fn name(text: &str) -> Result<SanType, TlsError> {
    match text.parse::<IpAddr>() {
        Ok(ip) => Ok(SanType::IpAddress(ip)),
        Err(_) => Ok(SanType::DnsName(text.try_into().map_err(TlsError::Make)?)),
    }
}

fn subject(common_name: &str, organisation: Option<&str>) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    if let Some(organisation) = organisation {
        subject.push(DnType::OrganizationName, organisation);
    }
    subject.push(DnType::CommonName, common_name);
    subject
}

/// How long after 1970 a moment is.
fn since_epoch(at: jiff::Timestamp) -> Result<Duration, TlsError> {
    let seconds = u64::try_from(at.as_second()).map_err(|_| TlsError::Moment(at))?;
    Ok(Duration::from_secs(seconds))
}

/// Parameters that begin a little before now and end `life` after it, with a random serial number.
fn dated(env: &Env, life: Duration) -> Result<CertificateParams, TlsError> {
    let now = env.clock.now();
    let year = jiff::tz::TimeZone::UTC.to_datetime(now).year();
    if !(1971..=9900).contains(&year) {
        return Err(TlsError::Moment(now));
    }
    let now = rcgen::date_time_ymd(1970, 1, 1) + since_epoch(now)?;
    let mut serial = env.random::<SERIAL_BYTES>();
    // Positive, and never with a leading zero byte: the encoding has one length.
    serial[0] = (serial[0] & 0x7f) | 0x40;
    let mut params = CertificateParams::default();
    params.not_before = now - CLOCK_SLACK;
    params.not_after = now + life;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}
