//! `rollouts/NAME/approve`: somebody approves of a stage. A subresource, so that RBAC can part who
//! writes what goes out from who lets it.

use roadstead_machinery::status::Status;
use roadstead_protocol::api::meta::timestamp;
use roadstead_protocol::api::names::OWN_GROUP;
use roadstead_protocol::api::rollout::{Approved, Phase, ROLLOUTS, Rollout, STAGES_MAX};
use roadstead_protocol::env::Env;
use roadstead_rest::Subresource;
use roadstead_store::records::{decode, encode, object_key};
use roadstead_store::{Check, CommitError, Store, Txn};
use serde_json::{Value, json};

/// How often it is tried anew after somebody else wrote in between.
const ATTEMPTS_MAX: u32 = 8;

/// Answers a request: `{"stage": NAME}`, or nothing for the stage that waits.
pub(super) async fn answer(env: Env, store: Store, request: Subresource) -> Result<Value, Status> {
    if request.method != "POST" {
        return Err(Status::method_not_allowed());
    }
    let namespace = request.namespace.as_deref().unwrap_or_default();
    let key = object_key(OWN_GROUP, ROLLOUTS, namespace, &request.name);
    let key = key.map_err(Status::internal)?;
    for _ in 0..ATTEMPTS_MAX {
        let snapshot = store.snapshot();
        let Some(entry) = snapshot.get(key.as_str()) else {
            return Err(Status::not_found(OWN_GROUP, ROLLOUTS, &request.name));
        };
        let rollout: Rollout = decode(entry).map_err(Status::internal)?;
        let stage = stage(&rollout, &request)?;
        let mut object: Value = decode(entry).map_err(Status::internal)?;
        let mut approvals = rollout.status.approvals;
        if !approvals.iter().any(|approved| approved.stage == stage) {
            approvals.push(Approved {
                stage,
                by: request.user.user.clone(),
                at: timestamp(env.clock.now()),
            });
            object["status"]["approvals"] = json!(approvals);
            let value = encode(&object).map_err(Status::internal)?;
            let check = Check::At(key.clone(), entry.revision);
            match store
                .commit(Txn::new().check(check).put(key.clone(), value))
                .await
            {
                Ok(_) => {}
                Err(CommitError::Conflict { .. }) => continue,
                Err(error) => return Err(Status::unavailable(crate::chain(&error))),
            }
        }
        return Ok(object);
    }
    Err(conflict(
        &request,
        "others wrote it again and again meanwhile; try again",
    ))
}

/// The stage that is approved of.
fn stage(rollout: &Rollout, request: &Subresource) -> Result<String, Status> {
    let status = &rollout.status;
    if status.phase.is_over() {
        return Err(conflict(request, "it is over"));
    }
    let asked = request.body.get("stage").and_then(Value::as_str);
    let names: Vec<&str> = status.stages.iter().map(|s| s.name.as_str()).collect();
    match asked.filter(|stage| !stage.is_empty()) {
        Some(stage) if names.contains(&stage) => Ok(stage.to_owned()),
        Some(stage) => {
            let shown: Vec<&str> = names.into_iter().take(STAGES_MAX + 1).collect();
            Err(Status::bad_request(format!(
                "stage: {stage:?}: must be one of {}",
                shown.join(", ")
            )))
        }
        None if status.phase == Phase::WaitingForApproval => Ok(status.stage.clone()),
        None => Err(conflict(
            request,
            "no stage waits to be approved of; name one to approve of it ahead",
        )),
    }
}

fn conflict(request: &Subresource, why: &str) -> Status {
    Status::conflict(OWN_GROUP, ROLLOUTS, &request.name, why)
}
