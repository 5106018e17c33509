//! What a change of a cluster's version or API groups wakes: the templates that override policies change
//! by them.

use roadstead_protocol::api::names::POLICY_GROUP;
use roadstead_protocol::api::policy::{CLUSTER_OVERRIDE, OVERRIDE};
use roadstead_store::records::{objects_prefix, parse_object_key};
use serde_json::Value;

use super::Wake;
use crate::objects;

/// The fields of a cluster that are reports.
const REPORTED: [&str; 2] = ["version", "apiGroup"];

impl Wake {
    /// The templates in reach of an override policy that goes by what clusters report.
    pub(super) fn overridden(&mut self) {
        let snapshot = self.store.snapshot();
        for plural in [OVERRIDE.1, CLUSTER_OVERRIDE.1] {
            for entry in snapshot.range(&objects_prefix(POLICY_GROUP, plural)) {
                let (Ok(policy), Some(key)) =
                    (objects::object(entry), parse_object_key(entry.key.as_str()))
                else {
                    continue;
                };
                if by_reports(&policy) {
                    self.wide.templates(&key.namespace);
                }
            }
        }
    }
}

/// Whether a rule of an override policy goes by what clusters report.
fn by_reports(policy: &Value) -> bool {
    let list = |value: &Value, pointer: &str| {
        let list = value.pointer(pointer).and_then(Value::as_array).cloned();
        list.unwrap_or_default()
    };
    let expressions = "/targetClusters/fieldSelector/matchExpressions";
    let rules = list(policy, "/spec/overrideRules").into_iter();
    let mut said = rules.flat_map(|rule| list(&rule, expressions));
    said.any(|said| {
        said["key"]
            .as_str()
            .is_some_and(|key| REPORTED.contains(&key))
    })
}
