//! The bytes on the disk. Every record begins with its format's version and the id of the key that
//! seals it. One that is not sealed (id 0) goes on with a checksum over the rest and the name it is
//! stored under; to one that is sealed the name is bound by the seal.
//!
//! Released formats never change: each version has golden samples in `hub/store/golden/`.

use std::borrow::Cow;

use bytes::Bytes;
use roadstead_protocol::seal::{SealError, Sealer, UNSEALED};
use roadstead_protocol::wire::{Digest, Epoch, EpochRange, Lineage, Revision};

use crate::{Entry, Key};

/// The version that is written.
const VERSION: u8 = 1;
/// What every sealed record of a hub is bound to, beside its name.
const ROOM: &[u8] = b"roadstead hub's store";
/// Version, key id, checksum.
const HEADER_BYTES: usize = 2 + CHECKSUM_BYTES;
const CHECKSUM_BYTES: usize = 8;
/// Epoch, first and last revision; the last is 0 while the epoch lives.
const RANGE_BYTES: usize = 24;

/// Why a record cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("the record {name:?} is too short")]
    Short { name: String },
    #[error(
        "the record {name:?} has version {version} and key {key_id}, which this release does not know"
    )]
    Unknown {
        name: String,
        version: u8,
        key_id: u8,
    },
    #[error("the checksum of the record {name:?} is wrong")]
    Checksum { name: String },
    #[error("the record {name:?} is not stored under a valid key")]
    Name { name: String },
    #[error("the record {name:?}: {source}")]
    Seal { name: String, source: SealError },
}

/// The id of the key that a record is sealed with.
pub(crate) fn key_id(record: &[u8]) -> u8 {
    record.get(1).copied().unwrap_or(UNSEALED)
}

/// A record that is sealed where there is a key, and has a checksum otherwise.
fn write(sealer: &Sealer, name: &str, body: &[&[u8]]) -> Result<Vec<u8>, RecordError> {
    let sealed = sealer.seal(VERSION, &[ROOM, name.as_bytes()], body);
    let sealed = sealed.map_err(|source| RecordError::Seal {
        name: name.to_owned(),
        source,
    })?;
    Ok(sealed.unwrap_or_else(|| plain(name, body)))
}

fn plain(name: &str, body: &[&[u8]]) -> Vec<u8> {
    let length = body.iter().map(|part| part.len()).sum::<usize>();
    let mut record = Vec::with_capacity(HEADER_BYTES + length);
    record.extend([VERSION, UNSEALED]);
    record.extend([0; CHECKSUM_BYTES]);
    body.iter().for_each(|part| record.extend_from_slice(part));
    let sum = checksum(name, &record);
    for (to, from) in record.iter_mut().skip(2).zip(sum) {
        *to = from;
    }
    record
}

/// The body of a record, checked.
fn read<'r>(sealer: &Sealer, name: &str, record: &'r [u8]) -> Result<Cow<'r, [u8]>, RecordError> {
    match record {
        [VERSION, key_id, ..] if *key_id != UNSEALED => sealer
            .open(&[ROOM, name.as_bytes()], record)
            .map(Cow::Owned)
            .map_err(|source| RecordError::Seal {
                name: name.to_owned(),
                source,
            }),
        other => read_plain(name, other).map(Cow::Borrowed),
    }
}

fn read_plain<'r>(name: &str, record: &'r [u8]) -> Result<&'r [u8], RecordError> {
    let owned = || name.to_owned();
    let (Some(&[version, key_id]), Some(sum), Some(body)) = (
        record.first_chunk::<2>(),
        record.get(2..HEADER_BYTES),
        record.get(HEADER_BYTES..),
    ) else {
        return Err(RecordError::Short { name: owned() });
    };
    if (version, key_id) != (VERSION, UNSEALED) {
        return Err(RecordError::Unknown {
            name: owned(),
            version,
            key_id,
        });
    }
    if sum != checksum(name, record) {
        return Err(RecordError::Checksum { name: owned() });
    }
    Ok(body)
}

/// Over the name, the version, the key id and the body.
fn checksum(name: &str, record: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hashed = Vec::with_capacity(name.len() + record.len());
    hashed.extend_from_slice(name.as_bytes());
    hashed.extend(record.iter().take(2));
    hashed.extend(record.iter().skip(HEADER_BYTES));
    let Digest(hash) = Digest::of(&hashed);
    std::array::from_fn(|i| hash[i])
}

fn number<'r>(name: &str, body: &'r [u8]) -> Result<(u64, &'r [u8]), RecordError> {
    let (bytes, rest) = body.split_first_chunk().ok_or_else(|| RecordError::Short {
        name: name.to_owned(),
    })?;
    Ok((u64::from_be_bytes(*bytes), rest))
}

/// The same record as it would be written now.
pub(crate) fn rewrite(sealer: &Sealer, name: &str, record: &[u8]) -> Result<Vec<u8>, RecordError> {
    write(sealer, name, &[&read(sealer, name, record)?])
}

/// An entry: created and revision, then the value as it is.
pub(crate) fn encode_entry(sealer: &Sealer, entry: &Entry) -> Result<Vec<u8>, RecordError> {
    let (created, revision) = (
        entry.created.0.to_be_bytes(),
        entry.revision.0.to_be_bytes(),
    );
    let body = [&created[..], &revision, &entry.value];
    write(sealer, entry.key.as_str(), &body)
}

/// The entry stored under `name`.
pub(crate) fn decode_entry(
    sealer: &Sealer,
    name: &str,
    record: &[u8],
) -> Result<Entry, RecordError> {
    let key = Key::parse(name).map_err(|_invalid| RecordError::Name {
        name: name.to_owned(),
    })?;
    let body = read(sealer, name, record)?;
    let (created, rest) = number(name, &body)?;
    let (revision, value) = number(name, rest)?;
    let value = Bytes::copy_from_slice(value);
    Ok(Entry {
        key,
        created: Revision(created),
        revision: Revision(revision),
        value,
    })
}

/// The name of the record of the last revision.
pub(crate) const HEAD: &str = "head";

/// The last revision.
pub(crate) fn encode_head(sealer: &Sealer, last: Revision) -> Result<Vec<u8>, RecordError> {
    write(sealer, HEAD, &[&last.0.to_be_bytes()])
}

pub(crate) fn decode_head(sealer: &Sealer, record: &[u8]) -> Result<Revision, RecordError> {
    Ok(Revision(number(HEAD, &read(sealer, HEAD, record)?)?.0))
}

/// The name of the record of the lineage.
pub(crate) const LINEAGE: &str = "lineage";

/// The epochs, oldest first.
pub(crate) fn encode_lineage(sealer: &Sealer, lineage: &Lineage) -> Result<Vec<u8>, RecordError> {
    let ranges = lineage.0.iter().flat_map(|range| {
        [
            range.epoch.0,
            range.first.0,
            range.last.map_or(0, |last| last.0),
        ]
        .map(u64::to_be_bytes)
    });
    write(sealer, LINEAGE, &[&ranges.flatten().collect::<Vec<_>>()])
}

pub(crate) fn decode_lineage(sealer: &Sealer, record: &[u8]) -> Result<Lineage, RecordError> {
    let body = read(sealer, LINEAGE, record)?;
    let ranges = body.chunks(RANGE_BYTES).map(|chunk| {
        let (epoch, rest) = number(LINEAGE, chunk)?;
        let (first, rest) = number(LINEAGE, rest)?;
        let (last, _) = number(LINEAGE, rest)?;
        let last = (last != 0).then_some(Revision(last));
        Ok(EpochRange {
            epoch: Epoch(epoch),
            first: Revision(first),
            last,
        })
    });
    ranges.collect::<Result<_, _>>().map(Lineage)
}
