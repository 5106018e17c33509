//! The arguments of `roadstead preview`.

use std::path::PathBuf;

use clap::Args;

use super::{Output, Target};

/// `roadstead preview`.
#[derive(Debug, Args)]
pub struct Preview {
    /// A file with objects, YAML or JSON, or a folder of such files; `-` is the standard input; may be
    /// repeated
    #[arg(
        short,
        long = "filename",
        env = "ROADSTEAD_FILENAME",
        value_name = "FILE",
        value_delimiter = ',',
        required = true
    )]
    pub filename: Vec<PathBuf>,
    /// What would happen if they were deleted, and not applied
    #[arg(long)]
    pub delete: bool,
    /// The namespace of the objects that say none; where nothing is said, the kubeconfig's
    #[arg(short, long, env = "ROADSTEAD_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Leave out what would change inside the objects
    #[arg(long)]
    pub brief: bool,
    /// `json` for machines
    #[arg(short, long, env = "ROADSTEAD_OUTPUT", default_value = "text")]
    pub output: Output,
    /// Which hub.
    #[command(flatten)]
    pub target: Target,
}
