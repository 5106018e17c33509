//! Grants against an obvious model, and what handing on and the default roles rest on.

mod defaults;
mod model;

use std::sync::Arc;

use serde_json::{Value, json};

use super::{About, Access, Ask, Grants, Rule, covers};
use crate::Identity;

fn role(name: &str, rules: &Value) -> Value {
    json!({"metadata": {"name": name}, "rules": rules})
}

fn binding(name: &str, (kind, role): (&str, &str), subjects: &Value) -> Value {
    json!({"metadata": {"name": name}, "roleRef": {"kind": kind, "name": role}, "subjects": subjects})
}

/// The same, in a namespace.
fn within(namespace: &str, mut object: Value) -> Value {
    object["metadata"]["namespace"] = namespace.into();
    object
}

fn may(grants: &Grants, user: &str, ask: Ask<'_>) -> bool {
    let who = Identity::new(user, ["devs".to_owned()]);
    Access::by(&who, Arc::new(grants.clone())).allows(&ask)
}

#[test]
fn a_role_binding_gives_in_its_namespace_only_and_no_paths() {
    let rules = json!([
        {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]},
        {"verbs": ["get"], "nonResourceURLs": ["/metrics"]},
    ]);
    let roles = [role("reader", &rules)];
    let group = json!([{"kind": "Group", "name": "devs"}]);
    let bound = [within(
        "shop",
        binding("b", ("ClusterRole", "reader"), &group),
    )];
    let grants = Grants::of(&roles, &[], &[], &bound);
    let pods = ("", "pods");
    assert!(may(&grants, "ann", Ask::object("get", pods, ("shop", "a"))));
    assert!(!may(
        &grants,
        "ann",
        Ask::object("get", pods, ("bank", "a"))
    ));
    assert!(!may(&grants, "ann", Ask::object("get", pods, ("", "a"))));
    assert!(!may(&grants, "ann", Ask::path("get", "/metrics")));
    let everywhere = [binding("b", ("ClusterRole", "reader"), &group)];
    let grants = Grants::of(&roles, &[], &everywhere, &[]);
    assert!(may(&grants, "ann", Ask::object("get", pods, ("bank", "a"))));
    assert!(may(&grants, "ann", Ask::path("get", "/metrics")));
    let who = Identity::new("ann", ["devs".to_owned()]);
    assert_eq!(
        grants
            .allows(&who, &Ask::path("get", "/metrics"))
            .as_deref(),
        Some(
            "RBAC: allowed by ClusterRoleBinding \"b\" of ClusterRole \"reader\" to Group \"devs\""
        )
    );
}

#[test]
fn what_is_a_template_grants_nothing() {
    let rules = json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]);
    let user = json!([{"kind": "User", "name": "ann"}]);
    let label = |mut object: Value, is: bool| {
        if is {
            object["metadata"]["labels"] = json!({"roadstead.dev/template": "true"});
        }
        object
    };
    for (role_is, binding_is) in [(false, false), (true, false), (false, true)] {
        let roles = [label(role("all", &rules), role_is)];
        let bound = [label(
            binding("b", ("ClusterRole", "all"), &user),
            binding_is,
        )];
        let grants = Grants::of(&roles, &[], &bound, &[]);
        let ask = Ask::object("delete", ("", "pods"), ("x", "y"));
        assert_eq!(may(&grants, "ann", ask), !(role_is || binding_is));
    }
}

#[test]
fn service_accounts_are_users_of_their_namespace() {
    let rules = json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]);
    let roles = [role("reader", &rules)];
    let own = json!([{"kind": "ServiceAccount", "name": "bot"}]);
    let bound = [within(
        "shop",
        binding("b", ("ClusterRole", "reader"), &own),
    )];
    let grants = Grants::of(&roles, &[], &[], &bound);
    let ask = Ask::object("get", ("", "pods"), ("shop", ""));
    assert!(may(&grants, "system:serviceaccount:shop:bot", ask));
    assert!(!may(&grants, "system:serviceaccount:bank:bot", ask));
    let everywhere = [binding("b", ("ClusterRole", "reader"), &own)];
    let grants = Grants::of(&roles, &[], &everywhere, &[]);
    assert!(!may(&grants, "system:serviceaccount::bot", ask));
}

#[test]
fn agents_may_nothing_whatever_is_granted() {
    let rules = json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]);
    let all = json!([{"kind": "Group", "name": "system:authenticated"}]);
    let bound = [binding("b", ("ClusterRole", "all"), &all)];
    let grants = Arc::new(Grants::of(&[role("all", &rules)], &[], &bound, &[]));
    let agent = Identity::agent("u");
    let access = Access::by(&agent, grants);
    assert!(!access.allows(&Ask::object("get", ("", "pods"), ("", ""))));
    assert!(!access.allows(&Ask::path("get", "/version")));
}

#[test]
fn a_role_gathers_by_label_also_in_a_circle() {
    let rule =
        |resource: &str| json!([{"verbs": ["get"], "apiGroups": [""], "resources": [resource]}]);
    let gathering = |name: &str, resource: &str, label: &str, selects: &str| {
        let mut role = role(name, &rule(resource));
        role["metadata"]["labels"] = json!({label: "true"});
        role["aggregationRule"] =
            json!({"clusterRoleSelectors": [{"matchLabels": {selects: "true"}}]});
        role
    };
    let roles = [
        gathering("a", "pods", "to-b", "to-a"),
        gathering("b", "secrets", "to-a", "to-b"),
        role("c", &rule("nodes")),
    ];
    let user = json!([{"kind": "User", "name": "ann"}]);
    for name in ["a", "b"] {
        let bound = [binding("x", ("ClusterRole", name), &user)];
        let grants = Grants::of(&roles, &[], &bound, &[]);
        let may = |what: &str| may(&grants, "ann", Ask::object("get", ("", what), ("", "")));
        assert!(may("pods") && may("secrets") && !may("nodes"), "{name}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let have =
        Rule::read(&json!({"verbs": ["get"], "apiGroups": ["apps"], "resources": ["deployments"]}));
    let wanted = Rule::read(
        &json!({"verbs": ["get", "update"], "apiGroups": ["apps"], "resources": ["deployments", "deployments/scale"]}),
    );
    assert_eq!(
        covers::check(&[&have], [&wanted]),
        Err(
            "{APIGroups:[\"apps\"], Resources:[\"deployments\"], Verbs:[\"update\"]}\n\
             {APIGroups:[\"apps\"], Resources:[\"deployments/scale\"], Verbs:[\"get\" \"update\"]}"
                .to_owned()
        )
    );
    let many: Vec<String> = (0..400).map(|n| n.to_string()).collect();
    let huge = Rule::read(&json!({"verbs": many, "apiGroups": many, "resources": many}));
    assert!(covers::check(&[&huge], [&huge]).is_err_and(|why| why.contains("10000")));
}

#[test]
fn a_refusal_has_kubernetes_words() {
    let who = Identity::new("ann", []);
    let about = About::Object {
        group: "apps",
        resource: "deployments",
        subresource: "scale",
        namespace: "shop",
        name: "web",
    };
    assert_eq!(
        Ask {
            verb: "patch",
            about
        }
        .refusal(&who)
        .message,
        "deployments.apps \"web\" is forbidden: User \"ann\" cannot patch resource \"deployments/scale\" \
         in API group \"apps\" in the namespace \"shop\""
    );
}
