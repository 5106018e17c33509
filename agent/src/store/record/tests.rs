//! Golden samples: what a release wrote, every later one reads.

use std::path::Path;

use roadstead_protocol::wire::item::Propagation;
use roadstead_protocol::wire::stamp::EpochRange;
use roadstead_protocol::wire::{Epoch, Revision};

use super::*;

fn stamp(revision: u64) -> Stamp {
    Stamp {
        epoch: Epoch(0x0102_0304_0506_0708),
        revision: Revision(revision),
    }
}

/// Compares with the sample `name`, which is never written here: a new one is put there by hand.
fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(name: &str, record: &T) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("golden")
        .join(format!("{name}.v{VERSION}.hex"));
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let written = encode(record);
    let golden = std::fs::read_to_string(&path).unwrap_or_else(|_| {
        panic!(
            "no sample {}: it should hold\n{}",
            path.display(),
            hex(&written)
        )
    });
    assert_eq!(
        hex(&written),
        golden.trim(),
        "{name} is written in another way than it was released"
    );
    assert_eq!(&decode::<T>(&written).unwrap(), record);
}

#[test]
fn records_are_written_as_they_were_released() {
    check(
        "identity",
        &Identity {
            key: vec![1; 32],
            certificates: vec![vec![2, 3]],
            hub: "hub".into(),
            cluster: "cluster".into(),
            addresses: vec!["hub.example.org:7443".into()],
            authorities: vec![vec![4]],
        },
    );
    check(
        "boot",
        &Boot {
            counter: 3,
            nonce: 0xffee,
            member_uid: "uid".into(),
        },
    );
    let range = EpochRange {
        epoch: Epoch(1),
        first: Revision(10),
        last: Some(Revision(20)),
    };
    check(
        "position",
        &Position {
            stamp: Some(stamp(9)),
            lineage: Lineage(vec![range]),
            detached: false,
        },
    );
    check(
        "item",
        &Item {
            stamp: stamp(300),
            digest: Some(Digest([5; 32])),
            meta: vec![
                Meta::Overwrite,
                Meta::Propagation(Propagation::Foreground),
                Meta::Replaces(stamp(1)),
            ],
            listed: true,
            held: Some(Offer {
                stamp: stamp(2),
                digest: None,
                same_stamp: false,
            }),
        },
    );
    check(
        "tombstone",
        &Item {
            stamp: stamp(301),
            digest: None,
            meta: vec![],
            listed: true,
            held: None,
        },
    );
    check(
        "inventory",
        &Inventory {
            uid: "uid".into(),
            stamp: stamp(300),
            digest: Digest([5; 32]),
            mark: Mark([6; 16]),
            fields: Mark([7; 16]),
        },
    );
}

#[test]
fn a_freeze_is_written_as_it_was_released() {
    let freeze = Freeze {
        stamp: stamp(300),
        frozen: true,
        reason: "network maintenance".into(),
        held: Some(stamp(301)),
    };
    check("freeze", &freeze);
}

#[test]
fn what_was_before_and_how_late_it_is_are_written_as_they_were_released() {
    let former = Former {
        authorities: vec![vec![5]],
        identities: vec![FormerIdentity {
            key: vec![1; 32],
            certificates: vec![vec![2, 3]],
        }],
        addresses: vec!["old.example.org:7443".into()],
    };
    check("former", &former);
    check(
        "clock",
        &Clock {
            seconds: 1_800_000_000,
        },
    );
}

#[test]
fn a_key_to_join_with_is_written_as_it_was_released() {
    check(
        "joining",
        &Joining {
            token: "0a1b".into(),
            key: vec![1; 32],
        },
    );
}

#[test]
fn tokens_that_were_spent_are_written_as_they_were_released() {
    let spent = Spent {
        tokens: vec!["0a1b".into()],
    };
    check("spent", &spent);
}

#[test]
fn what_a_member_was_before_is_written_as_it_was_released() {
    let past = Past {
        clusters: vec!["before".into()],
    };
    check("past", &past);
}

#[test]
fn a_member_remembers_what_it_was_to_one_hub() {
    let who = |hub: &str, cluster: &str| Identity {
        key: vec![],
        certificates: vec![],
        hub: hub.into(),
        cluster: cluster.into(),
        addresses: vec![],
        authorities: vec![],
    };
    let mut past = Past::default().then(None, &who("hub", "0"));
    assert_eq!(past, Past::default());
    for n in 0..20_u32 {
        let (before, now) = (n.to_string(), (n + 1).to_string());
        past = past.then(Some(&who("hub", &before)), &who("hub", &now));
    }
    assert_eq!(past.clusters.len(), PAST_MAX);
    assert_eq!(past.clusters.first().map(String::as_str), Some("19"));
    // Back again as one that it was.
    let back = past.then(Some(&who("hub", "20")), &who("hub", "18"));
    assert!(back.clusters.iter().all(|c| c != "18") && back.clusters[0] == "20");
    let owner = past.owner(&who("hub", "20"));
    assert_eq!(owner.label(), Owner::new("hub", "20").label());
    assert!(owner.was(Owner::new("hub", "19").label()));
    let elsewhere = past.then(Some(&who("hub", "20")), &who("other", "20"));
    assert_eq!(elsewhere, Past::default());
}

#[test]
fn the_last_tokens_that_were_spent_are_remembered() {
    let mut spent = Spent::default();
    for id in 0..100 {
        let last = Spent {
            tokens: vec![id.to_string()],
        };
        spent = last.and(&spent.tokens).and(&["99".to_owned()]);
    }
    assert_eq!(spent.tokens.len(), SPENT_MAX);
    assert!(spent.has("99") && spent.has("85") && !spent.has("1"));
}

#[test]
fn what_is_not_a_record_is_refused() {
    let check =
        |bytes: &[u8], expected: RecordError| assert_eq!(decode::<Boot>(bytes), Err(expected));
    check(&[], RecordError::Short);
    check(&[VERSION], RecordError::Short);
    check(&[2, PLAIN, 0], RecordError::Version(2));
    check(&[VERSION, 9, 0], RecordError::Sealed(9));
    check(&[VERSION, PLAIN, 1], RecordError::Bytes);
    let mut long = encode(&Boot::default());
    long.push(0);
    check(&long, RecordError::Bytes);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        for kind in 0..3 {
            let sealed = [&[VERSION, PLAIN][..], &bytes].concat();
            match kind {
                0 => drop(decode::<Item>(&sealed)),
                1 => drop(decode::<Identity>(&sealed)),
                _ => drop(decode_key(&bytes)),
            }
        }
    }

    #[test]
    fn a_key_reads_as_it_was_written(parts in proptest::collection::vec("[a-zA-Z0-9.:-]{0,20}", 4)) {
        let [group, kind, namespace, name] = <[String; 4]>::try_from(parts).unwrap();
        let key = ItemKey { group, kind, namespace, name };
        proptest::prop_assert_eq!(decode_key(&encode_key(&key)), Ok(key));
    }
}
