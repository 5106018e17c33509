//! The arguments of `backup`, `restore` and `keygen`.

use std::path::PathBuf;

use clap::Args;

use super::Target;

/// `roadstead backup`.
#[derive(Debug, Args)]
pub struct Backup {
    /// Where to; nothing is overwritten
    pub file: PathBuf,
    /// What to seal it with.
    #[command(flatten)]
    pub seal: Seal,
    /// Do not seal it. The private keys of the hub's authorities are in it: whoever reads it can pass
    /// himself off as the hub and as any agent
    #[arg(long, conflicts_with_all = ["key_file", "passphrase_file"])]
    pub plain: bool,
    /// Which hub.
    #[command(flatten)]
    pub target: Target,
}

/// `roadstead restore`.
#[derive(Debug, Args)]
pub struct Restore {
    /// The backup
    pub file: PathBuf,
    /// Where the hub is to keep its state: an empty folder, or none yet
    #[arg(long, env = "ROADSTEAD_DATA_DIR", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// The key file that the backup is sealed with, if it is, and that the restored hub seals its
    /// disk with
    #[arg(long, env = "ROADSTEAD_KEY_FILE", value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// A file with the passphrase that the backup is sealed with
    #[arg(long, env = "ROADSTEAD_PASSPHRASE_FILE", value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// What a backup is sealed with.
#[derive(Debug, Args)]
pub struct Seal {
    /// Seal it with the first key of this file; `roadstead keygen` makes one
    #[arg(long, env = "ROADSTEAD_KEY_FILE", value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Seal it with the passphrase in this file
    #[arg(
        long,
        env = "ROADSTEAD_PASSPHRASE_FILE",
        value_name = "FILE",
        conflicts_with = "key_file"
    )]
    pub passphrase_file: Option<PathBuf>,
}

/// `roadstead keygen`.
#[derive(Debug, Args)]
pub struct Keygen {
    /// The key file; only its owner may read it
    pub file: PathBuf,
    /// Put a new key before those in the file, which then only open what they sealed
    #[arg(long)]
    pub add: bool,
}
