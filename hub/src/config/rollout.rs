//! The arguments of the commands about rollouts: `rollout` and `approve`.

use clap::{Args, Subcommand};

use super::{Output, Target};

/// `roadstead rollout`.
#[derive(Debug, Args)]
pub struct Rollout {
    /// What to do.
    #[command(subcommand)]
    pub act: RolloutAct,
}

/// What there is to do about a policy's rollouts.
#[derive(Debug, Subcommand)]
pub enum RolloutAct {
    /// How far the newest rollout is, stage by stage
    Status(RolloutStatus),
    /// The rollouts that there were, and their releases
    History(RolloutShow),
    /// Give clusters a former release again, until a template changes
    Undo(RolloutUndo),
    /// Let the rollout go no further
    Pause(RolloutOf),
    /// Let the rollout go on, also one that failed and was halted
    Resume(RolloutOf),
    /// End the rollout: clusters that have the change get again what was good
    Abort(RolloutOf),
}

/// Which policy.
#[derive(Debug, Args)]
pub struct RolloutOf {
    /// The policy: the name of a DistributionPolicy, or KIND/NAME, as in
    /// clusterdistributionpolicy/web
    #[arg(value_name = "POLICY")]
    pub policy: String,
    /// The namespace of the policy; where nothing is said, the kubeconfig's
    #[arg(short, long, env = "ROADSTEAD_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Which hub.
    #[command(flatten)]
    pub target: Target,
}

/// `roadstead rollout status`.
#[derive(Debug, Args)]
pub struct RolloutStatus {
    /// Which policy, and for whom.
    #[command(flatten)]
    pub show: RolloutShow,
    /// Wait until the rollout is over, or halted, and say on standard error how far it gets; ends with
    /// code 0 where all clusters have the change, else with 1
    #[arg(short, long)]
    pub watch: bool,
    /// With --watch: wait no longer than so many seconds; the rollout goes on all the same
    #[arg(long, requires = "watch", value_name = "SECONDS")]
    pub timeout: Option<u64>,
}

/// `roadstead rollout status` and `history`.
#[derive(Debug, Args)]
pub struct RolloutShow {
    /// Which policy.
    #[command(flatten)]
    pub of: RolloutOf,
    /// For people, or for machines
    #[arg(short, long, default_value = "text", value_name = "text|json")]
    pub output: Output,
}

/// `roadstead rollout undo`.
#[derive(Debug, Args)]
pub struct RolloutUndo {
    /// Which policy.
    #[command(flatten)]
    pub of: RolloutOf,
    /// The release, or its first digits, as the history shows it; where nothing is said, the one
    /// before the newest rollout
    #[arg(long, value_name = "RELEASE")]
    pub to: Option<String>,
}

/// `roadstead approve`.
#[derive(Debug, Args)]
pub struct Approve {
    /// Which policy.
    #[command(flatten)]
    pub of: RolloutOf,
    /// The stage; where nothing is said, the one that waits
    #[arg(long, value_name = "STAGE")]
    pub stage: Option<String>,
}
