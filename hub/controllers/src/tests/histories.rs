//! Histories of a hub that is killed, restored, or followed by another release, and of users who change
//! their minds while an agent is away.

use roadstead_protocol::session::stamps::{Held, Verdict, verdict};
use roadstead_protocol::session::{Change, What};
use roadstead_protocol::wire::{Digest, Lineage, Stamp};
use roadstead_store::Revision;

use super::held::foreign;
use super::*;

async fn seed() -> Hub {
    let hub = Hub::new(&["prod", "dr"]).await;
    hub.apply(deployment(20, "web:1")).await;
    hub.apply(weighted("p", &[("prod", 90), ("dr", 10)])).await;
    hub.settle().await;
    hub
}

impl Hub {
    async fn killed(&mut self) {
        self.handle.take().unwrap().stop().await;
    }

    async fn started(&mut self) {
        self.start();
        self.settle().await;
    }

    fn at(&self, cluster: &str) -> Revision {
        self.entry(cluster).unwrap().0
    }

    /// What a cluster's ledger offers.
    fn offer(&self, cluster: &str) -> Change {
        let (revision, record) = self.entry(cluster).unwrap();
        Change {
            key: web(),
            stamp: self.store.lineage().stamp(revision).unwrap(),
            meta: record.meta,
            what: match record.state {
                LedgerState::Put { digest, size } => What::Put {
                    digest,
                    size: u32::try_from(size).unwrap(),
                },
                LedgerState::Tombstone => What::Tombstone,
            },
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_template_deleted_just_before_the_hub_was_killed_is_removed_by_the_next_start() {
    let mut hub = seed().await;
    hub.killed().await;
    hub.delete(&deployment(20, "web:1")).await;
    assert_eq!(hub.ledger("prod"), "18 web:1");
    hub.started().await;
    assert_eq!([hub.ledger("prod"), hub.ledger("dr")], ["gone", "gone"]);
    // Deleted and made again, it is not.
    let mut hub = seed().await;
    hub.killed().await;
    hub.delete(&deployment(20, "web:1")).await;
    hub.apply(deployment(20, "web:2")).await;
    hub.started().await;
    assert_eq!(hub.ledger("prod"), "18 web:2");
}

#[tokio::test(start_paused = true)]
async fn what_an_agent_missed_is_one_order_the_newest() {
    let hub = seed().await;
    hub.liveness("prod", false).await;
    let given = hub.at("prod");
    hub.apply(deployment(20, "web:2")).await;
    hub.settle().await;
    let changed = hub.at("prod");
    hub.delete(&deployment(20, "web:2")).await;
    hub.settle().await;
    let deleted = hub.at("prod");
    assert!(given < changed && changed < deleted);
    assert_eq!(hub.ledger("prod"), "gone");
    // Added again while it is still away: the tombstone that it never heard of is superseded.
    hub.apply(deployment(20, "web:3")).await;
    hub.settle().await;
    assert_eq!(hub.ledger("prod"), "18 web:3");
    assert!(hub.at("prod") > deleted);
    assert_eq!(hub.store.snapshot().range("/ledger/").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn other_bytes_of_another_release_get_a_revision_of_their_own() {
    let mut hub = seed().await;
    hub.killed().await;
    // As if the release before had rendered it otherwise.
    let (before, mut record) = hub.entry("prod").unwrap();
    let now = record.state;
    let other = br#"{"apiVersion":"apps/v1","kind":"Deployment"}"#;
    record.state = LedgerState::Put {
        digest: Digest::of(other),
        size: other.len() as u64,
    };
    let key = ledger_key("attachedcluster-prod", &web()).unwrap();
    let content = content_key(&Digest::of(other)).unwrap();
    let txn = Txn::new()
        .put(key, encode(&record).unwrap())
        .put(content, &other[..]);
    hub.store.commit(txn).await.unwrap();
    let former = hub.offer("prod");
    hub.started().await;
    let (after, record) = hub.entry("prod").unwrap();
    assert_eq!(record.state, now);
    assert!(after > former.stamp.revision && after > before);
    let held = Held {
        stamp: former.stamp,
        digest: former.digest(),
    };
    let offer = hub.offer("prod");
    let judged = verdict(&hub.store.lineage(), &offer, Some(&held));
    assert_eq!(judged, Verdict::Act);
}

#[tokio::test(start_paused = true)]
async fn a_policy_hands_over_to_another_without_a_tombstone_in_between() {
    let mut hub = seed().await;
    // Deleted first, and the hub dies before it decides; the other comes while it is down.
    hub.killed().await;
    hub.delete(&weighted("p", &[])).await;
    hub.apply(weighted("q", &[("prod", 90), ("dr", 10)])).await;
    let watch = hub.store.watch("/ledger/", hub.store.revision());
    let mut watch = watch.unwrap();
    hub.started().await;
    assert_eq!(
        [hub.ledger("prod"), hub.ledger("dr")],
        ["18 web:1", "2 web:1"]
    );
    // The other there first, and the one deleted while both claim it.
    hub.apply(weighted("r", &[("prod", 90), ("dr", 10)])).await;
    hub.settle().await;
    hub.delete(&weighted("q", &[])).await;
    hub.settle().await;
    assert_eq!(hub.ledger("prod"), "18 web:1");
    let (_, record) = hub.entry("prod").unwrap();
    assert_eq!(record.policies, ["distributionpolicy-r"]);
    while let Some(event) = watch.try_next() {
        let entry = event.unwrap().new.unwrap();
        let record: LedgerEntry = decode(&entry).unwrap();
        assert!(matches!(record.state, LedgerState::Put { .. }), "{entry:?}");
    }
}

/// A hub with many templates of which a policy's edit takes all from cluster `a`, confirmed.
async fn confirmed() -> Hub {
    let mut hub = Hub::new(&["a", "b"]).await;
    let policy = |names: &[&str], token: &str| {
        json!({
            "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "DistributionPolicy",
            "metadata": {
                "name": "p", "namespace": "default",
                "annotations": {"roadstead.dev/confirm-removal": token},
            },
            "spec": {
                "resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap"}],
                "placement": {"clusterAffinity": {"clusterNames": names}},
            },
        })
    };
    for i in 0..30 {
        hub.apply(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": format!("c{i}"), "namespace": "default"}, "data": {"a": "b"},
        }))
        .await;
    }
    hub.apply(policy(&["a", "b"], "")).await;
    hub.settle().await;
    hub.apply(policy(&["b"], "")).await;
    hub.settle().await;
    assert_eq!(on_a(&hub, true), 30);
    let text = hub.policy("p").to_string();
    let shown = text
        .split("distributionpolicy p --overwrite")
        .nth(1)
        .unwrap();
    let token = shown.split_once("confirm-removal=").unwrap().1;
    let token: String = token
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    hub.killed().await;
    hub.apply(policy(&["b"], &token)).await;
    hub
}

/// How many objects of cluster `a` are to be there, or to go.
fn on_a(hub: &Hub, there: bool) -> usize {
    let snapshot = hub.store.snapshot();
    let all = snapshot.range("/ledger/attachedcluster-a/");
    all.filter(|entry| {
        let record: LedgerEntry = decode(entry).unwrap();
        matches!(record.state, LedgerState::Put { .. }) == there
    })
    .count()
}

#[tokio::test(start_paused = true)]
async fn a_confirmed_removal_goes_on_after_a_restart_halfway() {
    let mut hub = confirmed().await;
    // Ten of thirty, by hand.
    let reconciler = crate::reconciler::Reconciler::new(hub.parts());
    for i in 0..10 {
        let item = ItemKey {
            group: String::new(),
            kind: "ConfigMap".to_owned(),
            namespace: "default".to_owned(),
            name: format!("c{i}"),
        };
        let snapshot = hub.store.snapshot();
        let txn = crate::placement::attempt(&reconciler, &snapshot, &item);
        hub.store.commit(txn.unwrap().unwrap()).await.unwrap();
    }
    assert_eq!((on_a(&hub, true), on_a(&hub, false)), (20, 10));
    assert_eq!(hub.store.snapshot().range("/approvals/").count(), 1);
    hub.started().await;
    assert_eq!((on_a(&hub, true), on_a(&hub, false)), (0, 30));
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(hub.store.snapshot().range("/approvals/").count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_hub_restored_from_before_acts_over_nothing_also_after_it_wrote_and_crashed() {
    let hub = seed().await;
    // What an agent was given by the life of the hub that the copy knows nothing of.
    let newer = Held {
        stamp: foreign(hub.store.revision().0 + 1_000),
        digest: Some(Digest::of(b"newer")),
    };
    let check = |hub: &Hub, expected: Verdict| {
        let lineage: Lineage = hub.store.lineage();
        assert_eq!(
            verdict(&lineage, &hub.offer("prod"), Some(&newer)),
            expected
        );
    };
    check(&hub, Verdict::Hold);
    // It writes something else, and the same key for a reason of its own.
    hub.apply(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "other", "namespace": "default"},
    }))
    .await;
    hub.apply(weighted("p", &[("prod", 95), ("dr", 5)])).await;
    hub.settle().await;
    assert_eq!(hub.ledger("prod"), "19 web:1");
    check(&hub, Verdict::Hold);
    // Also once its revisions are beyond the one that is held.
    let far = Stamp {
        revision: Revision(1),
        ..newer.stamp
    };
    let held = Held {
        stamp: far,
        ..newer
    };
    let judged = verdict(&hub.store.lineage(), &hub.offer("prod"), Some(&held));
    assert_eq!(judged, Verdict::Hold);
    // A user's answer names what was shown, and nothing else.
    hub.answer("prod", newer.stamp).await;
    hub.settle().await;
    check(&hub, Verdict::Act);
    let judged = verdict(&hub.store.lineage(), &hub.offer("prod"), Some(&held));
    assert_eq!(judged, Verdict::Hold);
}
