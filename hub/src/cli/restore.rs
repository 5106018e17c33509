//! `roadstead restore`: a data folder from a backup, for a hub to be started with.
//!
//! Offline: no hub runs on that folder. Everything is read and proven before anything is written, and
//! the file has its name only once it is whole and on the disk.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use roadstead_protocol::api::names;
use roadstead_protocol::host::system;
use roadstead_protocol::seal::Keyring;
use roadstead_protocol::seal::file::{self, FileError};
use roadstead_protocol::seal::stream::{self, Passphrase, Secrets, StreamError, StreamOpener};
use roadstead_store::backup::{self, BackupError, Contents, Reader};
use roadstead_store::{Key, OpenError, records};

use crate::config::Restore;
use crate::process::STORE_FILE;

/// How much of a file is read at once, in bytes.
const READ_BYTES: usize = 256 * 1024;
/// What a restored hub must not remember: join tokens, and for whom they were redeemed. One that was
/// used since the backup would let somebody in once more.
const VOID: [&str; 2] = [records::TOKENS_PREFIX, "/redemptions/"];
/// What an empty folder may hold: what a file system keeps of its own, and what an earlier restore
/// left that was cut off.
const NOTHING: [&str; 2] = ["lost+found", "hub.redb.restoring"];

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The backup cannot be read.
    #[error("{} cannot be read: {source}; nothing was written", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The key file or the passphrase is of no use.
    #[error(transparent)]
    Key(#[from] FileError),
    /// It does not open.
    #[error("{} does not open: {source}; nothing was written", path.display())]
    Sealed {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: StreamError,
    },
    /// It is no whole backup.
    #[error("{} cannot be restored: {source}; nothing was written", path.display())]
    Backup {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: BackupError,
    },
    /// It is a backup of something else.
    #[error("{} holds no hub's identity; nothing was written", .0.display())]
    NoHub(PathBuf),
    /// The folder is not empty.
    #[error(
        "{} is not empty ({found} is in it): a hub is restored into an empty folder only; nothing was written",
        path.display()
    )]
    NotEmpty {
        /// The folder.
        path: PathBuf,
        /// What is in it, for instance.
        found: String,
    },
    /// The folder cannot be used.
    #[error("the data folder {} cannot be used: {source}; nothing was written", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file could not be written.
    #[error("the hub's file could not be written; nothing is left of it")]
    Write(#[source] OpenError),
}

/// Restores a backup. Gives the text to print.
///
/// # Errors
/// When nothing was restored; the text says why.
pub async fn restore(args: &Restore) -> Result<String, Error> {
    let data_dir = &args.data_dir;
    empty(data_dir)?;
    let keyring = match &args.key_file {
        Some(path) => file::keyring(path)?,
        None => Keyring::default(),
    };
    let passphrase = match &args.passphrase_file {
        Some(path) => Some(Passphrase(file::passphrase(path)?)),
        None => None,
    };
    let secrets = Secrets {
        keyring: keyring.clone(),
        passphrase,
    };
    let mut contents = read(&args.file, secrets)?;
    let hub = hub_id(&contents).ok_or_else(|| Error::NoHub(args.file.clone()))?;
    let void = void(&mut contents);
    let text = shown(args, &contents, &hub, void);
    make(data_dir)?;
    let path = data_dir.join(STORE_FILE);
    roadstead_store::restore(&system::env(), &path, contents, keyring)
        .await
        .map_err(Error::Write)?;
    Ok(text)
}

/// Refuses a folder with anything in it.
fn empty(path: &Path) -> Result<(), Error> {
    let failed = |source| Error::Folder {
        path: path.to_owned(),
        source,
    };
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(failed(e)),
    };
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        if !NOTHING.iter().any(|allowed| name == *allowed) {
            return Err(Error::NotEmpty {
                path: path.to_owned(),
                found: name.to_string_lossy().into_owned(),
            });
        }
    }
    Ok(())
}

fn make(path: &Path) -> Result<(), Error> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|source| Error::Folder {
        path: path.to_owned(),
        source,
    })
}

/// Reads and proves a backup, sealed or not.
fn read(path: &Path, secrets: Secrets) -> Result<Contents, Error> {
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let sealed = |source| Error::Sealed {
        path: path.to_owned(),
        source,
    };
    let broken = |source| Error::Backup {
        path: path.to_owned(),
        source,
    };
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let mut begin = Vec::new();
    let length = stream::MAGIC.len() as u64;
    (&mut file)
        .take(length)
        .read_to_end(&mut begin)
        .map_err(failed)?;
    let mut opener = (begin == stream::MAGIC).then(|| StreamOpener::new(secrets));
    if opener.is_none() && begin != backup::MAGIC {
        return Err(broken(BackupError::Magic));
    }
    let mut reader = Reader::new(true);
    let mut buffer = vec![0; READ_BYTES];
    let mut bytes = begin.as_slice();
    loop {
        match &mut opener {
            Some(opener) => {
                let text = opener.take(bytes).map_err(sealed)?;
                reader.take(&text).map_err(broken)?;
            }
            None => reader.take(bytes).map_err(broken)?,
        }
        let got = file.read(&mut buffer).map_err(failed)?;
        if got == 0 {
            break;
        }
        bytes = buffer.get(..got).unwrap_or_default();
    }
    if let Some(opener) = opener {
        opener.finish().map_err(sealed)?;
    }
    reader.finish().map_err(broken)
}

/// The identity of the hub that the backup is of.
fn hub_id(contents: &Contents) -> Option<String> {
    let key = records::authority_key("hub").ok()?;
    let record: serde_json::Value = records::decode(contents.entries.get(&key)?).ok()?;
    let id = record.get("id")?.as_str()?;
    Some(id.to_owned())
}

/// Takes out what a restored hub must not remember; gives how many join tokens that were.
fn void(contents: &mut Contents) -> usize {
    let is_void = |key: &Key| VOID.iter().any(|prefix| key.as_str().starts_with(prefix));
    let void: Vec<Key> = contents
        .entries
        .keys()
        .filter(|key| is_void(key))
        .cloned()
        .collect();
    for key in &void {
        contents.entries.remove(key);
    }
    let tokens = void
        .iter()
        .filter(|key| key.as_str().starts_with(records::TOKENS_PREFIX));
    tokens.count()
}

fn shown(args: &Restore, contents: &Contents, hub: &str, void: usize) -> String {
    let taken = jiff::Timestamp::from_microsecond(contents.head.taken_micros)
        .and_then(|at| jiff::Timestamp::from_second(at.as_second()))
        .map_or_else(|_| "some time ago".to_owned(), |at| at.to_string());
    let prefix = records::objects_prefix(names::CLUSTER_GROUP, names::ATTACHED_CLUSTERS);
    let clusters = contents
        .entries
        .keys()
        .filter(|key| key.as_str().starts_with(&prefix))
        .count();
    let dir = args.data_dir.display();
    let key = match &args.key_file {
        Some(path) => format!(" --key-file {}", path.display()),
        None => String::new(),
    };
    format!(
        "{dir} holds hub {hub} as it was at {taken} (revision {}, {} entries, {clusters} clusters). \
         {void} join tokens are void: make new ones with `roadstead join`.\n\n\
         Make sure that the former hub never runs again, then start this one where agents look for it:\n\n  \
         roadstead hub --data-dir {dir}{key} ...\n\n\
         What happens then: agents come back by themselves and go on keeping what they have. Nothing is \
         removed or overwritten that this hub does not know: what users changed after {taken} runs on, \
         HELD, and clusters that were detached since are attached again. `roadstead status` shows what is held; \
         a hold ends when somebody writes that object or its policy, or by `roadstead reconcile CLUSTER` \
         with --take-hub, --adopt, --release or --delete.",
        contents.head.revision,
        contents.entries.len(),
    )
}

#[cfg(test)]
mod tests;
