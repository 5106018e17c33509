//! Expressions that people write, in CEL: compiled once, bounded, and the same answer every time.
//!
//! An expression sees the variables that it is given and nothing else: no clock, no randomness, no
//! regular expressions (their cost is not bounded well enough). What it works through, and how large what
//! it works with is, is counted while it runs, and elements of a map come in the order of their keys.

mod check;
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "these are another crate's, and it may add some"
)]
mod convert;
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "these are another crate's, and it may add some"
)]
mod functions;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::parser::Expression as Tree;
use cel::{Context, Env, ExecutionError};
use serde_json::Value;

/// Longest source, in bytes.
pub const SOURCE_BYTES_MAX: usize = 2048;
/// Most opening brackets in a source: what they nest, the parser does.
pub const BRACKETS_MAX: usize = 64;
/// Most signs of operators, members and conditions in a source.
pub const OPERATORS_MAX: usize = 384;
/// Most work that one evaluation may be: about one unit for each byte that loops look at, and for each
/// byte of memory that the values take which it names, each time.
pub const WORK_MAX: u64 = 64 * 1024 * 1024;
/// Largest result, in bytes of JSON.
pub const RESULT_BYTES_MAX: usize = 64 * 1024;
/// Longest message about a failure, in characters: it may repeat values.
const MESSAGE_CHARS_MAX: usize = 256;

/// How much stack the parser gets: it needs a lot, in builds for tests above all.
const PARSER_STACK_BYTES: usize = 64 * 1024 * 1024;
/// How much stack is to be left where an expression is evaluated, and how much it gets where less is.
const STACK_LEFT_BYTES: usize = 1024 * 1024;
const STACK_MORE_BYTES: usize = 4 * 1024 * 1024;

/// CEL's own functions and macros, with optional values.
static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// What is wrong with an expression, or why it has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is nothing.
    #[error("the expression is empty: it has to say something, like object.spec.replicas > 0")]
    Empty,
    /// It is too long.
    #[error("the expression has {0} bytes: {SOURCE_BYTES_MAX} are allowed")]
    TooLong(usize),
    /// It may be nested too deeply.
    #[error("the expression opens {0} brackets: {BRACKETS_MAX} are allowed")]
    TooDeep(usize),
    /// It has too many parts.
    #[error("the expression has {0} operators and members: {OPERATORS_MAX} are allowed")]
    TooMany(usize),
    /// It is no CEL.
    #[error("the expression is not CEL: {0}")]
    Syntax(String),
    /// It names something that is not there.
    #[error("the expression names {name:?}, which is not there: allowed are {allowed}")]
    UnknownName {
        /// What it names.
        name: String,
        /// What it may name.
        allowed: String,
    },
    /// It calls something that is not there.
    #[error("the expression calls {name:?}, which is not there: allowed are {allowed}")]
    UnknownFunction {
        /// What it calls.
        name: String,
        /// What it may call.
        allowed: String,
    },
    /// It could not be evaluated on what is there.
    #[error("{0}")]
    Failed(String),
    /// It goes through too much.
    #[error("it works through more than is allowed: loop over less, or not inside of a loop")]
    TooMuch,
    /// Its result is not JSON, or not what was asked for.
    #[error("it gives {found}: {wanted} is allowed")]
    Result {
        /// What it gives.
        found: String,
        /// What was asked for.
        wanted: &'static str,
    },
}

/// A compiled expression.
#[derive(Clone)]
pub struct Expression {
    source: Arc<str>,
    tree: Arc<Tree>,
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Expression {}

impl Expression {
    /// Compiles `source`, which may name `variables`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn compile(source: &str, variables: &[&str]) -> Result<Self, Error> {
        check::source(source)?;
        stacker::grow(PARSER_STACK_BYTES, || {
            let parsed = caught(|| ENV.parser().parse(source).map_err(|e| e.to_string()));
            let parsed = parsed.unwrap_or_else(|| Err("it cannot be parsed".to_owned()));
            let mut tree = parsed.map_err(|why| Error::Syntax(short(&why)))?;
            check::tree(&mut tree, source, variables)?;
            Ok(Self {
                source: source.into(),
                tree: Arc::new(tree),
            })
        })
    }

    /// As people wrote it.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its result, as JSON, with these values in place of the variables.
    ///
    /// # Errors
    /// Why there is none.
    pub fn evaluate(&self, variables: &[(&str, &Value)]) -> Result<Value, Error> {
        stacker::maybe_grow(STACK_LEFT_BYTES, STACK_MORE_BYTES, || {
            let bytes = variables.iter().map(|(_, value)| size(value)).sum();
            let work = functions::Work::default();
            let mut context = Context::with_env(Arc::clone(&ENV));
            let added = functions::add(&mut context, bytes, &work);
            added.map_err(|error| Error::Failed(error.to_string()))?;
            for (name, value) in variables {
                context.add_variable_from_value((*name).to_owned(), convert::value(value));
            }
            let found = caught(|| cel::Value::resolve(&self.tree, &context));
            if work.is_exceeded() {
                return Err(Error::TooMuch);
            }
            match found {
                Some(Ok(found)) => convert::json(&found),
                Some(Err(error)) => Err(failed(&error)),
                None => Err(Error::Failed("it cannot be evaluated".to_owned())),
            }
        })
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// Why that is not known; also where its result is neither true nor false.
    pub fn holds(&self, variables: &[(&str, &Value)]) -> Result<bool, Error> {
        let found = self.evaluate(variables)?;
        found.as_bool().ok_or_else(|| Error::Result {
            found: short(&found.to_string()),
            wanted: "true or false",
        })
    }
}

/// What `run` gives; `None` where it panics, which would be a defect of what it calls.
fn caught<T>(run: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(run)).ok()
}

/// About how many bytes a value has.
fn size(value: &Value) -> u64 {
    let bytes = |text: &str| u64::try_from(text.len()).unwrap_or(u64::MAX);
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => bytes(text) + 8,
        Value::Array(list) => list.iter().map(size).sum::<u64>() + 8,
        Value::Object(map) => map.iter().map(|(k, v)| bytes(k) + size(v)).sum::<u64>() + 8,
    }
}

/// What failed, without the values: they may be secret, and those of a map come in any order.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "these are another crate's, and it may add some"
)]
fn failed(error: &ExecutionError) -> Error {
    let words = match error {
        ExecutionError::NoSuchKey(_)
        | ExecutionError::NoSuchOverload(_)
        | ExecutionError::UndeclaredReference(_)
        | ExecutionError::InvalidArgumentCount { .. }
        | ExecutionError::FunctionError { .. } => error.to_string(),
        ExecutionError::UnexpectedType { want, .. } => format!("{want} is wanted there"),
        ExecutionError::UnsupportedBinaryOperator(sign, a, b) => {
            format!("{sign} is not for {} and {}", a.type_of(), b.type_of())
        }
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "it divides by zero".to_owned()
        }
        ExecutionError::Overflow(sign, ..) => format!("the result of {sign} is too large"),
        ExecutionError::IndexOutOfBounds(_) => "an index is out of bounds".to_owned(),
        _ => "it has no result for what is there".to_owned(),
    };
    Error::Failed(short(&words))
}

fn short(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    first.chars().take(MESSAGE_CHARS_MAX).collect()
}
