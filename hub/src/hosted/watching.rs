//! Watches over a cluster while the hub's agent runs for it: whether the cluster is still there and
//! the same, and whether the hub still lets that agent in.
//!
//! Says what it sees; what comes of it is [`tend`](super::tend)'s.

use std::time::Duration;

use roadstead_store::records::{self, HostedProblem, Liveness, decode, liveness_key};
use roadstead_store::{Revision, Snapshot};
use tokio::time::Instant;

use super::follow::Wanted;
use super::kubeconfig::problem;
use super::{Shared, probe, rivals};

/// How often it is looked whether the agent is turned away, as a part of the time for which it has to be.
const LOOKS: u32 = 4;

/// What is said of a cluster whose kubeconfig leads to another one.
pub(super) fn other_cluster(here: &str, bound: &str) -> HostedProblem {
    problem(
        "OtherCluster",
        format!(
            "the kubeconfig leads to another cluster (its kube-system namespace has uid {here}, this AttachedCluster \
             is of {bound}), and nothing is applied there: put the right kubeconfig into the Secret, or make an \
             AttachedCluster of its own for that cluster"
        ),
    )
}

/// Asks the cluster again and again whether it is there, and says so when that changes. Returns when it
/// turns out to be another one.
pub(super) async fn watch_over(
    shared: &Shared,
    wanted: &Wanted,
    client: &kube::Client,
) -> HostedProblem {
    let mut missed = false;
    loop {
        let pause = if missed {
            probe::ASK_AGAIN
        } else {
            probe::ASK_EVERY
        };
        tokio::time::sleep(pause).await;
        let bound = rivals::member_of(&shared.context.store.snapshot(), &wanted.uid);
        match (
            probe::ask(client).await,
            bound.filter(|uid| !uid.is_empty()),
        ) {
            (Ok(here), Some(bound)) if here != bound => return other_cluster(&here, &bound),
            (Ok(_), _) => {
                missed = false;
                shared.tell(&wanted.uid, None).await;
            }
            (Err(problem), _) if missed => {
                shared.tell(&wanted.uid, Some(problem)).await;
                missed = false;
            }
            (Err(_), _) => missed = true,
        }
    }
}

/// Returns once the hub's agent has been turned away for so long, with nobody else connected, that
/// nobody looks after the cluster: it was joined anew, and whoever did that has gone. Only what was noted
/// after `began`, a revision of the volatile store from before the agent's start, is about that agent.
pub(super) async fn turned_away(shared: &Shared, uid: &str, began: Revision) -> HostedProblem {
    let within = shared.context.hosting.calls_within;
    let mut alone = Alone::since(began);
    loop {
        tokio::time::sleep(within / LOOKS).await;
        if alone.for_long(&shared.context.volatile.snapshot(), uid, within) {
            return problem(
                "IdentityReplaced",
                "this cluster was joined anew since the hub looked after it, and nobody has called as its agent since; \
                 the hub joins it again for itself"
                    .to_owned(),
            );
        }
    }
}

/// For how long an agent was turned away and nobody else was there.
struct Alone {
    began: Revision,
    since: Option<Instant>,
}

impl Alone {
    /// Of an agent that started after `began`.
    fn since(began: Revision) -> Self {
        Self { began, since: None }
    }

    fn for_long(&mut self, volatile: &Snapshot, uid: &str, within: Duration) -> bool {
        if !is_alone(volatile, uid, self.began) {
            self.since = None;
            return false;
        }
        let since = self.since.get_or_insert_with(Instant::now);
        since.elapsed() >= within
    }
}

/// Whether an agent was turned away after `began`, none was let in since, and none is here.
fn is_alone(volatile: &Snapshot, uid: &str, began: Revision) -> bool {
    let turned = records::turned_away_key(uid).is_ok_and(|key| {
        let noted = volatile.get(key.as_str());
        noted.is_some_and(|noted| noted.revision > began)
    });
    let connected = liveness_key(uid).ok().and_then(|key| {
        let liveness: Liveness = decode(volatile.get(key.as_str())?).ok()?;
        Some(liveness.connected)
    });
    turned && connected != Some(true)
}

#[cfg(test)]
mod tests {
    use roadstead_protocol::host::system;
    use roadstead_store::records::{TurnedAway, encode, turned_away_key};
    use roadstead_store::{Backend, Options, Store, Txn};

    use super::*;

    const UID: &str = "11111111-1111-4111-8111-111111111111";
    const WITHIN: Duration = Duration::from_secs(60);

    async fn says(store: &Store, connected: bool) {
        let now = jiff::Timestamp::UNIX_EPOCH;
        let turned = TurnedAway {
            at: now,
            boot: 1,
            remote: String::new(),
            message: String::new(),
        };
        let liveness = Liveness {
            connected,
            since: now,
            last_heard: now,
            release: String::new(),
            boot: 1,
            remote: String::new(),
            features: 0,
        };
        let said = Txn::new()
            .put(turned_away_key(UID).unwrap(), encode(&turned).unwrap())
            .put(liveness_key(UID).unwrap(), encode(&liveness).unwrap());
        store.commit(said).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_turned_away_is_alone_until_somebody_is_there() {
        let store = Store::open(system::env(), Backend::Memory, Options::default());
        let store = store.await.unwrap();
        let mut alone = Alone::since(store.revision());
        let mut look = || alone.for_long(&store.snapshot(), UID, WITHIN);
        assert!(!look());
        tokio::time::sleep(WITHIN).await;
        assert!(!look(), "nobody was turned away");
        says(&store, false).await;
        assert!(!look(), "only just");
        tokio::time::sleep(WITHIN / 2).await;
        says(&store, true).await;
        assert!(!look());
        says(&store, false).await;
        assert!(!look(), "somebody was there meanwhile");
        tokio::time::sleep(WITHIN).await;
        assert!(look());
        // The agent that starts then joins, and has as long: what was noted is about the one before.
        let mut next = Alone::since(store.revision());
        let mut look = || next.for_long(&store.snapshot(), UID, WITHIN);
        assert!(!look());
        tokio::time::sleep(WITHIN).await;
        assert!(!look());
        says(&store, false).await;
        assert!(!look(), "only now");
        tokio::time::sleep(WITHIN).await;
        assert!(look());
    }
}
