//! The arguments of the commands about what goes to clusters: `cordon`, `drain`, `fence`,
//! `uncordon`, `taint`.

use clap::Args;

use super::{Clusters, Target};

/// `roadstead cordon`.
#[derive(Debug, Args)]
pub struct Cordon {
    /// Which clusters.
    #[command(flatten)]
    pub clusters: Clusters,
}

/// `roadstead uncordon`.
#[derive(Debug, Args)]
pub struct Uncordon {
    /// Which clusters.
    #[command(flatten)]
    pub clusters: Clusters,
    /// Of a cluster that was drained: wait until what comes back is healthy there
    #[arg(long)]
    pub wait: bool,
    /// Give up waiting after so many seconds; where nothing is said, never
    #[arg(long, value_name = "SECONDS", requires = "wait")]
    pub timeout: Option<u64>,
}

/// `roadstead drain`.
#[derive(Debug, Args)]
pub struct Drain {
    /// Which clusters.
    #[command(flatten)]
    pub clusters: Clusters,
    /// Do not wait until all that can leave has left
    #[arg(long)]
    pub no_wait: bool,
    /// Give up waiting after so many seconds; where nothing is said, never
    #[arg(long, value_name = "SECONDS", conflicts_with = "no_wait")]
    pub timeout: Option<u64>,
}

/// `roadstead fence`.
#[derive(Debug, Args)]
pub struct Fence {
    /// Which clusters.
    #[command(flatten)]
    pub clusters: Clusters,
    /// Let them count again
    #[arg(long)]
    pub lift: bool,
}

/// `roadstead taint`.
#[derive(Debug, Args)]
pub struct Taint {
    /// The AttachedCluster
    #[arg(value_name = "CLUSTER")]
    pub cluster: String,
    /// KEY=VALUE:EFFECT or KEY:EFFECT, with the effect NoSchedule or NoExecute; with a - behind it the
    /// taint goes, as in KEY:EFFECT- or KEY-
    #[arg(value_name = "TAINT", required = true, allow_hyphen_values = true)]
    pub taints: Vec<String>,
    /// Change the value of a taint that is there
    #[arg(long)]
    pub overwrite: bool,
    /// The namespace of the AttachedCluster; where nothing is said, the kubeconfig's
    #[arg(short, long, env = "ROADSTEAD_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Which hub.
    #[command(flatten)]
    pub target: Target,
}
