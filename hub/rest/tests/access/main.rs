//! Roles at the API: who gets in, what is refused and how, and who hands on.

mod acting;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;

use roadstead_machinery::resource::Registry;
use roadstead_protocol::api::CRDS;
use roadstead_rest::{Identity, NoHooks, Options};
use serde_json::{Value, json};
use support::Client;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const MAPS: &str = "/api/v1/namespaces/shop/configmaps";

/// A hub with the default roles and a namespace.
async fn hub() -> Client {
    let registry = Registry::hub(CRDS).expect("the hub's kinds");
    let client = Client::over(registry, Options::default(), Arc::new(NoHooks)).await;
    client.rest.grant_defaults().await.expect("default roles");
    let namespace = json!({"metadata": {"name": "shop"}});
    client
        .post("/api/v1/namespaces", &namespace)
        .await
        .expect(201);
    client
}

/// The same hub, as somebody else uses it.
fn user(client: &Client, name: &str, groups: &[&str]) -> Client {
    Client {
        rest: client.rest.clone(),
        store: client.store.clone(),
        who: Identity::new(name, groups.iter().map(|g| (*g).to_owned())),
    }
}

/// A binding of a ClusterRole to a user.
fn binding(name: &str, role: &str, user: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    })
}

async fn bind(client: &Client, namespace: &str, role: &str, user: &str) {
    let path = match namespace {
        "" => format!("{RBAC}/clusterrolebindings"),
        namespace => format!("{RBAC}/namespaces/{namespace}/rolebindings"),
    };
    let name = format!("{}-{user}", role.replace(':', "-"));
    client
        .post(&path, &binding(&name, role, user))
        .await
        .expect(201);
}

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "1"}})
}

async fn role(client: &Client, name: &str, rules: Value) {
    let role = json!({"metadata": {"name": name}, "rules": rules});
    client
        .post(&format!("{RBAC}/clusterroles"), &role)
        .await
        .expect(201);
}

#[tokio::test]
async fn a_role_counts_from_its_binding_to_its_end() {
    let admin = hub().await;
    let ann = user(&admin, "ann", &[]);
    assert_eq!(
        ann.get(MAPS).await.fails(403),
        "configmaps is forbidden: User \"ann\" cannot list resource \"configmaps\" in API group \"\" in the \
         namespace \"shop\""
    );
    ann.get("/apis").await.expect(200);
    bind(&admin, "shop", "edit", "ann").await;
    ann.post(MAPS, &map("a")).await.expect(201);
    ann.get(&format!("{MAPS}/a")).await.expect(200);
    ann.post("/api/v1/namespaces/default/configmaps", &map("a"))
        .await
        .fails(403);
    ann.get("/api/v1/configmaps").await.fails(403);
    assert_eq!(
        ann.delete("/api/v1/namespaces/shop").await.fails(403),
        "namespaces \"shop\" is forbidden: User \"ann\" cannot delete resource \"namespaces\" in API group \"\" \
         in the namespace \"shop\""
    );
    ann.get("/api/v1/namespaces/shop").await.expect(200);
    // What is allowed in one namespace says nothing of another, however the path is written.
    let all = "*".to_owned();
    role(
        &admin,
        "all",
        json!([{"verbs": [all], "apiGroups": [all], "resources": [all]}]),
    )
    .await;
    bind(&admin, "shop", "all", "ann").await;
    ann.get("/api/v1/namespaces/shop/namespaces")
        .await
        .expect(404);
    ann.delete("/api/v1/namespaces/shop/namespaces/default")
        .await
        .expect(404);
    ann.get(&format!("{RBAC}/namespaces/shop/clusterroles"))
        .await
        .expect(404);

    for name in ["edit-ann", "all-ann"] {
        let path = format!("{RBAC}/namespaces/shop/rolebindings/{name}");
        admin.delete(&path).await.expect(200);
    }
    ann.get(MAPS).await.fails(403);
}

#[tokio::test]
async fn an_apply_that_creates_asks_for_both() {
    let admin = hub().await;
    let rules =
        json!([{"verbs": ["patch", "get"], "apiGroups": [""], "resources": ["configmaps"]}]);
    role(&admin, "patcher", rules).await;
    bind(&admin, "shop", "patcher", "ann").await;
    let ann = user(&admin, "ann", &[]);
    let path = format!("{MAPS}/a");
    assert_eq!(
        ann.apply(&path, "m", &map("a")).await.fails(403),
        "configmaps \"a\" is forbidden: User \"ann\" cannot create resource \"configmaps\" in API group \"\" in \
         the namespace \"shop\""
    );
    admin.apply(&path, "m", &map("a")).await.expect(201);
    ann.apply(&path, "m", &map("a")).await.expect(200);
}

#[tokio::test]
async fn names_bind_gets_and_lists_of_one() {
    let admin = hub().await;
    let rule = json!([{
        "verbs": ["get", "list", "watch"], "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["a"],
    }]);
    role(&admin, "one", rule).await;
    bind(&admin, "shop", "one", "ann").await;
    let ann = user(&admin, "ann", &[]);
    for name in ["a", "b"] {
        admin.post(MAPS, &map(name)).await.expect(201);
    }
    ann.get(&format!("{MAPS}/a")).await.expect(200);
    ann.get(&format!("{MAPS}/b")).await.fails(403);
    ann.get(MAPS).await.fails(403);
    let list = ann
        .get(&format!("{MAPS}?fieldSelector=metadata.name%3Da"))
        .await;
    assert_eq!(list.expect(200)["items"].as_array().map(Vec::len), Some(1));
    ann.get(&format!("{MAPS}?fieldSelector=metadata.name%3Db"))
        .await
        .fails(403);
    // One object is got, not watched, whatever else the request says.
    ann.get(&format!("{MAPS}/b?watch=true")).await.fails(403);
}

#[tokio::test]
async fn nobody_hands_on_what_they_do_not_have() {
    let admin = hub().await;
    bind(&admin, "shop", "admin", "ann").await;
    let ann = user(&admin, "ann", &["devs"]);
    let (roles, bindings) = (
        format!("{RBAC}/namespaces/shop/roles"),
        format!("{RBAC}/namespaces/shop/rolebindings"),
    );
    let role_of = |resource: &str| {
        json!({"metadata": {"name": resource}, "rules": [
            {"verbs": ["get"], "apiGroups": [""], "resources": [resource]},
        ]})
    };
    ann.post(&roles, &role_of("configmaps")).await.expect(201);
    assert_eq!(
        ann.post(&roles, &role_of("nodes")).await.fails(403),
        "roles.rbac.authorization.k8s.io \"nodes\" is forbidden: user \"ann\" (groups=[\"devs\" \
         \"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n\
         {APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\"]}"
    );
    let more = json!({"rules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]});
    ann.merge(&format!("{roles}/configmaps"), &more)
        .await
        .fails(403);
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    ann.merge(&format!("{roles}/configmaps"), &label)
        .await
        .expect(200);
    ann.post(&bindings, &binding("bob", "edit", "bob"))
        .await
        .expect(201);
    ann.post(&bindings, &binding("root", "cluster-admin", "ann"))
        .await
        .fails(403);
    ann.post(&bindings, &binding("none", "none", "ann"))
        .await
        .fails(404);
    // A binding that gives nothing more may be edited by who could not make it.
    admin
        .post(&bindings, &binding("all", "cluster-admin", "bob"))
        .await
        .expect(201);
    ann.merge(&format!("{bindings}/all"), &label)
        .await
        .expect(200);
    let subjects = json!({"subjects": [{"kind": "User", "name": "ann", "apiGroup": "rbac.authorization.k8s.io"}]});
    ann.merge(&format!("{bindings}/all"), &subjects)
        .await
        .fails(403);

    let another = json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}});
    let said = admin
        .merge(&format!("{bindings}/all"), &another)
        .await
        .fails(422);
    assert!(said.contains("cannot change roleRef"), "{said}");

    // Unless they were given just that.
    role(&admin, "binder", json!([
        {"verbs": ["bind"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "resourceNames": ["cluster-admin"]},
        {"verbs": ["escalate"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"]},
    ])).await;
    bind(&admin, "shop", "binder", "ann").await;
    ann.post(&bindings, &binding("root", "cluster-admin", "ann"))
        .await
        .expect(201);
    ann.post(&roles, &role_of("nodes")).await.expect(201);
}

#[tokio::test]
async fn only_who_may_do_all_gathers_roles() {
    let admin = hub().await;
    let rules = json!([{"verbs": ["*"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterrolebindings"]},
        {"verbs": ["create", "patch"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"]}]);
    role(&admin, "keeper", rules).await;
    bind(&admin, "", "keeper", "ann").await;
    let ann = user(&admin, "ann", &[]);
    let gather =
        json!({"metadata": {"name": "g"}, "aggregationRule": {"clusterRoleSelectors": [{}]}});
    let path = format!("{RBAC}/clusterroles");
    assert!(
        ann.post(&path, &gather)
            .await
            .fails(403)
            .contains("Resources:[\"*\"]")
    );
    bind(&admin, "", "cluster-admin", "ann").await;
    ann.post(&path, &gather).await.expect(201);
}

#[tokio::test]
async fn a_label_that_makes_a_role_a_part_of_others_hands_on_its_rights() {
    let admin = hub().await;
    let rules = json!([{"verbs": ["get", "patch"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"]}]);
    role(&admin, "keeper", rules).await;
    bind(&admin, "", "keeper", "ann").await;
    let ann = user(&admin, "ann", &[]);
    let path = format!("{RBAC}/clusterroles/cluster-admin");
    let label = |name: &str| json!({"metadata": {"labels": {name: "true"}}});
    let gathered = label("rbac.authorization.k8s.io/aggregate-to-view");
    let said = ann.merge(&path, &gathered).await.fails(403);
    assert!(said.contains("not currently held"), "{said}");
    let note = json!({"metadata": {"annotations": {"a": "b"}}});
    ann.merge(&path, &note).await.expect(200);
    // What gathers others holds more than its own rules.
    let view = format!("{RBAC}/clusterroles/view");
    ann.merge(&view, &label("a")).await.fails(403);
    // What she has herself she may hand on.
    let own = format!("{RBAC}/clusterroles/keeper");
    ann.merge(&own, &gathered).await.expect(200);
}

#[tokio::test]
async fn who_may_scale_may_not_label() {
    let admin = hub().await;
    let rules =
        json!([{"verbs": ["patch"], "apiGroups": ["apps"], "resources": ["deployments/scale"]}]);
    role(&admin, "scaler", rules).await;
    bind(&admin, "shop", "scaler", "ann").await;
    let ann = user(&admin, "ann", &[]);
    let apps = "/apis/apps/v1/namespaces/shop/deployments";
    let web = json!({"metadata": {"name": "web"}, "spec": {
        "replicas": 1, "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "web"}]},
        },
    }});
    admin.post(apps, &web).await.expect(201);
    let scale = json!({
        "apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 3},
        "metadata": {"name": "web", "labels": {"a": "b"}, "annotations": {"a": "b"}, "finalizers": ["a.b/c"]},
    });
    let path = format!("{apps}/web/scale?fieldManager=ann&force=true");
    ann.json("PATCH", &path, "application/apply-patch+yaml", &scale)
        .await
        .expect(200);
    let web = admin.get(&format!("{apps}/web")).await.expect(200);
    assert_eq!(web["spec"]["replicas"], 3);
    for field in ["labels", "annotations", "finalizers"] {
        assert!(web["metadata"].get(field).is_none(), "{field}: {web}");
    }
}

#[tokio::test]
async fn a_template_stays_one_and_grants_nothing() {
    let admin = hub().await;
    let path = format!("{RBAC}/clusterrolebindings");
    let mut template = binding("t", "cluster-admin", "ann");
    template["metadata"]["labels"] = json!({"roadstead.dev/template": "true"});
    admin.post(&path, &template).await.expect(201);
    let ann = user(&admin, "ann", &[]);
    ann.get(MAPS).await.fails(403);
    for label in [json!(null), json!("false")] {
        let patch = json!({"metadata": {"labels": {"roadstead.dev/template": label}}});
        let said = admin.merge(&format!("{path}/t"), &patch).await.fails(422);
        assert!(
            said.contains("metadata.labels[roadstead.dev/template]")
                && said.contains("make it anew"),
            "{said}"
        );
    }
    bind(&admin, "", "view", "bob").await;
    let patch = json!({"metadata": {"labels": {"roadstead.dev/template": "true"}}});
    admin
        .merge(&format!("{path}/view-bob"), &patch)
        .await
        .fails(422);
    // For members nothing has to be held here.
    bind(&admin, "shop", "admin", "ann").await;
    let role = json!({"metadata": {"name": "far", "labels": {"roadstead.dev/template": "true"}}, "rules": [
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    ]});
    ann.post(&format!("{RBAC}/namespaces/shop/roles"), &role)
        .await
        .expect(201);
}

#[tokio::test]
async fn default_roles_are_completed_and_otherwise_left_alone() {
    let admin = hub().await;
    let before = admin.store.revision();
    admin.rest.grant_defaults().await.unwrap();
    assert_eq!(
        admin.store.revision(),
        before,
        "nothing is written where nothing is missing"
    );
    let path = |name: &str| format!("{RBAC}/clusterroles/{name}");
    let own = json!({"verbs": ["get"], "apiGroups": ["example.org"], "resources": ["boats"]});
    admin
        .merge(&path("view"), &json!({"rules": [own]}))
        .await
        .expect(200);
    let off = json!({"rules": [], "metadata": {"annotations": {"rbac.authorization.kubernetes.io/autoupdate": "false"}}});
    admin.merge(&path("edit"), &off).await.expect(200);
    admin.delete(&path("admin")).await.expect(200);
    // A binding of the name that is about another role is somebody else's.
    let basic = format!("{RBAC}/clusterrolebindings/system:basic-user");
    let mut other = admin.get(&basic).await.expect(200);
    admin.delete(&basic).await.expect(200);
    other["roleRef"]["name"] = "cluster-admin".into();
    other["subjects"] = json!([]);
    other["metadata"] =
        json!({"name": "system:basic-user", "annotations": other["metadata"]["annotations"]});
    admin
        .post(&format!("{RBAC}/clusterrolebindings"), &other)
        .await
        .expect(201);
    let unlabelled = json!({"metadata": {"labels": null}});
    admin.merge(&path("view"), &unlabelled).await.expect(200);
    admin.rest.grant_defaults().await.unwrap();
    let other = admin.get(&basic).await.expect(200);
    assert_eq!(
        other["subjects"].as_array().map_or(0, Vec::len),
        0,
        "{other}"
    );
    let rules = |role: Value| role["rules"].as_array().map_or(0, Vec::len);
    let view = admin.get(&path("view")).await.expect(200);
    assert_eq!(view["rules"][0], own);
    assert_eq!(
        view["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-edit"],
        "true"
    );
    assert!(rules(view) > 5);
    assert_eq!(rules(admin.get(&path("edit")).await.expect(200)), 0);
    admin.get(&path("admin")).await.expect(200);
    let after = admin.store.revision();
    admin.rest.grant_defaults().await.unwrap();
    assert_eq!(admin.store.revision(), after);
}
