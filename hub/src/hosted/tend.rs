//! Looks after one cluster by its kubeconfig: again and again until it works, and for as long as it does.
//!
//! One agent at a time: where the cluster has one of its own the hub stays away, and of two that run
//! all the same the later start wins, as it does between any two. A kubeconfig that changed ends the
//! agent that ran with the former one before anything else. Whatever goes wrong is said in the
//! cluster's conditions, and removes nothing.

use std::sync::Arc;
use std::time::Duration;

use roadstead_agent::Error as AgentError;
use roadstead_agent::store::OpenError;
use roadstead_authority::{Issue, is_detached};
use roadstead_protocol::host::JoinToken;
use roadstead_protocol::session::Backoff;
use roadstead_store::records::{self, AGENT_JOINED, HostedProblem, HostedRecord};
use roadstead_store::{CommitError, Txn};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::follow::Wanted;
use super::kubeconfig::{self, problem};
use super::loopback::Loopback;
use super::rivals::{self, Rival};
use super::watching::{self, other_cluster};
use super::{Shared, probe};

/// The first wait after a failure.
const RETRY_FLOOR: Duration = Duration::from_secs(2);
/// The longest wait after a failure. A Secret or an AttachedCluster that is written ends any wait.
const RETRY_CEILING: Duration = Duration::from_secs(30);
/// How often it is looked whether a cluster's own agent has gone.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long an agent that was asked to end has for it.
const END_WITHIN: Duration = Duration::from_secs(4);
/// How long the hub's join string for itself is good.
const TOKEN_LIFE: Duration = Duration::from_secs(600);
/// How often a hosted agent looks at its cluster's nodes and kinds.
const FACTS_EVERY: Duration = Duration::from_secs(30);
/// How many objects a hosted agent works on at once.
const WORKERS: usize = 4;

/// How an attempt to look after a cluster ended.
enum Round {
    /// What is wanted has changed.
    Changed,
    /// The cluster is not to be looked after any more.
    Gone,
    /// It does not work.
    Failed(HostedProblem),
    /// Not yet; there is nothing to say about it.
    Later(Duration),
}

/// The task of one cluster.
pub(super) struct Tender {
    shared: Arc<Shared>,
    uid: String,
    told: watch::Receiver<Wanted>,
    /// The next start joins, although the disk is there: it holds no identity, or one that is worth
    /// nothing any more.
    anew: bool,
    /// When an agent of this task ended: its session may seem to be there a moment longer.
    ended: Option<Instant>,
    /// Another agent took over from ours.
    superseded: bool,
}

impl Tender {
    pub(super) fn new(shared: Arc<Shared>, uid: String, told: watch::Receiver<Wanted>) -> Self {
        Self {
            shared,
            uid,
            told,
            anew: false,
            ended: None,
            superseded: false,
        }
    }

    /// Runs until the cluster is not to be looked after any more.
    pub(super) async fn run(mut self) {
        let seed = u64::from_be_bytes(self.shared.context.env.random());
        let mut backoff = Backoff::new(seed, RETRY_FLOOR, RETRY_CEILING);
        loop {
            let wanted = self.told.borrow_and_update().clone();
            let began = Instant::now();
            let wait = match Box::pin(self.round(&wanted)).await {
                Round::Changed => {
                    backoff.reset();
                    continue;
                }
                Round::Gone => break,
                Round::Later(wait) => wait,
                Round::Failed(problem) => {
                    let joined = problem.reason == AGENT_JOINED;
                    self.shared.tell(&self.uid, Some(problem)).await;
                    if began.elapsed() > RETRY_CEILING {
                        backoff.reset();
                    }
                    if joined {
                        LOOK_EVERY
                    } else {
                        backoff.next_wait()
                    }
                }
            };
            tokio::select! {
                biased;
                changed = self.told.changed() => match changed {
                    Ok(()) => backoff.reset(),
                    Err(_) => break,
                },
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.shared.forget(&self.uid).await;
        self.clean_up().await;
    }

    /// One attempt: everything that must be so, then an agent for as long as it runs.
    async fn round(&mut self, wanted: &Wanted) -> Round {
        let shared = Arc::clone(&self.shared);
        match self.rival() {
            Rival::None => {}
            Rival::Wait => return Round::Later(LOOK_EVERY),
            Rival::There(problem) => return Round::Failed(problem),
        }
        let (client, here) = tokio::select! {
            biased;
            changed = self.told.changed() => return changed_or_gone(&changed),
            client = prepare(&shared, wanted, self.superseded) => match client {
                Ok(prepared) => prepared,
                Err(problem) => return Round::Failed(problem),
            },
        };
        let began = shared.context.volatile.revision();
        let (stop, stopped) = oneshot::channel();
        let mut agent = match self.start(wanted, (client.clone(), &here), stopped).await {
            Ok(agent) => agent,
            Err(round) => return round,
        };
        shared.tell(&self.uid, None).await;
        let round = tokio::select! {
            biased;
            changed = self.told.changed() => changed_or_gone(&changed),
            ended = &mut agent => {
                self.ended = Some(Instant::now());
                return self.judge(ended.unwrap_or(Err(AgentError::Ended)));
            }
            problem = watching::watch_over(&shared, wanted, &client) => Round::Failed(problem),
            problem = watching::turned_away(&shared, &self.uid, began) => {
                self.anew = true;
                Round::Failed(problem)
            }
        };
        if stop.send(()).is_err() {
            tracing::debug!(cluster = self.uid, "a hosted agent ends already");
        }
        if tokio::time::timeout(END_WITHIN, &mut agent).await.is_err() {
            agent.abort();
        }
        self.ended = Some(Instant::now());
        round
    }

    fn rival(&self) -> Rival {
        let own = self.ended.filter(|_| !self.superseded);
        rivals::look(&self.shared, &self.uid, own)
    }

    /// Starts the agent; with a join string of the hub for itself, where it has no identity yet.
    async fn start(
        &mut self,
        wanted: &Wanted,
        (client, here): (kube::Client, &str),
        stopped: oneshot::Receiver<()>,
    ) -> Result<JoinHandle<Result<(), AgentError>>, Round> {
        let context = &self.shared.context;
        let disks = &context.hosting.disks;
        let loopback = Loopback::new(Arc::clone(&context.network), context.hub);
        let fresh = self.anew || !disks.is_there(&self.uid);
        let join = if fresh {
            Some(self.token(wanted, &loopback).await.map_err(Round::Failed)?)
        } else {
            None
        };
        let database = disks.take(&self.uid).map_err(|error| {
            // The one before is just ending.
            if matches!(error, OpenError::InUse) {
                Round::Later(RETRY_FLOOR)
            } else {
                Round::Failed(problem("HubDisk", crate::chain(&error)))
            }
        })?;
        let parts = roadstead_agent::Parts {
            env: context.env.clone(),
            crypto: Arc::clone(&context.crypto.provider),
            database,
            member: client,
            join,
            options: roadstead_agent::Options {
                bind: loopback.bind_address(),
                workers: WORKERS,
                facts_every: FACTS_EVERY,
                keyring: disks.keyring(),
                past: rivals::past_of(&context.store.snapshot(), &self.uid, here),
                ..roadstead_agent::Options::default()
            },
            network: Arc::new(loopback),
        };
        let until = async move { drop(stopped.await) };
        // One join string for one start: it is of no use to the next.
        self.anew = false;
        Ok(tokio::spawn(Box::pin(roadstead_agent::run(parts, until))))
    }

    async fn token(
        &self,
        wanted: &Wanted,
        loopback: &Loopback,
    ) -> Result<JoinToken, HostedProblem> {
        let issue = Issue {
            cluster_uid: self.uid.clone(),
            namespace: wanted.namespace.clone(),
            name: wanted.name.clone(),
            addresses: vec![loopback.hub().to_string()],
            life: TOKEN_LIFE,
        };
        let issued = self.shared.context.authority.issue_token(issue).await;
        issued.map_err(|error| problem("HubBusy", crate::chain(&error)))
    }

    /// What it means that an agent ended by itself.
    fn judge(&mut self, ended: Result<(), AgentError>) -> Round {
        self.superseded = false;
        let error = match ended {
            Ok(()) => return Round::Later(RETRY_FLOOR),
            Err(error) => error,
        };
        match error {
            AgentError::NotJoined => {
                self.anew = true;
                Round::Later(Duration::ZERO)
            }
            AgentError::Superseded { .. } => {
                self.superseded = true;
                Round::Failed(rivals::joined())
            }
            AgentError::OtherMember { here, bound } => Round::Failed(other_cluster(&here, &bound)),
            error @ (AgentError::Open(_)
            | AgentError::Disk(_)
            | AgentError::Refused(_)
            | AgentError::Identity(_)
            | AgentError::CopiedSecret { .. }
            | AgentError::Rejoined
            | AgentError::Ended) => {
                let words = crate::chain(&error);
                tracing::warn!(cluster = self.uid, error = words, "a hosted agent ended");
                Round::Failed(problem("AgentEnded", words))
            }
        }
    }

    /// Removes the disk of a cluster that a user detached; of any other it stays.
    async fn clean_up(&self) {
        let context = &self.shared.context;
        if !is_detached(&context.store.snapshot(), &self.uid) {
            return;
        }
        let (disks, uid) = (Arc::clone(&context.hosting.disks), self.uid.clone());
        let forgotten = context
            .env
            .blocking
            .run(Box::new(move || disks.forget(&uid)));
        forgotten.await;
    }
}

fn changed_or_gone(changed: &Result<(), watch::error::RecvError>) -> Round {
    match changed {
        Ok(()) => Round::Changed,
        Err(_) => Round::Gone,
    }
}

/// A client of the cluster, once it is known to be the right one, and the uid of its `kube-system`
/// namespace.
async fn prepare(
    shared: &Shared,
    wanted: &Wanted,
    again: bool,
) -> Result<(kube::Client, String), HostedProblem> {
    let context = &shared.context;
    let snapshot = context.store.snapshot();
    let read = kubeconfig::read(&snapshot, &wanted.namespace, &wanted.secret)?;
    let _turn = shared.starts.acquire().await;
    let client = context.hosting.members.client(read);
    let client = client.await.map_err(|why| {
        problem(
            "KubeconfigInvalid",
            format!("the kubeconfig cannot be used: {why}"),
        )
    })?;
    let here = probe::ask(&client).await?;
    let snapshot = context.store.snapshot();
    let bound = rivals::member_of(&snapshot, &wanted.uid).unwrap_or_default();
    if !bound.is_empty() && bound != here {
        return Err(other_cluster(&here, &bound));
    }
    if (bound.is_empty() || again)
        && let Some(other) = rivals::other_of(&snapshot, &wanted.uid, &here)
    {
        let why = format!(
            "this cluster is attached already, as {other}; of two AttachedClusters for one cluster one has to go (`roadstead detach`)"
        );
        return Err(problem("AlreadyAttached", why));
    }
    Ok((client, here))
}

impl Shared {
    /// Says how it goes with a cluster, where that is not what was said last.
    pub(super) async fn tell(&self, uid: &str, problem: Option<HostedProblem>) {
        let volatile = &self.context.volatile;
        let (Ok(key), record) = (records::hosted_key(uid), HostedRecord { problem }) else {
            return;
        };
        let said = volatile.snapshot().get(key.as_str()).map(records::decode);
        if said.and_then(Result::ok).as_ref() == Some(&record) {
            return;
        }
        if let Some(problem) = &record.problem {
            tracing::warn!(
                cluster = uid,
                reason = problem.reason,
                message = problem.message,
                "a cluster cannot be looked after by its kubeconfig"
            );
        }
        let Ok(value) = records::encode(&record) else {
            return;
        };
        logged(volatile.commit(Txn::new().put(key, value)).await.map(drop));
    }

    /// Says nothing any more about a cluster.
    pub(super) async fn forget(&self, uid: &str) {
        let volatile = &self.context.volatile;
        let Ok(key) = records::hosted_key(uid) else {
            return;
        };
        if volatile.snapshot().get(key.as_str()).is_some() {
            logged(volatile.commit(Txn::new().delete(key)).await.map(drop));
        }
    }
}

fn logged(result: Result<(), CommitError>) {
    if let Err(error) = result {
        tracing::debug!(%error, "how it goes with a cluster could not be noted");
    }
}
