//! Sealing: what stands on a disk, or in a backup, is worth nothing without the key file.
//!
//! A record is sealed by ChaCha20-Poly1305 of ring, under a key and nonce of its own that blake3
//! draws from the file's key and 24 random bytes: so many records can be written under one key that
//! nobody has to count them. A record's head and its place are bound to it; moved elsewhere it does
//! not open. What this does not do: hide how many records there are, what they are called and how
//! long they are, or keep somebody who can write to the disk from putting an older record back.

pub mod file;
mod key;
pub mod stream;

use std::sync::Arc;

use blake3::Hasher;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::env::Entropy;

pub use key::{KEY_BYTES, KEYS_MAX, Key, Keyring, TextError};

/// The id of no key: the record is not sealed.
pub const UNSEALED: u8 = 0;
/// What a record begins with: the version of its format, and the id of its key.
pub const HEAD_BYTES: usize = 2;
/// Length of a record's random number, in bytes.
pub const NONCE_BYTES: usize = 24;
/// By how much a record grows when it is sealed, in bytes, its head not counted.
pub const OVERHEAD_BYTES: usize = NONCE_BYTES + 16;

/// Why something does not open, or cannot be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key is not here.
    #[error("it is sealed with key {id:02x}, which the key file does not hold")]
    NoKey {
        /// The key's id.
        id: u8,
    },
    /// The key is here, and does not open it.
    #[error(
        "key {id:02x} does not open it: it is damaged, stands in another's place, or this is another key file"
    )]
    Refused {
        /// The key's id.
        id: u8,
    },
    /// It is too short to be sealed.
    #[error("it is cut short")]
    Short,
    /// It is too long to be sealed at all.
    #[error("it is too long to be sealed")]
    Long,
}

/// Keys, and where random numbers come from. Without a key it seals nothing, and opens nothing that
/// is sealed. Cheap to clone.
#[derive(Clone)]
pub struct Sealer {
    keyring: Keyring,
    entropy: Arc<dyn Entropy>,
}

impl Sealer {
    /// Seals with the first of `keyring`'s keys, and opens with all of them.
    pub fn new(keyring: Keyring, entropy: Arc<dyn Entropy>) -> Self {
        Self { keyring, entropy }
    }

    /// The id of the key that seals; [`UNSEALED`] where there is none.
    pub fn current(&self) -> u8 {
        self.keyring.first().map_or(UNSEALED, Key::id)
    }

    /// The record of `body`: its head (`version` and the key's id) and what only the key opens.
    /// `None` where there is no key. `place` says where it stands; it opens there only.
    ///
    /// # Errors
    /// [`SealError::Long`], far beyond any bound of ours.
    pub fn seal(
        &self,
        version: u8,
        place: &[&[u8]],
        body: &[&[u8]],
    ) -> Result<Option<Vec<u8>>, SealError> {
        let Some(key) = self.keyring.first() else {
            return Ok(None);
        };
        let mut nonce = [0; NONCE_BYTES];
        self.entropy.fill(&mut nonce);
        let head = [version, key.id()];
        let mut text = body.concat();
        let (cipher, iv) = cipher(&key.records, &nonce)?;
        let about = about(&head, place);
        cipher
            .seal_in_place_append_tag(iv, Aad::from(about), &mut text)
            .map_err(|_| SealError::Long)?;
        Ok(Some([&head[..], &nonce, &text].concat()))
    }

    /// The body of a record that is sealed.
    ///
    /// # Errors
    /// Where the key is not here, or does not open it at this `place`.
    pub fn open(&self, place: &[&[u8]], record: &[u8]) -> Result<Vec<u8>, SealError> {
        let (head, rest) = record
            .split_first_chunk::<HEAD_BYTES>()
            .ok_or(SealError::Short)?;
        let (nonce, text) = rest
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(SealError::Short)?;
        let [_, id] = *head;
        let key = self.keyring.find(id).ok_or(SealError::NoKey { id })?;
        let (cipher, iv) = cipher(&key.records, nonce)?;
        let mut text = text.to_vec();
        let about = about(head, place);
        let opened = cipher
            .open_in_place(iv, Aad::from(about), &mut text)
            .map_err(|_| SealError::Refused { id })?
            .len();
        text.truncate(opened);
        Ok(text)
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealer({:?})", self.keyring)
    }
}

/// The cipher of one record, with the nonce that it is used with once.
fn cipher(
    key: &[u8; KEY_BYTES],
    nonce: &[u8; NONCE_BYTES],
) -> Result<(LessSafeKey, Nonce), SealError> {
    let mut drawn = Hasher::new_keyed(key).update(nonce).finalize_xof();
    let (mut own, mut iv) = ([0; KEY_BYTES], [0; NONCE_LEN]);
    drawn.fill(&mut own);
    drawn.fill(&mut iv);
    let bound = UnboundKey::new(&CHACHA20_POLY1305, &own).map_err(|_| SealError::Long)?;
    Ok((LessSafeKey::new(bound), Nonce::assume_unique_for_key(iv)))
}

/// What is bound to a record: its head, and the parts of its place, each with its length.
fn about(head: &[u8], place: &[&[u8]]) -> Vec<u8> {
    let mut bound = head.to_vec();
    for part in place {
        bound.extend((part.len() as u64).to_be_bytes());
        bound.extend_from_slice(part);
    }
    bound
}

#[cfg(test)]
mod tests;
