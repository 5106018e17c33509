//! Override policies, parsed. What cannot be understood makes the whole policy unreadable.

use std::collections::BTreeMap;

use roadstead_protocol::api::policy::{
    ClusterAffinity, EnvOverrider, ImageComponent, ImageOverrider, KeysOverrider, Override,
    OverrideOp, OverridePolicy, Overriders, ResourceSelector, WordsOverrider,
};
use serde::Deserialize;
use serde_json::Value;

use crate::pointer::Pointer;
use crate::policy::{Identity, Unreadable, check_selectors};
use crate::selecting::check;

/// An override policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Overrides {
    /// Who it is.
    pub identity: Identity,
    /// What it selects.
    pub selectors: Vec<ResourceSelector>,
    /// What it changes, in order.
    pub rules: Vec<Rule>,
}

/// What an override policy changes on some clusters.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// On which.
    pub target: ClusterAffinity,
    /// What, in order.
    pub changes: Vec<Change>,
}

/// One change of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Where the policy says it, for people: `spec.overrideRules[0].overrides[1]`.
    pub said: String,
    /// What it is.
    pub act: Act,
}

/// What is changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// What is at a path.
    At(Pointer, Point),
    /// Images.
    Image(ImageEdit),
    /// A container's words.
    Words(WordsEdit),
    /// Containers' variables.
    Env(EnvEdit),
    /// Labels or annotations.
    Keys(KeysEdit),
    /// The whole object, by a JSON merge patch.
    Merge(Value),
}

/// What is done at a pointer.
#[derive(Clone, Debug, PartialEq)]
pub enum Point {
    /// The value is there afterwards, whatever was there before.
    Set(Value),
    /// The value is added; in a list it is inserted.
    Add(Value),
    /// What is there becomes the value.
    Replace(Value),
    /// What is there goes; nothing there is fine.
    Remove,
}

/// A change of images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageEdit {
    /// Where; all containers where nothing is said.
    pub path: Option<Pointer>,
    /// Which part of it.
    pub component: ImageComponent,
    /// What is done.
    pub op: OverrideOp,
    /// With what.
    pub value: String,
}

/// A change of a container's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordsEdit {
    /// Which words.
    pub of: Words,
    /// Of which container.
    pub container: String,
    /// What is done.
    pub op: OverrideOp,
    /// With what.
    pub words: Vec<String>,
}

/// A container's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// `command`.
    Command,
    /// `args`.
    Args,
}

/// A change of containers' variables.
#[derive(Clone, Debug, PartialEq)]
pub struct EnvEdit {
    /// Of which container; of all where nothing is said.
    pub container: Option<String>,
    /// What is done.
    pub op: OverrideOp,
    /// With what: names, and the variables as containers have them.
    pub variables: Vec<(String, Value)>,
}

/// A change of labels or annotations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysEdit {
    /// Which.
    pub of: Keys,
    /// What is done.
    pub op: OverrideOp,
    /// With what.
    pub keys: BTreeMap<String, String>,
}

/// A map of `metadata`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// `labels`.
    Labels,
    /// `annotations`.
    Annotations,
}

impl Overrides {
    /// Parses an OverridePolicy or its cluster-scoped twin.
    ///
    /// # Errors
    /// When anything in it is not understood.
    pub fn read(object: &Value) -> Result<Self, Box<Unreadable>> {
        let identity = Identity::read(object);
        parse(&identity, object).map_err(|problem| Box::new(Unreadable { identity, problem }))
    }
}

fn parse(identity: &Identity, object: &Value) -> Result<Overrides, String> {
    let read = OverridePolicy::deserialize(object).map_err(|error| error.to_string())?;
    check_selectors(&read.spec.resource_selectors)?;
    let mut rules = Vec::new();
    for (i, rule) in read.spec.override_rules.into_iter().enumerate() {
        let at = format!("spec.overrideRules[{i}]");
        let target = rule.target_clusters.unwrap_or_default();
        check(&target, &format!("{at}.targetClusters"), true)?;
        let mut changes = overriders(rule.overriders.unwrap_or_default(), &at)?;
        for (j, change) in rule.overrides.into_iter().enumerate() {
            let said = format!("{at}.overrides[{j}]");
            changes.push(placed(said, point(change))?);
        }
        rules.push(Rule { target, changes });
    }
    Ok(Overrides {
        identity: identity.clone(),
        selectors: read.spec.resource_selectors,
        rules,
    })
}

/// The changes of one rule's overriders, in the order in which they are made.
fn overriders(all: Overriders, at: &str) -> Result<Vec<Change>, String> {
    let mut changes = Vec::new();
    let mut add = |field: &str, acts: Vec<Result<Act, String>>| -> Result<(), String> {
        for (j, act) in acts.into_iter().enumerate() {
            let said = format!("{at}.overriders.{field}[{j}]");
            changes.push(placed(said, act)?);
        }
        Ok(())
    };
    let words = |of: Words, list: Vec<WordsOverrider>| {
        let act = |said| Ok(Act::Words(words(of, said)));
        list.into_iter().map(act).collect::<Vec<_>>()
    };
    let keys = |of: Keys, list: Vec<KeysOverrider>| {
        let act = |said| Ok(Act::Keys(keys(of, said)));
        list.into_iter().map(act).collect::<Vec<_>>()
    };
    let images = all.image_overrider.into_iter().map(image).collect();
    add("imageOverrider", images)?;
    let command = words(Words::Command, all.command_overrider);
    add("commandOverrider", command)?;
    add("argsOverrider", words(Words::Args, all.args_overrider))?;
    add(
        "envOverrider",
        all.env_overrider.into_iter().map(env).collect(),
    )?;
    add("labelsOverrider", keys(Keys::Labels, all.labels_overrider))?;
    let annotations = keys(Keys::Annotations, all.annotations_overrider);
    add("annotationsOverrider", annotations)?;
    if let Some(patch) = all.merge_patch {
        let said = format!("{at}.overriders.mergePatch");
        let patch = match patch {
            Value::Object(_) => Ok(Act::Merge(patch)),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Err("Invalid value: must be an object".to_owned()),
        };
        changes.push(placed(said, patch)?);
    }
    Ok(changes)
}

fn placed(said: String, act: Result<Act, String>) -> Result<Change, String> {
    match act {
        Ok(act) => Ok(Change { said, act }),
        Err(problem) => Err(format!("{said}.{problem}")),
    }
}

fn point(said: Override) -> Result<Act, String> {
    let pointer = Pointer::parse(&said.path).map_err(|error| format!("path: {error}"))?;
    let value = said
        .value
        .ok_or("value: Required value: needed unless op is \"remove\"");
    let point = match said.op {
        None => Point::Set(value?),
        Some(OverrideOp::Add) => Point::Add(value?),
        Some(OverrideOp::Replace) => Point::Replace(value?),
        Some(OverrideOp::Remove) => Point::Remove,
    };
    Ok(Act::At(pointer, point))
}

fn image(said: ImageOverrider) -> Result<Act, String> {
    let path = said
        .predicate
        .map(|predicate| Pointer::parse(&predicate.path))
        .transpose()
        .map_err(|error| format!("predicate.path: {error}"))?;
    if said.value.is_empty() && said.operator != OverrideOp::Remove {
        return Err("value: Required value: needed unless the operator is \"remove\"".to_owned());
    }
    Ok(Act::Image(ImageEdit {
        path,
        component: said.component,
        op: said.operator,
        value: said.value,
    }))
}

fn words(of: Words, said: WordsOverrider) -> WordsEdit {
    WordsEdit {
        of,
        container: said.container_name,
        op: said.operator,
        words: said.value,
    }
}

fn env(said: EnvOverrider) -> Result<Act, String> {
    let mut variables = Vec::new();
    for (k, variable) in said.value.into_iter().enumerate() {
        let name = variable.get("name").and_then(Value::as_str);
        let Some(name) = name.filter(|name| !name.is_empty()).map(str::to_owned) else {
            return Err(format!("value[{k}].name: Required value"));
        };
        variables.push((name, variable));
    }
    Ok(Act::Env(EnvEdit {
        container: Some(said.container_name).filter(|name| !name.is_empty()),
        op: said.operator,
        variables,
    }))
}

fn keys(of: Keys, said: KeysOverrider) -> KeysEdit {
    KeysEdit {
        of,
        op: said.operator,
        keys: said.value,
    }
}
