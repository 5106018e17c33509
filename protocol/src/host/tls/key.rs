//! Ed25519 keys made of 32 bytes of entropy, and pins.
//!
//! Ed25519 because its signatures are fixed in length and deterministic, and a key is exactly its
//! seed: so a run of the simulation repeats byte for byte.

use rcgen::{KeyPair, PKCS_ED25519};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::TlsError;
use crate::env::Env;

/// What precedes the 32 bytes of an Ed25519 seed in a PKCS#8 version 1 document (RFC 8410).
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
/// Length of an Ed25519 key in bytes.
pub const SECRET_KEY_BYTES: usize = 32;

/// An Ed25519 secret key. Its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey([u8; SECRET_KEY_BYTES]);

impl SecretKey {
    /// A new key.
    pub fn generate(env: &Env) -> Self {
        Self(env.random())
    }

    /// The key that these bytes are.
    pub fn from_bytes(bytes: [u8; SECRET_KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes to persist. They are the secret itself.
    pub fn as_bytes(&self) -> &[u8; SECRET_KEY_BYTES] {
        &self.0
    }

    /// The key as a PKCS#8 document.
    pub fn to_pkcs8(&self) -> PrivatePkcs8KeyDer<'static> {
        let mut der = PKCS8_PREFIX.to_vec();
        der.extend_from_slice(&self.0);
        der.into()
    }

    /// The key as rustls takes it.
    pub fn to_der(&self) -> PrivateKeyDer<'static> {
        self.to_pkcs8().into()
    }

    /// The key as PKCS#8 PEM text (`BEGIN PRIVATE KEY`).
    pub fn to_pem(&self) -> Result<String, TlsError> {
        Ok(self.pair()?.serialize_pem())
    }

    /// The key of a text like [`Self::to_pem`]'s.
    pub fn from_pem(text: &str) -> Result<Self, TlsError> {
        let unreadable = || TlsError::Key(rcgen::Error::CouldNotParseKeyPair);
        let der = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).map_err(|_| unreadable())?;
        let seed = der
            .secret_pkcs8_der()
            .strip_prefix(&PKCS8_PREFIX)
            .ok_or_else(unreadable)?;
        Ok(Self(seed.try_into().map_err(|_| unreadable())?))
    }

    /// This key's signature of `text`. The same text always gets the same signature.
    pub fn sign(&self, text: &[u8]) -> Result<Vec<u8>, TlsError> {
        let pair = ring::signature::Ed25519KeyPair::from_seed_unchecked(&self.0);
        let pair = pair.map_err(|_| TlsError::Key(rcgen::Error::CouldNotParseKeyPair))?;
        Ok(pair.sign(text).as_ref().to_vec())
    }

    /// The key as rcgen signs with it.
    pub fn pair(&self) -> Result<KeyPair, TlsError> {
        KeyPair::from_pkcs8_der_and_sign_algo(&self.to_pkcs8(), &PKCS_ED25519)
            .map_err(TlsError::Key)
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// The SHA-256 of an authority's certificate (DER): what a join token pins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Pin(pub [u8; 32]);

impl Pin {
    /// The pin of a certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, certificate);
        let mut pin = [0; 32];
        pin.copy_from_slice(digest.as_ref());
        Self(pin)
    }
}

impl std::fmt::Display for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl std::fmt::Debug for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pin({self})")
    }
}
