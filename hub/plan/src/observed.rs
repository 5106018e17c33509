//! What is known of one object on one cluster: what its agent said lately, judged against what the
//! cluster was given last.
//!
//! A value only: who reads the ledger and the reports is the controllers' business, and so is what
//! follows from it.

use roadstead_protocol::wire::report::Health;
use serde_json::Value;

/// What is known of one object on one cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Whether its agent reported it applied just as the cluster was given it last.
    pub applied: bool,
    /// Whether there is no recent news of the cluster: all that follows is then not known.
    pub away: bool,
    /// How far it got.
    pub state: State,
    /// How it is, by the rules of its kind.
    pub health: Health,
    /// Whether these are rules that people told, and not its agent's own.
    pub judged: bool,
    /// The member's own words, where something is not right.
    pub message: String,
    /// Replicas that it has, where its kind counts any.
    pub replicas: Option<u64>,
    /// Of these, ready.
    pub ready: Option<u64>,
    /// Its `metadata.generation` on the member; 0 where it is not known.
    pub generation: i64,
    /// Its `.status` on the member; `Null` where there is none, or none that fits into a report.
    pub status: Value,
}

/// How far an object got on a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// There is no recent news of the cluster.
    Unknown,
    /// Its agent has not reported what it was given last.
    Pending,
    /// It is on the member as it was given.
    Applied,
    /// Something that is not ours is in its place.
    Conflict,
    /// The member refused it.
    Failed,
    /// The agent refuses to act over something from another history, or newer.
    Held,
    /// It is to go.
    Removing,
}

impl State {
    /// As a Decision's status says it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Pending => "Pending",
            Self::Applied => "Applied",
            Self::Conflict => "Conflict",
            Self::Failed => "Failed",
            Self::Held => "Held",
            Self::Removing => "Removing",
        }
    }
}

/// A health, as a Decision's status says it.
pub fn health_text(health: Health) -> &'static str {
    match health {
        Health::Unknown => "Unknown",
        Health::Progressing => "Progressing",
        Health::Healthy => "Healthy",
        Health::Degraded => "Degraded",
        Health::Suspended => "Suspended",
    }
}

impl Default for Observed {
    /// Nothing is known.
    fn default() -> Self {
        Self {
            applied: false,
            away: true,
            state: State::Unknown,
            health: Health::Unknown,
            judged: false,
            message: String::new(),
            replicas: None,
            ready: None,
            generation: 0,
            status: Value::Null,
        }
    }
}

impl Observed {
    /// Whether what was given last was seen to be as it should be.
    pub fn is_healthy(&self) -> bool {
        self.applied && !self.away && self.health == Health::Healthy
    }
}
