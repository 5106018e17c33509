//! Kinds of users' own whose replicas an interpreter tells of: the number bypasses the waves there too.

use super::super::interpreting::{
    clone_set, contents, definition, given, hub, interpreter, policy,
};
use super::{Hub, Value, canary, condition, json};

/// What else each cluster is given.
fn colours(hub: &Hub) -> Vec<Value> {
    let all = contents(hub).into_iter();
    all.map(|(_, content)| content["spec"]["colour"].clone())
        .collect()
}

fn painted(pods: u32, colour: &str) -> Value {
    let mut object = clone_set(pods);
    object["spec"]["colour"] = json!(colour);
    object
}

#[tokio::test(start_paused = true)]
async fn numbers_that_an_interpreter_tells_of_bypass_the_waves() {
    let hub = hub().await;
    let mut plain = policy();
    for object in [
        definition(),
        interpreter(),
        plain.clone(),
        painted(9, "red"),
    ] {
        hub.apply(object).await;
    }
    hub.settle().await;
    plain["spec"]["rollout"] = canary();
    hub.apply(plain).await;
    hub.settle().await;
    assert_eq!(given(&hub), "a 6, b 3");
    hub.apply(painted(12, "red")).await;
    hub.settle().await;
    assert_eq!(given(&hub), "a 8, b 4");
    assert!(hub.rollout("p-1").is_none(), "nothing else changed");
    assert_eq!(condition(&hub.policy("p"), "Placed"), "True Placed");
    // What else is written goes out by stages, beside another number for all.
    hub.apply(painted(6, "blue")).await;
    hub.settle().await;
    assert_eq!(given(&hub), "a 4, b 2");
    assert_eq!(colours(&hub), ["blue", "red"]);
    assert_eq!(hub.phase("p-1"), "Progressing canary");
}
