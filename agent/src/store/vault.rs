//! Records as they stand on the disk: sealed, where there is a key file.
//!
//! A record is made and read plain ([`super::record`]); on its way to the disk its body is sealed, and
//! bound to its table and key. Without a key it goes as it is. What was written before there was a key
//! is read as it is, and sealed when the file is made anew at the next start ([`super::renew`]).

use std::borrow::Cow;
use std::sync::Arc;

use roadstead_protocol::env::Env;
use roadstead_protocol::seal::{Keyring, Sealer};

use super::record::{PLAIN, RecordError};

/// What every sealed record of an agent is bound to, beside its table and key.
const ROOM: &[u8] = b"roadstead agent's disk";

/// Seals and opens records; without keys it does neither. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Vault(Option<Sealer>);

impl Vault {
    pub(super) fn new(env: &Env, keyring: Keyring) -> Self {
        let keys = (!keyring.is_empty()).then_some(keyring);
        Self(keys.map(|keyring| Sealer::new(keyring, Arc::clone(&env.entropy))))
    }

    /// No key.
    pub(super) fn plain() -> Self {
        Self(None)
    }

    /// The record as it is to be written under `key` in `table`.
    pub(super) fn seal(
        &self,
        table: &str,
        key: &[u8],
        record: Vec<u8>,
    ) -> Result<Vec<u8>, RecordError> {
        let (Some(sealer), [version, _, body @ ..]) = (&self.0, record.as_slice()) else {
            return Ok(record);
        };
        let sealed = sealer.seal(*version, &[ROOM, table.as_bytes(), key], &[body]);
        Ok(sealed.map_err(RecordError::Seal)?.unwrap_or(record))
    }

    /// The record as it was before it was written there.
    pub(super) fn open<'r>(
        &self,
        table: &str,
        key: &[u8],
        found: &'r [u8],
    ) -> Result<Cow<'r, [u8]>, RecordError> {
        let [version, id, ..] = found else {
            return Ok(Cow::Borrowed(found));
        };
        if *id == PLAIN {
            return Ok(Cow::Borrowed(found));
        }
        let sealer = self.0.as_ref().ok_or(RecordError::Sealed(*id))?;
        let body = sealer
            .open(&[ROOM, table.as_bytes(), key], found)
            .map_err(RecordError::Seal)?;
        Ok(Cow::Owned([&[*version, PLAIN], body.as_slice()].concat()))
    }

    /// Whether a record is not as it would be written now.
    pub(super) fn is_stale(&self, found: &[u8]) -> bool {
        let id = found.get(1).copied().unwrap_or(PLAIN);
        self.0.as_ref().is_some_and(|sealer| sealer.current() != id)
    }

    /// Whether there is a key.
    pub(super) fn seals(&self) -> bool {
        self.0.is_some()
    }
}
