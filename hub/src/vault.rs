//! The key file that a hub's disk is sealed with.
//!
//! Read once, at the start. What is on the disk under no key, or under a former one, is sealed anew
//! before the store is opened.

use std::path::Path;

use anyhow::{Context as _, Result};
use roadstead_protocol::env::Env;
use roadstead_protocol::seal::{Keyring, file};
use roadstead_store::{Backend, Renewal};

/// The keys of the file, or none where none is given.
///
/// # Errors
/// When it is no key file, or everybody may read it.
pub(crate) fn keyring(key_file: Option<&Path>) -> Result<Keyring> {
    let Some(path) = key_file else {
        return Ok(Keyring::default());
    };
    file::keyring(path).context("--key-file")
}

/// The store's file, made ready to be opened.
///
/// # Errors
/// When it cannot be read with these keys, is in use, or there is no room to seal it.
pub(crate) async fn backend(env: &Env, path: &Path, keyring: &Keyring) -> Result<Backend> {
    let renewed = roadstead_store::renew(env, path.to_owned(), keyring.clone())
        .await
        .context("failed to open the store")?;
    match renewed {
        Renewal::NotNeeded => {}
        Renewal::Made { before, after } => {
            tracing::info!(
                before,
                after,
                sealed = !keyring.is_empty(),
                "the store's file was made anew"
            );
        }
    }
    Ok(Backend::Sealed {
        open: roadstead_store::file(path),
        keyring: keyring.clone(),
    })
}
