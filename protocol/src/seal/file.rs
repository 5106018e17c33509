//! Key files and passphrase files: read from a disk, for their owner's eyes only.
//!
//! A key file is text: a key a line, the first one seals, the others open what was sealed before;
//! lines that begin with # are remarks. A passphrase file is one line.

use std::io::{Error, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::key::TextError;
use super::{Key, Keyring};
use crate::env::Entropy;

/// Longest key file, in bytes.
const FILE_BYTES_MAX: u64 = 16 * 1024;
/// Shortest passphrase, in bytes.
pub const PASSPHRASE_BYTES_MIN: usize = 12;
/// Longest passphrase, in bytes.
pub const PASSPHRASE_BYTES_MAX: usize = 1024;
/// Draws of a key that cannot be told from one in the file, until it is given up.
const DRAWS_MAX: usize = 64;

/// Why a key file or passphrase file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: Error,
    },
    /// Everybody on the machine may read it.
    #[error(
        "{} may be read or written by everybody on this machine (mode {mode:03o}): `chmod 600` it (a Secret's volume: defaultMode 0400 or 0440)",
        path.display()
    )]
    Open {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is not what it should be.
    #[error("{} is no key file: {source}", path.display())]
    Text {
        /// Which.
        path: PathBuf,
        /// Why.
        source: TextError,
    },
    /// It has a length that none may have.
    #[error("{} is {what} of {bytes} bytes; from {min} to {max} are allowed", path.display())]
    Length {
        /// Which.
        path: PathBuf,
        /// A key file or a passphrase.
        what: &'static str,
        /// How long.
        bytes: usize,
        /// The least.
        min: usize,
        /// The most.
        max: usize,
    },
    /// It cannot be written.
    #[error("{} cannot be written: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: Error,
    },
    /// There is something already.
    #[error("{} is there already; a further key is put before those in it with --add", path.display())]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// What a former attempt to add a key left may be what something is sealed with.
    #[error(
        "{} holds a key that is not in {}: something may be sealed with it. Put the one in the other's place (`mv`), or remove it if that key was never used",
        beside.display(),
        path.display()
    )]
    Unfinished {
        /// The key file.
        path: PathBuf,
        /// What was to take its place.
        beside: PathBuf,
    },
    /// It has as many keys as it may.
    #[error("{} has no room for another key: take out those that nothing is sealed with any more", path.display())]
    Full {
        /// Which.
        path: PathBuf,
    },
}

/// Reads a key file.
///
/// # Errors
/// Where it is none, or everybody may read it.
pub fn keyring(path: &Path) -> Result<Keyring, FileError> {
    Keyring::parse(&text(path)?).map_err(|source| FileError::Text {
        path: path.to_owned(),
        source,
    })
}

/// Reads a passphrase: the file without the line's end.
///
/// # Errors
/// Where it is too short or too long, or everybody may read it.
pub fn passphrase(path: &Path) -> Result<String, FileError> {
    let text = text(path)?;
    let phrase = text.trim_end_matches(['\r', '\n']);
    if !(PASSPHRASE_BYTES_MIN..=PASSPHRASE_BYTES_MAX).contains(&phrase.len()) {
        return Err(FileError::Length {
            path: path.to_owned(),
            what: "a passphrase",
            bytes: phrase.len(),
            min: PASSPHRASE_BYTES_MIN,
            max: PASSPHRASE_BYTES_MAX,
        });
    }
    Ok(phrase.to_owned())
}

/// Makes a key file with one new key; gives the key.
///
/// # Errors
/// Where something is there already, or it cannot be written.
pub fn create(path: &Path, entropy: &dyn Entropy) -> Result<Key, FileError> {
    let key = Key::generate(entropy);
    write(path, &Keyring::of(key.clone())).map_err(|source| {
        let path = path.to_owned();
        if source.kind() == ErrorKind::AlreadyExists {
            FileError::Exists { path }
        } else {
            FileError::Write { path, source }
        }
    })?;
    Ok(key)
}

/// Puts a new key before those of a key file, which from then on open only; gives the new one. The
/// file is replaced as a whole or not at all.
///
/// # Errors
/// Where it is no key file, has no room, or cannot be written; or where a former attempt left a key
/// beside it that is not in it.
pub fn add(path: &Path, entropy: &dyn Entropy) -> Result<Key, FileError> {
    let former = keyring(path)?;
    let drawn = (0..DRAWS_MAX).find_map(|_| {
        let key = Key::generate(entropy);
        former.behind(key.clone()).map(|keys| (key, keys))
    });
    let (key, keys) = drawn.ok_or_else(|| FileError::Full {
        path: path.to_owned(),
    })?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let failed = |source| FileError::Write {
        path: path.to_owned(),
        source,
    };
    match text(&beside) {
        Ok(left) if holds_another(&left, &former) => {
            let path = path.to_owned();
            return Err(FileError::Unfinished { path, beside });
        }
        Ok(_) => std::fs::remove_file(&beside).map_err(failed)?,
        Err(FileError::Read { source, .. }) if source.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    write(&beside, &keys).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)?;
    sync_folder(path).map_err(failed)?;
    Ok(key)
}

/// Whether a text, whole or not, holds a key that is not among `keys`.
fn holds_another(text: &str, keys: &Keyring) -> bool {
    let mut found = text.lines().filter_map(|line| Key::parse(line.trim()));
    found.any(|key| keys.named(key.name()).is_none())
}

/// The text of a file that not everybody may read.
fn text(path: &Path) -> Result<String, FileError> {
    let failed = |source| FileError::Read {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if let Some(mode) = open_to_all(&about) {
        return Err(FileError::Open {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(FileError::Length {
            path: path.to_owned(),
            what: "a file",
            bytes: usize::try_from(about.len()).unwrap_or(usize::MAX),
            min: 1,
            max: usize::try_from(FILE_BYTES_MAX).unwrap_or(usize::MAX),
        });
    }
    Ok(text)
}

/// The permissions of a file that others than its owner and group may use.
#[cfg(unix)]
fn open_to_all(about: &std::fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = about.permissions().mode() & 0o777;
    (about.is_file() && mode & 0o007 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn open_to_all(_about: &std::fs::Metadata) -> Option<u32> {
    None
}

fn write(path: &Path, keys: &Keyring) -> Result<(), Error> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let mut text = String::from(
        "# Roadstead sealing keys. The first one seals, the others open what was sealed before.\n\
         # Keep a copy where the data and the backups are not: without it they are lost.\n",
    );
    for line in keys.to_lines() {
        text.push_str(&line);
        text.push('\n');
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    sync_folder(path)
}

/// Has the disk remember the names in the folder of `path`.
fn sync_folder(path: &Path) -> Result<(), Error> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    std::fs::File::open(folder)?.sync_all()
}
