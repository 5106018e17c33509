//! The recorded answers of a real kube-apiserver.

use std::path::PathBuf;

use serde_json::json;

use super::*;
use crate::resource::Origin;
use crate::status::Status;

/// Every write of the recordings that a real kube-apiserver found invalid is found invalid here,
/// in the same words, and every one that it accepted is accepted, with the same defaults.
#[test]
fn recorded_answers_of_a_real_server_are_given() {
    let Some(folder) = recordings() else { return };
    let manifest = std::fs::read_to_string(folder.join("crd.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let widget = crate::crd::resources(&manifest, Origin::Custom)
        .unwrap()
        .remove(0);
    let (mut good, mut bad) = (0, 0);
    for file in [
        "02-errors.jsonl",
        "03-crud.jsonl",
        "04-watch.jsonl",
        "05-ssa.jsonl",
    ] {
        for line in std::fs::read_to_string(folder.join(file)).unwrap().lines() {
            let exchange: Value = serde_json::from_str(line).unwrap();
            match replay(&widget, &exchange) {
                Some(true) => good += 1,
                Some(false) => bad += 1,
                None => {}
            }
        }
    }
    assert!(good > 10 && bad >= 6, "{good} accepted and {bad} refused");
}

fn recordings() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/apiserver/golden");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: the recordings are not at {}", folder.display());
    None
}

/// Replays one creation; answers whether the real server accepted it, nothing for other requests.
fn replay(widget: &Resource, exchange: &Value) -> Option<bool> {
    let (request, response) = (&exchange["req"], &exchange["resp"]);
    let created = request["path"] == "/apis/spike.example.io/v1/namespaces/g/widgets";
    if request["method"] != "POST" || !created || !request["body"].is_object() {
        return None;
    }
    let mut object = request["body"].clone();
    if object["kind"] != "Widget" || object["apiVersion"] != "spike.example.io/v1" {
        return None;
    }
    let status = response["status"].as_u64()?;
    let message = response["body"]["message"].as_str().unwrap_or_default();
    let mismatch = fit(widget, &mut object);
    if let Err(mismatch) = mismatch {
        assert!(message.ends_with(&mismatch.0), "{message} / {mismatch}");
        return Some(false);
    }
    object.as_object_mut()?.remove("status");
    object["metadata"]["namespace"] = json!("g");
    defaults(widget, &mut object);
    let errors = super::object(widget, &object);
    if status == 201 {
        assert_eq!(errors, [], "{exchange}");
        assert_eq!(object["spec"], response["body"]["spec"]);
        return Some(true);
    }
    // CEL rules are not evaluated here.
    if status != 422 || message.contains("replicas too big") {
        return None;
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let answer = Status::invalid(&widget.group, &widget.kind, name, &errors);
    assert_eq!(answer.message, message);
    Some(false)
}
