//! The Decision of a template: its name, and the object.

use roadstead_plan::finding::Cause;
use roadstead_plan::{Placement, Template, render};
use roadstead_protocol::api::ObjectMeta;
use roadstead_protocol::api::decision::{KIND, Spec, Target, TemplateRef};
use roadstead_protocol::api::names::{DECISIONS, DELETE_CONTENTS_ANNOTATION, OWN_GROUP, VERSION};
use roadstead_protocol::wire::limits::NAME_BYTES_MAX;
use roadstead_protocol::wire::{Digest, ItemKey};
use roadstead_store::records::{ObjectRef, object_key};
use roadstead_store::{InvalidKey, Key};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::around;

/// Where the Decisions of cluster-scoped templates live.
pub const SYSTEM_NAMESPACE: &str = "roadstead-system";

/// Most policies that have to give way that a Decision names: the next in line.
const CONTENDERS_MAX: usize = 20;

/// How many hexadecimal digits of a hash stand in a name that was cut.
const HASH_DIGITS: usize = 12;

/// How many hexadecimal digits tell an object without a generation from what it was before.
const DIGEST_DIGITS: usize = 20;

/// Namespace and name of the Decision of a template: `<kind>[.<group>].<name>` in lower case, cut
/// and hashed where that is no name.
pub fn decision_ref(template: &ItemKey) -> ObjectRef {
    let group = if template.group.is_empty() {
        String::new()
    } else {
        format!("{}.", template.group)
    };
    let plain = format!("{}.{group}{}", template.kind.to_lowercase(), template.name);
    let named: String = plain
        .chars()
        .map(|c| {
            if c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect();
    let name = if named == plain && plain.len() <= NAME_BYTES_MAX {
        plain
    } else {
        let hash: String = blake3::hash(plain.as_bytes())
            .to_hex()
            .chars()
            .take(HASH_DIGITS)
            .collect();
        let room = NAME_BYTES_MAX - HASH_DIGITS - 1;
        let kept: String = named.chars().take(room).collect();
        format!("{}-{hash}", kept.trim_end_matches(['-', '.']))
    };
    let namespace = match template.namespace.as_str() {
        "" => SYSTEM_NAMESPACE.to_owned(),
        namespace => namespace.to_owned(),
    };
    ObjectRef { namespace, name }
}

/// The key of the Decision of a template.
///
/// # Errors
/// When the template's namespace is no part of a key.
pub fn decision_key(template: &ItemKey) -> Result<Key, InvalidKey> {
    let at = decision_ref(template);
    object_key(OWN_GROUP, DECISIONS, &at.namespace, &at.name)
}

/// The spec that says what `placement` decided. Of a template that is not there (any more) the
/// former reference is kept.
pub(crate) fn spec(template: &Template<'_>, placement: &Placement, former: &Spec) -> Spec {
    let targets = placement.targets.iter().map(|t| Target {
        namespace: t.path.0.clone(),
        name: t.path.1.clone(),
        uid: t.cluster.clone(),
        replicas: t.replicas,
        pinned: t.pinned,
        facts: t.facts.clone(),
        release: t.release.clone(),
        behind: t.behind,
        reason: t.chosen.text().to_owned(),
        held: false,
        tolerated_seconds: None,
        extra: t.extra,
        arriving: t.arriving,
        given: None,
        outside: false,
    });
    let kept = placement.kept.iter().map(|k| Target {
        namespace: k.path.0.clone(),
        name: k.path.1.clone(),
        uid: k.cluster.clone(),
        replicas: k.replicas,
        pinned: k.pinned,
        facts: k.facts.clone(),
        release: String::new(),
        behind: k.cause == Cause::Wave,
        reason: kept(k.cause),
        held: true,
        tolerated_seconds: placement.expired.get(&k.cluster).copied(),
        extra: k.extra,
        arriving: k.arriving,
        given: k.given,
        outside: k.outside,
    });
    let mut clusters: Vec<Target> = targets.chain(kept).collect();
    clusters.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    let owned: Vec<String> = clusters.iter().map(|t| t.uid.clone()).collect();
    let uids = owned.iter().map(String::as_str);
    Spec {
        template: reference(template, &former.template),
        policy: placement.policy.clone(),
        contenders: placement
            .contenders
            .iter()
            .take(CONTENDERS_MAX)
            .cloned()
            .collect(),
        overrides: placement.overrides.clone(),
        clusters,
        replicas: effective(placement),
        requires: around::requirements(placement, uids),
        required_by: around::required_by(placement),
        awaits: around::awaits(&template.around),
        basis: placement.basis.clone(),
        affinity: placement.affinity.clone(),
        groups: placement.groups.clone(),
        rebalance: placement.rebalance.clone(),
        moves: placement.moves,
        failed_over: placement.failed_over.clone(),
    }
}

/// Whether a cluster keeps what it has until its policy's disruption budget allows something else.
pub(crate) fn waits_for_budget(target: &Target) -> bool {
    target.held && target.reason == kept(Cause::Budget)
}

/// Why a cluster keeps what it has.
pub(crate) fn kept(cause: Cause) -> String {
    format!("kept as it is: {}", cause.text())
}

/// How many replicas run by what was decided, without those that count no more; `None` where nothing is
/// known of some.
fn effective(placement: &Placement) -> Option<u64> {
    let targets = placement.targets.iter().map(|t| t.effective);
    let kept = placement.kept.iter().filter(|k| !k.outside);
    let kept = kept.map(|k| k.pinned.or(k.replicas));
    let counts: Vec<Option<u32>> = targets.chain(kept).collect();
    let sum = counts.iter().map(|n| n.map(u64::from)).sum::<Option<u64>>();
    sum.filter(|_| !counts.is_empty())
}

fn reference(template: &Template<'_>, former: &TemplateRef) -> TemplateRef {
    let Some(object) = template.object else {
        return former.clone();
    };
    let metadata = template.metadata();
    TemplateRef {
        api_version: crate::objects::text(object, "/apiVersion").to_owned(),
        kind: template.key.kind.clone(),
        namespace: template.key.namespace.clone(),
        name: template.key.name.clone(),
        uid: metadata.uid,
        generation: metadata.generation,
        digest: digest(object, metadata.generation),
        delete_contents: metadata
            .annotations
            .get(DELETE_CONTENTS_ANNOTATION)
            .is_some_and(|v| v == "true"),
    }
}

/// What tells an object without a generation from what it was before; empty for one that has a generation.
fn digest(object: &Value, generation: i64) -> String {
    if generation != 0 {
        return String::new();
    }
    // What cannot be written as JSON is no object of a store.
    let bytes = serde_json::to_vec(&render::strip(object)).unwrap_or_default();
    let digest = Digest::of(&bytes).to_string();
    digest.chars().take(DIGEST_DIGITS).collect()
}

/// Whether a decision with this template is about `object` as it is now.
pub(crate) fn is_about(template: &TemplateRef, object: &Value) -> bool {
    let metadata = object.get("metadata").unwrap_or(&Value::Null);
    let metadata = ObjectMeta::deserialize(metadata).unwrap_or_default();
    let same = (&template.uid, template.generation) == (&metadata.uid, metadata.generation);
    same && template.digest == digest(object, metadata.generation)
}

/// A new Decision object without spec and status.
pub(crate) fn object(at: &ObjectRef, uid: &str, created: &str) -> Value {
    json!({
        "apiVersion": format!("{OWN_GROUP}/{VERSION}"),
        "kind": KIND,
        "metadata": {
            "name": at.name,
            "namespace": at.namespace,
            "uid": uid,
            "creationTimestamp": created,
            "generation": 0,
        },
    })
}
