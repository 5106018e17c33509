//! The words of `roadstead rebalance`.

use clap::Args;

use super::Target;

/// `roadstead rebalance`.
#[derive(Debug, Args)]
pub struct Rebalance {
    /// Kind or resource, as kubectl takes it: `deployment`, or `distributionpolicy` for all that it
    /// distributes
    pub kind: String,
    /// The object's name; or both as KIND/NAME
    pub name: Option<String>,
    /// The object's namespace; where nothing is said, the kubeconfig's
    #[arg(short, long, env = "ROADSTEAD_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Which hub.
    #[command(flatten)]
    pub target: Target,
}
