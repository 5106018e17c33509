//! Disruption budgets on their way through the hub: whatever the reason, as many are changed or taken at a
//! time as may be unwell.

mod along;
mod moves;
mod news;
mod reach;

use std::collections::BTreeSet;

use roadstead_store::CommitError;
use roadstead_store::records::{BUDGET_PREFIX, budget_key, parse_ledger_key};

use super::*;
use crate::placement::attempt;
use crate::preview::Trial;
use crate::reconciler::Reconciler;

const NAMES: [&str; 3] = ["a", "b", "c"];

/// A policy for all Deployments on all clusters, with a disruption budget.
fn policy(most: Value) -> Value {
    json!({
        "apiVersion": "policy.kurator.dev/v1alpha1",
        "kind": "DistributionPolicy",
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {
            "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment"}],
            "placement": {"clusterAffinity": {"clusterNames": NAMES}},
            "disruptionBudget": {"maxUnavailable": most},
        },
    })
}

fn named(name: &str, image: &str) -> Value {
    let mut object = deployment(2, image);
    object["metadata"]["name"] = name.into();
    object
}

fn item(name: &str) -> ItemKey {
    ItemKey {
        name: name.to_owned(),
        ..web()
    }
}

impl Hub {
    /// The agent of a cluster reports how an object is that it was given.
    async fn says(&self, cluster: &str, name: &str, health: Health) {
        let uid = format!("attachedcluster-{cluster}");
        let item = item(name);
        let key = ledger_key(&uid, &item).unwrap();
        let revision = self.store.snapshot().get(key.as_str()).unwrap().revision;
        self.hears(&uid, item, revision, health).await;
    }

    /// News of an item of a cluster as it was given at a revision.
    async fn hears(
        &self,
        uid: &str,
        item: ItemKey,
        revision: roadstead_store::Revision,
        health: Health,
    ) {
        let report = ItemReport {
            key: item,
            stamp: self.store.lineage().stamp(revision).unwrap(),
            state: ItemState::Applied,
            reason: String::new(),
            message: String::new(),
            generation: 1,
            health,
            status: b"{}".as_slice().into(),
        };
        let key = report_key(uid, &report.key).unwrap();
        let record = ReportRecord::new(report, self.env.clock.now());
        let txn = Txn::new().put(key, encode(&record).unwrap());
        self.volatile.commit(txn).await.unwrap();
    }

    async fn all_well(&self) {
        for name in NAMES {
            self.says(name, "web", Health::Healthy).await;
        }
        self.settle().await;
    }

    /// `web:1 web:2 -`
    fn images(&self) -> String {
        let image = |name: &&str| {
            let said = self.ledger(name);
            said.split(' ').next_back().unwrap().to_owned()
        };
        NAMES.iter().map(image).collect::<Vec<_>>().join(" ")
    }

    /// Three clusters that run the first `web`, and all is well.
    async fn budgeted(most: Value) -> Self {
        let hub = Self::new(&NAMES).await;
        hub.apply(policy(most)).await;
        hub.apply(deployment(2, "web:1")).await;
        hub.settle().await;
        hub.all_well().await;
        assert_eq!(hub.images(), "web:1 web:1 web:1");
        hub
    }

    fn placed(&self) -> (String, String) {
        let decision = self.decision().unwrap();
        let all = decision["status"]["conditions"].as_array().unwrap();
        let placed = all.iter().find(|c| c["type"] == "Placed").unwrap();
        let message = placed["message"].as_str().unwrap().to_owned();
        (condition(&decision, "Placed"), message)
    }
}

#[tokio::test(start_paused = true)]
async fn an_edit_goes_from_cluster_to_cluster_as_they_report() {
    let mut hub = Hub::budgeted(json!(1)).await;
    hub.apply(deployment(2, "web:2")).await;
    hub.settle().await;
    assert_eq!(hub.images(), "web:2 web:1 web:1");
    let (said, message) = hub.placed();
    assert_eq!(said, "False DisruptionBudget");
    let begins = "waits on 2 clusters (default/b, default/c): the disruption budget of its policy is 1 of 3 \
                  clusters, and not all is well on 1 cluster (default/a: Deployment.apps default/web is being changed)";
    assert!(message.starts_with(begins), "{message}");
    assert_eq!(
        condition(&hub.policy("p"), "Placed"),
        "False DisruptionBudget"
    );
    let metrics = hub.options.metrics.stand(&hub.store.snapshot()).waits;
    assert_eq!(metrics.get("DisruptionBudget"), Some(&1));
    let before = hub.store.revision();
    tokio::time::sleep(Duration::from_secs(400)).await;
    assert_eq!(hub.store.revision(), before, "waiting writes nothing");
    // A start of the hub spends nothing anew.
    hub.handle.take().unwrap().stop().await;
    hub.start();
    hub.settle().await;
    assert_eq!(hub.images(), "web:2 web:1 web:1");
    hub.says("a", "web", Health::Degraded).await;
    hub.settle().await;
    assert_eq!(hub.images(), "web:2 web:1 web:1");
    // What mends it is not held, and passes over the others.
    hub.apply(deployment(2, "web:3")).await;
    hub.settle().await;
    assert_eq!(hub.images(), "web:3 web:1 web:1");
    hub.says("a", "web", Health::Healthy).await;
    hub.settle().await;
    assert_eq!(hub.images(), "web:3 web:3 web:1");
    hub.says("b", "web", Health::Healthy).await;
    hub.settle().await;
    hub.says("c", "web", Health::Healthy).await;
    hub.settle().await;
    assert_eq!(hub.images(), "web:3 web:3 web:3");
    assert_eq!(hub.placed().0, "True Placed");
}

#[tokio::test(start_paused = true)]
async fn a_silent_cluster_takes_of_the_budget_until_it_is_fenced() {
    let hub = Hub::budgeted(json!("40%")).await;
    hub.liveness("b", false).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    hub.apply(deployment(2, "web:2")).await;
    hub.settle().await;
    assert_eq!(hub.images(), "web:1 web:2 web:1", "nothing else is down");
    let message = hub.placed().1;
    assert!(
        message.contains("default/b: no recent news of it"),
        "{message}"
    );
    // What scales waits for nothing.
    hub.apply(deployment(7, "web:1")).await;
    hub.settle().await;
    assert_eq!(
        (hub.ledger("a"), hub.ledger("c")),
        ("7 web:1".to_owned(), "7 web:1".to_owned())
    );
    hub.all_but_b_well().await;
    hub.apply(deployment(7, "web:2")).await;
    hub.settle().await;
    assert_eq!(hub.images(), "web:1 web:2 web:1");
    hub.apply(json!({
        "apiVersion": "cluster.kurator.dev/v1alpha1", "kind": "AttachedCluster",
        "metadata": {"name": "b", "namespace": "default"}, "spec": {"fenced": true},
    }))
    .await;
    hub.settle().await;
    assert_eq!(hub.ledger("a"), "7 web:2");
    assert_eq!(hub.ledger("c"), "7 web:1");
    hub.all_but_b_well().await;
    assert_eq!(hub.ledger("c"), "7 web:2");
}

impl Hub {
    async fn all_but_b_well(&self) {
        for name in ["a", "c"] {
            self.says(name, "web", Health::Healthy).await;
        }
        self.settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_people_delete_is_not_held_and_an_edit_of_the_policy_is() {
    let hub = Hub::budgeted(json!(1)).await;
    hub.says("c", "web", Health::Degraded).await;
    hub.settle().await;
    let mut fewer = policy(json!(1));
    fewer["spec"]["placement"]["clusterAffinity"]["clusterNames"] = json!(["b", "c"]);
    hub.apply(fewer).await;
    hub.settle().await;
    assert_eq!(hub.images(), "web:1 web:1 web:1");
    assert_eq!(hub.placed().0, "False DisruptionBudget");
    hub.says("c", "web", Health::Healthy).await;
    hub.settle().await;
    assert_eq!(hub.images(), "gone web:1 web:1");
    // What leaves takes of it until it has left.
    hub.apply(deployment(2, "web:2")).await;
    hub.settle().await;
    assert_eq!(hub.images(), "gone web:1 web:1");
    hub.acknowledge("a").await;
    hub.settle().await;
    assert_eq!(hub.images(), "- web:2 web:1");
    hub.delete(&deployment(2, "web:2")).await;
    hub.settle().await;
    assert_eq!(hub.images(), "- gone gone");
}

#[tokio::test(start_paused = true)]
async fn a_drained_cluster_says_that_what_waits_is_to_leave() {
    let hub = Hub::new(&NAMES).await;
    let mut divided = weighted("p", &[("a", 1), ("b", 1), ("c", 1)]);
    divided["spec"]["disruptionBudget"] = json!({"maxUnavailable": 1});
    hub.apply(divided).await;
    hub.apply(deployment(6, "web:1")).await;
    hub.settle().await;
    hub.all_well().await;
    hub.apply(json!({
        "apiVersion": "cluster.kurator.dev/v1alpha1", "kind": "AttachedCluster",
        "metadata": {"name": "a", "namespace": "default"},
        "spec": {"unschedulable": true, "drain": true},
    }))
    .await;
    hub.settle().await;
    assert_eq!(
        (hub.ledger("a"), hub.ledger("b")),
        ("2 web:1".to_owned(), "3 web:1".to_owned())
    );
    hub.all_well().await;
    assert_eq!(hub.ledger("a"), "gone");
    // While another is not well, what is replaced stays too.
    let drain = |to: bool| {
        json!({
            "apiVersion": "cluster.kurator.dev/v1alpha1", "kind": "AttachedCluster",
            "metadata": {"name": "b", "namespace": "default"},
            "spec": {"unschedulable": to, "drain": to},
        })
    };
    hub.acknowledge("a").await;
    hub.apply(drain(true)).await;
    hub.settle().await;
    assert_eq!(
        (hub.ledger("b"), hub.ledger("c")),
        ("3 web:1".to_owned(), "6 web:1".to_owned())
    );
}

/// Two Deployments of one policy with a budget of one cluster, given to all and well there.
async fn two_well() -> Hub {
    let hub = Hub::new(&NAMES).await;
    hub.apply(policy(json!(1))).await;
    for name in ["web", "api"] {
        hub.apply(named(name, "app:1")).await;
    }
    hub.settle().await;
    for cluster in NAMES {
        for name in ["web", "api"] {
            hub.says(cluster, name, Health::Healthy).await;
        }
    }
    hub
}

/// Two Deployments of one policy: never is more than one cluster being changed.
#[tokio::test(start_paused = true)]
async fn what_a_policy_holds_shares_its_budget() {
    let hub = two_well().await;
    hub.settle().await;
    let mut watch = hub.store.watch("/ledger/", hub.store.revision()).unwrap();
    for name in ["web", "api"] {
        hub.apply(named(name, "app:2")).await;
    }
    let mut changed = Vec::new();
    for _ in 0..12 {
        hub.settle().await;
        let mut now = BTreeSet::new();
        while let Some(event) = watch.try_next() {
            let (uid, item) = parse_ledger_key(event.unwrap().key.as_str()).unwrap();
            now.insert(uid.clone());
            changed.push((uid, item));
        }
        assert!(now.len() <= 1, "{now:?}");
        for (uid, item) in &changed {
            let cluster = uid.strip_prefix("attachedcluster-").unwrap();
            hub.says(cluster, &item.name, Health::Healthy).await;
        }
    }
    assert_eq!(changed.len(), 6, "{changed:?}");
    let snapshot = hub.store.snapshot();
    assert_eq!(snapshot.range(BUDGET_PREFIX).count(), 1);
    // It goes with its policy.
    hub.delete(&policy(json!(1))).await;
    tokio::time::sleep(Duration::from_secs(2000)).await;
    let snapshot = hub.store.snapshot();
    assert_eq!(snapshot.range(BUDGET_PREFIX).count(), 0);
}

#[tokio::test(start_paused = true)]
async fn two_decisions_from_one_snapshot_do_not_both_spend_it() {
    let mut hub = two_well().await;
    hub.handle.take().unwrap().stop().await;
    // One of them runs elsewhere first, so that both take another cluster of it.
    let reconciler = Reconciler::new(hub.parts());
    for name in ["web", "api"] {
        hub.apply(named(name, "app:2")).await;
    }
    let seen = hub.store.snapshot();
    let both = ["web", "api"].map(|name| attempt(&reconciler, &seen, &item(name)).unwrap());
    let key = budget_key("distributionpolicy-p").unwrap();
    let [first, second] = both.map(Option::unwrap);
    for txn in [&first, &second] {
        assert!(txn.ops.iter().any(|op| *op.key() == key));
    }
    hub.store.commit(first).await.unwrap();
    let done = hub.store.commit(second).await;
    assert!(matches!(done, Err(CommitError::Conflict { .. })));
    // Asked again, it takes the cluster that is being changed already, and no other.
    let seen = hub.store.snapshot();
    let again = attempt(&reconciler, &seen, &item("api")).unwrap().unwrap();
    let ledgers = again
        .ops
        .iter()
        .filter_map(|op| parse_ledger_key(op.key().as_str()));
    let clusters: Vec<String> = ledgers.map(|(uid, _)| uid).collect();
    assert_eq!(clusters, ["attachedcluster-a"]);
    // What was read once is not read again.
    let before = reconciler.budgets.reads();
    hub.says("b", "web", Health::Degraded).await;
    attempt(&reconciler, &hub.store.snapshot(), &item("api")).unwrap();
    assert_eq!(reconciler.budgets.reads() - before, 1);
}

#[tokio::test(start_paused = true)]
async fn a_rollout_is_given_what_the_budget_leaves() {
    let hub = Hub::budgeted(json!(1)).await;
    let mut rolling = policy(json!(1));
    rolling["spec"]["rollout"] = json!({"progressDeadlineSeconds": 60});
    hub.apply(rolling).await;
    hub.settle().await;
    hub.liveness("c", false).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    hub.apply(deployment(2, "web:2")).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(hub.images(), "web:1 web:1 web:1");
    let rollout = || {
        hub.get("/objects/roadstead.dev/rollouts/default/p-1")
            .unwrap()
    };
    assert_eq!(rollout()["status"]["phase"], "Progressing", "{}", rollout());
    assert_eq!(
        rollout()["status"]["message"],
        "as many clusters are unwell as the policy's disruption budget allows"
    );
    hub.connect("c").await;
    hub.settle().await;
    assert_eq!(hub.images(), "web:2 web:1 web:1");
    for name in NAMES {
        hub.says(name, "web", Health::Healthy).await;
        hub.settle().await;
    }
    assert_eq!(hub.images(), "web:2 web:2 web:2");
    hub.says("c", "web", Health::Healthy).await;
    hub.settle().await;
    assert_eq!(rollout()["status"]["phase"], "Succeeded");
}

#[tokio::test(start_paused = true)]
async fn a_preview_shows_all_of_a_change_and_says_its_pace() {
    let hub = Hub::budgeted(json!("34%")).await;
    let trial = Trial::begin(&hub.parts()).unwrap();
    let mut edited = hub.get("/objects/apps/deployments/default/web").unwrap();
    edited["metadata"]["generation"] = json!(2);
    edited["spec"]["template"]["spec"]["containers"][0]["image"] = json!("web:2");
    let key = object_key("apps", "deployments", "default", "web").unwrap();
    let txn = Txn::new().put(key, encode(&edited).unwrap());
    trial.store().commit(txn).await.unwrap();
    let preview = trial.settle().await.unwrap();
    assert_eq!(preview.items[0].clusters.len(), 3);
    assert_eq!(
        preview.notes,
        ["DistributionPolicy default/p changes what runs on at most 34% of its clusters at a time"]
    );
    assert_eq!(hub.images(), "web:1 web:1 web:1");
}
