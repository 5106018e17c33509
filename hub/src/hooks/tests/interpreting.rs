//! What people tell of a kind, as the API takes it.

use super::*;

const INTERPRETERS: &str = "/apis/roadstead.dev/v1alpha1/resourceinterpreters";

fn interpreter(name: &str, health: &str) -> Value {
    json!({
        "apiVersion": "roadstead.dev/v1alpha1", "kind": "ResourceInterpreter",
        "metadata": {"name": name},
        "spec": {
            "target": {"apiVersion": "apps.kruise.io/v1alpha1", "kind": "CloneSet"},
            "customizations": {
                "replicaRevision": {"path": "/spec/replicas"},
                "healthInterpretation": {"expression": health},
            },
        },
    })
}

#[tokio::test(start_paused = true)]
async fn what_means_nothing_is_refused_with_its_field() {
    let hub = Hub::new().await;
    let name = "cloneset.apps.kruise.io";
    let said = async |object: &Value| {
        let (code, status) = hub.call("POST", INTERPRETERS, object).await;
        (
            code,
            status["message"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let (code, why) = said(&interpreter(name, "objekt.status.ready > 0")).await;
    assert_eq!(code, 422, "{why}");
    assert_eq!(
        why,
        "ResourceInterpreter \"cloneset.apps.kruise.io\": \
         spec.customizations.healthInterpretation.expression: the expression names \"objekt\", \
         which is not there: allowed are object"
    );
    let (code, why) = said(&interpreter("mine", "true")).await;
    assert!(code == 422 && why.contains("metadata.name"), "{code} {why}");
    let before = hub.world();
    assert_eq!(
        said(&interpreter(name, "object.status.ready > 0")).await.0,
        201
    );
    assert!(
        hub.world() > before,
        "decisions that are being made must see it"
    );
    let worse =
        json!({"spec": {"customizations": {"healthInterpretation": {"expression": "1 +"}}}});
    let at = format!("{INTERPRETERS}/{name}");
    assert_eq!(hub.call("PATCH", &at, &worse).await.0, 422);
}
