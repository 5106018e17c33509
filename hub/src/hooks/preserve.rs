//! Whether what goes with a deletion is to stay on the members: what the policy says at that moment is
//! written into the deletion record, for the policy may be gone when it is carried out.

use roadstead_controllers::decision_key;
use roadstead_machinery::resource::Origin;
use roadstead_protocol::api::decision::Decision;
use roadstead_protocol::api::names::POLICY_GROUP;
use roadstead_protocol::api::policy::{CLUSTER_DISTRIBUTION, DISTRIBUTION};
use roadstead_protocol::wire::ItemKey;
use roadstead_rest::Write;
use roadstead_store::Snapshot;
use roadstead_store::records::object_key;
use serde_json::Value;

/// Whether it is, by the policy that is deleted or the one that distributes the template.
pub(super) fn preserves(write: &Write<'_>, old: &Value) -> bool {
    let resource = write.resource;
    if resource.origin == Origin::Own {
        let kinds = [DISTRIBUTION.0, CLUSTER_DISTRIBUTION.0];
        return kinds.contains(&resource.kind.as_str()) && says(old);
    }
    write.resource.template && of_template(write).unwrap_or(false)
}

fn of_template(write: &Write<'_>) -> Option<bool> {
    let item = ItemKey {
        group: write.resource.group.clone(),
        kind: write.resource.kind.clone(),
        namespace: write.namespace.unwrap_or_default().to_owned(),
        name: write.name.to_owned(),
    };
    let key = decision_key(&item).ok()?;
    let decision: Decision = read(write.snapshot, key.as_str())?;
    let policy = decision.spec.policy?;
    let kinds = [DISTRIBUTION, CLUSTER_DISTRIBUTION];
    let (_, plural) = kinds.into_iter().find(|(kind, _)| *kind == policy.kind)?;
    let group = match policy.group.as_str() {
        "" => POLICY_GROUP,
        group => group,
    };
    let key = object_key(group, plural, &policy.namespace, &policy.name).ok()?;
    Some(says(&read(write.snapshot, key.as_str())?))
}

fn read<T: serde::de::DeserializeOwned>(snapshot: &Snapshot, key: &str) -> Option<T> {
    serde_json::from_slice(&snapshot.get(key)?.value).ok()
}

fn says(policy: &Value) -> bool {
    policy.pointer("/spec/preserveResourcesOnDeletion") == Some(&Value::Bool(true))
}
