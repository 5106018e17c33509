//! Who takes whose place, and what reviews answer.

use serde_json::{Value, json};

use super::support::Client;
use super::{MAPS, bind, hub, role, user};

const REVIEWS: &str = "/apis/authorization.k8s.io/v1";

#[tokio::test]
async fn whoever_may_takes_the_place_of_others() {
    let admin = hub().await;
    bind(&admin, "shop", "view", "ann").await;
    bind(&admin, "shop", "view", "system:serviceaccount:shop:bot").await;
    role(&admin, "double", json!([
        {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["users"], "resourceNames": ["ann", "system:anonymous"]},
        {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["groups"], "resourceNames": ["devs"]},
    ])).await;
    bind(&admin, "", "double", "eve").await;
    let (eve, path) = (user(&admin, "eve", &[]), MAPS);
    let as_ = async |headers: &[(&str, &str)]| eve.send("GET", path, headers, b"").await;
    as_(&[]).await.fails(403);
    as_(&[("impersonate-user", "ann")]).await.expect(200);
    as_(&[("impersonate-user", "ann"), ("impersonate-group", "devs")])
        .await
        .expect(200);
    assert_eq!(
        as_(&[
            ("impersonate-user", "ann"),
            ("impersonate-group", "system:masters")
        ])
        .await
        .fails(403),
        "groups \"system:masters\" is forbidden: User \"eve\" cannot impersonate resource \"groups\" in API \
         group \"\" at the cluster scope"
    );
    as_(&[("impersonate-user", "bob")]).await.fails(403);
    as_(&[("impersonate-user", "ann"), ("impersonate-uid", "1")])
        .await
        .fails(403);
    as_(&[
        ("impersonate-user", "ann"),
        ("impersonate-extra-scope", "x"),
    ])
    .await
    .fails(403);
    as_(&[("impersonate-user", "system:serviceaccount:shop:bot")])
        .await
        .fails(403);
    as_(&[("impersonate-group", "devs")]).await.fails(400);
    let bot = [("impersonate-user", "system:serviceaccount:shop:bot")];
    admin.send("GET", path, &bot, b"").await.expect(200);
    // Nobody vouches for whom nobody vouches for: not even discovery is for them.
    let nobody = [("impersonate-user", "system:anonymous")];
    eve.send("GET", "/apis", &nobody, b"").await.fails(403);
    eve.send("GET", "/version", &nobody, b"").await.expect(200);
}

#[tokio::test]
async fn reviews_say_what_the_api_would() {
    let admin = hub().await;
    bind(&admin, "shop", "edit", "ann").await;
    let ann = user(&admin, "ann", &[]);
    let of = |verb: &str, resource: &str, namespace: &str| json!({"verb": verb, "resource": resource, "namespace": namespace});
    let own = format!("{REVIEWS}/selfsubjectaccessreviews");
    let asked = async |who: &Client, attributes: Value| {
        let review = json!({"spec": {"resourceAttributes": attributes}});
        who.post(&own, &review).await.expect(201)["status"].clone()
    };
    let said = asked(&ann, of("create", "configmaps", "shop")).await;
    assert_eq!(
        said,
        json!({"allowed": true, "reason": "RBAC: allowed by RoleBinding \"edit-ann/shop\" of ClusterRole \"edit\" to User \"ann\""})
    );
    assert_eq!(
        asked(&ann, of("create", "nodes", "")).await,
        json!({"allowed": false})
    );
    assert_eq!(
        asked(&admin, of("create", "nodes", "")).await["allowed"],
        true
    );

    let others = format!("{REVIEWS}/subjectaccessreviews");
    let review =
        json!({"spec": {"user": "ann", "resourceAttributes": of("create", "secrets", "shop")}});
    ann.post(&others, &review).await.fails(403);
    assert_eq!(
        admin.post(&others, &review).await.expect(201)["status"]["allowed"],
        true
    );
    // No group is taken for granted, as in Kubernetes.
    let path =
        json!({"spec": {"user": "ann", "nonResourceAttributes": {"path": "/apis", "verb": "get"}}});
    assert_eq!(
        admin.post(&others, &path).await.expect(201)["status"]["allowed"],
        false
    );
    let local = format!("{REVIEWS}/namespaces/shop/localsubjectaccessreviews");
    admin.post(&local, &review).await.expect(201);
    let elsewhere =
        json!({"spec": {"user": "ann", "resourceAttributes": of("create", "secrets", "bank")}});
    admin.post(&local, &elsewhere).await.fails(400);

    let rules = format!("{REVIEWS}/selfsubjectrulesreviews");
    let shown = async |namespace: &str| {
        let review = json!({"spec": {"namespace": namespace}});
        let mut answer = ann.post(&rules, &review).await.expect(201);
        answer["status"]["resourceRules"]
            .take()
            .as_array()
            .cloned()
            .unwrap_or_default()
    };
    let holds = |rules: &[Value], resource: &str| {
        rules
            .iter()
            .any(|rule| rule["resources"].to_string().contains(resource))
    };
    assert!(holds(&shown("shop").await, "\"deployments\""));
    let elsewhere = shown("default").await;
    assert!(holds(&elsewhere, "selfsubjectreviews") && !holds(&elsewhere, "deployments"));
}
