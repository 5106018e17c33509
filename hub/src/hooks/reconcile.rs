//! `attachedclusters/NAME/reconcile`: lists what is held or unclaimed on a cluster, and ends it as a
//! user says. An order about something held names the stamp that it replaces, and is durable together
//! with the record of who gave it.
//!
//! Never acts against a template: what the hub wants on a cluster is neither released nor deleted
//! here.

mod act;
mod adopt;
mod fetch;
mod list;

use std::sync::Arc;

use roadstead_machinery::resource::Registry;
use roadstead_machinery::status::{FieldError, Status};
use roadstead_plan::Limits;
use roadstead_protocol::api::reconciliation::{self, Action, Entry, ITEMS_MAX, Reconciliation};
use roadstead_protocol::env::Env;
use roadstead_rest::Subresource;
use roadstead_store::Store;
use serde::Deserialize;
use serde_json::{Value, json};

/// Most problems that a refusal names.
const PROBLEMS_NAMED: usize = 5;

/// What reconciling works with.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) env: Env,
    pub(super) store: Store,
    pub(super) volatile: Store,
    pub(super) registry: Arc<Registry>,
    pub(super) limits: Limits,
}

/// The cluster that a request is about.
struct Cluster {
    object: Value,
    uid: String,
    namespace: String,
    name: String,
}

impl Cluster {
    fn of(request: &Subresource) -> Self {
        let uid = request.object.pointer("/metadata/uid");
        Self {
            object: request.object.clone(),
            uid: uid.and_then(Value::as_str).unwrap_or_default().to_owned(),
            namespace: request.namespace.clone().unwrap_or_default(),
            name: request.name.clone(),
        }
    }

    /// 409, with what is in the way.
    fn conflict(&self, problems: &[String]) -> Status {
        let more = problems.len().saturating_sub(PROBLEMS_NAMED);
        let shown: Vec<&str> = problems
            .iter()
            .take(PROBLEMS_NAMED)
            .map(String::as_str)
            .collect();
        let more = match more {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let why = format!("nothing was done: {}{more}", shown.join("; "));
        Status::conflict("cluster.kurator.dev", "attachedclusters", &self.name, &why)
    }

    /// A command about this cluster.
    fn command(&self, verb: &str) -> String {
        format!("roadstead {verb} -n {} {}", self.namespace, self.name)
    }
}

/// Answers a request.
pub(super) async fn answer(parts: Parts, request: Subresource) -> Result<Value, Status> {
    let cluster = Cluster::of(&request);
    let asked = match request.method.as_str() {
        "GET" => Reconciliation::default(),
        "POST" => read(&request)?,
        _ => return Err(Status::method_not_allowed()),
    };
    let status = match asked.spec.action {
        None => list::all(&parts, &cluster)?,
        Some(Action::Adopt) => adopt::adopt(&parts, &cluster, &asked.spec.items).await?,
        Some(action) => {
            let user = &request.user.user;
            act::act(&parts, &cluster, action, &asked.spec, user).await?
        }
    };
    let answer = Reconciliation {
        api_version: "roadstead.dev/v1alpha1".to_owned(),
        kind: reconciliation::KIND.to_owned(),
        spec: asked.spec,
        status: Some(status),
    };
    let mut value = serde_json::to_value(answer).map_err(Status::internal)?;
    if let Some(map) = value.as_object_mut() {
        let metadata = json!({"name": cluster.name, "namespace": cluster.namespace});
        map.insert("metadata".into(), metadata);
    }
    Ok(value)
}

fn read(request: &Subresource) -> Result<Reconciliation, Status> {
    let wrong = |errors: &[FieldError]| {
        Status::invalid("roadstead.dev", reconciliation::KIND, &request.name, errors)
    };
    let asked = Reconciliation::deserialize(&request.body).map_err(|error| {
        Status::bad_request(format!("the body is no {}: {error}", reconciliation::KIND))
    })?;
    let count = asked.spec.items.len();
    if count > ITEMS_MAX {
        let why = format!("must have at most {ITEMS_MAX} items; ask for the rest afterwards");
        let error = FieldError::invalid("spec.items", &count.into(), &why);
        return Err(wrong(&[error]));
    }
    if asked.spec.action.is_some() && count == 0 {
        let why = "must name what is to be acted on; without an action all that waits is listed";
        return Err(wrong(&[FieldError::required("spec.items", why)]));
    }
    Ok(asked)
}

/// What is asked for, as what waits: each item with its hold, or what is wrong with it.
fn find<'l>(
    listed: &'l [list::Waiting],
    cluster: &Cluster,
    item: &reconciliation::Item,
) -> Result<&'l list::Waiting, String> {
    let key = item.key();
    let text = reconciliation::item_text(&key);
    let Some(found) = listed.iter().find(|waiting| waiting.key == key) else {
        return Err(format!(
            "{text} is neither held nor unclaimed on {} (`{}` lists what is)",
            cluster.name,
            cluster.command("reconcile")
        ));
    };
    let stamp = found.hold.stamp.to_string();
    if !item.stamp.is_empty() && item.stamp != stamp {
        return Err(format!(
            "{text} has stamp {stamp} by now, and not {} as was shown",
            item.stamp
        ));
    }
    Ok(found)
}

/// An answer about entries.
fn done(items: Vec<Entry>) -> reconciliation::Status {
    reconciliation::Status { items, more: 0 }
}
