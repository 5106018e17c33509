//! Jobs that remove themselves.

use roadstead_protocol::wire::report::Health;

use super::*;

const JOB: &str = "/apis/batch/v1/namespaces/web/jobs/once";

fn job_key() -> ItemKey {
    ItemKey {
        group: "batch".into(),
        kind: "Job".into(),
        namespace: "web".into(),
        name: "once".into(),
    }
}

fn job(spec: Value) -> Value {
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"}, "spec": spec})
}

async fn world() -> World {
    let fake = Fake::new();
    fake.state().kinds.push(("batch/v1", "Job", "jobs", true));
    World::with(fake, &MemoryDisk::default()).await
}

impl World {
    fn of_job(&self) -> Option<ItemReport> {
        let reports = self.shop.desk.take_reports(100);
        reports.into_iter().rfind(|r| r.key == job_key())
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_its_ttl_removed_is_not_run_again_until_it_is_another() {
    let world = world().await;
    let spec = json!({"ttlSecondsAfterFinished": 60, "completions": 3});
    world
        .give(&job_key(), 5, Some(job(spec.clone())), vec![])
        .await;
    world.settle().await;
    let mut done = world.fake.get(JOB).unwrap();
    done["status"] =
        json!({"succeeded": 3, "conditions": [{"type": "Complete", "status": "True"}]});
    world.fake.put(JOB, done);
    world.settle().await;
    world.fake.remove(JOB);
    world.settle().await;
    assert_eq!(world.fake.get(JOB), None);
    let said = world.of_job().unwrap();
    assert_eq!(
        (said.state, said.reason.as_str()),
        (ItemState::Applied, "Expired")
    );
    // How it ended is still said.
    assert!(said.status.starts_with(b"{"), "{said:?}");
    // The same content under another stamp is the same Job.
    world.give(&job_key(), 6, Some(job(spec)), vec![]).await;
    world.settle().await;
    assert_eq!(world.fake.get(JOB), None);
    let other = json!({"ttlSecondsAfterFinished": 60, "completions": 4});
    world.give(&job_key(), 7, Some(job(other)), vec![]).await;
    world.settle().await;
    assert!(world.fake.get(JOB).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_job_that_its_ttl_removed_is_well_after_a_restart_too() {
    let disk = MemoryDisk::default();
    let fake = Fake::new();
    fake.state().kinds.push(("batch/v1", "Job", "jobs", true));
    let world = World::with(fake, &disk).await;
    let spec = json!({"ttlSecondsAfterFinished": 60});
    world.give(&job_key(), 5, Some(job(spec)), vec![]).await;
    world.settle().await;
    world.fake.remove(JOB);
    world.settle().await;
    let world = world.restarted(&disk).await;
    world.settle().await;
    assert_eq!(world.fake.get(JOB), None);
    let said = world.of_job().unwrap();
    assert_eq!(
        (said.state, said.reason.as_str(), said.health),
        (ItemState::Applied, "Expired", Health::Healthy)
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_that_failed_before_its_ttl_removed_it_has_failed() {
    let world = world().await;
    let spec = json!({"ttlSecondsAfterFinished": 60});
    world.give(&job_key(), 5, Some(job(spec)), vec![]).await;
    world.settle().await;
    let mut failed = world.fake.get(JOB).unwrap();
    failed["status"] = json!({"conditions": [{"type": "Failed", "status": "True"}]});
    world.fake.put(JOB, failed);
    world.settle().await;
    world.fake.remove(JOB);
    world.settle().await;
    let said = world.of_job().unwrap();
    assert_eq!(
        (said.reason.as_str(), said.health),
        ("Expired", Health::Degraded)
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_without_a_ttl_comes_back() {
    let world = world().await;
    world
        .give(&job_key(), 5, Some(job(json!({"completions": 3}))), vec![])
        .await;
    world.settle().await;
    world.fake.remove(JOB);
    world.settle().await;
    assert!(world.fake.get(JOB).is_some());
}
