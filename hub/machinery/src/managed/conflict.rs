//! Conflicts, in the words that clients know.

use std::collections::BTreeMap;

use crate::merge;

use super::entries::{Id, Operation};
use super::{Conflict, Error};

/// All conflicts of an apply.
pub(super) fn report(conflicts: &[merge::Conflict]) -> Error {
    let cause = |conflict: &merge::Conflict| Conflict {
        message: format!("conflict with {}", show(&conflict.manager)),
        field: conflict.path.to_string(),
    };
    Error::Conflicts {
        message: message(conflicts),
        conflicts: conflicts.iter().map(cause).collect(),
    }
}

fn message(conflicts: &[merge::Conflict]) -> String {
    if let [only] = conflicts {
        let (owner, path) = (show(&only.manager), &only.path);
        return format!("Apply failed with 1 conflict: conflict with {owner}: {path}");
    }
    let mut by_owner: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for conflict in conflicts {
        by_owner
            .entry(&conflict.manager)
            .or_default()
            .push(&conflict.path);
    }
    let mut lines = Vec::new();
    for (owner, paths) in by_owner {
        lines.push(format!("conflicts with {}:", show(owner)));
        lines.extend(paths.iter().map(|path| format!("- {path}")));
    }
    format!(
        "Apply failed with {} conflicts: {}",
        conflicts.len(),
        lines.join("\n")
    )
}

fn show(key: &str) -> String {
    let Some(id) = Id::from_key(key) else {
        return format!("{key:?}");
    };
    let mut text = format!("{:?}", id.manager);
    if !id.subresource.is_empty() {
        text.push_str(&format!(" with subresource {:?}", id.subresource));
    }
    match id.operation {
        Operation::Apply => {}
        Operation::Update => text.push_str(&format!(" using {}", id.api_version)),
    }
    text
}
