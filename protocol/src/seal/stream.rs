//! A sealed stream: a head that says how to find the key, then chunks that open only in their order,
//! and only whole, for the last one is marked.
//!
//! On the disk: [`MAGIC`]; the head's length (2 bytes) and the head (postcard); then for each chunk
//! its length (4 bytes, big endian) and its sealed bytes. Each chunk is bound to the head, to its
//! number and to whether it is the last.

use std::num::NonZeroU32;

use blake3::Hasher;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::pbkdf2;
use serde::{Deserialize, Serialize};

use super::key::hex;
use super::{KEY_BYTES, Key, Keyring, NONCE_BYTES};
use crate::env::Entropy;

/// What a sealed stream begins with.
pub const MAGIC: &[u8; 16] = b"roadstead-sealed";
/// Longest chunk before it is sealed, in bytes.
pub const CHUNK_BYTES_MAX: usize = 1024 * 1024;
/// What a sealed chunk is longer by, in bytes.
const TAG_BYTES: usize = 16;
/// Longest head, in bytes.
const STREAM_HEAD_BYTES_MAX: usize = 1024;
/// How often a passphrase is hashed.
const ROUNDS: u32 = 600_000;
/// How often it may be asked to be hashed at most.
const ROUNDS_MAX: u32 = 20_000_000;
/// The present version of the format.
const VERSION: u8 = 1;

/// Why a sealed stream cannot be read, or not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// Its head makes no sense.
    #[error("it is no sealed file of ours, or its beginning is damaged")]
    Head,
    /// A later release made it.
    #[error("it has version {0}, which this release does not know; use the release that made it")]
    Version(u8),
    /// It asks for more work than any of ours does.
    #[error("it wants its passphrase hashed {rounds} times; at most {ROUNDS_MAX} are allowed")]
    Rounds {
        /// How often.
        rounds: u32,
    },
    /// It was sealed with a key file.
    #[error(
        "it is sealed with key {name}, which is not among those given: give the key file that was first when it was made, with --key-file"
    )]
    NeedsKey {
        /// The key's name, in hexadecimal.
        name: String,
    },
    /// It was sealed with a passphrase.
    #[error("it is sealed with a passphrase: give it with --passphrase-file")]
    NeedsPassphrase,
    /// The passphrase or the key is right by name and opens nothing, or the bytes were changed.
    #[error(
        "chunk {number} does not open: the passphrase is wrong, or the file was changed or damaged"
    )]
    Refused {
        /// Which chunk, counted from 0.
        number: u64,
    },
    /// A chunk is longer than any of ours.
    #[error("chunk {number} is said to have {bytes} bytes; at most {} are allowed", CHUNK_BYTES_MAX + TAG_BYTES)]
    Long {
        /// Which chunk, counted from 0.
        number: u64,
        /// How long.
        bytes: usize,
    },
    /// It ends before its end, or goes on after it.
    #[error("it is cut short: its last chunk is missing")]
    Cut,
    /// Something follows the last chunk.
    #[error("something follows its last chunk")]
    Trailing,
}

/// What to seal a stream with.
pub enum Secret {
    /// A key of a key file.
    Key(Key),
    /// What somebody remembers.
    Passphrase(String),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(key) => write!(f, "Secret({key:?})"),
            Self::Passphrase(_) => f.write_str("Secret(passphrase)"),
        }
    }
}

/// What to open a stream with.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// The keys that are at hand.
    pub keyring: Keyring,
    /// The passphrase, if one was given.
    pub passphrase: Option<Passphrase>,
}

/// Something remembered; never shown.
#[derive(Clone)]
pub struct Passphrase(pub String);

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase")
    }
}

/// How the key is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Means {
    /// By its name in a key file.
    Key([u8; 8]),
    /// By hashing a passphrase (PBKDF2, HMAC-SHA256).
    Passphrase { salt: [u8; 16], rounds: u32 },
}

/// The head of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    version: u8,
    means: Means,
    nonce: [u8; NONCE_BYTES],
}

/// The cipher of one stream.
struct Cipher {
    key: LessSafeKey,
    /// blake3 of the head, bound to each chunk.
    about: [u8; 32],
    number: u64,
}

impl Cipher {
    fn new(
        key: &[u8; KEY_BYTES],
        head: &[u8],
        nonce: &[u8; NONCE_BYTES],
    ) -> Result<Self, StreamError> {
        let mut own = [0; KEY_BYTES];
        Hasher::new_keyed(key)
            .update(nonce)
            .finalize_xof()
            .fill(&mut own);
        let bound = UnboundKey::new(&CHACHA20_POLY1305, &own).map_err(|_| StreamError::Head)?;
        Ok(Self {
            key: LessSafeKey::new(bound),
            about: *blake3::hash(head).as_bytes(),
            number: 0,
        })
    }

    /// The nonce of the next chunk: its number and whether it is the last. Used once, for each
    /// stream has a key of its own.
    fn next(&mut self, last: bool) -> (Nonce, u64) {
        let number = self.number;
        self.number += 1;
        let mut iv = [0; NONCE_LEN];
        for (to, from) in iv.iter_mut().zip(number.to_be_bytes()) {
            *to = from;
        }
        if let Some(end) = iv.last_mut() {
            *end = u8::from(last);
        }
        (Nonce::assume_unique_for_key(iv), number)
    }
}

/// Seals a stream.
pub struct StreamSealer(Cipher);

impl StreamSealer {
    /// Begins a stream; also gives the bytes that it begins with. A passphrase is hashed for some
    /// tenths of a second.
    ///
    /// # Errors
    /// Not with any secret that there is.
    pub fn begin(secret: &Secret, entropy: &dyn Entropy) -> Result<(Self, Vec<u8>), StreamError> {
        let (mut nonce, mut salt) = ([0; NONCE_BYTES], [0; 16]);
        entropy.fill(&mut nonce);
        let (means, key) = match secret {
            Secret::Key(key) => (Means::Key(key.name()), key.streams),
            Secret::Passphrase(phrase) => {
                entropy.fill(&mut salt);
                let means = Means::Passphrase {
                    salt,
                    rounds: ROUNDS,
                };
                (means, stretch(phrase, &salt, ROUNDS)?)
            }
        };
        let head = Head {
            version: VERSION,
            means,
            nonce,
        };
        let head = postcard::to_allocvec(&head).map_err(|_| StreamError::Head)?;
        let length = u16::try_from(head.len()).map_err(|_| StreamError::Head)?;
        let begin = [&MAGIC[..], &length.to_be_bytes(), &head].concat();
        Ok((Self(Cipher::new(&key, &head, &nonce)?), begin))
    }

    /// The bytes of the next chunk; at most [`CHUNK_BYTES_MAX`] go in. After the `last` one none may
    /// follow.
    ///
    /// # Errors
    /// [`StreamError::Long`].
    pub fn chunk(&mut self, text: &[u8], last: bool) -> Result<Vec<u8>, StreamError> {
        let (nonce, number) = self.0.next(last);
        let long = StreamError::Long {
            number,
            bytes: text.len(),
        };
        if text.len() > CHUNK_BYTES_MAX {
            return Err(long);
        }
        let mut sealed = text.to_vec();
        self.0
            .key
            .seal_in_place_append_tag(nonce, Aad::from(self.0.about), &mut sealed)
            .map_err(|_| long.clone())?;
        let length = u32::try_from(sealed.len()).map_err(|_| long)?;
        Ok([&length.to_be_bytes()[..], &sealed].concat())
    }
}

/// Opens a stream, given its bytes in any pieces.
pub struct StreamOpener {
    secrets: Secrets,
    cipher: Option<Cipher>,
    waiting: Vec<u8>,
    done: bool,
}

impl StreamOpener {
    /// Nothing is read yet.
    pub fn new(secrets: Secrets) -> Self {
        Self {
            secrets,
            cipher: None,
            waiting: Vec::new(),
            done: false,
        }
    }

    /// Takes what comes next, and gives what opens of it.
    ///
    /// # Errors
    /// Where it is not a stream of ours, not the right key's, or not as it was made. Nothing that
    /// was given before that is proven whole: only [`finish`](Self::finish) says so.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Vec<u8>, StreamError> {
        if self.done && !bytes.is_empty() {
            return Err(StreamError::Trailing);
        }
        self.waiting.extend_from_slice(bytes);
        let mut opened = Vec::new();
        while let Some(mut text) = self.step()? {
            opened.append(&mut text);
        }
        Ok(opened)
    }

    /// Whether it was whole.
    ///
    /// # Errors
    /// [`StreamError::Cut`].
    pub fn finish(self) -> Result<(), StreamError> {
        if self.done && self.waiting.is_empty() {
            Ok(())
        } else {
            Err(StreamError::Cut)
        }
    }

    fn step(&mut self) -> Result<Option<Vec<u8>>, StreamError> {
        let Some(cipher) = &mut self.cipher else {
            return self.begin();
        };
        if self.done {
            return if self.waiting.is_empty() {
                Ok(None)
            } else {
                Err(StreamError::Trailing)
            };
        }
        let Some(length) = self.waiting.first_chunk::<4>() else {
            return Ok(None);
        };
        let bytes = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let number = cipher.number;
        if bytes > CHUNK_BYTES_MAX + TAG_BYTES {
            return Err(StreamError::Long { number, bytes });
        }
        let Some(sealed) = self.waiting.get(4..4 + bytes).map(<[u8]>::to_vec) else {
            return Ok(None);
        };
        let (text, last) = open(cipher, sealed)?;
        self.waiting.drain(..4 + bytes);
        self.done = last;
        Ok(Some(text))
    }

    fn begin(&mut self) -> Result<Option<Vec<u8>>, StreamError> {
        let fixed = MAGIC.len() + 2;
        let Some([rest @ .., high, low]) = self.waiting.get(..fixed) else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if rest != MAGIC || length > STREAM_HEAD_BYTES_MAX {
            return Err(StreamError::Head);
        }
        let Some(head) = self.waiting.get(fixed..fixed + length) else {
            return Ok(None);
        };
        match head.first() {
            Some(&VERSION) => {}
            Some(other) => return Err(StreamError::Version(*other)),
            None => return Err(StreamError::Head),
        }
        let Ok((known, [])) = postcard::take_from_bytes::<Head>(head) else {
            return Err(StreamError::Head);
        };
        let key = find(&self.secrets, &known.means)?;
        self.cipher = Some(Cipher::new(&key, head, &known.nonce)?);
        self.waiting.drain(..fixed + length);
        Ok(Some(Vec::new()))
    }
}

/// Opens the next chunk, which is the last one if it opens as such only.
fn open(cipher: &mut Cipher, sealed: Vec<u8>) -> Result<(Vec<u8>, bool), StreamError> {
    let number = cipher.number;
    for last in [false, true] {
        cipher.number = number;
        let (nonce, number) = cipher.next(last);
        let mut text = sealed.clone();
        let opened = cipher
            .key
            .open_in_place(nonce, Aad::from(cipher.about), &mut text)
            .map(|text| text.len());
        match opened {
            Ok(length) => {
                text.truncate(length);
                return Ok((text, last));
            }
            Err(_) if !last => {}
            Err(_) => return Err(StreamError::Refused { number }),
        }
    }
    Err(StreamError::Refused { number })
}

fn find(secrets: &Secrets, means: &Means) -> Result<[u8; KEY_BYTES], StreamError> {
    match means {
        Means::Key(name) => {
            let key = secrets.keyring.named(*name);
            key.map(|key| key.streams)
                .ok_or_else(|| StreamError::NeedsKey { name: hex(name) })
        }
        Means::Passphrase { salt, rounds } => match &secrets.passphrase {
            Some(Passphrase(phrase)) => stretch(phrase, salt, *rounds),
            None => Err(StreamError::NeedsPassphrase),
        },
    }
}

fn stretch(phrase: &str, salt: &[u8], rounds: u32) -> Result<[u8; KEY_BYTES], StreamError> {
    let wanted = NonZeroU32::new(rounds).filter(|wanted| wanted.get() <= ROUNDS_MAX);
    let wanted = wanted.ok_or(StreamError::Rounds { rounds })?;
    let mut key = [0; KEY_BYTES];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        wanted,
        salt,
        phrase.as_bytes(),
        &mut key,
    );
    Ok(key)
}
