//! What is taken over, what is remembered, and what is refused.

use roadstead_protocol::host::tls::Identity as TlsIdentity;

use super::*;
use crate::link::testing::{UID, agent, agent_for, authority, env};

fn der(list: &[CertificateDer<'_>]) -> Vec<Vec<u8>> {
    list.iter().map(|c| c.to_vec()).collect()
}

fn root(authority: &TlsIdentity) -> Vec<u8> {
    authority.chain[0].to_vec()
}

fn kept(authority: &TlsIdentity) -> Kept {
    let agent = agent(0, authority);
    Kept {
        identity: Identity {
            key: agent.key.as_bytes().to_vec(),
            certificates: der(&agent.chain),
            hub: "hub".to_owned(),
            cluster: UID.to_owned(),
            addresses: vec!["a:1".to_owned(), "b:1".to_owned()],
            authorities: vec![root(authority)],
        },
        former: Former::default(),
    }
}

fn granted(signer: &TlsIdentity, key: &SecretKey, trusted: &[Vec<u8>]) -> Granted {
    Granted {
        hub: "hub".to_owned(),
        cluster: UID.to_owned(),
        chain: der(&agent_for(60, signer, key).chain),
        authorities: trusted.to_vec(),
        addresses: vec!["c:1".to_owned()],
    }
}

#[test]
fn a_certificate_of_the_same_authority_replaces_the_one_before() {
    let signer = authority(0, "one");
    let (before, key) = (kept(&signer), SecretKey::generate(&env(60)));
    let grant = granted(&signer, &key, &[root(&signer)]);
    let after = before.renewed(grant.clone(), &key).unwrap();
    assert_eq!(after.identity.certificates, grant.chain);
    assert_eq!(after.identity.key, key.as_bytes());
    assert_eq!(after.identity.addresses, ["c:1"]);
    assert_eq!(after.former.identities, []);
    assert_eq!(after.former.authorities, Vec::<Vec<u8>>::new());
    assert_eq!(after.candidates().len(), 1);
}

#[test]
fn what_a_former_authority_gave_is_kept_for_renewals_alone() {
    let (old, new) = (authority(0, "old"), authority(1, "new"));
    let (before, key) = (kept(&old), SecretKey::generate(&env(60)));
    let after = before
        .renewed(granted(&new, &key, &[root(&new)]), &key)
        .unwrap();
    assert_eq!(der(&after.trusted()), [root(&new)]);
    assert_eq!(der(&after.trusted_for_renewal()), [root(&new), root(&old)]);
    let candidates = after.candidates();
    assert_eq!(der(&candidates[1].chain), before.identity.certificates);
    assert_eq!(candidates.len(), 2);
    // And back, as after a hub was restored: nothing is remembered twice.
    let key = SecretKey::generate(&env(60));
    let back = after
        .renewed(granted(&old, &key, &[root(&old)]), &key)
        .unwrap();
    assert_eq!(der(&back.trusted()), [root(&old)]);
    assert_eq!(der(&back.trusted_for_renewal()), [root(&old), root(&new)]);
    assert_eq!(back.former.identities.len(), 1);
    assert_eq!(
        back.former.identities[0].certificates,
        after.identity.certificates
    );
}

#[test]
fn a_certificate_for_somebody_else_is_not_taken() {
    let signer = authority(0, "one");
    let (before, key) = (kept(&signer), SecretKey::generate(&env(60)));
    let good = granted(&signer, &key, &[root(&signer)]);
    let other = SecretKey::generate(&env(61));
    assert_eq!(
        before.renewed(good.clone(), &other),
        Err(Wrong::Certificate)
    );
    for (hub, cluster) in [
        ("other", UID),
        ("hub", "22222222-2222-4222-8222-222222222222"),
    ] {
        let grant = Granted {
            hub: hub.to_owned(),
            cluster: cluster.to_owned(),
            ..good.clone()
        };
        let refused = before.renewed(grant, &key);
        assert!(matches!(refused, Err(Wrong::Another { .. })), "{refused:?}");
    }
    let nothing = Granted {
        chain: vec![vec![1, 2]],
        ..good
    };
    assert_eq!(before.renewed(nothing, &key), Err(Wrong::Certificate));
}

#[test]
fn a_welcome_renews_addresses_and_authorities_and_the_address_that_worked_stays() {
    let (old, new) = (authority(0, "old"), authority(1, "new"));
    let before = kept(&old);
    let names = ["x:1".to_owned()];
    let after = before.told(&names, &[root(&old), root(&new)], "b:1");
    assert_eq!(after.identity.addresses, ["x:1"]);
    assert_eq!(after.former.addresses, ["b:1"]);
    assert_eq!(der(&after.trusted()), [root(&old), root(&new)]);
    assert_eq!(after.former.authorities, Vec::<Vec<u8>>::new());
    // Nothing said, nothing changed; and the same said twice is no change.
    assert_eq!(after.told(&[], &[], "x:1"), after);
    let again = after.told(&names, &[root(&old), root(&new)], "b:1");
    assert_eq!(again, after);
    // Named again, it is no former one.
    let both = ["b:1".to_owned(), "x:1".to_owned()];
    let named = after.told(&both, &[root(&new)], "b:1");
    assert_eq!(named.former.addresses, Vec::<String>::new());
    assert_eq!(der(&named.trusted_for_renewal()), [root(&new), root(&old)]);
}

#[test]
fn addresses_are_tried_in_turn_and_the_one_that_worked_first() {
    let mut kept = kept(&authority(0, "one"));
    kept.former.addresses = vec!["z:1".to_owned()];
    let check = |met: Option<&str>, expected: [&str; 3]| {
        let met = met.map(str::to_owned);
        assert_eq!(kept.addresses(met.as_ref()), expected);
    };
    check(None, ["a:1", "b:1", "z:1"]);
    check(Some("b:1"), ["b:1", "a:1", "z:1"]);
    check(Some("z:1"), ["z:1", "a:1", "b:1"]);
    check(Some("gone:1"), ["a:1", "b:1", "z:1"]);
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut kept = kept(&authority(0, "one"));
    for n in 0..20_u8 {
        kept = kept.told(&[format!("n{n}:1")], &[vec![n; 4]], &format!("m{n}:1"));
    }
    assert_eq!(kept.former.addresses.len(), ADDRESSES_MAX);
    assert_eq!(kept.former.addresses[0], "m19:1");
    assert_eq!(kept.former.authorities.len(), AUTHORITIES_MAX);
    assert_eq!(kept.former.authorities[0], vec![18; 4]);
}
