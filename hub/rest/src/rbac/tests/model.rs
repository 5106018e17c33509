//! Grants against a slow model that goes by the objects as they are written, for each question anew.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::Identity;
use crate::rbac::{About, Ask, Grants, Rule, covers};

const NAMESPACES: [&str; 3] = ["", "shop", "bank"];
const VERBS: [&str; 3] = ["get", "list", "bind"];
const GROUPS: [&str; 2] = ["", "apps"];
const RESOURCES: [&str; 2] = ["pods", "jobs"];
const SUBRESOURCES: [&str; 3] = ["", "log", "scale"];
const NAMES: [&str; 3] = ["", "a", "b"];
const PATHS: [&str; 4] = ["/api", "/api/v1", "/apis", "/metrics"];

/// Some of a list's words.
fn some(words: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    proptest::sample::subsequence(words, 0..=words.len().min(2))
}

fn rule() -> impl Strategy<Value = Value> {
    let objects = (
        some(&["get", "list", "bind", "*"]),
        some(&["", "apps", "*"]),
        some(&[
            "pods", "jobs", "pods/log", "*/log", "*/scale", "jobs/*", "*",
        ]),
        some(&["a", "b"]),
    );
    let objects = objects.prop_map(|(verbs, groups, resources, names)| {
        json!({"verbs": verbs, "apiGroups": groups, "resources": resources, "resourceNames": names})
    });
    let paths = (
        some(&["get", "list", "*"]),
        some(&["/api", "/api/*", "/api*", "*", "/metrics"]),
    );
    let paths = paths.prop_map(|(verbs, urls)| json!({"verbs": verbs, "nonResourceURLs": urls}));
    prop_oneof![4 => objects, 1 => paths]
}

fn role(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let name = proptest::sample::select(names);
    let label = proptest::option::of(proptest::sample::select(&["x", "y"][..]));
    let selects = proptest::option::weighted(0.3, proptest::sample::select(&["x", "y"][..]));
    let namespace = proptest::sample::select(&["shop", "bank"][..]);
    let rules = proptest::collection::vec(rule(), 0..3);
    (name, label, selects, namespace, rules).prop_map(|(name, label, selects, namespace, rules)| {
        let mut role = json!({"metadata": {"name": name, "namespace": namespace}, "rules": rules});
        if let Some(label) = label {
            role["metadata"]["labels"] = json!({"to": label});
        }
        if let Some(selects) = selects {
            role["aggregationRule"] =
                json!({"clusterRoleSelectors": [{"matchLabels": {"to": selects}}]});
        }
        role
    })
}

fn binding() -> impl Strategy<Value = Value> {
    let kind = proptest::sample::select(&["ClusterRole", "Role", "Group"][..]);
    let name = proptest::sample::select(&["r", "s", "none"][..]);
    let namespace = proptest::sample::select(&["shop", "bank"][..]);
    let subject = proptest::sample::select(vec![
        json!({"kind": "User", "name": "ann"}),
        json!({"kind": "User", "name": "devs"}),
        json!({"kind": "Group", "name": "devs"}),
        json!({"kind": "Group", "name": "ann"}),
        json!({"kind": "ServiceAccount", "name": "bot"}),
        json!({"kind": "ServiceAccount", "name": "bot", "namespace": "bank"}),
        json!({"kind": "Robot", "name": "ann"}),
    ]);
    let subjects = proptest::collection::vec(subject, 0..3);
    (kind, name, namespace, subjects).prop_map(|(kind, name, namespace, subjects)| {
        json!({
            "metadata": {"name": "b", "namespace": namespace},
            "roleRef": {"kind": kind, "name": name}, "subjects": subjects,
        })
    })
}

/// Everything that can be asked.
fn asks() -> Vec<Ask<'static>> {
    let mut asks: Vec<Ask<'_>> = Vec::new();
    for verb in VERBS {
        asks.extend(PATHS.iter().map(|path| Ask::path(verb, path)));
        for (group, resource) in GROUPS.iter().flat_map(|g| RESOURCES.map(|r| (*g, r))) {
            for (subresource, namespace) in SUBRESOURCES
                .iter()
                .flat_map(|s| NAMESPACES.map(|n| (*s, n)))
            {
                asks.extend(NAMES.iter().map(|name| Ask {
                    verb,
                    about: About::Object {
                        group,
                        resource,
                        subresource,
                        namespace,
                        name,
                    },
                }));
            }
        }
    }
    asks
}

fn list<'v>(value: &'v Value, field: &str) -> Vec<&'v str> {
    let list = value[field].as_array();
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

fn rule_allows(rule: &Value, ask: &Ask<'_>) -> bool {
    let any = |field: &str, fits: &dyn Fn(&str) -> bool| {
        list(rule, field).iter().any(|w| *w == "*" || fits(w))
    };
    any("verbs", &|w| w == ask.verb)
        && match ask.about {
            About::Path(path) => any("nonResourceURLs", &|w| {
                w == path || (w.ends_with('*') && path.starts_with(w.trim_end_matches('*')))
            }),
            About::Object {
                group,
                resource,
                subresource,
                name,
                ..
            } => {
                let whole = if subresource.is_empty() {
                    resource.to_owned()
                } else {
                    format!("{resource}/{subresource}")
                };
                let any_of = format!("*/{subresource}");
                let names = list(rule, "resourceNames");
                any("apiGroups", &|w| w == group)
                    && any("resources", &|w| {
                        w == whole || (!subresource.is_empty() && w == any_of)
                    })
                    && (names.is_empty() || names.contains(&name))
            }
        }
}

/// The rules of a ClusterRole with what it gathers.
fn rules_of<'v>(all: &'v [Value], role: &'v Value, seen: &mut Vec<&'v str>) -> Vec<&'v Value> {
    let name = role["metadata"]["name"].as_str().unwrap_or_default();
    if seen.contains(&name) {
        return Vec::new();
    }
    seen.push(name);
    let mut rules: Vec<&Value> = role["rules"].as_array().into_iter().flatten().collect();
    let selects = &role["aggregationRule"]["clusterRoleSelectors"][0]["matchLabels"]["to"];
    for other in all
        .iter()
        .filter(|o| selects.is_string() && o["metadata"]["labels"]["to"] == *selects)
    {
        rules.extend(rules_of(all, other, seen));
    }
    rules
}

struct World {
    cluster_roles: Vec<Value>,
    roles: Vec<Value>,
    everywhere: Vec<Value>,
    within: Vec<Value>,
}

impl World {
    fn allows(&self, who: &Identity, ask: &Ask<'_>) -> bool {
        let asked = match ask.about {
            About::Object { namespace, .. } => namespace,
            About::Path(_) => "",
        };
        let local = self
            .within
            .iter()
            .filter(|b| !asked.is_empty() && b["metadata"]["namespace"] == asked);
        let bindings = self
            .everywhere
            .iter()
            .map(|b| (b, ""))
            .chain(local.map(|b| (b, asked)));
        bindings.into_iter().any(|(binding, namespace)| {
            let given = binding["subjects"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|subject| {
                    let name = subject["name"].as_str().unwrap_or_default();
                    let own = subject["namespace"].as_str().unwrap_or(namespace);
                    match subject["kind"].as_str() {
                        Some("User") => who.user == name,
                        Some("Group") => who.groups.iter().any(|g| g == name),
                        Some("ServiceAccount") => {
                            !own.is_empty()
                                && who.user == format!("system:serviceaccount:{own}:{name}")
                        }
                        _ => false,
                    }
                });
            let named = |role: &&Value| role["metadata"]["name"] == binding["roleRef"]["name"];
            let rules = match binding["roleRef"]["kind"].as_str() {
                Some("ClusterRole") => self
                    .cluster_roles
                    .iter()
                    .find(named)
                    .map(|role| rules_of(&self.cluster_roles, role, &mut Vec::new())),
                Some("Role") => {
                    let here = |role: &&Value| {
                        named(role)
                            && !namespace.is_empty()
                            && role["metadata"]["namespace"] == namespace
                    };
                    let role = self.roles.iter().find(here);
                    role.map(|role| role["rules"].as_array().into_iter().flatten().collect())
                }
                _ => None,
            };
            given
                && rules
                    .into_iter()
                    .flatten()
                    .any(|rule| rule_allows(rule, ask))
        })
    }
}

/// One object of each name and namespace, as a store has it.
fn once(mut objects: Vec<Value>, namespaced: bool) -> Vec<Value> {
    let mut seen = Vec::new();
    objects.retain(|object| {
        let metadata = &object["metadata"];
        let namespace = if namespaced {
            metadata["namespace"].clone()
        } else {
            Value::Null
        };
        let at = (metadata["name"].clone(), namespace);
        let fresh = !seen.contains(&at);
        seen.push(at);
        fresh
    });
    objects
}

fn world() -> impl Strategy<Value = World> {
    let roles = || proptest::collection::vec(role(&["r", "s", "t"]), 0..4);
    let bindings = || proptest::collection::vec(binding(), 0..3);
    (roles(), roles(), bindings(), bindings()).prop_map(
        |(cluster_roles, roles, everywhere, within)| World {
            cluster_roles: once(cluster_roles, false),
            roles: once(roles, true),
            everywhere,
            within,
        },
    )
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = [
            &self.cluster_roles,
            &self.roles,
            &self.everywhere,
            &self.within,
        ];
        all.iter()
            .try_for_each(|objects| writeln!(f, "{}", json!(objects)))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn grants_are_what_the_objects_say(world in world()) {
        let grants = Grants::of(&world.cluster_roles, &world.roles, &world.everywhere, &world.within);
        for user in ["ann", "bob", "system:serviceaccount:bank:bot"] {
            let who = Identity::new(user, ["devs".to_owned()]);
            for ask in asks() {
                prop_assert_eq!(grants.allows(&who, &ask).is_some(), world.allows(&who, &ask), "{} {:?}", user, ask);
            }
        }
    }

    #[test]
    fn who_may_hand_on_may_do_it(
        have in proptest::collection::vec(rule(), 0..4),
        wanted in proptest::collection::vec(rule(), 0..3),
    ) {
        let read = |rules: &[Value]| rules.iter().map(Rule::read).collect::<Vec<_>>();
        let (own, asked) = (read(&have), read(&wanted));
        let held = covers::check(&own.iter().collect::<Vec<_>>(), &asked).is_ok();
        let lacks = asks().into_iter().find(|ask| {
            wanted.iter().any(|rule| rule_allows(rule, ask)) && !have.iter().any(|rule| rule_allows(rule, ask))
        });
        prop_assert!(!held || lacks.is_none(), "{lacks:?}");
        prop_assert!(covers::check(&own.iter().collect::<Vec<_>>(), &own).is_ok());
    }
}
