//! What roles let people do with the hub's own subresources and pages.

use super::*;

const POLICIES: &str = "/apis/policy.kurator.dev/v1alpha1/namespaces/n/distributionpolicies";
const ROLLOUT: &str = "/apis/roadstead.dev/v1alpha1/namespaces/n/rollouts/web-1";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const USERS: &str = "/roadstead.dev/users";

impl Hub {
    async fn bind(&self, namespace: &str, role: &str, user: &str) {
        let path = match namespace {
            "" => format!("{RBAC}/clusterrolebindings"),
            namespace => format!("{RBAC}/namespaces/{namespace}/rolebindings"),
        };
        let binding = json!({
            "metadata": {"generateName": "b-"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        });
        let (code, said) = self.call("POST", &path, &binding).await;
        assert_eq!(code, 201, "{said}");
    }

    async fn as_user(&self, user: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let media = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", media)
            .body(Full::from(serde_json::to_vec(body).unwrap()))
            .unwrap();
        let answer = self.rest.handle(request, Identity::new(user, [])).await;
        let code = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (code, serde_json::from_slice(&bytes).unwrap_or_default())
    }
}

#[tokio::test(start_paused = true)]
async fn an_author_edits_and_an_approver_approves() {
    let hub = Hub::new().await;
    hub.rest.grant_defaults().await.unwrap();
    hub.bind("n", "edit", "author").await;
    hub.bind("n", "roadstead:approver", "approver").await;
    hub.waits("WaitingForApproval").await;
    let kind = ("policy.kurator.dev/v1alpha1", "DistributionPolicy");
    let policy = json!({"apiVersion": kind.0, "kind": kind.1, "metadata": {"name": "p"}, "spec": {
        "resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap"}],
        "placement": {"clusterAffinity": {"clusterNames": ["a"]}},
    }});
    let edit = json!({"spec": {"suspension": {"dispatching": true}}});
    let (approve, path) = (format!("{ROLLOUT}/approve"), format!("{POLICIES}/p"));
    let acts = [
        ("POST", POLICIES, &policy, true, false),
        ("PATCH", path.as_str(), &edit, true, false),
        (
            "PATCH",
            ROLLOUT,
            &json!({"spec": {"paused": true}}),
            true,
            false,
        ),
        ("GET", ROLLOUT, &Value::Null, true, true),
        ("POST", approve.as_str(), &json!({}), false, true),
    ];
    for (method, path, body, author, approver) in acts {
        for (user, may) in [("approver", approver), ("author", author)] {
            let (code, said) = hub.as_user(user, method, path, body).await;
            assert_eq!(
                code != 403 && code < 400,
                may,
                "{user}: {method} {path}: {said}"
            );
            assert!(may || code == 403, "{user}: {method} {path}: {said}");
        }
    }
    let (_, edited) = hub.as_user("author", "GET", &path, &Value::Null).await;
    assert_eq!(edited["spec"]["suspension"], json!({"dispatching": true}));
    let (_, rollout) = hub.as_user("approver", "GET", ROLLOUT, &Value::Null).await;
    assert_eq!(rollout["status"]["approvals"][0]["by"], "approver");
}

#[tokio::test(start_paused = true)]
async fn pages_are_for_whom_a_role_names_them() {
    let hub = Hub::new().await;
    hub.rest.grant_defaults().await.unwrap();
    hub.bind("n", "edit", "ann").await;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}});
    let preview = |namespace: &str| json!({"objects": [map], "namespace": namespace});
    let path = "/roadstead.dev/preview";
    let (code, said) = hub.as_user("ann", "POST", path, &preview("n")).await;
    assert_eq!(code, 403, "{said}");
    assert_eq!(
        said["message"],
        "forbidden: User \"ann\" cannot post path \"/roadstead.dev/preview\""
    );
    hub.bind("", "roadstead:explain", "ann").await;
    let (code, said) = hub.as_user("ann", "POST", path, &preview("n")).await;
    assert_eq!(code, 200, "{said}");
    // Nobody tries what they may not do.
    let (code, said) = hub.as_user("ann", "POST", path, &preview("default")).await;
    assert_eq!(code, 403, "{said}");
    for page in ["backup", "authority"] {
        let page = format!("/roadstead.dev/{page}");
        let (code, said) = hub.as_user("ann", "GET", &page, &Value::Null).await;
        assert_eq!(code, 403, "{page}: {said}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_may_take_a_users_place_may_make_one() {
    let hub = Hub::new().await;
    hub.rest.grant_defaults().await.unwrap();
    let ask = |name: &str, groups: &[&str]| json!({"name": name, "groups": groups, "seconds": 600, "server": "https://hub"});
    let (code, made) = hub.call("POST", USERS, &ask("bob", &["devs"])).await;
    assert_eq!(code, 200, "{made}");
    assert!(
        made["kubeconfig"]
            .as_str()
            .unwrap()
            .contains("client-key-data")
    );
    let (code, said) = hub.call("POST", USERS, &ask("system:bob", &[])).await;
    assert_eq!(code, 400, "{said}");
    let role = json!({"metadata": {"name": "keeper"}, "rules": [
        {"nonResourceURLs": [USERS], "verbs": ["post"]},
        {"apiGroups": [""], "resources": ["users"], "resourceNames": ["bob"], "verbs": ["impersonate"]},
    ]});
    let (code, said) = hub
        .call("POST", &format!("{RBAC}/clusterroles"), &role)
        .await;
    assert_eq!(code, 201, "{said}");
    let (code, _) = hub.as_user("ann", "POST", USERS, &ask("bob", &[])).await;
    assert_eq!(code, 403);
    hub.bind("", "keeper", "ann").await;
    for (name, groups, expected) in [
        ("bob", &[][..], 200),
        ("eve", &[][..], 403),
        ("bob", &["system:masters"][..], 403),
    ] {
        let (code, said) = hub.as_user("ann", "POST", USERS, &ask(name, groups)).await;
        assert_eq!(code, expected, "{name} {groups:?}: {said}");
    }
}
