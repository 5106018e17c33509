//! A claim of a volume that was let go, and is wanted again: its data are there, and nothing that is said
//! of it endangers them.

use super::*;

const CLAIM: &str = "/api/v1/namespaces/web/persistentvolumeclaims/data";

fn data() -> ItemKey {
    ItemKey {
        group: String::new(),
        kind: "PersistentVolumeClaim".into(),
        namespace: "web".into(),
        name: "data".into(),
    }
}

fn claim() -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    })
}

impl World {
    /// A claim that was given, bound on the member, and let go.
    async fn let_go() -> Self {
        let fake = Fake::new();
        let claims = (
            "v1",
            "PersistentVolumeClaim",
            "persistentvolumeclaims",
            true,
        );
        fake.state().kinds.push(claims);
        let world = Self::with(fake, &MemoryDisk::default()).await;
        world.give(&data(), 5, Some(claim()), vec![]).await;
        world.settle().await;
        let mut bound = world.fake.get(CLAIM).unwrap();
        bound["spec"]["volumeName"] = json!("pv-1");
        bound["spec"]["storageClassName"] = json!("fast");
        bound["status"] = json!({"phase": "Bound"});
        world.fake.put(CLAIM, bound);
        world.settle().await;
        world.give(&data(), 6, None, vec![Meta::Release]).await;
        world.settle().await;
        let left = world.fake.get(CLAIM).unwrap();
        assert_eq!(left["metadata"]["labels"].get(OWNER_LABEL), None);
        world
    }

    fn of_the_claim(&self) -> ItemReport {
        let reports = self.shop.desk.take_reports(100);
        reports.into_iter().rfind(|r| r.key == data()).unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_was_let_go_is_not_taken_back_unasked_and_the_way_keeps_its_data() {
    let world = World::let_go().await;
    let before = world.fake.get(CLAIM).unwrap();
    world.give(&data(), 7, Some(claim()), vec![]).await;
    world.settle().await;
    let said = world.of_the_claim();
    let reason = said.reason.as_str();
    assert_eq!((said.state, reason), (ItemState::Conflict, "ForeignObject"));
    assert!(said.message.contains("AdoptIfEqual"), "{}", said.message);
    assert!(said.message.contains("its data"), "{}", said.message);
    let endangers = "delete it there, or";
    assert!(!said.message.contains(endangers), "{}", said.message);
    assert_eq!(world.fake.get(CLAIM).unwrap(), before);
    // What the message says helps.
    let adopts = vec![Meta::AdoptIfEqual];
    world.give(&data(), 8, Some(claim()), adopts).await;
    world.settle().await;
    assert_eq!(world.of_the_claim().state, ItemState::Applied);
    let after = world.fake.get(CLAIM).unwrap();
    assert_eq!(after["spec"], before["spec"], "it is the same volume");
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
    assert!(after["metadata"]["labels"].get(OWNER_LABEL).is_some());
}
