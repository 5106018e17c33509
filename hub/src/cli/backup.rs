//! `roadstead backup`: reads everything from a running hub, proves it whole, and seals it on the way.
//!
//! The hub gives the bytes; the key never leaves the machine that this runs on.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use http_body_util::BodyExt as _;
use roadstead_protocol::host::system;
use roadstead_protocol::seal::file::{self, FileError};
use roadstead_protocol::seal::stream::{CHUNK_BYTES_MAX, Secret, StreamError, StreamSealer};
use roadstead_store::backup::{BackupError, Contents, Reader};

use crate::backup::PATH;
use crate::client::{self, Api};
use crate::config::{Backup, Seal};

/// What is appended to the name of a backup that is not whole yet.
const UNFINISHED: &str = ".part";

/// Why no backup was made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody said what to seal it with.
    #[error(
        "what is this backup to be sealed with? The private keys of the hub's authorities are in it. \
         Give --key-file FILE (make one with `roadstead keygen FILE`) or --passphrase-file FILE, or \
         --plain if it must be readable for everybody who gets hold of it"
    )]
    Unsealed,
    /// There is something of that name.
    #[error("{} is there already, and nothing is overwritten: choose another name", .0.display())]
    Exists(PathBuf),
    /// The key file or the passphrase is of no use.
    #[error(transparent)]
    Key(#[from] FileError),
    /// The hub did not answer, or refused.
    #[error(transparent)]
    Hub(#[from] client::Error),
    /// The stream broke off.
    #[error("the hub's answer broke off; nothing was kept, try again")]
    Broken(#[source] kube::Error),
    /// What came is no whole backup.
    #[error("what the hub sent is no whole backup ({0}); nothing was kept, try again")]
    Stream(#[from] BackupError),
    /// It could not be sealed.
    #[error("the backup could not be sealed: {0}")]
    Seal(#[from] StreamError),
    /// It could not be written.
    #[error("{} could not be written: {source}; nothing was kept", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Makes a backup. Gives the text to print.
///
/// # Errors
/// When nothing was kept; the text says why.
pub async fn backup(args: &Backup) -> Result<String, Error> {
    let secret = secret(&args.seal)?;
    if secret.is_none() && !args.plain {
        return Err(Error::Unsealed);
    }
    let path = &args.file;
    if path.symlink_metadata().is_ok() {
        return Err(Error::Exists(path.clone()));
    }
    let hub = Api::connect(&args.target).await?;
    let body = hub.stream(PATH).await?;
    let mut name = path.as_os_str().to_owned();
    name.push(UNFINISHED);
    let unfinished = PathBuf::from(name);
    let saved = match Saving::begin(&unfinished, secret.as_ref()) {
        Ok(saving) => saving.save(body).await,
        Err(error) => Err(error),
    };
    let named = saved.and_then(|saved| {
        std::fs::rename(&unfinished, path).map_err(failed(path))?;
        sync_folder(path).map_err(failed(path))?;
        Ok(saved)
    });
    if named.is_err() {
        // There may be nothing to remove.
        drop(std::fs::remove_file(&unfinished));
    }
    let (contents, (entries, bytes)) = named?;
    Ok(shown(path, secret.as_ref(), &contents, entries, bytes))
}

fn shown(
    path: &Path,
    secret: Option<&Secret>,
    contents: &Contents,
    entries: u64,
    bytes: u64,
) -> String {
    let how = match secret {
        Some(Secret::Key(_)) => "sealed with the key file's first key",
        Some(Secret::Passphrase(_)) => "sealed with the passphrase",
        None => "NOT SEALED: the authorities' private keys stand in it as they are",
    };
    format!(
        "{} holds everything up to revision {} ({entries} entries, {bytes} bytes), {how}.\n\
         It is put back with `roadstead restore {} --data-dir DIR`, DIR being empty.",
        path.display(),
        contents.head.revision,
        path.display(),
    )
}

fn secret(seal: &Seal) -> Result<Option<Secret>, FileError> {
    if let Some(path) = &seal.passphrase_file {
        return Ok(Some(Secret::Passphrase(file::passphrase(path)?)));
    }
    let Some(path) = &seal.key_file else {
        return Ok(None);
    };
    Ok(file::keyring(path)?.first().cloned().map(Secret::Key))
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Write { path, source }
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

/// A backup on its way to a file.
struct Saving {
    path: PathBuf,
    file: File,
    sealer: Option<StreamSealer>,
    reader: Reader,
    /// What waits to fill a chunk.
    waiting: Vec<u8>,
}

impl Saving {
    fn begin(path: &Path, secret: Option<&Secret>) -> Result<Self, Error> {
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(failed(path)(e)),
            Ok(()) | Err(_) => {}
        }
        let mut file = options.open(path).map_err(failed(path))?;
        let sealer = match secret {
            Some(secret) => {
                let (sealer, begin) = StreamSealer::begin(secret, &*system::env().entropy)?;
                file.write_all(&begin).map_err(failed(path))?;
                Some(sealer)
            }
            None => None,
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            sealer,
            reader: Reader::new(false),
            waiting: Vec::new(),
        })
    }

    /// Saves all that comes, and proves it whole; also gives how many entries and bytes it holds.
    async fn save(mut self, mut body: kube::client::Body) -> Result<(Contents, (u64, u64)), Error> {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(Error::Broken)?;
            let Ok(bytes) = frame.into_data() else {
                continue;
            };
            self.reader.take(&bytes)?;
            self.waiting.extend_from_slice(&bytes);
            while self.waiting.len() > CHUNK_BYTES_MAX {
                let rest = self.waiting.split_off(CHUNK_BYTES_MAX);
                self.write(false)?;
                self.waiting = rest;
            }
        }
        self.write(true)?;
        self.file.sync_all().map_err(failed(&self.path))?;
        let size = self.reader.size();
        Ok((self.reader.finish()?, size))
    }

    /// Writes what waits, which is at most a chunk.
    fn write(&mut self, last: bool) -> Result<(), Error> {
        let bytes = std::mem::take(&mut self.waiting);
        let bytes = match &mut self.sealer {
            Some(sealer) => sealer.chunk(&bytes, last)?,
            None => bytes,
        };
        self.file.write_all(&bytes).map_err(failed(&self.path))
    }
}
