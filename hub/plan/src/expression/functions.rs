//! What an expression may call beside CEL's own: `sum`, `min` and `max` of a list; and what every loop
//! calls, which counts its work and puts the keys of a map in order; and what every name of a value calls,
//! which counts how large that is: whatever grows, or compares all with all, names values again and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cel::extractors::This;
use cel::objects::{Key, OptionalValue};
use cel::{Context, ExecutionError, Value};

use super::WORK_MAX;

/// What may be called by name.
pub(super) const FUNCTIONS: &[&str] = &[
    "bool",
    "bytes",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "hasValue",
    "int",
    "max",
    "min",
    "or",
    "orValue",
    "size",
    "startsWith",
    "string",
    "sum",
    "type",
    "uint",
    "value",
];
/// What every loop calls with what it goes through, the number of parts of its body, and whether that
/// names a variable. People cannot write this name.
pub(super) const ITEMS: &str = "@items";
/// What every place that names a value calls with it. People cannot write this name.
pub(super) const COUNTED: &str = "@counted";
/// How much work a part of a loop's body is for each element.
pub(super) const PART: u64 = 64;
/// How much work each part of a value is beside its text: about the memory that a copy of it takes.
const NODE: u64 = 32;

/// The work of one evaluation.
#[derive(Clone, Debug, Default)]
pub(super) struct Work(Arc<AtomicU64>);

impl Work {
    /// Adds to it; whether it is still within its bound.
    fn add(&self, more: u64) -> bool {
        let before = self.0.fetch_add(more.min(WORK_MAX), Ordering::Relaxed);
        before.saturating_add(more) <= WORK_MAX
    }

    /// Whether it was too much.
    pub(super) fn is_exceeded(&self) -> bool {
        self.0.load(Ordering::Relaxed) > WORK_MAX
    }
}

/// Adds them. `bytes` is the size of all variables.
pub(super) fn add(
    context: &mut Context<'_, '_>,
    bytes: u64,
    work: &Work,
) -> Result<(), cel::DeclarationError> {
    let of_loops = work.clone();
    context.add_function(ITEMS, move |range: Value, parts: i64, rooted: bool| {
        items(range, (parts, rooted), bytes, &of_loops)
    })?;
    let of_values = work.clone();
    context.add_function(COUNTED, move |value: Value| counted(value, &of_values))?;
    context.add_function("sum", |This(list): This<Arc<Vec<Value>>>| sum(&list))?;
    context.add_function("min", |This(list): This<Arc<Vec<Value>>>| {
        most(&list, "min", |a, b| a < b)
    })?;
    context.add_function("max", |This(list): This<Arc<Vec<Value>>>| {
        most(&list, "max", |a, b| a > b)
    })
}

/// What a loop goes through, as a list.
fn items(
    range: Value,
    (parts, rooted): (i64, bool),
    bytes: u64,
    work: &Work,
) -> Result<Value, ExecutionError> {
    let list = match range {
        Value::List(list) => list,
        Value::Map(map) => {
            let mut keys: Vec<&Key> = map.map.keys().collect();
            keys.sort();
            Arc::new(keys.into_iter().map(key).collect())
        }
        other => return Err(wrong("a loop", "a list or a map", &other)),
    };
    let elements = u64::try_from(list.len()).unwrap_or(u64::MAX);
    let parts = u64::try_from(parts).unwrap_or(0).saturating_add(1);
    let mut each = parts.saturating_mul(PART);
    if rooted {
        each = each.saturating_add(bytes);
    }
    if !work.add(elements.saturating_mul(each)) {
        return Err(ExecutionError::function_error(ITEMS, "too much work"));
    }
    Ok(Value::List(list))
}

/// A value, whose size is added to the work.
fn counted(value: Value, work: &Work) -> Result<Value, ExecutionError> {
    if !work.add(size(&value)?) {
        return Err(ExecutionError::function_error(COUNTED, "too much work"));
    }
    Ok(value)
}

/// About how much memory a copy of a value takes, in bytes.
fn size(value: &Value) -> Result<u64, ExecutionError> {
    let long = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
    let inner = match value {
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::UInt(_) | Value::Float(_) => 0,
        Value::String(text) => long(text.len()),
        Value::Bytes(bytes) => long(bytes.len()),
        Value::List(list) => list
            .iter()
            .try_fold(0_u64, |sum, value| Ok(sum.saturating_add(size(value)?)))?,
        Value::Map(map) => map.map.iter().try_fold(0_u64, |sum, (name, value)| {
            let name = size(&key(name))?;
            Ok(sum.saturating_add(name).saturating_add(size(value)?))
        })?,
        Value::Opaque(other) => match other
            .downcast_ref::<OptionalValue>()
            .map(OptionalValue::value)
        {
            Some(inner) => inner.map_or(Ok(0), size)?,
            None => return Err(wrong("a name", "what JSON can say", value)),
        },
        other => return Err(wrong("a name", "what JSON can say", other)),
    };
    Ok(inner.saturating_add(NODE))
}

fn key(key: &Key) -> Value {
    match key {
        Key::Int(number) => Value::Int(*number),
        Key::Uint(number) => Value::UInt(*number),
        Key::Bool(so) => Value::Bool(*so),
        Key::String(text) => Value::String(Arc::clone(text)),
    }
}

fn wrong(called: &str, wanted: &str, found: &Value) -> ExecutionError {
    let message = format!("wants {wanted}, not {}", found.type_of());
    ExecutionError::function_error(called, message)
}

/// The sum of a list of numbers; 0 of none.
fn sum(list: &[Value]) -> Result<Value, ExecutionError> {
    let mut whole = 0_i64;
    let mut broken: Option<f64> = None;
    for value in list {
        let added = match value {
            Value::Int(number) => whole.checked_add(*number),
            Value::UInt(number) => i64::try_from(*number)
                .ok()
                .and_then(|n| whole.checked_add(n)),
            Value::Float(number) => {
                broken = Some(broken.unwrap_or(0.0) + number);
                Some(whole)
            }
            other => return Err(wrong("sum", "numbers", other)),
        };
        let too_large = || ExecutionError::function_error("sum", "the sum is too large");
        whole = added.ok_or_else(too_large)?;
    }
    Ok(match broken {
        None => Value::Int(whole),
        #[expect(clippy::cast_precision_loss, reason = "as CEL's double() does")]
        Some(broken) => Value::Float(broken + whole as f64),
    })
}

fn most(
    list: &[Value],
    called: &str,
    better: impl Fn(&Value, &Value) -> bool,
) -> Result<Value, ExecutionError> {
    let mut best: Option<&Value> = None;
    for value in list {
        let number = matches!(value, Value::Int(_) | Value::UInt(_) | Value::Float(_));
        if !number {
            return Err(wrong(called, "numbers", value));
        }
        if best.is_none_or(|best| better(value, best)) {
            best = Some(value);
        }
    }
    let none = || ExecutionError::function_error(called, "the list is empty");
    best.cloned().ok_or_else(none)
}
