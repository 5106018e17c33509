//! Keys, and their text: one line each, the first one seals, all of them open.

use std::sync::Arc;

use crate::env::Entropy;

/// Length of a key, in bytes.
pub const KEY_BYTES: usize = 32;
/// Most keys in a file.
pub const KEYS_MAX: usize = 16;
/// What a key's line begins with, so that people and scanners know it.
const PREFIX: &str = "rsk1.";
/// Length of what finds a mistyped key, in bytes.
const CHECK_BYTES: usize = 4;
/// What is derived from a key, and for what. They never change.
const NAME_CONTEXT: &str = "roadstead.dev 2026-11-21 name of a sealing key";
const CHECK_CONTEXT: &str = "roadstead.dev 2026-11-21 check of a sealing key's text";
const RECORDS_CONTEXT: &str = "roadstead.dev 2026-11-21 sealed records";
const STREAMS_CONTEXT: &str = "roadstead.dev 2026-11-21 sealed streams";

/// A key. Cheap to clone; never shown.
#[derive(Clone)]
pub struct Key(Arc<Parts>);

/// A key and what is derived from it.
pub struct Parts {
    secret: [u8; KEY_BYTES],
    name: [u8; 8],
    pub(super) records: [u8; KEY_BYTES],
    pub(super) streams: [u8; KEY_BYTES],
}

impl std::ops::Deref for Key {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Key {
    /// The key with these secret bytes.
    pub fn new(secret: [u8; KEY_BYTES]) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = blake3::derive_key(NAME_CONTEXT, &secret);
        // 0 stands for no key.
        let name = [a.max(1), b, c, d, e, f, g, h];
        Self(Arc::new(Parts {
            name,
            records: blake3::derive_key(RECORDS_CONTEXT, &secret),
            streams: blake3::derive_key(STREAMS_CONTEXT, &secret),
            secret,
        }))
    }

    /// A new key.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut secret = [0; KEY_BYTES];
        entropy.fill(&mut secret);
        Self::new(secret)
    }

    /// What stands for it in a record's head; never 0. Keys of one file differ in it.
    pub fn id(&self) -> u8 {
        let [id, ..] = self.0.name;
        id
    }

    /// What stands for it where there is more room; it begins with the id.
    pub fn name(&self) -> [u8; 8] {
        self.0.name
    }

    /// Its line in a key file.
    pub fn to_line(&self) -> String {
        let secret = &self.0.secret;
        format!("{PREFIX}{}{}", hex(secret), hex(&check(secret)))
    }

    pub(super) fn parse(line: &str) -> Option<Self> {
        let digits = line.strip_prefix(PREFIX)?;
        let bytes = unhex(digits)?;
        let (secret, sum) = bytes.split_first_chunk::<KEY_BYTES>()?;
        (sum == check(secret)).then(|| Self::new(*secret))
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", hex(&self.name()))
    }
}

/// Why a text holds no keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// A line is neither a key nor a remark.
    #[error(
        "line {line} is no key: a key is one line as `roadstead keygen` writes it ({PREFIX} and 72 hexadecimal digits, of which the last 8 find a slip), a remark begins with #"
    )]
    Line {
        /// Which, counted from 1.
        line: usize,
    },
    /// There is none.
    #[error("there is no key in it: make one with `roadstead keygen FILE`")]
    Empty,
    /// There are too many.
    #[error(
        "there are more than {KEYS_MAX} keys in it: take out those that nothing is sealed with any more"
    )]
    Many,
    /// Two keys cannot be told apart.
    #[error(
        "line {line} has the same id, {id:02x}, as another key before it: take it out if it is there twice, or make another key with `roadstead keygen --add FILE`"
    )]
    Twice {
        /// The later one's line, counted from 1.
        line: usize,
        /// Their id.
        id: u8,
    },
}

/// The keys of a file: the first one seals, all of them open. Cheap to clone; empty seals nothing.
#[derive(Clone, Debug, Default)]
pub struct Keyring(Arc<[Key]>);

impl Keyring {
    /// One key.
    pub fn of(key: Key) -> Self {
        Self(Arc::new([key]))
    }

    /// Reads a key file's text.
    ///
    /// # Errors
    /// Where it is not one.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let mut keys: Vec<Key> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let (line, number) = (line.trim(), at + 1);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = Key::parse(line).ok_or(TextError::Line { line: number })?;
            let id = key.id();
            if keys.iter().any(|other| other.id() == id) {
                return Err(TextError::Twice { line: number, id });
            }
            if keys.len() == KEYS_MAX {
                return Err(TextError::Many);
            }
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(TextError::Empty);
        }
        Ok(Self(keys.into()))
    }

    /// The key that seals.
    pub fn first(&self) -> Option<&Key> {
        self.0.first()
    }

    /// The key with this id.
    pub fn find(&self, id: u8) -> Option<&Key> {
        self.0.iter().find(|key| key.id() == id)
    }

    /// The key with this name.
    pub fn named(&self, name: [u8; 8]) -> Option<&Key> {
        self.0.iter().find(|key| key.name() == name)
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These keys behind `key`, which seals from now on. `None` where it cannot be told from one of
    /// them, or there is no room: draw another, or take old ones out.
    pub fn behind(&self, key: Key) -> Option<Self> {
        if self.find(key.id()).is_some() || self.0.len() >= KEYS_MAX {
            return None;
        }
        let keys: Vec<Key> = std::iter::once(key).chain(self.0.iter().cloned()).collect();
        Some(Self(keys.into()))
    }

    /// The lines of a key file.
    pub fn to_lines(&self) -> Vec<String> {
        self.0.iter().map(Key::to_line).collect()
    }
}

fn check(secret: &[u8]) -> [u8; CHECK_BYTES] {
    let [a, b, c, d, ..] = blake3::derive_key(CHECK_CONTEXT, secret);
    [a, b, c, d]
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 2 * (KEY_BYTES + CHECK_BYTES) {
        return None;
    }
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}
