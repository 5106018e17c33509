//! The arguments of `suspend` and `resume`.

use clap::Args;

use super::Target;

/// `roadstead suspend` and `roadstead resume`.
#[derive(Debug, Args)]
pub struct Suspend {
    /// The policy: the name of a DistributionPolicy, or KIND/NAME, as in
    /// clusterdistributionpolicy/web
    #[arg(value_name = "POLICY")]
    pub policy: String,
    /// Only on these clusters; where nothing is said, everywhere
    #[arg(value_name = "CLUSTER")]
    pub clusters: Vec<String>,
    /// The namespace of the policy; where nothing is said, the kubeconfig's
    #[arg(short, long, env = "ROADSTEAD_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Which hub.
    #[command(flatten)]
    pub target: Target,
}
