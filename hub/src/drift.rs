//! `POST /roadstead.dev/drift`: what differs on clusters from what they were given, as their agents said
//! last, place by place with both values. What is put right at once never shows here.

#![expect(
    clippy::result_large_err,
    reason = "a status is the answer, made once per refused request"
)]

use roadstead_agent::plan::report::{CHANGED, DRIFTED};
use roadstead_machinery::status::Status;
use roadstead_protocol::api::cluster::AttachedCluster;
use roadstead_protocol::api::names::{ATTACHED_CLUSTERS, CLUSTER_GROUP};
use roadstead_rest::Page;
use roadstead_store::records::{ReportRecord, decode, objects_prefix, reports_prefix};
use serde::{Deserialize, Serialize};

use crate::hooks::HubHooks;
use crate::page::{Answered, posted};

/// Where it is asked for.
pub(crate) const PATH: &str = "/roadstead.dev/drift";
/// Most objects that are told; further ones are counted.
pub(crate) const OBJECTS_MAX: usize = 1_000;

/// What is asked.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Ask {
    /// Only the cluster of this name, in `namespace`; all of them where it is empty.
    pub(crate) cluster: String,
    /// The cluster's namespace.
    pub(crate) namespace: String,
}

/// What differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Answer {
    /// The objects, by cluster.
    pub(crate) objects: Vec<Drifted>,
    /// Objects that are not told, because there are too many.
    pub(crate) more: usize,
    /// How many clusters were looked at.
    pub(crate) clusters: usize,
}

/// An object that is not as it was given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Drifted {
    /// The cluster, as `namespace/name`.
    pub(crate) cluster: String,
    /// The object, as `Kind.group namespace/name`.
    pub(crate) object: String,
    /// Where it differs, with both values, and what becomes of it.
    pub(crate) what: String,
}

/// Answers what differs; `None` for any other path.
pub(crate) fn page(hooks: &HubHooks, page: &Page<'_>) -> Option<Answered> {
    (page.path == PATH).then(|| posted(page, "question about drift", |ask| drift(hooks, ask)))
}

fn drift(hooks: &HubHooks, ask: &Ask) -> Result<Answer, Status> {
    let (snapshot, news) = (hooks.store.snapshot(), hooks.volatile.snapshot());
    let mut answer = Answer::default();
    for entry in snapshot.range(&objects_prefix(CLUSTER_GROUP, ATTACHED_CLUSTERS)) {
        let cluster: AttachedCluster = decode(entry).map_err(Status::internal)?;
        let metadata = &cluster.metadata;
        let at = (metadata.namespace.as_str(), metadata.name.as_str());
        if !ask.cluster.is_empty() && at != (ask.namespace.as_str(), ask.cluster.as_str()) {
            continue;
        }
        answer.clusters += 1;
        let prefix = reports_prefix(&metadata.uid);
        for report in news.range(&prefix) {
            let Ok(report) = decode::<ReportRecord>(report) else {
                continue;
            };
            if report.reason != DRIFTED && !report.message.starts_with(CHANGED) {
                continue;
            }
            if answer.objects.len() >= OBJECTS_MAX {
                answer.more += 1;
                continue;
            }
            answer.objects.push(Drifted {
                cluster: format!("{}/{}", at.0, at.1),
                object: report.key.to_string(),
                what: report.message,
            });
        }
    }
    if answer.clusters == 0 && !ask.cluster.is_empty() {
        return Err(Status::not_found(
            CLUSTER_GROUP,
            ATTACHED_CLUSTERS,
            &ask.cluster,
        ));
    }
    Ok(answer)
}
