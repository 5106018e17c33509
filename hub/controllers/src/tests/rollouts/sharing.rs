//! A ConfigMap that goes along for two policies, of which one rolls its changes out.

use super::*;

/// A policy that sends what is needed along for the Deployments of one app, to some clusters.
fn along(name: &str, app: &str, clusters: Value, rollout: Option<Value>) -> Value {
    let mut along = policy(json!({}));
    along["metadata"]["name"] = json!(name);
    let spec = along["spec"].as_object_mut().unwrap();
    spec["resourceSelectors"][0]["labelSelector"] = json!({"matchLabels": {"app": app}});
    spec["placement"] = json!({"clusterAffinity": {"clusterNames": clusters}});
    spec.insert("propagateDeps".to_owned(), json!(true));
    spec.remove("rollout");
    spec.extend(rollout.map(|rollout| ("rollout".to_owned(), rollout)));
    along
}

/// `web` on `a` and `b` by a policy with a rollout, and another app on `b` and `c` by one without; both
/// mount the ConfigMap, which has just changed.
async fn changed(other: &str) -> Hub {
    let hub = Hub::new(&["a", "b", "c"]).await;
    hub.apply(config("one")).await;
    hub.apply(along("p", "web", json!(["a", "b"]), None)).await;
    hub.apply(along("q", "other", json!(["b", "c"]), None))
        .await;
    hub.apply(mounting(2, "web:1")).await;
    let mut app = mounting(1, "other:1");
    app["metadata"]["name"] = json!(other);
    app["metadata"]["labels"] = json!({"app": "other"});
    hub.apply(app).await;
    hub.settle().await;
    assert_eq!(hub.texts(), ["one", "one", "one"]);
    hub.tell_config(&["a", "b", "c"]).await;
    hub.healthy(&["a", "b"]).await;
    let rolls = along("p", "web", json!(["a", "b"]), Some(canary()));
    hub.apply(rolls).await;
    hub.settle().await;
    hub.apply(config("two")).await;
    hub.settle().await;
    hub
}

#[tokio::test(start_paused = true)]
async fn a_change_waits_where_the_rollout_is_concerned_and_nowhere_else() {
    // Whichever of the two comes first by its name.
    for other in ["app", "zoo"] {
        let hub = changed(other).await;
        assert_eq!(hub.texts(), ["two", "one", "two"], "{other}");
        hub.tell_config(&["a"]).await;
        hub.healthy(&["a"]).await;
        assert_eq!(hub.texts(), ["two", "two", "two"], "{other}");
        hub.tell_config(&["b"]).await;
        hub.healthy(&["b"]).await;
        assert_eq!(hub.phase("p-1"), "Succeeded -", "{other}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_policy_that_rolls_out_nothing_waits_any_more() {
    let hub = changed("app").await;
    hub.delete(&along("p", "web", json!([]), None)).await;
    hub.settle().await;
    assert_eq!(
        hub.texts(),
        ["", "two", "two"],
        "it goes with the last that needs it"
    );
}

#[tokio::test(start_paused = true)]
async fn of_two_rollouts_none_waits_for_the_other_for_ever() {
    let hub = changed("zoo").await;
    let both = along("q", "other", json!(["b", "c"]), Some(canary()));
    hub.apply(both).await;
    hub.settle().await;
    // On `b` the first of the two says what is given.
    hub.tell_config(&["a"]).await;
    hub.healthy(&["a"]).await;
    assert_eq!(hub.texts()[..2], ["two", "two"]);
    hub.tell_config(&["b"]).await;
    hub.healthy(&["b"]).await;
    assert_eq!(hub.phase("p-1"), "Succeeded -");
}
