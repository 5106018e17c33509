//! How far news reach that let what waits for a budget go on. Counts, not times.

use roadstead_plan::finding::Cause;

use super::*;
use crate::decision::kept;
use crate::wake::Wake;
use crate::work::Work;

/// Templates that wait, and reports that come at once.
const MANY: usize = 300;

/// However many reports come together, what waits is looked up once.
#[tokio::test(start_paused = true)]
async fn a_burst_of_reports_wakes_each_that_waits_once() {
    let mut hub = Hub::new(&[]).await;
    hub.handle.take().unwrap().stop().await;
    let mut watch = hub.store.watch("/", hub.store.revision()).unwrap();
    for i in 0..MANY {
        hub.apply(json!({
            "apiVersion": "roadstead.dev/v1alpha1", "kind": "Decision",
            "metadata": {"name": format!("deployment.apps.web-{i}"), "namespace": "default"},
            "spec": {
                "template": {
                    "apiVersion": "apps/v1", "kind": "Deployment",
                    "namespace": "default", "name": format!("web-{i}"),
                },
                "policy": {
                    "kind": "DistributionPolicy", "namespace": "default", "name": "p", "uid": "p",
                },
                "clusters": [{"uid": "a", "held": true, "reason": kept(Cause::Budget)}],
            },
        }))
        .await;
    }
    let (mut wake, mut out) = (Wake::new(&hub.parts()), Vec::new());
    while let Some(event) = watch.try_next() {
        wake.durable(&event.unwrap(), &mut out);
    }
    wake.gathered(&mut out);
    out.clear();
    let mut news = hub.volatile.watch("/", hub.volatile.revision()).unwrap();
    for i in 0..MANY {
        let (key, revision) = (item(&format!("web-{i}")), hub.store.revision());
        hub.hears("a", key, revision, Health::Healthy).await;
    }
    while let Some(event) = news.try_next() {
        wake.changed_news(&event.unwrap(), &mut out);
    }
    wake.gathered(&mut out);
    let placements = out
        .iter()
        .filter(|woken| matches!(woken.key, Work::Placement(_)));
    assert_eq!(placements.count(), MANY);
}
