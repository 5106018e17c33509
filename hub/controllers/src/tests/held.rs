//! Answers to holds become orders that name what they replace, and what waits shows on the cluster
//! until it ends.

use roadstead_protocol::wire::frame::Freeze;
use roadstead_protocol::wire::{Epoch, Meta, Revision, Stamp};
use roadstead_store::records::{
    Answer, FreezeRecord, HoldRecord, answer_key, freeze_key, hold_key,
};

use super::*;

/// A stamp that no hub of these tests gave.
pub(super) fn foreign(revision: u64) -> Stamp {
    Stamp {
        epoch: Epoch(u64::MAX),
        revision: Revision(revision),
    }
}

impl Hub {
    async fn held(&self, cluster: &str, key: &ItemKey, record: Option<(ItemState, &str, Stamp)>) {
        let at = hold_key(&format!("attachedcluster-{cluster}"), key).unwrap();
        let said = report_key(&format!("attachedcluster-{cluster}"), key).unwrap();
        let txn = match record {
            Some((state, reason, stamp)) => {
                let report = ItemReport {
                    key: key.clone(),
                    stamp,
                    state,
                    reason: reason.to_owned(),
                    message: "as the agent says".to_owned(),
                    generation: 0,
                    health: Health::Unknown,
                    status: Vec::new().into(),
                };
                let record = encode(&HoldRecord::of(&report).unwrap()).unwrap();
                let report = ReportRecord::new(report, self.env.clock.now());
                Txn::new()
                    .put(at, record)
                    .put(said, encode(&report).unwrap())
            }
            None => Txn::new().delete(at).delete(said),
        };
        self.volatile.commit(txn).await.unwrap();
    }

    pub(super) async fn answer(&self, cluster: &str, stamp: Stamp) {
        let key = answer_key(&format!("attachedcluster-{cluster}"), &web()).unwrap();
        let answer = Answer {
            replaces: vec![stamp],
        };
        self.store
            .commit(Txn::new().put(key, encode(&answer).unwrap()))
            .await
            .unwrap();
    }

    fn answers(&self) -> usize {
        self.store.snapshot().range("/answers/").count()
    }

    pub(super) fn replaced(&self, cluster: &str) -> Vec<u64> {
        let (_, record) = self.entry(cluster).unwrap();
        let stamps = record.meta.iter().filter_map(|meta| {
            if let Meta::Replaces(stamp) = meta {
                Some(stamp.revision.0)
            } else {
                None
            }
        });
        stamps.collect()
    }

    fn said(&self, cluster: &str, kind: &str) -> String {
        let key = format!("/objects/cluster.kurator.dev/attachedclusters/default/{cluster}");
        condition(&self.get(&key).unwrap(), kind)
    }
}

async fn seed() -> Hub {
    let hub = Hub::new(&["prod", "dr"]).await;
    hub.apply(deployment(20, "web:1")).await;
    hub.apply(weighted("p", &[("prod", 90), ("dr", 10)])).await;
    hub.settle().await;
    hub
}

#[tokio::test(start_paused = true)]
async fn an_answer_goes_into_the_next_order_and_is_carried_over() {
    let hub = seed().await;
    let before = hub.entry("prod").unwrap().0;
    hub.answer("prod", foreign(7)).await;
    hub.settle().await;
    // What is ordered is the same; the order is new.
    assert_eq!(hub.ledger("prod"), "18 web:1");
    assert!(hub.entry("prod").unwrap().0 > before);
    assert_eq!((hub.replaced("prod"), hub.answers()), (vec![7], 0));
    assert!(hub.replaced("dr").is_empty());
    // The agent may have missed that one.
    hub.apply(deployment(20, "web:2")).await;
    hub.settle().await;
    assert_eq!(hub.replaced("prod"), [7]);
    for revision in [8, 9, 10, 11] {
        hub.answer("prod", foreign(revision)).await;
        hub.settle().await;
    }
    assert_eq!(hub.replaced("prod"), [8, 9, 10, 11]);
    // The same again changes nothing but that it is answered.
    let before = hub.entry("prod").unwrap().0;
    hub.answer("prod", foreign(9)).await;
    hub.settle().await;
    assert_eq!((hub.entry("prod").unwrap().0, hub.answers()), (before, 0));
    // A tombstone names them, too.
    hub.delete(&deployment(20, "web:2")).await;
    hub.settle().await;
    assert_eq!(hub.ledger("prod"), "gone");
    assert_eq!(hub.replaced("prod"), [8, 9, 10, 11]);
    hub.answer("prod", foreign(12)).await;
    hub.settle().await;
    assert_eq!(
        (hub.replaced("prod"), hub.answers()),
        (vec![9, 10, 11, 12], 0)
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_about_what_a_cluster_was_never_given_waits_until_it_is() {
    let hub = Hub::new(&["prod"]).await;
    hub.answer("prod", foreign(7)).await;
    hub.apply(deployment(20, "web:1")).await;
    hub.settle().await;
    assert_eq!((hub.ledger("prod"), hub.answers()), ("-".to_owned(), 1));
    hub.apply(weighted("p", &[("prod", 1)])).await;
    hub.settle().await;
    assert_eq!((hub.replaced("prod"), hub.answers()), (vec![7], 0));
    // With nothing to order, an answer is left over.
    let hub = Hub::new(&["prod"]).await;
    hub.answer("prod", foreign(7)).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(hub.answers(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_held_shows_until_it_ends_and_not_longer() {
    let hub = seed().await;
    let (durable, volatile) = (hub.store.revision(), hub.volatile.revision());
    assert_eq!(hub.said("prod", "Held"), "- -");
    hub.held(
        "prod",
        &web(),
        Some((ItemState::Held, "OtherHistory", foreign(7))),
    )
    .await;
    hub.settle().await;
    assert_eq!(hub.said("prod", "Held"), "True OtherHistory");
    let cluster = hub.get("/objects/cluster.kurator.dev/attachedclusters/default/prod");
    let text = cluster.unwrap().to_string();
    assert!(text.contains("Deployment.apps/default/web"), "{text}");
    assert!(
        text.contains("roadstead reconcile -n default prod"),
        "{text}"
    );
    assert!(hub.store.revision() > durable && hub.volatile.revision() > volatile);
    // Quiet while it lasts.
    let durable = hub.store.revision();
    tokio::time::sleep(Duration::from_secs(3000)).await;
    assert_eq!(hub.said("prod", "Held"), "True OtherHistory");
    // Events go after an hour, and nothing else was written.
    assert!(hub.store.revision().0 <= durable.0 + 1);
    hub.held("prod", &web(), None).await;
    hub.settle().await;
    assert_eq!(hub.said("prod", "Held"), "False NotHeld");
    assert!(
        hub.events("AttachedCluster", "prod")
            .contains(&"NotHeld".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn no_news_ends_no_hold() {
    let mut hub = seed().await;
    hub.held(
        "prod",
        &web(),
        Some((ItemState::Unclaimed, "NotInHub", foreign(7))),
    )
    .await;
    hub.settle().await;
    assert_eq!(hub.said("prod", "Held"), "True NotInHub");
    // The hub starts anew: it knows nothing of what is reported, and the agent is away.
    hub.handle.take().unwrap().stop().await;
    let options = roadstead_store::Options::default();
    hub.volatile = Store::open(hub.env.clone(), Backend::Memory, options)
        .await
        .unwrap();
    hub.start();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(hub.said("prod", "Held"), "True NotInHub");
    // It is what users can answer, though nobody said it to this start of the hub.
    let key = hold_key("attachedcluster-prod", &web()).unwrap();
    let hold: HoldRecord = decode(hub.volatile.snapshot().get(key.as_str()).unwrap()).unwrap();
    assert_eq!(hold.stamp, foreign(7));
    // It comes back, and says it again, or does not.
    hub.connect("prod").await;
    hub.settle().await;
    assert_eq!(hub.said("prod", "Held"), "True NotInHub");
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(hub.said("prod", "Held"), "False NotHeld");
    assert!(hub.volatile.snapshot().get(key.as_str()).is_none());
    assert_eq!(hub.store.snapshot().range("/shown/").count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_hangs_shows_until_the_object_is_gone() {
    let hub = seed().await;
    hub.held(
        "dr",
        &web(),
        Some((ItemState::Pending, "DeletionPending", foreign(7))),
    )
    .await;
    hub.settle().await;
    assert_eq!(hub.said("dr", "Deleting"), "True DeletionPending");
    assert_eq!(hub.said("dr", "Held"), "- -");
    hub.held("dr", &web(), None).await;
    hub.settle().await;
    assert_eq!(hub.said("dr", "Deleting"), "False NotDeleting");
}

#[tokio::test(start_paused = true)]
async fn frozen_is_what_the_agent_confirms() {
    let hub = seed().await;
    let freeze = async |frozen| {
        let record = FreezeRecord {
            frozen,
            reason: "the floor is wet".to_owned(),
            replaces: None,
        };
        let key = freeze_key("attachedcluster-prod").unwrap();
        let txn = Txn::new().put(key, encode(&record).unwrap());
        let revision = hub.store.commit(txn).await.unwrap().first;
        hub.store.lineage().stamp(revision).unwrap()
    };
    let key = Freeze::key();
    let applied = ItemState::Applied;
    let stamp = freeze(true).await;
    hub.settle().await;
    assert_eq!(hub.said("prod", "Frozen"), "Unknown NotConfirmed");
    hub.held("prod", &key, Some((applied, "Frozen", stamp)))
        .await;
    hub.settle().await;
    assert_eq!(hub.said("prod", "Frozen"), "True Frozen");
    assert_eq!(hub.said("prod", "Held"), "- -");
    freeze(false).await;
    hub.settle().await;
    assert_eq!(hub.said("prod", "Frozen"), "Unknown NotConfirmed");
    // The agent may hear of the thaw before it hears of this.
    let again = freeze(true).await;
    hub.settle().await;
    assert_eq!(hub.said("prod", "Frozen"), "Unknown NotConfirmed");
    hub.held("prod", &key, Some((applied, "Frozen", again)))
        .await;
    hub.settle().await;
    assert_eq!(hub.said("prod", "Frozen"), "True Frozen");
    freeze(false).await;
    hub.settle().await;
    hub.held("prod", &key, None).await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(hub.said("prod", "Frozen"), "False NotFrozen");
    // By a hub that this one, restored from before, knows nothing of.
    hub.held("prod", &key, Some((applied, "Frozen", foreign(7))))
        .await;
    hub.settle().await;
    assert_eq!(hub.said("prod", "Frozen"), "True OtherHistory");
    hub.held(
        "prod",
        &key,
        Some((ItemState::Held, "OtherHistory", foreign(7))),
    )
    .await;
    hub.settle().await;
    assert_eq!(hub.said("prod", "Frozen"), "Unknown OtherHistory");
    assert_eq!(hub.said("prod", "Held"), "True OtherHistory");
}

#[tokio::test(start_paused = true)]
async fn a_tombstone_without_a_template_has_no_decision() {
    let hub = Hub::new(&["prod"]).await;
    let record = LedgerEntry {
        state: LedgerState::Tombstone,
        meta: vec![Meta::Release, Meta::Replaces(foreign(7))],
        decision: crate::decision_ref(&web()),
        template_uid: "act".to_owned(),
        policies: Vec::new(),
    };
    let key = ledger_key("attachedcluster-prod", &web()).unwrap();
    hub.store
        .commit(Txn::new().put(key, encode(&record).unwrap()))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(
        (hub.ledger("prod").as_str(), hub.decision()),
        ("gone", None)
    );
    assert_eq!(hub.replaced("prod"), [7]);
    hub.acknowledge("prod").await;
    hub.settle().await;
    assert_eq!((hub.ledger("prod").as_str(), hub.decision()), ("-", None));
}
