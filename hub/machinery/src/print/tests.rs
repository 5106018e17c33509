use serde_json::json;

use super::*;

fn printed(printers: &[Printer], object: &Value) -> Vec<Value> {
    let now = "2026-01-01T00:01:05Z".parse().unwrap();
    printers.iter().map(|p| (p.3)(object, now)).collect()
}

#[test]
fn deployment() {
    let object = json!({
        "metadata": {"name": "web", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"spec": {"containers": [{"name": "c", "image": "i:1"}]}},
        },
        "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 2},
    });
    let expected = [
        json!("2/3"),
        json!(3),
        json!(2),
        json!("65s"),
        json!("c"),
        json!("i:1"),
        json!("app=web"),
    ];
    assert_eq!(printed(workloads::DEPLOYMENT, &object), expected);
}

#[test]
fn pod() {
    let mut object = json!({
        "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"containers": [{}], "nodeName": "n1"},
        "status": {"phase": "Running", "containerStatuses": [{"ready": true, "restartCount": 4}]},
    });
    assert_eq!(
        printed(workloads::POD, &object)[..3],
        [json!("1/1"), json!("Running"), json!("4")]
    );
    object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(printed(workloads::POD, &object)[1], "Terminating");
}

#[test]
fn nothing_known_is_still_printed() {
    for printers in [
        workloads::DEPLOYMENT,
        workloads::POD,
        workloads::JOB,
        core::NODE,
        core::SERVICE,
        core::EVENT,
    ] {
        assert_eq!(printed(printers, &json!({})).len(), printers.len());
    }
}

#[test]
fn ages() {
    let check = |seconds: i64, expected: &str| assert_eq!(duration(seconds), expected);
    check(0, "0s");
    check(119, "119s");
    check(120, "2m");
    check(312, "5m12s");
    check(3 * 3600 + 60, "3h1m");
    check(3 * 86_400 + 4 * 3600, "3d4h");
    check(9 * 86_400, "9d");
    check(800 * 86_400, "2y70d");
    check(-1, "0s");
    check(-60, "<invalid>");
}
