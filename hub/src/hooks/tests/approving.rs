//! Who approves of stages, and who may.

use super::*;

const ROLLOUTS: &str = "/apis/roadstead.dev/v1alpha1/namespaces/n/rollouts";

impl Hub {
    /// A Rollout of `n` whose stage `rest` waits.
    async fn waits(&self, phase: &str) {
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
        assert_eq!(code, 200, "{object}");
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
async fn author_and_approver_are_told_apart_by_their_grants() {
    let hub = Hub::new().await;
    hub.waits("WaitingForApproval").await;
    let user = |name: &str| Identity {
        user: name.to_owned(),
        groups: vec!["system:authenticated".to_owned()],
        ..Identity::admin()
    };
    let grants = [
        ("ann", json!(["rollouts/approve"]), json!(["create"])),
        ("bob", json!(["rollouts"]), json!(["get", "update", "patch"])),
    ];
    for (name, resources, verbs) in grants {
        let role = json!({
            "metadata": {"name": name},
            "rules": [{"apiGroups": ["roadstead.dev"], "resources": resources, "verbs": verbs}],
        });
        let rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/n";
        let (code, status) = hub.call("POST", &format!("{rbac}/roles"), &role).await;
        assert_eq!(code, 201, "{status}");
        let binding = json!({
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}],
        });
        let (code, status) = hub.call("POST", &format!("{rbac}/rolebindings"), &binding).await;
        assert_eq!(code, 201, "{status}");
    }
    let (code, _) = hub.approve(&user("bob"), &json!({})).await;
    assert_eq!(code, 403, "who may write it may not approve of it");
    let (code, object) = hub.approve(&user("ann"), &json!({})).await;
    assert_eq!(code, 200, "{object}");
    assert_eq!(object["status"]["approvals"][0]["by"], "ann");
    // An author's write of the object does not reach its status.
    let status = json!({"status": {"approvals": [{"stage": "canary", "by": "ann"}]}});
    let (code, object) = hub.call("PATCH", &format!("{ROLLOUTS}/web-1"), &status).await;
    assert_eq!(code, 200, "{object}");
    assert_eq!(object["status"]["approvals"].as_array().unwrap().len(), 1);
}
