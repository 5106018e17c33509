//! Certificates for tests, of any day.

use std::sync::Arc;

use jiff::Timestamp;
use roadstead_protocol::env::{Env, WallClock};
use roadstead_protocol::host::tls::{self, Identity, Profile};
use roadstead_protocol::host::{SecretKey, system};
use rustls::pki_types::CertificateDer;

pub(crate) const DAY: i64 = 24 * 3600;
pub(crate) const UID: &str = "11111111-1111-4111-8111-111111111111";

/// 2026-12-01, when day 0 is.
const BEGIN: i64 = 1_796_083_200;

struct At(Timestamp);

impl WallClock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

pub(crate) fn at(day: i64) -> Timestamp {
    Timestamp::from_second(BEGIN + day * DAY).unwrap()
}

pub(crate) fn env(day: i64) -> Env {
    Env {
        clock: Arc::new(At(at(day))),
        ..system::env()
    }
}

pub(crate) fn authority(day: i64, name: &str) -> Identity {
    tls::make_authority(&env(day), name).unwrap()
}

/// A certificate of an agent of [`UID`], made on that day.
pub(crate) fn agent(day: i64, authority: &Identity) -> Identity {
    let key = SecretKey::generate(&env(day));
    agent_for(day, authority, &key)
}

pub(crate) fn agent_for(day: i64, authority: &Identity, key: &SecretKey) -> Identity {
    let profile = Profile::Agent {
        cluster_uid: UID.to_owned(),
    };
    let request = tls::make_request(key).unwrap();
    let issued = tls::sign_request(&env(day), authority, &request, &profile).unwrap();
    Identity {
        chain: issued.chain,
        key: key.clone(),
    }
}

pub(crate) fn leaf(day: i64) -> CertificateDer<'static> {
    agent(day, &authority(0, "agents")).chain[0].clone()
}
