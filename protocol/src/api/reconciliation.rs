//! `Reconciliation`: request and response of `attachedclusters/NAME/reconcile`, by which a user ends
//! what is held or unclaimed on a cluster.

use serde::{Deserialize, Serialize};

use crate::wire::ItemKey;

/// The kind's name.
pub const KIND: &str = "Reconciliation";
/// The subresource's name.
pub const SUBRESOURCE: &str = "reconcile";
/// Most items that one request may name.
pub const ITEMS_MAX: usize = 1000;
/// Most items that an answer lists.
pub const LISTED_MAX: usize = 5000;

/// Asks what waits on a cluster, or ends it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Reconciliation {
    /// `roadstead.dev/v1alpha1`.
    pub api_version: String,
    /// `Reconciliation`.
    pub kind: String,
    /// What is asked for.
    pub spec: Spec,
    /// The answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// What is done with the items; nothing is, and all are listed, where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// What it is done with; at most [`ITEMS_MAX`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
    /// With `Delete`: a Namespace or a CustomResourceDefinition goes with everything inside.
    pub delete_contents: bool,
    /// With `Delete`: the token that a refusal named.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub confirm: String,
}

/// How a hold is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Action {
    /// What the hub says about it is carried out.
    TakeHub,
    /// The member's object is given, to be written to the hub as a template.
    Adopt,
    /// The member lets go of the object and leaves it.
    Release,
    /// The member deletes the object.
    Delete,
}

impl Action {
    /// The flag of the command line.
    pub fn flag(self) -> &'static str {
        match self {
            Self::TakeHub => "--take-hub",
            Self::Adopt => "--adopt",
            Self::Release => "--release",
            Self::Delete => "--delete",
        }
    }
}

/// One object on a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Item {
    /// API group; empty for the core group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace; empty for a cluster-scoped object.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// The stamp that was shown; where it is given, the request fails if another is there by now.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stamp: String,
}

impl Item {
    /// The object's key.
    pub fn key(&self) -> ItemKey {
        ItemKey {
            group: self.group.clone(),
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    /// Of a key and a stamp.
    pub fn new(key: &ItemKey, stamp: String) -> Self {
        Self {
            group: key.group.clone(),
            kind: key.kind.clone(),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            stamp,
        }
    }
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// What waits, or what was done.
    pub items: Vec<Entry>,
    /// How many more there are than are listed.
    pub more: usize,
}

/// What waits about one object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Entry {
    /// Which object.
    #[serde(flatten)]
    pub item: Item,
    /// `Held`, `Unclaimed`, or `Pending` for a deletion that hangs.
    pub state: String,
    /// Why, in CamelCase.
    pub reason: String,
    /// For people.
    pub message: String,
    /// What the hub says about it: `Put`, `Tombstone`, or nothing.
    pub hub: String,
    /// What may be done about it.
    pub actions: Vec<Action>,
    /// After `Adopt`: the object as a template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<serde_json::Value>,
}

/// An object as the command line names it: `KIND[.GROUP]/[NAMESPACE/]NAME`.
pub fn item_text(key: &ItemKey) -> String {
    let mut text = key.kind.clone();
    for (sign, part) in [('.', &key.group), ('/', &key.namespace)] {
        if !part.is_empty() {
            text.push(sign);
            text.push_str(part);
        }
    }
    text.push('/');
    text.push_str(&key.name);
    text
}

/// The inverse of [`item_text`]. A group may be left out; then it is empty.
pub fn parse_item(text: &str) -> Option<ItemKey> {
    let (kind, rest) = text.split_once('/')?;
    let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
    let (namespace, name) = rest.split_once('/').unwrap_or(("", rest));
    let fine = !kind.is_empty() && !name.is_empty() && !name.contains('/');
    fine.then(|| ItemKey {
        group: group.to_owned(),
        kind: kind.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_there_and_back() {
        let check = |text: &str, parts: [&str; 4]| {
            let key = parse_item(text).unwrap();
            let found = [&key.group, &key.kind, &key.namespace, &key.name];
            assert_eq!(found.map(String::as_str), parts, "{text}");
            assert_eq!(item_text(&key), text);
        };
        check(
            "Deployment.apps/shop/web",
            ["apps", "Deployment", "shop", "web"],
        );
        check("Namespace/shop", ["", "Namespace", "", "shop"]);
        check(
            "ClusterRole.rbac.authorization.k8s.io/view",
            ["rbac.authorization.k8s.io", "ClusterRole", "", "view"],
        );
        for wrong in ["", "web", "/web", "Deployment/", "Deployment/a/b/c"] {
            assert_eq!(parse_item(wrong), None, "{wrong}");
        }
    }
}
