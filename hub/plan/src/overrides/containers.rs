//! Changes of containers: images, `command`, `args` and `env`.

use roadstead_protocol::api::policy::OverrideOp;
use serde_json::{Map, Value};

use super::image;
use super::rule::{EnvEdit, ImageEdit, Words, WordsEdit};
use crate::pod;
use crate::pointer::{self, Pointer};

/// Most containers that one change reaches: its value goes into each of them.
const CONTAINERS_MAX: usize = 256;

/// Why containers cannot be changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is none of this name.
    #[error("there is no container {0:?}")]
    NoContainer(String),
    /// There is none at all.
    #[error("the object has no containers; name the image's place as predicate.path")]
    NoContainers,
    /// There are too many.
    #[error("the object has more than {CONTAINERS_MAX} containers")]
    TooMany,
    /// A variable that is to be changed is not there.
    #[error("container {container:?} has no variable {variable:?} to replace")]
    NoVariable {
        /// The container.
        container: String,
        /// The variable.
        variable: String,
    },
    /// Something in the object has another shape.
    #[error("{0} of a container is not a list")]
    NotAList(&'static str),
    /// What is at a path is no image.
    #[error("there is no text at {0}")]
    NoText(Pointer),
    /// The path leads nowhere.
    #[error(transparent)]
    Pointer(#[from] pointer::Error),
    /// An image cannot be changed.
    #[error(transparent)]
    Image(#[from] image::Error),
}

/// Changes images; `value` is the edit's, filled in.
///
/// # Errors
/// When there is no image, or one cannot be changed.
pub(super) fn images(object: &mut Value, edit: &ImageEdit, value: &str) -> Result<(), Error> {
    let change = |image: &mut Value, place: &dyn Fn() -> Error| {
        let text = image.as_str().ok_or_else(place)?;
        *image = image::change(text, edit.component, edit.op, value)?.into();
        Ok(())
    };
    if let Some(path) = &edit.path {
        return change(path.get_mut(object)?, &|| Error::NoText(path.clone()));
    }
    let changed = counted(object, |container| {
        match container.get_mut("image") {
            // A container may be there for the merge with another's template only.
            None | Some(Value::Null) => Ok(true),
            Some(image) => {
                change(image, &|| image::Error::NotAnImage(String::new()).into()).map(|()| true)
            }
        }
    })?;
    if changed {
        Ok(())
    } else {
        Err(Error::NoContainers)
    }
}

/// Changes one container's `command` or `args`; `words` are the edit's, filled in.
///
/// # Errors
/// When the container is not there or has no such list.
pub(super) fn words(object: &mut Value, edit: &WordsEdit, words: &[String]) -> Result<(), Error> {
    let field = match edit.of {
        Words::Command => "command",
        Words::Args => "args",
    };
    let changed = counted(object, |container| {
        if pod::name(container) != edit.container {
            return Ok(false);
        }
        let new = || words.iter().map(|word| Value::from(word.as_str()));
        let list = list(container, field)?;
        match edit.op {
            OverrideOp::Add => list.extend(new()),
            OverrideOp::Remove => list.retain(|word| !new().any(|listed| listed == *word)),
            OverrideOp::Replace => *list = new().collect(),
        }
        if list.is_empty() {
            container.remove(field);
        }
        Ok(true)
    })?;
    if changed {
        Ok(())
    } else {
        Err(Error::NoContainer(edit.container.clone()))
    }
}

/// Changes containers' `env`; `variables` are the edit's, filled in, each with its name.
///
/// # Errors
/// When the container or a variable that is to be replaced is not there.
pub(super) fn env(
    object: &mut Value,
    edit: &EnvEdit,
    variables: &[(&str, Value)],
) -> Result<(), Error> {
    let changed = counted(object, |container| {
        let name = pod::name(container).to_owned();
        if edit.container.as_ref().is_some_and(|only| *only != name) {
            return Ok(false);
        }
        let list = list(container, "env")?;
        for (variable, value) in variables {
            let called = |v: &Value| v.get("name").and_then(Value::as_str) == Some(*variable);
            match (edit.op, list.iter_mut().find(|v| called(v))) {
                (OverrideOp::Add | OverrideOp::Replace, Some(there)) => *there = value.clone(),
                (OverrideOp::Add, None) => list.push(value.clone()),
                (OverrideOp::Replace, None) => {
                    let variable = (*variable).to_owned();
                    let container = name;
                    return Err(Error::NoVariable {
                        container,
                        variable,
                    });
                }
                (OverrideOp::Remove, _) => list.retain(|v| !called(v)),
            }
        }
        if list.is_empty() {
            container.remove("env");
        }
        Ok(true)
    })?;
    match (&edit.container, changed) {
        (_, true) => Ok(()),
        (Some(name), false) => Err(Error::NoContainer(name.clone())),
        (None, false) => Err(Error::NoContainers),
    }
}

/// Calls `change` with every container; whether it changed any.
fn counted(
    object: &mut Value,
    mut change: impl FnMut(&mut Map<String, Value>) -> Result<bool, Error>,
) -> Result<bool, Error> {
    let (mut seen, mut changed) = (0, false);
    pod::each_container(object, |container| {
        seen += 1;
        if seen > CONTAINERS_MAX {
            return Err(Error::TooMany);
        }
        changed |= change(container)?;
        Ok(())
    })?;
    Ok(changed)
}

fn list<'c>(
    container: &'c mut Map<String, Value>,
    field: &'static str,
) -> Result<&'c mut Vec<Value>, Error> {
    let there = container.entry(field).or_insert(Value::Null);
    if there.is_null() {
        *there = Value::Array(Vec::new());
    }
    there.as_array_mut().ok_or(Error::NotAList(field))
}
