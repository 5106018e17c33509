//! TLS without hidden entropy: ring's ciphers, with randomness and key exchange drawn from the seed.
//!
//! ring's own key exchange asks the system for entropy and cannot be told otherwise, so the group
//! here is X25519 by x25519-dalek. Ciphers, signatures and verification are the real ones.

use std::cell::RefCell;
use std::sync::Arc;

use rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, GetRandomFailed, SecureRandom, SharedSecret,
    SupportedKxGroup,
};
use rustls::{Error, NamedGroup, PeerMisbehaved};
use x25519_dalek::{PublicKey, StaticSecret};

use crate::rng::Rng;

thread_local! {
    static RNG: RefCell<Rng> = RefCell::new(Rng::new(0));
}

/// Begins anew on this thread.
pub fn begin(rng: &Rng) {
    RNG.set(rng.fork("tls"));
}

fn fill(buf: &mut [u8]) {
    RNG.with_borrow_mut(|rng| rng.fill(buf));
}

/// The provider of a simulated process.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256],
        kx_groups: vec![&SimX25519],
        secure_random: &SimRandom,
        ..rustls::crypto::ring::default_provider()
    })
}

#[derive(Debug)]
struct SimRandom;

impl SecureRandom for SimRandom {
    fn fill(&self, buf: &mut [u8]) -> Result<(), GetRandomFailed> {
        fill(buf);
        Ok(())
    }
}

#[derive(Debug)]
struct SimX25519;

impl SupportedKxGroup for SimX25519 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut seed = [0; 32];
        fill(&mut seed);
        let secret = StaticSecret::from(seed);
        let public = PublicKey::from(&secret);
        Ok(Box::new(Exchange { secret, public }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

struct Exchange {
    secret: StaticSecret,
    public: PublicKey,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let peer: [u8; 32] = peer
            .try_into()
            .map_err(|_| Error::from(PeerMisbehaved::InvalidKeyShare))?;
        let shared = self.secret.diffie_hellman(&PublicKey::from(peer));
        Ok(SharedSecret::from(shared.as_bytes().as_slice()))
    }

    fn pub_key(&self) -> &[u8] {
        self.public.as_bytes()
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}
