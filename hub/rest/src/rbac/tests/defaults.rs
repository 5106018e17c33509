//! The default roles, held against every kind that a hub serves.

use roadstead_machinery::resource::Registry;
use roadstead_protocol::api::CRDS;
use serde_json::Value;

use crate::Identity;
use crate::rbac::defaults::table;
use crate::rbac::{Ask, GROUP, Grants};

/// What `view` does not show although it lives in a namespace: what it holds or grants, what is only asked,
/// and what is of a cluster's own workings.
const NOT_SHOWN: &[&str] = &[
    "csistoragecapacities.storage.k8s.io",
    "leases.coordination.k8s.io",
    "localsubjectaccessreviews.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
    "roles.rbac.authorization.k8s.io",
    "secrets",
];
/// What `edit` does not change although `view` shows it: what controllers or the hub write, and whom an
/// administrator of the namespace decides about.
const NOT_EDITED: &[&str] = &[
    "attachedclusters.cluster.kurator.dev",
    "controllerrevisions.apps",
    "decisions.roadstead.dev",
    "endpoints",
    "endpointslices.discovery.k8s.io",
    "events.events.k8s.io",
    "fleets.fleet.kurator.dev",
    "limitranges",
    "resourcequotas",
    "rollouts.roadstead.dev",
];

fn grants() -> Grants {
    let mut all = table().unwrap();
    for role in [
        "view",
        "edit",
        "admin",
        "roadstead:clusters",
        "roadstead:approver",
        "roadstead:explain",
    ] {
        all.push(serde_json::json!({
            "kind": "ClusterRoleBinding", "metadata": {"name": role},
            "roleRef": {"kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "User", "name": role}],
        }));
    }
    let of =
        |kind: &str| -> Vec<Value> { all.iter().filter(|o| o["kind"] == kind).cloned().collect() };
    Grants::of(&of("ClusterRole"), &[], &of("ClusterRoleBinding"), &[])
}

fn may(grants: &Grants, user: &str, ask: &Ask<'_>) -> bool {
    grants.allows(&Identity::new(user, []), ask).is_some()
}

#[test]
fn every_kind_of_a_namespace_is_for_somebody() {
    let (grants, registry) = (grants(), Registry::hub(CRDS).unwrap());
    for resource in registry.iter().filter(|r| r.namespaced) {
        let name = resource.qualified();
        let may = |user: &str, verb: &str| {
            let of = (resource.group.as_str(), resource.plural.as_str());
            may(&grants, user, &Ask::object(verb, of, ("shop", "x")))
        };
        let shown = !NOT_SHOWN.contains(&name.as_str());
        let edited = name == "secrets" || (shown && !NOT_EDITED.contains(&name.as_str()));
        for verb in ["get", "list", "watch"] {
            assert_eq!(may("view", verb), shown, "view: {verb} {name}");
            assert_eq!(
                may("edit", verb),
                shown || name == "secrets",
                "edit: {verb} {name}"
            );
        }
        for verb in ["create", "update", "patch", "delete", "deletecollection"] {
            assert!(!may("view", verb), "view: {verb} {name}");
            let stopped = name == "rollouts.roadstead.dev" && matches!(verb, "update" | "patch");
            assert_eq!(may("edit", verb), edited || stopped, "edit: {verb} {name}");
        }
        let own = edited
            || matches!(
                name.as_str(),
                "roles.rbac.authorization.k8s.io" | "rollouts.roadstead.dev"
            );
        let clusters = matches!(
            name.as_str(),
            "attachedclusters.cluster.kurator.dev" | "fleets.fleet.kurator.dev"
        );
        assert!(!own || may("admin", "update"), "admin: {name}");
        // Who has clusters is given what goes to them, whoever's it is.
        assert!(!clusters || !may("admin", "update"), "admin: {name}");
        assert_eq!(may("roadstead:clusters", "update"), clusters, "{name}");
    }
}

#[test]
fn who_edits_approves_of_nothing_and_who_approves_edits_nothing() {
    let grants = grants();
    let approve = Ask {
        verb: "create",
        about: crate::rbac::About::Object {
            group: "roadstead.dev",
            resource: "rollouts",
            subresource: "approve",
            namespace: "shop",
            name: "web-1",
        },
    };
    let policies = ("policy.kurator.dev", "distributionpolicies");
    let edit = Ask::object("update", policies, ("shop", "web"));
    for (user, approves, edits) in [
        ("view", false, false),
        ("edit", false, true),
        ("admin", true, true),
        ("roadstead:approver", true, false),
    ] {
        assert_eq!(may(&grants, user, &approve), approves, "{user}");
        assert_eq!(may(&grants, user, &edit), edits, "{user}");
    }
    // Nobody but who may do everything hands on what they do not have.
    for verb in ["escalate", "bind", "impersonate"] {
        let ask = Ask::object(verb, (GROUP, "clusterroles"), ("shop", "x"));
        assert!(!may(&grants, "admin", &ask), "{verb}");
    }
}

#[test]
fn users_find_out_what_is_served_and_who_they_are() {
    let grants = grants();
    for path in ["/api", "/apis/apps/v1", "/openapi/v3/apis/apps/v1"] {
        assert!(may(&grants, "ann", &Ask::path("get", path)), "{path}");
    }
    let who = Ask::object(
        "create",
        ("authentication.k8s.io", "selfsubjectreviews"),
        ("", ""),
    );
    assert!(may(&grants, "ann", &who));
    for path in [
        "/metrics",
        "/roadstead.dev/backup",
        "/roadstead.dev/why",
        "/roadstead.dev/users",
    ] {
        for verb in ["get", "post"] {
            assert!(
                !may(&grants, "ann", &Ask::path(verb, path)),
                "{verb} {path}"
            );
        }
    }
    let why = Ask::path("post", "/roadstead.dev/why");
    assert!(may(&grants, "roadstead:explain", &why));
    let backup = Ask::path("get", "/roadstead.dev/backup");
    assert!(!may(&grants, "roadstead:explain", &backup));
}
