//! Kinds that users define.

mod support;

use std::sync::Arc;

use roadstead_machinery::resource::Registry;
use roadstead_rest::{NoHooks, Options};
use serde_json::{Value, json};
use support::Client;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const WIDGETS: &str = "/apis/spike.example.io/v1/namespaces/default/widgets";

fn definition() -> Value {
    serde_json::from_str(include_str!("golden/crd.json")).expect("a manifest")
}

fn widget(name: &str) -> Value {
    json!({
        "apiVersion": "spike.example.io/v1", "kind": "Widget", "metadata": {"name": name},
        "spec": {"region": "eu"},
    })
}

/// Lets the tasks of the API run until they wait for something.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

async fn cluster() -> Client {
    Client::over(
        Registry::member().expect("tables"),
        Options::member(),
        Arc::new(NoHooks),
    )
    .await
}

#[tokio::test]
async fn a_kind_lives_as_long_as_its_definition() {
    let client = cluster().await;
    assert_eq!(client.post(WIDGETS, &widget("a")).await.code, 404);
    client.post(DEFINITIONS, &definition()).await.expect(201);
    settle().await;
    let name = format!("{DEFINITIONS}/widgets.spike.example.io");
    let established = client.get(&name).await.expect(200);
    let conditions = &established["status"]["conditions"];
    assert_eq!(
        (&conditions[1]["type"], &conditions[1]["status"]),
        (&json!("Established"), &json!("True"))
    );

    let made = client.post(WIDGETS, &widget("a")).await.expect(201);
    assert_eq!(made["spec"]["mode"], "Auto", "defaults of the schema");
    let groups = client.get("/apis").await.expect(200);
    assert!(groups.to_string().contains("spike.example.io"));
    let mut held = widget("b");
    held["metadata"]["finalizers"] = json!(["x.io/held"]);
    client.post(WIDGETS, &held).await.expect(201);

    client.delete(&name).await.expect(200);
    settle().await;
    client.get(&format!("{WIDGETS}/a")).await.fails(404);
    client.get(&name).await.expect(200);
    let let_go = json!({"metadata": {"finalizers": null}});
    client
        .merge(&format!("{WIDGETS}/b"), &let_go)
        .await
        .expect(200);
    settle().await;
    client.get(&name).await.fails(404);
    assert_eq!(client.get(WIDGETS).await.code, 404);
}

#[tokio::test]
async fn definitions_that_cannot_be_served_say_so() {
    let client = cluster().await;
    let mut broken = definition();
    broken["spec"]["versions"][0]["storage"] = false.into();
    let message = client.post(DEFINITIONS, &broken).await.fails(422);
    assert!(
        message.contains("must have exactly one storage version"),
        "{message}"
    );

    let mut second = definition();
    client.post(DEFINITIONS, &definition()).await.expect(201);
    second["metadata"]["name"] = "widgetz.spike.example.io".into();
    second["spec"]["names"]["plural"] = "widgetz".into();
    client.post(DEFINITIONS, &second).await.expect(201);
    settle().await;
    let told = client
        .get(&format!("{DEFINITIONS}/widgetz.spike.example.io"))
        .await
        .expect(200);
    assert_eq!(told["status"]["conditions"][1]["status"], "False");
    let why = told["status"]["conditions"][0]["message"]
        .as_str()
        .unwrap_or_default();
    assert!(why.contains("is served already"), "{why}");
}

#[tokio::test]
async fn what_is_not_served_is_a_template() {
    let client = Client::member().await;
    client.post(DEFINITIONS, &definition()).await.expect(201);
    settle().await;
    assert_eq!(client.get(WIDGETS).await.code, 404);
    client
        .delete(&format!("{DEFINITIONS}/widgets.spike.example.io"))
        .await
        .expect(200);
}

#[tokio::test]
async fn nothing_is_written_once_all_is_told() {
    let client = cluster().await;
    client.post(DEFINITIONS, &definition()).await.expect(201);
    settle().await;
    let before = client.store.revision();
    settle().await;
    assert_eq!(client.store.revision(), before);
}
