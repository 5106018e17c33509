//! Golden samples of the records: what a release has written, every later one reads.

use super::record::*;
use super::*;
use bytes::Bytes;
use roadstead_protocol::env::Entropy;
use roadstead_protocol::seal::{Key as SealKey, Keyring};
use roadstead_protocol::wire::{Epoch, EpochRange};

struct Fixed;

impl Entropy for Fixed {
    fn fill(&self, buf: &mut [u8]) {
        buf.fill(3);
    }
}

fn sealer(keyring: Keyring) -> Sealer {
    Sealer::new(keyring, Arc::new(Fixed))
}

fn plain() -> Sealer {
    sealer(Keyring::default())
}

fn sealed() -> Sealer {
    sealer(Keyring::of(SealKey::new([7; 32])))
}

fn check(name: &str, record: &[u8]) {
    let path = format!("{}/golden/{name}-v1.hex", env!("CARGO_MANIFEST_DIR"));
    let hex = record
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>();
    match std::fs::read_to_string(&path) {
        Ok(golden) => assert_eq!(hex, golden.trim(), "{name}: released records never change"),
        Err(_) => panic!("{path} is missing; this release writes {hex}"),
    }
}

fn entry() -> Entry {
    let key = Key::parse("/objects/core/configmaps/default/harbour").unwrap();
    let (created, revision) = (
        Revision(1_790_000_000_000_000),
        Revision(1_790_000_000_000_007),
    );
    Entry {
        key,
        created,
        revision,
        value: Bytes::from_static(b"{\"data\":{\"depth\":\"9\"}}"),
    }
}

fn lineage() -> Lineage {
    let range = |epoch, first, last: Option<u64>| EpochRange {
        epoch: Epoch(epoch),
        first: Revision(first),
        last: last.map(Revision),
    };
    Lineage(vec![
        range(0x1234_5678_9abc_def0, 10, Some(20)),
        range(7, 100, None),
    ])
}

#[test]
fn records_are_as_they_were_released() {
    for (sealer, prefix) in [(plain(), ""), (sealed(), "sealed-")] {
        let check = |name: &str, record: Result<Vec<u8>, RecordError>| {
            check(&format!("{prefix}{name}"), &record.unwrap());
        };
        let last = Revision(1_790_000_000_000_007);
        check("entry", encode_entry(&sealer, &entry()));
        check("head", encode_head(&sealer, last));
        check("lineage", encode_lineage(&sealer, &lineage()));
    }
}

#[test]
fn records_there_and_back() {
    for sealer in [plain(), sealed()] {
        let entry = entry();
        let record = encode_entry(&sealer, &entry).unwrap();
        let found = decode_entry(&sealer, entry.key.as_str(), &record);
        assert_eq!(found, Ok(entry));
        let record = encode_head(&sealer, Revision(3)).unwrap();
        assert_eq!(decode_head(&sealer, &record), Ok(Revision(3)));
        let record = encode_lineage(&sealer, &lineage()).unwrap();
        assert_eq!(decode_lineage(&sealer, &record), Ok(lineage()));
    }
}

#[test]
fn any_damage_is_found_and_nothing_panics() {
    for sealer in [plain(), sealed()] {
        let (entry, name) = (entry(), entry().key.to_string());
        let record = encode_entry(&sealer, &entry).unwrap();
        let decode = |name: &str, record: &[u8]| decode_entry(&sealer, name, record);
        for at in 0..record.len() {
            assert!(decode(&name, &record[..at]).is_err(), "cut at {at}");
            let mut damaged = record.clone();
            damaged[at] ^= 0x40;
            assert!(decode(&name, &damaged).is_err(), "damaged at {at}");
        }
        assert!(matches!(
            decode("/another", &record),
            Err(RecordError::Checksum { .. } | RecordError::Seal { .. })
        ));
        assert!(matches!(
            decode("no key", &record),
            Err(RecordError::Name { .. })
        ));
        let newer = [&[2], &record[1..]].concat();
        assert!(matches!(
            decode(&name, &newer),
            Err(RecordError::Unknown { version: 2, .. })
        ));
    }
}

#[test]
fn what_was_written_plain_is_read_with_a_key_and_not_the_other_way_round() {
    let (entry, name) = (entry(), entry().key.to_string());
    let record = encode_entry(&plain(), &entry).unwrap();
    assert_eq!(decode_entry(&sealed(), &name, &record), Ok(entry.clone()));
    let record = encode_entry(&sealed(), &entry).unwrap();
    let refused = decode_entry(&plain(), &name, &record);
    assert!(matches!(refused, Err(RecordError::Seal { .. })));
    assert!(!record.windows(5).any(|w| w == b"depth"), "nothing shows");
}
