//! Members that do not run what they are given: without a node that takes it, or without its image; and
//! those that run only a part of it.
//!
//! What ran is gone, as after the nodes were started anew. Everything else there is as before: the API
//! answers, and agents are connected. Nothing here knows what follows from it.

use std::collections::BTreeMap;

use roadstead_hub::member::{Member, NO_IMAGES};
use roadstead_store::records::objects_prefix;
use roadstead_store::{Entry, Snapshot, Txn};
use serde_json::{Value, json};

use crate::http::call;
use crate::trace;

/// Where members have their nodes.
const NODES: &str = "/api/v1/nodes";

/// What keeps a member from running pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// No node takes any.
    NoNode,
    /// Their images cannot be had.
    NoImages,
    /// As without a node, but some of each workload run on.
    InPart,
}

impl Stop {
    /// One of them, by a number.
    pub fn of(number: u64) -> Self {
        match number % 3 {
            0 => Self::NoNode,
            1 => Self::NoImages,
            _ => Self::InPart,
        }
    }
}

/// Lets a member run pods no longer.
pub async fn stop(member: &Member, how: Stop) {
    let change = match how {
        Stop::NoNode | Stop::InPart => json!({"spec": {"unschedulable": true}}),
        Stop::NoImages => json!({"metadata": {"annotations": {NO_IMAGES: "true"}}}),
    };
    change_nodes(member, &change).await;
    let snapshot = member.store.snapshot();
    let gone = going(&snapshot, how).into_iter();
    let txn = gone.fold(Txn::new(), |txn, entry| txn.delete(entry.key.clone()));
    if member.store.commit(txn).await.is_ok() {
        trace::count("sometimes: a member could not run what it was given");
    }
}

/// Lets it run them again.
pub async fn mend(member: &Member) {
    let change = json!({
        "spec": {"unschedulable": null},
        "metadata": {"annotations": {NO_IMAGES: null}},
    });
    change_nodes(member, &change).await;
}

async fn change_nodes(member: &Member, change: &Value) {
    let json = "application/json";
    let (_, listed) = call(&member.rest, "GET", NODES, json, &Value::Null).await;
    let nodes = listed.get("items").and_then(Value::as_array);
    let names = nodes.into_iter().flatten();
    let names = names.filter_map(|node| node.pointer("/metadata/name")?.as_str());
    for name in names {
        let path = format!("{NODES}/{name}");
        call(
            &member.rest,
            "PATCH",
            &path,
            "application/merge-patch+json",
            change,
        )
        .await;
    }
}

/// The pods that are gone then: all, or half of those of each workload that has several.
fn going(snapshot: &Snapshot, how: Stop) -> Vec<&Entry> {
    let mut by_owner: BTreeMap<String, Vec<&Entry>> = BTreeMap::new();
    for entry in snapshot.range(&objects_prefix("", "pods")) {
        let pod: Value = serde_json::from_slice(&entry.value).unwrap_or_default();
        let owner = pod.pointer("/metadata/ownerReferences/0/uid");
        let owner = owner.and_then(Value::as_str).unwrap_or_default();
        by_owner.entry(owner.to_owned()).or_default().push(entry);
    }
    let some = by_owner.into_values().map(|mut pods| {
        if how == Stop::InPart {
            pods.truncate(pods.len() / 2);
        }
        pods
    });
    some.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_drawn() {
        let all = [Stop::NoNode, Stop::NoImages, Stop::InPart];
        assert_eq!([0, 1, 2].map(Stop::of), all);
    }
}
