//! Whom news wake that wait for a budget, against looking at each; and how many are looked at. Counts, not
//! times.

use std::collections::BTreeMap;

use roadstead_plan::finding::Cause;
use roadstead_protocol::api::decision::SAMPLES_MAX;
use roadstead_store::Watch;

use super::*;
use crate::decision::kept;
use crate::wake::Wake;
use crate::work::Work;

/// Steps of the comparison.
const STEPS: usize = 400;
/// Templates that wait, and reports that come at once.
const MANY: usize = 100;

/// What a decision says.
#[derive(Clone, Default)]
struct Says {
    policy: Option<&'static str>,
    waits: bool,
    by: Vec<String>,
}

impl Says {
    fn object(&self, name: &str) -> Value {
        let reference = |name: &String| {
            json!({
                "apiVersion": "apps/v1", "group": "apps", "kind": "Deployment", "namespace": "default", "name": name,
            })
        };
        let reason = kept(Cause::Budget);
        let mut spec = json!({
            "template": reference(&name.to_owned()),
            "requiredBy": self.by.iter().map(reference).collect::<Vec<_>>(),
            "clusters": [{"uid": "a", "held": self.waits, "reason": reason}],
        });
        if let Some(policy) = self.policy {
            spec["policy"] = json!({
                "kind": "DistributionPolicy", "namespace": "default", "name": policy, "uid": policy,
            });
        }
        json!({
            "apiVersion": "roadstead.dev/v1alpha1", "kind": "Decision",
            "metadata": {"name": format!("deployment.apps.{name}"), "namespace": "default"},
            "spec": spec,
        })
    }
}

/// A hub that does nothing but keep what is written, and what its changes wake.
struct Heard {
    hub: Hub,
    wake: Wake,
    durable: Watch,
    news: Watch,
}

impl Heard {
    async fn new() -> Self {
        let mut hub = Hub::new(&[]).await;
        hub.handle.take().unwrap().stop().await;
        Self {
            wake: Wake::new(&hub.parts()),
            durable: hub.store.watch("/", hub.store.revision()).unwrap(),
            news: hub.volatile.watch("/", hub.volatile.revision()).unwrap(),
            hub,
        }
    }

    /// Takes in what was written so far.
    fn decided(&mut self) {
        let mut out = Vec::new();
        while let Some(event) = self.durable.try_next() {
            self.wake.durable(&event.unwrap(), &mut out);
        }
        self.wake.gathered(&mut out);
    }

    async fn report(&self, name: &str) {
        let revision = self.hub.store.revision();
        let healthy = Health::Healthy;
        self.hub.hears("a", item(name), revision, healthy).await;
    }

    /// Whom the reports so far wake, by name.
    fn woken(&mut self) -> Vec<String> {
        let mut out = Vec::new();
        while let Some(event) = self.news.try_next() {
            self.wake.changed_news(&event.unwrap(), &mut out);
        }
        self.wake.gathered(&mut out);
        let name = |woken: crate::driver::Woken<Work>| match woken.key {
            Work::Placement(item) => Some(item.name),
            Work::Cluster(_)
            | Work::Status(_)
            | Work::Fleet(_)
            | Work::Policy { .. }
            | Work::Rollout { .. }
            | Work::Garbage => None,
        };
        let mut woken: Vec<String> = out.into_iter().filter_map(name).collect();
        woken.sort();
        woken
    }
}

/// Those for which news of `name` are news.
fn slow(all: &BTreeMap<String, Says>, name: &str) -> Vec<String> {
    let holder = |name: &String| all.get(name).and_then(|says| says.policy);
    let policy = holder(&name.to_owned());
    let concerned = |(waits, says): &(&String, &Says)| {
        let along = says.by.len() >= SAMPLES_MAX || says.by.iter().any(|by| holder(by) == policy);
        let by_policy = policy.is_some() && (says.policy == policy || along);
        says.waits && (*waits == name || by_policy)
    };
    let concerned = all.iter().filter(concerned);
    concerned.map(|(name, _)| name.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn news_wake_whom_looking_at_each_would() {
    let mut heard = Heard::new().await;
    let mut all: BTreeMap<String, Says> = BTreeMap::new();
    let mut state: u64 = 7;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005) + 1;
        (state >> 33) % below
    };
    for step in 0..STEPS {
        let name = format!("web-{}", draw(6));
        let there = all.remove(&name);
        match there.filter(|_| draw(4) == 0) {
            Some(there) => heard.hub.delete(&there.object(&name)).await,
            None => {
                let most = if draw(12) == 0 { SAMPLES_MAX } else { 2 };
                let says = Says {
                    policy: [None, Some("p"), Some("q")][draw(3) as usize],
                    waits: draw(2) == 0,
                    by: (0..most).map(|_| format!("web-{}", draw(7))).collect(),
                };
                heard.hub.apply(says.object(&name)).await;
                all.insert(name, says);
            }
        }
        heard.decided();
        let of = format!("web-{}", draw(6));
        heard.report(&of).await;
        assert_eq!(heard.woken(), slow(&all, &of), "step {step}: {of}");
    }
}

/// However many reports come together, what waits for others' budgets is looked at once, and not at all for
/// reports about what has nothing to do with it.
#[tokio::test(start_paused = true)]
async fn a_burst_of_reports_looks_at_what_waits_for_others_once() {
    let mut heard = Heard::new().await;
    let held = |policy| Says {
        policy: Some(policy),
        ..Says::default()
    };
    let waits = Says {
        policy: None,
        waits: true,
        by: vec!["needs-0".to_owned()],
    };
    for i in 0..MANY {
        for (name, says) in [
            ("needs", held("p")),
            ("other", held("q")),
            ("files", waits.clone()),
        ] {
            heard.hub.apply(says.object(&format!("{name}-{i}"))).await;
        }
    }
    heard.decided();
    let before = heard.wake.looked();
    for i in 0..MANY {
        heard.report(&format!("other-{i}")).await;
    }
    assert_eq!(heard.woken(), Vec::<String>::new());
    assert_eq!(heard.wake.looked(), before);
    for i in 0..MANY {
        heard.report(&format!("needs-{i}")).await;
    }
    assert_eq!(heard.woken().len(), MANY);
    assert_eq!(heard.wake.looked() - before, MANY);
}
