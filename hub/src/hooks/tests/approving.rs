//! Who approves of stages, and what does not.

use super::*;

const ROLLOUTS: &str = "/apis/roadstead.dev/v1alpha1/namespaces/n/rollouts";

impl Hub {
    /// A Rollout of `n` whose stage `rest` waits.
    pub(super) async fn waits(&self, phase: &str) {
        let object = json!({
            "apiVersion": "roadstead.dev/v1alpha1", "kind": "Rollout",
            "metadata": {"name": "web-1", "namespace": "n", "uid": "u", "generation": 1},
            "spec": {"number": 1, "release": "b", "from": "a", "cause": "Change"},
            "status": {"phase": phase, "stage": "rest", "stages": [
                {"name": "canary", "state": "Passed"},
                {"name": "rest", "state": "WaitingForApproval"},
            ]},
        });
        let key = object_key("roadstead.dev", "rollouts", "n", "web-1").unwrap();
        let txn = Txn::new().put(key, encode(&object).unwrap());
        self.store.commit(txn).await.unwrap();
    }

    async fn approve(&self, user: &Identity, body: &Value) -> (u16, Value) {
        let request = http::Request::builder()
            .method("POST")
            .uri(format!("{ROLLOUTS}/web-1/approve"))
            .header("content-type", "application/json")
            .body(Full::from(serde_json::to_vec(body).unwrap()))
            .unwrap();
        let answer = self.rest.handle(request, user.clone()).await;
        let code = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (code, serde_json::from_slice(&bytes).unwrap_or_default())
    }
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_waits_is_approved_of_once_and_by_name() {
    let hub = Hub::new().await;
    hub.waits("WaitingForApproval").await;
    let admin = Identity::admin();
    for _ in 0..2 {
        let (code, object) = hub.approve(&admin, &json!({})).await;
        assert_eq!(code, 201, "{object}");
        let approvals = object["status"]["approvals"].as_array().unwrap();
        assert_eq!(approvals.len(), 1);
        assert_eq!(approvals[0]["stage"], "rest");
        assert_eq!(approvals[0]["by"], admin.user);
    }
    let (code, status) = hub.approve(&admin, &json!({"stage": "rset"})).await;
    assert_eq!(code, 400);
    let message = status["message"].as_str().unwrap();
    assert!(message.contains("must be one of canary, rest"), "{message}");
    hub.waits("Progressing").await;
    let (code, status) = hub.approve(&admin, &json!({})).await;
    assert_eq!(code, 409, "{status}");
    hub.waits("Aborted").await;
    let (code, _) = hub.approve(&admin, &json!({"stage": "rest"})).await;
    assert_eq!(code, 409);
}

#[tokio::test(start_paused = true)]
async fn who_writes_a_rollout_does_not_approve_of_it_by_that() {
    let hub = Hub::new().await;
    hub.waits("WaitingForApproval").await;
    let status = json!({
        "spec": {"paused": true},
        "status": {"approvals": [{"stage": "rest", "by": "ann"}]},
    });
    let path = format!("{ROLLOUTS}/web-1");
    let (code, object) = hub.call("PATCH", &path, &status).await;
    assert_eq!(code, 200, "{object}");
    assert_eq!(object["spec"]["paused"], true);
    assert_eq!(object["status"]["approvals"], Value::Null);
    let (code, _) = hub.approve(&Identity::new("ann", []), &json!({})).await;
    assert_eq!(code, 403, "it is a right of its own");
}

#[tokio::test(start_paused = true)]
async fn the_example_of_a_rollout_is_taken_and_a_slip_in_it_is_not() {
    let hub = Hub::new().await;
    let text = include_str!("../../../../deploy/examples/rollout-policy.yaml");
    let policies = "/apis/policy.kurator.dev/v1alpha1/namespaces/default/distributionpolicies";
    let mut example: Value = serde_saphyr::from_str(text).unwrap();
    let (code, object) = hub.call("POST", policies, &example).await;
    assert_eq!(code, 201, "{object}");
    let policy = roadstead_plan::policy::Policy::read(&object).unwrap();
    let stages = policy.rollout.unwrap().stages;
    let names: Vec<&str> = stages.iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!(names, ["canary", "quarter", "rest"]);
    example["metadata"]["name"] = "slip".into();
    example["spec"]["rollout"]["onFailure"] = "Rollbakc".into();
    let (code, status) = hub.call("POST", policies, &example).await;
    assert_eq!(code, 422, "{status}");
}
