//! How far what is waited for got, as its decision says it.

use roadstead_protocol::api::decision::Decision;
use roadstead_protocol::wire::ItemKey;
use serde_json::json;

use crate::deps::order::{Awaited, Standing, waits};
use crate::deps::read::standing;

fn decision(said: &serde_json::Value) -> Decision {
    let mut target = json!({"namespace": "default", "name": "a", "uid": "uid-a"});
    let fields = said.as_object().unwrap().clone();
    target.as_object_mut().unwrap().extend(fields);
    let at = json!({
        "namespace": "default", "name": "a", "revision": 7, "state": "Applied", "health": "Healthy",
    });
    let decision = json!({
        "metadata": {"name": "job.migrate", "generation": 3},
        "spec": {"clusters": [target]},
        "status": {"observedGeneration": 3, "clusters": [at]},
    });
    serde_json::from_value(decision).unwrap()
}

#[test]
fn what_waits_for_its_own_turn_is_waited_for() {
    let at = |said: serde_json::Value, decided: bool| {
        let standing = standing(&decision(&said), decided).remove("uid-a");
        match standing.unwrap() {
            Standing::Done => "done".to_owned(),
            Standing::Behind(of) => format!("as {of} says"),
            Standing::Pending(why) => why,
        }
    };
    assert_eq!(at(json!({}), true), "done");
    assert_eq!(at(json!({"release": "r2"}), true), "done");
    assert_eq!(at(json!({}), false), "it is being decided");
    assert_eq!(at(json!({"held": true}), true), "its change waits itself");
    // It is well, but as an earlier release says it.
    assert_eq!(
        at(json!({"release": "r1", "behind": true}), true),
        "as r1 says"
    );
}

#[test]
fn what_goes_out_with_it_does_not_wait_for_what_stands_on_the_hub() {
    let key = ItemKey {
        group: "batch".to_owned(),
        kind: "Job".to_owned(),
        namespace: "default".to_owned(),
        name: "migrate".to_owned(),
    };
    let behind = Standing::Behind("r1".to_owned());
    let awaited = [Awaited {
        key,
        clusters: [("uid-a".to_owned(), behind)].into(),
        circle: Vec::new(),
    }];
    let waits = |release| waits(&awaited, "uid-a", release).map(|(_, why)| why);
    assert_eq!(waits("r1"), None);
    // What was aborted goes there only when somebody does something.
    let why = "its rollout has not let its change there (see roadstead rollout status); where that was \
               aborted, rolled back or undone, take its change back, or make another";
    assert_eq!(waits("r2").as_deref(), Some(why));
    assert_eq!(waits("").as_deref(), Some(why), "it has no rollout itself");
}
