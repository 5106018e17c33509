//! The arguments of the commands about what waits for a user: `reconcile`, `freeze`, `unfreeze`.

use clap::{ArgGroup, Args};
use roadstead_protocol::api::reconciliation::Action;

use super::{Output, Target};

/// `roadstead reconcile`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("action").args(["take_hub", "adopt", "release", "delete"]))]
pub struct Reconcile {
    /// The AttachedCluster
    pub cluster: String,
    /// Which objects, as KIND[.GROUP]/[NAMESPACE/]NAME: `Deployment/shop/web`, `Namespace/shop`
    #[arg(value_name = "ITEM", requires = "action")]
    pub items: Vec<String>,
    /// All for which it can be done; the others are named
    #[arg(long, requires = "action", conflicts_with = "items")]
    pub all: bool,
    /// Let the hub's word go: what the hub has is applied, what it removed is removed
    #[arg(long)]
    pub take_hub: bool,
    /// Write the objects to the hub as they are on the cluster, as templates
    #[arg(long)]
    pub adopt: bool,
    /// Let go of the objects: they stay on the cluster, and are nobody's
    #[arg(long)]
    pub release: bool,
    /// Delete the objects on the cluster
    #[arg(long)]
    pub delete: bool,
    /// With --delete: namespaces and definitions of kinds go with everything inside
    #[arg(long, requires = "delete")]
    pub delete_contents: bool,
    /// With --delete: the token that a refusal named
    #[arg(long, requires = "delete", value_name = "TOKEN")]
    pub confirm: Option<String>,
    /// The namespace of the AttachedCluster; where nothing is said, the kubeconfig's
    #[arg(short, long, env = "ROADSTEAD_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// `json` for machines
    #[arg(short, long, env = "ROADSTEAD_OUTPUT", default_value = "text")]
    pub output: Output,
    /// Which hub.
    #[command(flatten)]
    pub target: Target,
}

impl Reconcile {
    /// What is to be done; nothing: what waits is listed.
    pub fn action(&self) -> Option<Action> {
        let flags = [
            (self.take_hub, Action::TakeHub),
            (self.adopt, Action::Adopt),
            (self.release, Action::Release),
            (self.delete, Action::Delete),
        ];
        flags
            .into_iter()
            .find_map(|(given, action)| given.then_some(action))
    }
}

/// Which clusters a command is about.
#[derive(Debug, Args)]
pub struct Clusters {
    /// The AttachedClusters
    #[arg(value_name = "NAME", required_unless_present = "all")]
    pub names: Vec<String>,
    /// All clusters of all namespaces
    #[arg(long, conflicts_with = "names")]
    pub all: bool,
    /// The namespace of the AttachedClusters; where nothing is said, the kubeconfig's
    #[arg(short, long, env = "ROADSTEAD_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Which hub.
    #[command(flatten)]
    pub target: Target,
}

/// `roadstead freeze`.
#[derive(Debug, Args)]
pub struct Freeze {
    /// Which clusters.
    #[command(flatten)]
    pub clusters: Clusters,
    /// Why, for whoever looks
    #[arg(long, env = "ROADSTEAD_REASON", value_name = "TEXT")]
    pub reason: Option<String>,
}

/// `roadstead unfreeze`.
#[derive(Debug, Args)]
pub struct Unfreeze {
    /// Which clusters.
    #[command(flatten)]
    pub clusters: Clusters,
}
