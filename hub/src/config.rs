//! The command line of `roadstead`. What says where or how is an environment variable too; what makes a
//! command do more than it would (all of them, without a seal, with contents) has to be typed.

mod backup;
mod preview;
mod rebalance;
mod rollout;
mod selecting;
mod suspend;
mod user;
mod waiting;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use backup::{Backup, Keygen, Restore, Seal};
pub use preview::Preview;
pub use rebalance::Rebalance;
pub use rollout::{
    Approve, Rollout, RolloutAct, RolloutOf, RolloutShow, RolloutStatus, RolloutUndo,
};
pub use selecting::{Cordon, Drain, Fence, Taint, Uncordon};
pub use suspend::Suspend;
pub use user::{User, UserAct, UserCreate};
pub use waiting::{Clusters, Freeze, Reconcile, Unfreeze};

/// Keeps a fleet of Kubernetes clusters in the state people asked for, also where the network is bad.
///
/// Start with `roadstead demo`: a hub and three simulated clusters to play with.
#[derive(Debug, Parser)]
#[command(name = "roadstead", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How logs look.
    #[arg(
        long,
        global = true,
        env = "ROADSTEAD_LOG_FORMAT",
        default_value = "text",
        value_name = "text|json"
    )]
    pub log_format: LogFormat,
    /// Which logs to write, as in `info` or `roadstead_agents=debug,info`. Where nothing is said:
    /// `info` for the hub, `warn` for everything else
    #[arg(long, global = true, env = "ROADSTEAD_LOG", value_name = "FILTER")]
    pub log: Option<String>,
}

/// How logs look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines, one JSON object a line.
    Json,
}

/// What `roadstead` does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the whole of it: a hub, simulated clusters and their agents on this machine
    Demo(Demo),
    /// Run the hub
    Hub(Hub),
    /// Let a cluster join: make an AttachedCluster and print the command to run beside the cluster
    Join(Join),
    /// Take a cluster out of the fleet; what runs on it stays as it is
    Detach(Detach),
    /// The fleet at a glance: clusters, what is not right, where, since when and why
    Status(Status),
    /// Why an object runs where it runs, and why not elsewhere
    Why(Why),
    /// What a change will do to the fleet: who gets what, what moves and goes, and what changes in it.
    /// Nothing is written. Exits with 0 where nothing would change, 1 where something would, 2 on errors
    Preview(Preview),
    /// How changes go out stage by stage: how far, and what was; back to a former release; stop it, let it
    /// go on, end it
    Rollout(Rollout),
    /// Approve of the next stage of a rollout
    Approve(Approve),
    /// Divide replicas anew, by what is free and open now
    Rebalance(Rebalance),
    /// Stop what a policy does, everywhere or on some clusters: nothing is given there and nothing taken,
    /// and what runs goes on
    Suspend(Suspend),
    /// Let a policy that was suspended go on
    Resume(Suspend),
    /// Let nothing new go to clusters; what is there stays
    Cordon(Cordon),
    /// Let what is new go to clusters again; ends draining too
    Uncordon(Uncordon),
    /// Let what is on clusters go elsewhere, as far as there is another place for it
    Drain(Drain),
    /// Declare that clusters are stopped: what they have comes up elsewhere
    Fence(Fence),
    /// Keep away from a cluster, or remove, what does not tolerate a taint
    Taint(Taint),
    /// Stop all changes on clusters: nothing is applied, deleted or repaired there
    Freeze(Freeze),
    /// Let changes go on where they were stopped
    Unfreeze(Unfreeze),
    /// What differs on clusters from what they were given, with both values
    Drift(Drift),
    /// What is held or unclaimed on a cluster, and what ends it
    Reconcile(Reconcile),
    /// Save everything that a running hub has in one file, sealed with a key or a passphrase
    Backup(Backup),
    /// Make a data folder of a backup, for a hub to be started with
    Restore(Restore),
    /// Make a key file that hub and agent seal their disks with, and backups are sealed with
    Keygen(Keygen),
    /// Give the authority that agents are known by a successor, or show how it stands
    RotateAuthority(RotateAuthority),
    /// Give somebody access to the hub; what they may do there is said by roles, as in Kubernetes
    User(User),
    /// Run one simulated member cluster as a process of its own
    SimulatedMember(SimulatedMember),
    /// Print the shell completion to source, as in `source <(roadstead completion bash)`
    Completion {
        /// For which shell.
        shell: clap_complete::Shell,
    },
}

/// `roadstead demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// Do everything once, check each step, and exit: 0 if all went well
    #[arg(long, env = "ROADSTEAD_DEMO_ONCE")]
    pub once: bool,
    /// How many simulated clusters
    #[arg(long, env = "ROADSTEAD_DEMO_CLUSTERS", default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=50))]
    pub clusters: u16,
}

/// `roadstead hub`.
#[derive(Debug, Args)]
pub struct Hub {
    /// Where the hub keeps its state; made if it is not there
    #[arg(long, env = "ROADSTEAD_DATA_DIR", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Where the Kubernetes API listens (TCP)
    #[arg(
        long,
        env = "ROADSTEAD_LISTEN",
        default_value = "127.0.0.1:6443",
        value_name = "ADDR"
    )]
    pub listen: SocketAddr,
    /// Where agents are listened to (UDP)
    #[arg(
        long,
        env = "ROADSTEAD_AGENT_LISTEN",
        default_value = "0.0.0.0:7443",
        value_name = "ADDR"
    )]
    pub agent_listen: SocketAddr,
    /// Under which addresses agents find this hub, best first; may be repeated. Where nothing is
    /// said: the host's name, or the listening address if it is a definite one
    #[arg(
        long,
        env = "ROADSTEAD_AGENT_ADVERTISE",
        value_name = "HOST:PORT",
        value_delimiter = ','
    )]
    pub agent_advertise: Vec<String>,
    /// A YAML file with further settings
    #[arg(long, env = "ROADSTEAD_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Forget the latest time that this hub has known: for a machine whose clock was far ahead once.
    /// Otherwise a clock that is behind that time is not believed
    #[arg(long)]
    pub forget_clock: bool,
    /// Seals what is on the disk: a file that `roadstead keygen` made. What was written before is
    /// sealed at the first start with it; from then on the hub does not start without it
    #[arg(long, env = "ROADSTEAD_KEY_FILE", value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

/// Which hub a command speaks to.
#[derive(Debug, Args)]
pub struct Target {
    /// The kubeconfig of the hub; where nothing is said, KUBECONFIG and ~/.kube/config as in kubectl
    #[arg(long, env = "ROADSTEAD_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context
    #[arg(long, env = "ROADSTEAD_CONTEXT", value_name = "NAME")]
    pub context: Option<String>,
}

/// `roadstead join`.
#[derive(Debug, Args)]
pub struct Join {
    /// The cluster's name
    pub name: String,
    /// The namespace of the AttachedCluster; where nothing is said, the kubeconfig's
    #[arg(short, long, env = "ROADSTEAD_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// A label of the cluster, for policies to select by; may be repeated
    #[arg(
        long = "label",
        env = "ROADSTEAD_LABELS",
        value_name = "k=v",
        value_delimiter = ','
    )]
    pub labels: Vec<String>,
    /// From which namespaces policies may use the cluster: All, Same, or a label selector of
    /// namespaces as in `team=edge`
    #[arg(
        long,
        env = "ROADSTEAD_ALLOW_NAMESPACES",
        value_name = "All|Same|SELECTOR"
    )]
    pub allow_namespaces: Option<String>,
    /// What to print
    #[arg(short, long, env = "ROADSTEAD_OUTPUT", default_value = "command")]
    pub output: JoinOutput,
    /// With `--output manifest`: the agent's image. Where nothing is said, the one that
    /// deploy/Dockerfile makes of this release, without a registry
    #[arg(long, env = "ROADSTEAD_IMAGE", value_name = "REF")]
    pub image: Option<String>,
    /// With `--output manifest`: a ClusterRole of the member that says what the agent may apply.
    /// Where nothing is said, one that allows everything is part of the manifest
    #[arg(long, env = "ROADSTEAD_CLUSTER_ROLE", value_name = "NAME")]
    pub cluster_role: Option<String>,
    /// With `--output manifest`: the size of a volume that outlives the agent's pod. Where nothing is
    /// said, the volume ends with the pod, which loses nothing
    #[arg(long, env = "ROADSTEAD_STORAGE", value_name = "SIZE")]
    pub storage: Option<String>,
    /// With `--output manifest`: seals the agent's volume with the key in this Secret of the member's
    /// namespace roadstead-system, a file of `roadstead keygen` under the name `key`
    #[arg(long, env = "ROADSTEAD_KEY_SECRET", value_name = "NAME")]
    pub key_secret: Option<String>,
    /// Which hub.
    #[command(flatten)]
    pub target: Target,
}

/// What `roadstead join` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum JoinOutput {
    /// The command to paste beside the cluster
    Command,
    /// The join string alone
    Token,
    /// Everything as JSON
    Json,
    /// The agent as objects for `kubectl apply -f -` on the cluster
    Manifest,
}

/// `roadstead detach`.
#[derive(Debug, Args)]
pub struct Detach {
    /// The cluster's name
    pub name: String,
    /// The namespace of the AttachedCluster; where nothing is said, the kubeconfig's
    #[arg(short, long, env = "ROADSTEAD_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Which hub.
    #[command(flatten)]
    pub target: Target,
}

/// `roadstead rotate-authority`.
#[derive(Debug, Args)]
pub struct RotateAuthority {
    /// The authority of the API and its users, and not that of the agents
    #[arg(long)]
    pub api: bool,
    /// Only show how the authority stands
    #[arg(long, conflicts_with = "now")]
    pub show: bool,
    /// Let the successor sign at once. Agents that have not heard of it yet renew by the authority
    /// before, which is kept for that alone; that costs each of them one more connection
    #[arg(long)]
    pub now: bool,
    /// Which hub.
    #[command(flatten)]
    pub target: Target,
}

/// `roadstead status`.
#[derive(Debug, Args)]
pub struct Status {
    /// `json` for machines
    #[arg(short, long, env = "ROADSTEAD_OUTPUT", default_value = "text")]
    pub output: Output,
    /// Which hub.
    #[command(flatten)]
    pub target: Target,
}

/// Text or JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Text,
    /// For machines
    Json,
}

/// `roadstead drift`.
#[derive(Debug, Args)]
pub struct Drift {
    /// Only this cluster; where nothing is said, all of them
    pub cluster: Option<String>,
    /// The cluster's namespace; where nothing is said, the kubeconfig's
    #[arg(short, long, env = "ROADSTEAD_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// `json` for machines
    #[arg(short, long, env = "ROADSTEAD_OUTPUT", default_value = "text")]
    pub output: Output,
    /// Which hub.
    #[command(flatten)]
    pub target: Target,
}

/// `roadstead why`.
#[derive(Debug, Args)]
pub struct Why {
    /// Kind or resource, as kubectl takes it: `deployment`, `deploy`, `deployments.apps`
    pub kind: String,
    /// The object's name; or both as KIND/NAME
    pub name: Option<String>,
    /// The object's namespace; where nothing is said, the kubeconfig's
    #[arg(short, long, env = "ROADSTEAD_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// `json` for machines
    #[arg(short, long, env = "ROADSTEAD_OUTPUT", default_value = "text")]
    pub output: Output,
    /// Which hub.
    #[command(flatten)]
    pub target: Target,
}

/// `roadstead simulated-member`.
#[derive(Debug, Args)]
pub struct SimulatedMember {
    /// Where its keys and its kubeconfig are kept; the objects live in memory
    #[arg(long, env = "ROADSTEAD_DATA_DIR", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Where its Kubernetes API listens
    #[arg(
        long,
        env = "ROADSTEAD_LISTEN",
        default_value = "127.0.0.1:0",
        value_name = "ADDR"
    )]
    pub listen: SocketAddr,
    /// How many nodes it has
    #[arg(long, env = "ROADSTEAD_NODES", default_value_t = 3, value_name = "N")]
    pub nodes: u16,
}
