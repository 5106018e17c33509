//! Keys and certificates: what they say, that they repeat, and what is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::*;
use crate::env::{Blocking, BoxFuture, Entropy};

struct Noon;
impl WallClock for Noon {
    fn now(&self) -> jiff::Timestamp {
        "2026-06-01T12:00:00Z".parse().unwrap()
    }
}

/// Every draw is filled with the next number.
#[derive(Default)]
struct Counting(AtomicU8);
impl Entropy for Counting {
    fn fill(&self, buf: &mut [u8]) {
        buf.fill(self.0.fetch_add(1, Ordering::Relaxed).wrapping_add(1));
    }
}

struct Inline;
impl Blocking for Inline {
    fn run(&self, job: Box<dyn FnOnce() + Send>) -> BoxFuture<()> {
        job();
        Box::pin(std::future::ready(()))
    }
}

pub(crate) fn env() -> Env {
    Env {
        clock: Arc::new(Noon),
        entropy: Arc::new(Counting::default()),
        blocking: Arc::new(Inline),
    }
}

const UID: &str = "0a1b2c3d-0000-4000-8000-000000000001";

fn agent() -> Profile {
    Profile::Agent {
        cluster_uid: UID.to_owned(),
    }
}

#[test]
fn one_entropy_gives_one_certificate() {
    let make = || {
        let env = env();
        let authority = make_authority(&env, "agents").unwrap();
        sign(&env, &authority, &agent()).unwrap().chain
    };
    assert_eq!(make(), make());
}

#[test]
fn a_key_survives_its_text() {
    let key = SecretKey::generate(&env());
    let pem = key.to_pem().unwrap();
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"));
    assert_eq!(SecretKey::from_pem(&pem).unwrap(), key);
    assert_eq!(format!("{key:?}"), "SecretKey(..)");
    assert!(
        SecretKey::from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
            .is_err()
    );
}

#[test]
fn certificates_survive_their_text() {
    let env = env();
    let authority = make_authority(&env, "agents").unwrap();
    let chain = sign(&env, &authority, &Profile::Hub).unwrap().chain;
    assert_eq!(
        certificates_from_pem(&certificates_to_pem(&chain)).unwrap(),
        chain
    );
    assert!(certificates_from_pem("").is_err());
}

#[test]
fn an_agents_certificate_names_its_cluster_and_ends_after_ninety_days() {
    let env = env();
    let authority = make_authority(&env, "agents").unwrap();
    let identity = sign(&env, &authority, &agent()).unwrap();
    assert_eq!(cluster_uid(&identity.chain[0]).unwrap(), UID);
    let expected: jiff::Timestamp = "2026-08-30T12:00:00Z".parse().unwrap();
    assert_eq!(not_after(&identity.chain[0]).unwrap(), expected);
}

#[test]
fn only_an_agents_certificate_names_a_cluster() {
    let env = env();
    let authority = make_authority(&env, "agents").unwrap();
    let odd = |uid: &str| Profile::Agent {
        cluster_uid: uid.to_owned(),
    };
    let user = Profile::User {
        name: "roadstead://cluster/1".to_owned(),
        groups: vec!["roadstead://cluster/1".to_owned()],
        life: AGENT_LIFE,
    };
    for profile in [
        Profile::Hub,
        user,
        odd(""),
        odd("a/../b"),
        odd("a%20b"),
        odd("x"),
    ] {
        let identity = sign(&env, &authority, &profile).unwrap();
        assert!(
            matches!(cluster_uid(&identity.chain[0]), Err(TlsError::NoCluster)),
            "{profile:?}"
        );
    }
}

#[test]
fn a_users_certificate_names_the_user_and_the_groups_and_ends_in_time() {
    let env = env();
    let authority = make_authority(&env, "rest").unwrap();
    for groups in [&[][..], &["system:masters"], &["devs", "team:a/b@c", "ops"]] {
        let groups: Vec<String> = groups.iter().map(|g| (*g).to_owned()).collect();
        let life = std::time::Duration::from_secs(3600);
        let profile = Profile::User {
            name: "ann".to_owned(),
            groups: groups.clone(),
            life,
        };
        let identity = sign(&env, &authority, &profile).unwrap();
        let leaf = &identity.chain[0];
        assert_eq!(user(leaf).unwrap(), ("ann".to_owned(), groups));
        let left = not_after(leaf).unwrap().duration_since(env.clock.now());
        assert!((3599..=3600).contains(&left.as_secs()), "{left}");
        assert!(cluster_uid(leaf).is_err());
    }
}

#[test]
fn a_request_decides_nothing_but_its_key() {
    let env = env();
    let authority = make_authority(&env, "agents").unwrap();
    let key = SecretKey::generate(&env);
    // It asks to be an authority and the hub.
    let mut params = rcgen::CertificateParams::new(vec![HUB_NAME.to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let request = params.serialize_request(&key.pair().unwrap()).unwrap();
    let issued = sign_request(&env, &authority, request.der(), &agent()).unwrap();
    let same = sign_request(&env, &authority, &make_request(&key).unwrap(), &agent()).unwrap();
    assert_eq!(cluster_uid(&issued.chain[0]).unwrap(), UID);
    let (_, parsed) = x509_parser::parse_x509_certificate(&issued.chain[0]).unwrap();
    let (_, plain) = x509_parser::parse_x509_certificate(&same.chain[0]).unwrap();
    assert!(!parsed.is_ca());
    assert_eq!(parsed.public_key(), plain.public_key());
    assert_eq!(parsed.subject(), plain.subject());
}

#[test]
fn a_malformed_request_is_refused() {
    let env = env();
    let authority = make_authority(&env, "agents").unwrap();
    let good = make_request(&SecretKey::generate(&env)).unwrap();
    let mut tampered = good.clone();
    let last = tampered.len() - 1;
    tampered[last] ^= 1;
    for bad in [
        &b""[..],
        b"\x30\x03\x02\x01\x01",
        &good[..good.len() - 1],
        &tampered,
        &[0x30; 9000],
    ] {
        let refused = sign_request(&env, &authority, bad, &agent());
        assert!(matches!(refused, Err(TlsError::Request(_))), "{bad:?}");
    }
}

#[test]
fn a_pin_is_the_sha256_of_the_certificate() {
    let pin = Pin::of(&CertificateDer::from(b"abc".to_vec()));
    assert_eq!(
        pin.to_string(),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}

#[test]
fn an_authority_that_was_made_while_the_clock_was_ahead_is_good_today() {
    struct Ahead;
    impl WallClock for Ahead {
        fn now(&self) -> jiff::Timestamp {
            "2035-01-01T00:00:00Z".parse().unwrap()
        }
    }
    let ahead = Env {
        clock: Arc::new(Ahead),
        ..env()
    };
    let authority = make_authority(&ahead, "agents").unwrap();
    let begun: jiff::Timestamp = "2026-05-31T23:00:00Z".parse().unwrap();
    assert_eq!(not_before(&authority.chain[0]).unwrap(), begun);
    let server = sign(&env(), &authority, &Profile::Hub).unwrap();
    assert_eq!(not_before(&server.chain[0]).unwrap(), begun);
}
