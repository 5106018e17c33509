//! A ResourceInterpreter is refused where it means nothing: what an expression does wrong is said to
//! whoever writes it, not found out by decisions.

use roadstead_machinery::resource::Origin;
use roadstead_machinery::status::Status;
use roadstead_plan::interpreter::Interpreter;
use roadstead_protocol::api::interpreter::RESOURCE_INTERPRETER;
use roadstead_rest::Write;

/// Refuses a write of an interpreter that is not understood.
pub(super) fn check(write: &Write<'_>) -> Result<(), Status> {
    let resource = write.resource;
    if resource.kind != RESOURCE_INTERPRETER.0 || resource.origin != Origin::Own {
        return Ok(());
    }
    let Some(new) = write.new.as_deref() else {
        return Ok(());
    };
    let understood = Interpreter::read(new);
    understood.map(|_| ()).map_err(|error| {
        let why = format!("{} {:?}: {error}", RESOURCE_INTERPRETER.0, write.name);
        Status::failure(422, "Invalid", why)
    })
}
