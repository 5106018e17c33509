//! What a JSON patch may cost.
//!
//! A few operations can multiply content, nest it deeper than anybody can read back, or move
//! millions of items a thousand times over.

use json_patch::PatchOperation;
use json_patch::jsonptr::Pointer;
use serde_json::Value;

use super::{Error, MAX_COPIED_BYTES};

/// The most lists and maps around a value. What is deeper cannot be read back from JSON.
pub(super) const MAX_DEPTH: usize = 120;

/// The most items that insertions and removals of one patch may shift.
const MAX_SHIFTED: usize = 50_000_000;

/// What is left to spend.
pub(super) struct Budget {
    bytes: usize,
    items: usize,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self {
            bytes: MAX_COPIED_BYTES,
            items: MAX_SHIFTED,
        }
    }

    /// Refuses `operation` on `object` if it would cost too much.
    pub(super) fn spend(
        &mut self,
        object: &Value,
        operation: &PatchOperation,
    ) -> Result<(), Error> {
        match operation {
            PatchOperation::Add(add) => {
                self.shift(object, &add.path)?;
                nest(&add.path, &add.value)
            }
            PatchOperation::Replace(replace) => nest(&replace.path, &replace.value),
            PatchOperation::Remove(remove) => self.shift(object, &remove.path),
            PatchOperation::Test(_) => Ok(()),
            PatchOperation::Copy(copy) => {
                self.shift(object, &copy.path)?;
                self.copy(object, &copy.from, &copy.path)
            }
            PatchOperation::Move(moved) => {
                self.shift(object, &moved.from)?;
                self.shift(object, &moved.path)?;
                // What does not go deeper costs nothing: it is not copied.
                if moved.path.count() <= moved.from.count() {
                    return Ok(());
                }
                self.copy(object, &moved.from, &moved.path)
            }
        }
    }

    fn copy(&mut self, object: &Value, from: &Pointer, path: &Pointer) -> Result<(), Error> {
        // A source that is not there is for the operation itself to refuse.
        let Ok(source) = from.resolve(object) else {
            return Ok(());
        };
        if !take_bytes(source, &mut self.bytes) {
            return Err(Error::TooMuchCopied);
        }
        nest(path, source)
    }

    fn shift(&mut self, object: &Value, path: &Pointer) -> Result<(), Error> {
        let list = path.parent().and_then(|parent| parent.resolve(object).ok());
        let items = list.and_then(Value::as_array).map_or(0, Vec::len);
        let rest = self.items.checked_sub(items);
        self.items = rest.ok_or_else(|| Error::Failed("too many items are shifted".to_owned()))?;
        Ok(())
    }
}

fn nest(path: &Pointer, value: &Value) -> Result<(), Error> {
    let outer = path.count();
    if outer <= MAX_DEPTH && fits(value, MAX_DEPTH - outer) {
        return Ok(());
    }
    let text = format!("a value is nested deeper than {MAX_DEPTH}");
    Err(Error::Failed(text))
}

/// Whether at most `levels` lists and maps are nested in `value`, itself included.
fn fits(value: &Value, levels: usize) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        Value::Array(_) | Value::Object(_) if levels == 0 => false,
        Value::Array(items) => items.iter().all(|item| fits(item, levels - 1)),
        Value::Object(fields) => fields.values().all(|value| fits(value, levels - 1)),
    }
}

/// Takes the size of `value` off the budget; `false` once it is used up.
fn take_bytes(value: &Value, budget: &mut usize) -> bool {
    let own = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(_) | Value::Object(_) => 2,
    };
    let Some(rest) = budget.checked_sub(own) else {
        return false;
    };
    *budget = rest;
    match value {
        Value::Array(items) => items.iter().all(|item| take_bytes(item, budget)),
        Value::Object(fields) => fields.iter().all(|(name, value)| {
            *budget = budget.saturating_sub(name.len() + 3);
            take_bytes(value, budget)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}
