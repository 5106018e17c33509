//! What there is to divide of an object, and how a share of it is written.
//!
//! A Deployment and any kind with a scale subresource have a number of replicas. A StatefulSet numbers
//! its pods from 0 on every cluster, so it is divided only where the policy says so by that name. A Job
//! is divided once, in its completions; one whose pods have an index of their own is not.

use serde_json::Value;

use crate::pointer::Pointer;
use crate::policy::Policy;
use crate::scheduling::Replicas;
use crate::template::Template;
use crate::world::World;

/// Where a Job says how many pods are to complete, and how many run at once.
const COMPLETIONS: &str = ".spec.completions";
const PARALLELISM: &str = ".spec.parallelism";

/// What stands in the place of a path where it was divided, and nothing says any more by what.
const NO_PATH: &str = "what is left without the ResourceInterpreter or scale subresource by which it was \
                       divided (apply that again, or duplicate it)";

/// What there is to divide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    /// How many.
    pub(crate) total: u32,
    /// Whether a share is never changed once it was given.
    pub(crate) once: bool,
}

/// What there is to divide of `object`; `None` of one that goes to every cluster whole.
///
/// # Errors
/// The path where something stands that is not a number of replicas.
pub(crate) fn count(
    world: &World,
    template: &Template<'_>,
    object: &Value,
    named: bool,
) -> Result<Option<Count>, String> {
    let number = |path: &str| number(object, path).map_err(|()| path.to_owned());
    if is_job(template) {
        let mode = object.pointer("/spec/completionMode");
        if mode.and_then(Value::as_str) == Some("Indexed") {
            return Ok(None);
        }
        let total = match number(COMPLETIONS)? {
            Some(completions) => completions,
            None => number(PARALLELISM)?.unwrap_or(1),
        };
        return Ok(Some(Count { total, once: true }));
    }
    let wrong = |why: String| format!("what its ResourceInterpreter says ({why})");
    let told = world.told(&template.key);
    let told = told.map_err(|why| wrong(why.to_string()))?;
    // What was divided stays divided: all of it everywhere would be more.
    let before = template.former.iter().any(|f| f.replicas.is_some());
    let numbers_its_pods = template.key.group == "apps" && template.key.kind == "StatefulSet";
    let Some(path) = template
        .replicas_path
        .filter(|_| named || before || !numbers_its_pods)
    else {
        return if before {
            Err(NO_PATH.to_owned())
        } else {
            Ok(None)
        };
    };
    let total = match told.and_then(|told| told.replicas(object)) {
        Some(told) => told.map_err(wrong)?,
        None => number(path)?.unwrap_or(1),
    };
    Ok(Some(Count { total, once: false }))
}

/// Whether there is something to divide of a template, and it is to be divided.
pub(crate) fn is_divided(world: &World, template: &Template<'_>, replicas: &Replicas) -> bool {
    let count = |named| {
        let object = template.object.unwrap_or(&Value::Null);
        count(world, template, object, named)
    };
    match replicas {
        Replicas::Duplicated => false,
        Replicas::Divided { named, .. } => !matches!(count(*named), Ok(None)),
    }
}

/// Whether what does not go to one cluster can go to another.
pub(crate) fn is_choice(policy: &Policy, divided: impl FnOnce() -> bool) -> bool {
    let selecting = &policy.selecting;
    !selecting.spread.is_empty() || selecting.groups.len() > 1 || divided()
}

/// Whether a template is what runs once.
pub(crate) fn is_job(template: &Template<'_>) -> bool {
    template.key.group == "batch" && template.key.kind == "Job"
}

/// Whether a template is a claim of a volume.
pub(crate) fn is_claim(template: &Template<'_>) -> bool {
    template.key.group.is_empty() && template.key.kind == "PersistentVolumeClaim"
}

/// The number at a path; `None` where there is none.
fn number(object: &Value, path: &str) -> Result<Option<u32>, ()> {
    match object.pointer(&path.replace('.', "/")) {
        None | Some(Value::Null) => Ok(None),
        Some(said) => {
            let number = said.as_i64().and_then(|n| i32::try_from(n).ok());
            number
                .and_then(|n| u32::try_from(n).ok())
                .map(Some)
                .ok_or(())
        }
    }
}

/// Writes a share into what a cluster is given.
///
/// # Errors
/// When the object has no place for it.
pub(crate) fn write(template: &Template<'_>, object: &mut Value, share: u32) -> Result<(), String> {
    if is_job(template) {
        return write_job(object, share);
    }
    match template.replicas_path {
        Some(path) => set(object, path, share),
        None => Ok(()),
    }
}

/// A Job's share, and as many pods at once as go with it: at least one, for with none it would never
/// end.
fn write_job(object: &mut Value, share: u32) -> Result<(), String> {
    let at = |object: &Value, path: &str| number(object, path).ok().flatten();
    let parallelism = at(object, PARALLELISM);
    let Some(completions) = at(object, COMPLETIONS) else {
        return set(object, PARALLELISM, share);
    };
    set(object, COMPLETIONS, share)?;
    let Some(parallelism) = parallelism else {
        return Ok(());
    };
    let part = u64::from(parallelism) * u64::from(share);
    let part = part.div_ceil(u64::from(completions.max(1)));
    let part = u32::try_from(part).unwrap_or(u32::MAX).min(share).max(1);
    set(object, PARALLELISM, part.min(parallelism))
}

fn set(object: &mut Value, path: &str, number: u32) -> Result<(), String> {
    let pointer = Pointer::parse(&path.replace('.', "/")).map_err(|e| e.to_string())?;
    pointer
        .set(object, Value::from(number))
        .map_err(|e| e.to_string())
}
