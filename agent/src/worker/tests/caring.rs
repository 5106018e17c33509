//! What others scale is left to them, and why pods do not run is said.

use crate::member::{ailing, scalers};

use super::*;

const SCALER: &str = "/apis/autoscaling/v2/namespaces/web/horizontalpodautoscalers/shop";
const SCALERS: &str = "/apis/autoscaling/v2/namespaces/web/horizontalpodautoscalers";
const POD: &str = "/api/v1/namespaces/web/pods/shop-1";

fn scaler() -> Value {
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "shop", "namespace": "web"},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}},
    })
}

impl World {
    /// The Deployment was given 3 replicas, and an autoscaler made them 10.
    async fn scaled(disk: &MemoryDisk) -> Self {
        let mut world = Self::with(Fake::new(), disk).await;
        world.care();
        world.give(&key(), 5, Some(content(3)), vec![]).await;
        world.settle().await;
        world.fake.put(SCALER, scaler());
        world.set("/spec/replicas", json!(10));
        world.settle().await;
        world
    }

    /// The member serves autoscalers and pods, and these are looked at.
    fn care(&mut self) {
        let kinds = [
            (
                "autoscaling/v2",
                "HorizontalPodAutoscaler",
                "horizontalpodautoscalers",
                true,
            ),
            ("v1", "Pod", "pods", true),
        ];
        self.fake.state().kinds.extend(kinds);
        let (member, desk) = (self.shop.member.clone(), self.shop.desk.clone());
        self.tasks.spawn(scalers::run(member.clone(), desk.clone()));
        self.tasks
            .spawn(ailing::run(member, desk, self.shop.disk.clone()));
    }

    fn set(&self, pointer: &str, value: Value) {
        let mut live = self.fake.get(PATH).unwrap();
        *live.pointer_mut(pointer).unwrap() = value;
        self.fake.put(PATH, live);
    }

    fn message(&self) -> String {
        let reports = self.shop.desk.take_reports(100);
        let said = reports.into_iter().rfind(|r| r.key == key());
        said.map(|r| r.message).unwrap_or_default()
    }
}

#[tokio::test(start_paused = true)]
async fn replicas_that_an_autoscaler_owns_are_left_to_it_and_nobody_has_to_say_so() {
    let disk = MemoryDisk::default();
    let mut world = World::scaled(&disk).await;
    assert_eq!(world.replicas(), Some(json!(10)));
    // The division then gives only the first count.
    world.give(&key(), 6, Some(content(5)), vec![]).await;
    world.settle().await;
    assert_eq!(world.replicas(), Some(json!(10)));
    assert_eq!(world.shop.desk.scaled(), [key()]);
    // An agent that starts anew knows it from its disk.
    let fake = world.fake.clone();
    world.tasks.shutdown().await;
    drop(world);
    fake.state().writes.clear();
    let mut again = World::with(fake, &disk).await;
    again.care();
    again.settle().await;
    assert_eq!(again.replicas(), Some(json!(10)));
    assert_eq!(again.fake.state().writes, Vec::<String>::new());
    // Once nothing scales it any more, it is as it was given.
    again.fake.remove(SCALER);
    tokio::time::sleep(Duration::from_secs(70)).await;
    assert_eq!(again.replicas(), Some(json!(5)));
}

#[tokio::test(start_paused = true)]
async fn a_wiped_agent_asks_who_scales_before_it_puts_anything_right() {
    let mut world = World::scaled(&MemoryDisk::default()).await;
    let fake = world.fake.clone();
    world.tasks.shutdown().await;
    let mut wiped = World::with(fake, &MemoryDisk::default()).await;
    wiped.care();
    wiped.give(&key(), 6, Some(content(4)), vec![]).await;
    wiped.settle().await;
    assert_eq!(wiped.replicas(), Some(json!(10)));
}

/// What the member answers where it is asked for its autoscalers.
fn no_answer(code: u16, reason: &'static str) -> impl Fn(&http::Method, &str) -> Option<Fault> {
    move |_, path| (path == SCALERS).then_some(Fault::Answer(code, reason, "not now"))
}

/// One page of a list that goes on.
fn cut(_: &http::Method, path: &str) -> Option<Fault> {
    let page = json!({"metadata": {"continue": "more"}, "items": []});
    (path == SCALERS).then_some(Fault::Reply(200, page))
}

#[tokio::test(start_paused = true)]
async fn what_scalers_own_is_theirs_until_the_member_says_that_there_are_none() {
    let world = World::scaled(&MemoryDisk::default()).await;
    assert_eq!(world.shop.desk.scaled(), [key()]);
    // Whatever is no answer changes nothing, though the autoscaler is not seen.
    for (code, reason) in [(403, "Forbidden"), (404, "NotFound"), (404, "")] {
        world.fake.state().fault = Some(Box::new(no_answer(code, reason)));
        tokio::time::sleep(Duration::from_secs(200)).await;
        assert_eq!(world.replicas(), Some(json!(10)), "{code} {reason}");
        assert_eq!(world.shop.desk.scaled(), [key()], "{code} {reason}");
    }
    world.fake.state().fault = Some(Box::new(cut));
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(world.replicas(), Some(json!(10)));
    // A member that serves none any more has none.
    world.fake.state().fault = None;
    let served = |kind: &(&str, &str, &str, bool)| kind.1 != "HorizontalPodAutoscaler";
    world.fake.state().kinds.retain(served);
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(world.replicas(), Some(json!(3)));
}

#[tokio::test(start_paused = true)]
async fn where_nobody_says_who_scales_replicas_are_left_to_who_owns_them() {
    let mut world = World::new().await;
    world.care();
    world.fake.state().fault = Some(Box::new(no_answer(403, "Forbidden")));
    world.give(&key(), 5, Some(content(3)), vec![]).await;
    world.settle().await;
    // What only is otherwise, and is ours, is put right.
    world.set("/spec/replicas", json!(9));
    world.settle().await;
    assert_eq!(world.replicas(), Some(json!(3)));
    let mut live = world.fake.get(PATH).unwrap();
    live["spec"]["replicas"] = json!(10);
    let theirs = json!({
        "manager": "kube-controller-manager", "operation": "Update", "subresource": "scale",
        "fieldsV1": {"f:spec": {"f:replicas": {}}},
    });
    let managers = live["metadata"]["managedFields"].as_array_mut().unwrap();
    managers.push(theirs);
    world.fake.put(PATH, live);
    world.settle().await;
    assert_eq!(world.replicas(), Some(json!(10)));
    world.give(&key(), 6, Some(content(5)), vec![]).await;
    world.settle().await;
    assert_eq!(world.replicas(), Some(json!(10)));
    // Once it is known that nothing scales it, it is as it is given.
    world.fake.state().fault = None;
    tokio::time::sleep(Duration::from_secs(70)).await;
    assert_eq!(world.replicas(), Some(json!(5)));
}

#[tokio::test(start_paused = true)]
async fn why_pods_do_not_run_is_said_while_they_do_not() {
    let mut world = World::new().await;
    world.care();
    let mut given = content(3);
    given["spec"]["selector"] = json!({"matchLabels": {"app": "shop"}});
    world.give(&key(), 5, Some(given), vec![]).await;
    world.settle().await;
    let mut live = world.fake.get(PATH).unwrap();
    let generation = live["metadata"]["generation"].clone();
    live["status"] = json!({"observedGeneration": generation, "updatedReplicas": 3, "replicas": 3});
    world.fake.put(PATH, live);
    world.fake.put(
        POD,
        json!({
            "metadata": {"name": "shop-1", "namespace": "web"},
            "status": {"containerStatuses": [
                {"image": "shop:2", "state": {"waiting": {"reason": "ImagePullBackOff"}}},
            ]},
        }),
    );
    tokio::time::sleep(Duration::from_secs(30)).await;
    let said = world.message();
    assert!(
        said.ends_with("0 of 3 replicas are available (1 of 1 pods: ImagePullBackOff: shop:2)"),
        "{said}"
    );
    // It is asked the more seldom the longer it says the same.
    let before = world.traffic().1;
    tokio::time::sleep(Duration::from_secs(600)).await;
    let asked = world.traffic().1 - before;
    assert!(asked < 20, "{asked} requests in ten minutes");
    assert_eq!(world.message(), "", "nothing new is said");
    world.fake.remove(POD);
    let mut live = world.fake.get(PATH).unwrap();
    live["status"]["availableReplicas"] = json!(3);
    world.fake.put(PATH, live);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(world.message(), "");
    let before = world.traffic().1;
    tokio::time::sleep(Duration::from_secs(500)).await;
    let asked = world.traffic().1 - before;
    assert!(asked < 5, "{asked} requests while all is well");
}
