//! Golden samples of the records: what a release has written, every later one reads.

use super::record::*;
use super::*;
use bytes::Bytes;
use roadstead_protocol::wire::{Epoch, EpochRange};

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
    check("entry", &encode_entry(&entry()));
    check("head", &encode_head(Revision(1_790_000_000_000_007)));
    check("lineage", &encode_lineage(&lineage()));
}

#[test]
fn records_there_and_back() {
    let entry = entry();
    assert_eq!(
        decode_entry(entry.key.as_str(), &encode_entry(&entry)),
        Ok(entry)
    );
    assert_eq!(decode_head(&encode_head(Revision(3))), Ok(Revision(3)));
    assert_eq!(decode_lineage(&encode_lineage(&lineage())), Ok(lineage()));
}

#[test]
fn any_damage_is_found_and_nothing_panics() {
    let (entry, name) = (entry(), entry().key.to_string());
    let record = encode_entry(&entry);
    for at in 0..record.len() {
        assert!(decode_entry(&name, &record[..at]).is_err(), "cut at {at}");
        let mut damaged = record.clone();
        damaged[at] ^= 0x40;
        assert!(decode_entry(&name, &damaged).is_err(), "damaged at {at}");
    }
    assert!(matches!(
        decode_entry("/another", &record),
        Err(RecordError::Checksum { .. })
    ));
    assert!(matches!(
        decode_entry("no key", &record),
        Err(RecordError::Name { .. })
    ));
    let newer = [&[2], &record[1..]].concat();
    assert!(matches!(
        decode_entry(&name, &newer),
        Err(RecordError::Unknown { version: 2, .. })
    ));
}
