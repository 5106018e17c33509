//! `roadstead keygen`: makes a key file, or puts a new key before those of one.

use roadstead_protocol::host::system;
use roadstead_protocol::seal::file::{self, FileError};

use crate::config::Keygen;

/// Makes the key. Gives the text to print.
///
/// # Errors
/// When there is a file already (without `--add`), there is none (with it), or it cannot be written.
pub fn keygen(args: &Keygen) -> Result<String, FileError> {
    let (path, env) = (&args.file, system::env());
    let shown = path.display();
    if args.add {
        file::add(path, &*env.entropy)?;
        return Ok(format!(
            "A new key is the first one in {shown} now. Restart what seals its disk with this file: \
             at that start all of it is sealed with the new key.\n\
             Former keys stay in the file for backups that they sealed; take a line out when nothing \
             needs it any more."
        ));
    }
    file::create(path, &*env.entropy)?;
    Ok(format!(
        "{shown} holds a new key. Keep a copy where neither the data nor the backups are: without it \
         what it sealed is lost.\n\n  \
         roadstead hub --key-file {shown} ...\n  \
         roadstead backup FILE --key-file {shown}"
    ))
}
