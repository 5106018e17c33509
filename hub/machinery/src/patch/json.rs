//! RFC 6902.

use json_patch::PatchOperation;
use serde_json::Value;

use super::bounds::Budget;
use super::{Error, MAX_OPERATIONS};

pub(super) fn apply(object: &Value, patch: &Value) -> Result<Value, Error> {
    let Value::Array(operations) = patch else {
        let found = go_kind(patch);
        return Err(Error::Malformed(format!(
            "error decoding patch: json: cannot unmarshal {found} into Go value of type \
             []handlers.jsonPatchOp"
        )));
    };
    if operations.len() > MAX_OPERATIONS {
        return Err(Error::TooManyOperations(operations.len()));
    }
    let operations = operations.iter().map(parse);
    let operations = operations.collect::<Result<Vec<_>, _>>()?;
    let mut object = object.clone();
    let mut budget = Budget::new();
    for operation in &operations {
        budget.spend(&object, operation)?;
        json_patch::patch_unsafe(&mut object, std::slice::from_ref(operation)).map_err(|e| {
            Error::Failed(format!(
                "{} operation does not apply: {}",
                name(operation),
                e.kind
            ))
        })?;
    }
    Ok(object)
}

fn parse(operation: &Value) -> Result<PatchOperation, Error> {
    const KNOWN: [&str; 6] = ["add", "remove", "replace", "move", "copy", "test"];
    let op = operation.get("op").and_then(Value::as_str);
    if let Some(op) = op.filter(|op| !KNOWN.contains(op)) {
        return Err(Error::Failed(format!("Unexpected kind: {op}")));
    }
    serde_json::from_value(operation.clone())
        .map_err(|e| Error::Malformed(format!("error decoding patch: {e}")))
}

fn name(operation: &PatchOperation) -> &'static str {
    match operation {
        PatchOperation::Add(_) => "add",
        PatchOperation::Remove(_) => "remove",
        PatchOperation::Replace(_) => "replace",
        PatchOperation::Move(_) => "move",
        PatchOperation::Copy(_) => "copy",
        PatchOperation::Test(_) => "test",
    }
}

/// What Go calls a JSON value that it cannot put where it should go.
pub(super) fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
