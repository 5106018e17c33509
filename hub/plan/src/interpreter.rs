//! What people tell the hub of a kind that it does not know: how many replicas an object has and where
//! that is written, how an object is, and what status it has over several clusters.
//!
//! Rules are CEL, compiled when the world is read. A rule that fails on an object says so, and decides
//! nothing.

use roadstead_protocol::api::interpreter::{Place, ResourceInterpreter, Rule};
use roadstead_protocol::wire::report::Health;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::expression::{self, Expression};

/// Most replicas that an object may have, as Kubernetes counts them.
const REPLICAS_MAX: u64 = i32::MAX as u64;
/// What the words of a health interpretation mean.
const HEALTHS: [(&str, Health); 5] = [
    ("Healthy", Health::Healthy),
    ("Progressing", Health::Progressing),
    ("Degraded", Health::Degraded),
    ("Suspended", Health::Suspended),
    ("Unknown", Health::Unknown),
];

/// Why an interpreter cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is not an interpreter at all.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// It has another name than its kind asks for, so that there is one for each kind.
    #[error(
        "metadata.name: {name:?} is not allowed: the interpreter of {kind} is called {wanted:?}"
    )]
    Name {
        /// Its name.
        name: String,
        /// Its kind.
        kind: String,
        /// What it is to be called.
        wanted: String,
    },
    /// The kind is one of those that the hub knows.
    #[error(
        "spec.target: {0} is known to the hub: only kinds of custom resources can be explained"
    )]
    Known(String),
    /// An expression is none.
    #[error("{field}: {source}")]
    Expression {
        /// Where it stands.
        field: &'static str,
        /// What is wrong.
        source: expression::Error,
    },
    /// The place for replicas is none.
    #[error(
        "spec.customizations.replicaRevision.path: {0:?} is no place for replicas: like /spec/replicas, \
         of letters, digits, hyphens and underscores"
    )]
    Path(String),
    /// There is a count of replicas and no place to write a share.
    #[error(
        "spec.customizations.replicaResource: without replicaRevision.path there is nowhere to write a \
         cluster's share"
    )]
    NoPath,
}

/// What is told of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// Group and kind.
    pub kind: (String, String),
    /// Where replicas are written, as a JSON path like `.spec.replicas`.
    pub replicas_path: Option<String>,
    replicas: Option<Expression>,
    health: Option<Expression>,
    status: Option<Expression>,
}

/// The group and kind that an interpreter is about; what cannot be read is about nothing.
pub fn target(object: &Value) -> (String, String) {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let version = text("/spec/target/apiVersion").unwrap_or_default();
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let kind = text("/spec/target/kind").unwrap_or_default();
    (group.to_owned(), kind.to_owned())
}

impl Interpreter {
    /// Understands a `ResourceInterpreter`.
    ///
    /// # Errors
    /// Names the field that is not understood.
    pub fn read(object: &Value) -> Result<Self, Error> {
        let read = ResourceInterpreter::deserialize(object);
        let read = read.map_err(|error| Error::Unreadable(error.to_string()))?;
        let (group, kind) = target(object);
        let full = match group.as_str() {
            "" => kind.clone(),
            group => format!("{kind}.{group}"),
        };
        if is_known(&group) {
            return Err(Error::Known(full));
        }
        let wanted = full.to_lowercase();
        if read.metadata.name != wanted {
            return Err(Error::Name {
                name: read.metadata.name,
                kind: full,
                wanted,
            });
        }
        let told = read.spec.customizations;
        let replicas_path = told.replica_revision.map(path).transpose()?;
        if told.replica_resource.is_some() && replicas_path.is_none() {
            return Err(Error::NoPath);
        }
        Ok(Self {
            kind: (group, kind),
            replicas_path,
            replicas: rule(
                told.replica_resource,
                "spec.customizations.replicaResource.expression",
                &["object"],
            )?,
            health: rule(
                told.health_interpretation,
                "spec.customizations.healthInterpretation.expression",
                &["object"],
            )?,
            status: rule(
                told.status_aggregation,
                "spec.customizations.statusAggregation.expression",
                &["object", "statuses"],
            )?,
        })
    }

    /// How many replicas `object` is to have; `None` where the number at the path says it.
    ///
    /// # Errors
    /// What keeps it from being a number of replicas.
    pub fn replicas(&self, object: &Value) -> Option<Result<u32, String>> {
        let rule = self.replicas.as_ref()?;
        let found = rule.evaluate(&[("object", object)]);
        Some(found.map_err(|error| error.to_string()).and_then(|found| {
            let number = found.as_u64().filter(|number| *number <= REPLICAS_MAX);
            let number = number.and_then(|number| u32::try_from(number).ok());
            number.ok_or_else(|| format!("it gives {found}, not a number from 0 to {REPLICAS_MAX}"))
        }))
    }

    /// Whether it says how objects are.
    pub fn judges(&self) -> bool {
        self.health.is_some()
    }

    /// How an object is that was given as `given`, and of which `status` and `generation` were reported;
    /// with what keeps it from being known. `None` where nothing is told of that.
    pub fn health(
        &self,
        given: &Value,
        status: &Value,
        generation: i64,
    ) -> Option<(Health, String)> {
        let rule = self.health.as_ref()?;
        let mut object = given.clone();
        if let Some(map) = object.as_object_mut() {
            map.insert("status".to_owned(), status.clone());
        }
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("generation".to_owned(), generation.into());
        }
        let unknown = |why: String| {
            let words = format!("its ResourceInterpreter does not tell how it is: {why}");
            (Health::Unknown, words)
        };
        Some(match rule.evaluate(&[("object", &object)]) {
            Ok(Value::Bool(true)) => (Health::Healthy, String::new()),
            Ok(Value::Bool(false)) => (Health::Progressing, String::new()),
            Ok(found) => {
                let word = found.as_str().unwrap_or_default();
                let known = HEALTHS.iter().find(|(said, _)| *said == word);
                known.map_or_else(
                    || unknown(format!("{found} is no health")),
                    |(_, health)| (*health, String::new()),
                )
            }
            Err(error) => unknown(error.to_string()),
        })
    }

    /// The status of `object` over all clusters that reported one of `statuses`; `None` where nothing is
    /// told of that, or it fails.
    pub fn status(&self, object: &Value, statuses: &[&Value]) -> Option<Value> {
        let rule = self.status.as_ref()?;
        let statuses = json!(statuses);
        let found = rule.evaluate(&[("object", object), ("statuses", &statuses)]);
        found.ok().filter(Value::is_object)
    }

    /// Whether it says what status an object has over several clusters.
    pub fn aggregates(&self) -> bool {
        self.status.is_some()
    }
}

/// Whether kinds of a group are the hub's own or Kubernetes'.
fn is_known(group: &str) -> bool {
    let own = [".k8s.io", ".kurator.dev"];
    !group.contains('.') || group == "roadstead.dev" || own.iter().any(|end| group.ends_with(end))
}

fn rule(
    rule: Option<Rule>,
    field: &'static str,
    variables: &[&str],
) -> Result<Option<Expression>, Error> {
    let Some(rule) = rule else { return Ok(None) };
    let compiled = Expression::compile(&rule.expression, variables);
    compiled
        .map(Some)
        .map_err(|source| Error::Expression { field, source })
}

/// A JSON pointer as a JSON path.
fn path(place: Place) -> Result<String, Error> {
    let plain = |step: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        !step.is_empty() && step.chars().all(allowed)
    };
    let mut steps = place.path.split('/');
    let rooted = steps.next() == Some("") && place.path.len() > 1;
    let never = ["/metadata", "/status", "/apiVersion", "/kind"];
    let root = never.iter().any(|root| place.path.starts_with(root));
    if !rooted || root || !steps.all(plain) {
        return Err(Error::Path(place.path));
    }
    Ok(place.path.replace('/', "."))
}
