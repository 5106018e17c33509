//! All grants of one state of the store, by whom they are given to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use roadstead_machinery::selector::LabelSelector;
use roadstead_store::Snapshot;
use roadstead_store::records::objects_prefix;
use serde_json::Value;

use super::{About, Ask, GROUP, Rule, is_template};
use crate::{Identity, meta};

/// Most roles, and most bindings, that are looked at; further ones grant nothing.
const OBJECTS_MAX: usize = 100_000;
/// Most rules of one role, with all that it is gathered from; further ones grant nothing.
const RULES_MAX: usize = 10_000;

/// The rules of a role.
type Rules = Arc<[Rule]>;

/// Who a grant is given to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    User(String),
    Group(String),
}

/// A grant: a role to a subject.
#[derive(Clone, Debug)]
struct Grant {
    /// As in `ClusterRoleBinding "x" of ClusterRole "y"`.
    source: String,
    rules: Rules,
}

/// All grants.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grants {
    cluster_roles: BTreeMap<String, Rules>,
    /// By namespace and name.
    roles: BTreeMap<(String, String), Rules>,
    /// Everywhere.
    everywhere: BTreeMap<Subject, Vec<Grant>>,
    /// By namespace.
    within: BTreeMap<String, BTreeMap<Subject, Vec<Grant>>>,
}

impl Grants {
    /// All grants of a state of the store.
    pub(crate) fn read(snapshot: &Snapshot) -> Self {
        let objects = |plural: &str| {
            let prefix = objects_prefix(GROUP, plural);
            let entries = snapshot.range(&prefix).take(OBJECTS_MAX);
            entries
                .filter_map(|entry| serde_json::from_slice(&entry.value).ok())
                .collect::<Vec<Value>>()
        };
        let (cluster_roles, roles) = (objects("clusterroles"), objects("roles"));
        let (everywhere, within) = (objects("clusterrolebindings"), objects("rolebindings"));
        Self::of(&cluster_roles, &roles, &everywhere, &within)
    }

    /// The grants of these ClusterRoles, Roles, ClusterRoleBindings and RoleBindings.
    pub(crate) fn of(
        cluster_roles: &[Value],
        roles: &[Value],
        everywhere: &[Value],
        within: &[Value],
    ) -> Self {
        let mut grants = Self {
            cluster_roles: gathered(live(cluster_roles)),
            ..Self::default()
        };
        for role in live(roles) {
            let at = (
                meta::text(role, "namespace").to_owned(),
                meta::name(role).to_owned(),
            );
            grants
                .roles
                .insert(at, Rule::all(role).into_iter().take(RULES_MAX).collect());
        }
        for binding in live(everywhere) {
            grants.bind(binding, "");
        }
        for binding in live(within) {
            let namespace = meta::text(binding, "namespace").to_owned();
            if !namespace.is_empty() {
                grants.bind(binding, &namespace);
            }
        }
        grants
    }

    /// Adds a binding; of a role that is not there it grants nothing.
    fn bind(&mut self, binding: &Value, namespace: &str) {
        let name = meta::name(binding);
        let (kind, role) = role_of(binding);
        let Some(rules) = self.role(namespace, (kind, role)).cloned() else {
            return;
        };
        let source = match namespace {
            "" => format!("ClusterRoleBinding {name:?} of {kind} {role:?}"),
            namespace => format!("RoleBinding \"{name}/{namespace}\" of {kind} {role:?}"),
        };
        let grant = Grant { source, rules };
        let subjects = binding.get("subjects").and_then(Value::as_array);
        let to = match namespace {
            "" => &mut self.everywhere,
            namespace => self.within.entry(namespace.to_owned()).or_default(),
        };
        for subject in subjects.into_iter().flatten() {
            if let Some(subject) = subject_of(subject, namespace) {
                to.entry(subject).or_default().push(grant.clone());
            }
        }
    }

    /// The rules of the role that a binding in `namespace` (empty: of the cluster) names by kind and
    /// name.
    pub(crate) fn role(&self, namespace: &str, (kind, name): (&str, &str)) -> Option<&Rules> {
        match kind {
            "ClusterRole" => self.cluster_roles.get(name),
            "Role" if !namespace.is_empty() => {
                self.roles.get(&(namespace.to_owned(), name.to_owned()))
            }
            _ => None,
        }
    }

    /// Why somebody may do this; `None` where they may not.
    pub(crate) fn allows(&self, who: &Identity, ask: &Ask<'_>) -> Option<String> {
        let namespace = match ask.about {
            About::Object { namespace, .. } => namespace,
            About::Path(_) => "",
        };
        let found = self
            .given(who, namespace)
            .find(|(_, grant)| grant.rules.iter().any(|rule| rule.allows(ask)));
        found.map(|(subject, grant)| {
            let to = match subject {
                Subject::User(user) => format!("User {user:?}"),
                Subject::Group(group) => format!("Group {group:?}"),
            };
            format!("RBAC: allowed by {} to {to}", grant.source)
        })
    }

    /// All rules for somebody in a namespace (empty: those of the whole cluster alone).
    pub(crate) fn rules<'g>(&'g self, who: &Identity, namespace: &str) -> Vec<&'g Rule> {
        self.given(who, namespace)
            .flat_map(|(_, grant)| grant.rules.iter())
            .collect()
    }

    /// What is given to somebody, everywhere and in a namespace.
    fn given<'g>(
        &'g self,
        who: &Identity,
        namespace: &str,
    ) -> impl Iterator<Item = (&'g Subject, &'g Grant)> + use<'g> {
        let user = std::iter::once(Subject::User(who.user.clone()));
        let groups = who.groups.iter().map(|group| Subject::Group(group.clone()));
        let subjects: Vec<Subject> = user.chain(groups).collect();
        let places = std::iter::once(&self.everywhere).chain(self.within.get(namespace));
        places.flat_map(move |grants| {
            let found: Vec<_> = subjects
                .iter()
                .filter_map(|subject| grants.get_key_value(subject))
                .collect();
            found
                .into_iter()
                .flat_map(|(subject, grants)| grants.iter().map(move |grant| (subject, grant)))
        })
    }
}

/// Kind and name of the role of a binding.
pub(super) fn role_of(binding: &Value) -> (&str, &str) {
    let text = |pointer: &str| binding.pointer(pointer).and_then(Value::as_str);
    (
        text("/roleRef/kind").unwrap_or_default(),
        text("/roleRef/name").unwrap_or_default(),
    )
}

/// Who a subject is, of a binding in `namespace`.
fn subject_of(subject: &Value, namespace: &str) -> Option<Subject> {
    let text = |field: &str| subject.get(field).and_then(Value::as_str);
    let name = text("name")?.to_owned();
    match text("kind")? {
        "User" => Some(Subject::User(name)),
        "Group" => Some(Subject::Group(name)),
        "ServiceAccount" => {
            let own = text("namespace")
                .filter(|own| !own.is_empty())
                .unwrap_or(namespace);
            let user = format!("system:serviceaccount:{own}:{name}");
            (!own.is_empty()).then_some(Subject::User(user))
        }
        _ => None,
    }
}

/// What is live on the hub, and not a template for members.
fn live(objects: &[Value]) -> impl Iterator<Item = &Value> {
    objects.iter().filter(|object| !is_template(object))
}

/// The rules of every ClusterRole, with those of all that it is gathered from by label.
fn gathered<'a>(cluster_roles: impl Iterator<Item = &'a Value>) -> BTreeMap<String, Rules> {
    let named: BTreeMap<&str, &Value> = cluster_roles.map(|r| (meta::name(r), r)).collect();
    let sources: BTreeMap<&str, Vec<&str>> = named
        .iter()
        .map(|(name, role)| (*name, selected(role, &named)))
        .collect();
    let all = named.keys().map(|name| {
        let mut seen = BTreeSet::from([*name]);
        let mut left = vec![*name];
        let mut rules = Vec::new();
        while let Some(at) = left.pop() {
            rules.extend(named.get(at).into_iter().flat_map(|role| Rule::all(role)));
            let further = sources.get(at).into_iter().flatten();
            left.extend(further.filter(|role| seen.insert(role)));
        }
        rules.truncate(RULES_MAX);
        ((*name).to_owned(), rules.into())
    });
    all.collect()
}

/// The ClusterRoles that a ClusterRole's aggregation rule selects.
fn selected<'a>(role: &Value, all: &BTreeMap<&'a str, &'a Value>) -> Vec<&'a str> {
    let selectors = role.pointer("/aggregationRule/clusterRoleSelectors");
    let selectors: Vec<LabelSelector> = selectors
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|selector| LabelSelector::from_value(selector).ok())
        .collect();
    if selectors.is_empty() {
        return Vec::new();
    }
    let chosen = all
        .iter()
        .filter(|(_, other)| selectors.iter().any(|s| s.matches_object(other)));
    chosen.map(|(name, _)| *name).collect()
}
