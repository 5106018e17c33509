//! The arguments of the commands about what goes to clusters: `cordon`, `uncordon`, `taint`.

use clap::Args;

use super::{Clusters, Target};

/// `roadstead cordon` and `roadstead uncordon`.
#[derive(Debug, Args)]
pub struct Cordon {
    /// Which clusters.
    #[command(flatten)]
    pub clusters: Clusters,
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
