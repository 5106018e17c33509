//! Texts that name the cluster they are rendered for: `${cluster.name}` and its like.
//!
//! Only what begins with `${cluster.` is ours; `${HOME}` in a shell's words stays as it is, and
//! `$${cluster.name}` stands for the text `${cluster.name}`. A name that is unknown, or that the
//! cluster has nothing for, is an error for that cluster: an empty text in its place could mean
//! anything.

use serde_json::Value;

use crate::cluster::Cluster;

/// What every variable begins with.
const BEGIN: &str = "${cluster.";
/// What a variable begins with that names a label.
const LABELS: &str = "labels.";
/// Longest variable that an error repeats, in characters.
const SHOWN_MAX: usize = 80;

/// Why a text cannot be made for a cluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such variable.
    #[error(
        "${{cluster.{0}}} is unknown; there are name, namespace, uid, region, zone, provider and labels.KEY"
    )]
    Unknown(String),
    /// The cluster has nothing for it.
    #[error("the cluster has no {0} for ${{cluster.{0}}}")]
    Missing(String),
    /// It does not end.
    #[error("a variable has no end: {0:?}; write $${{cluster. for that text itself")]
    Unclosed(String),
}

/// `value` with the variables in all its texts filled in, however deep. Keys of maps stay as they are.
///
/// # Errors
/// At the first variable that cannot be filled in.
pub fn fill(value: &Value, cluster: &Cluster) -> Result<Value, Error> {
    Ok(match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        Value::String(said) => Value::String(text(said, cluster)?),
        Value::Array(list) => {
            let filled = list.iter().map(|value| fill(value, cluster));
            Value::Array(filled.collect::<Result<_, _>>()?)
        }
        Value::Object(map) => {
            let filled = map
                .iter()
                .map(|(key, value)| Ok((key.clone(), fill(value, cluster)?)));
            Value::Object(filled.collect::<Result<_, Error>>()?)
        }
    })
}

/// `said` with its variables filled in.
///
/// # Errors
/// At the first variable that cannot be filled in.
pub fn text(said: &str, cluster: &Cluster) -> Result<String, Error> {
    let mut out = String::with_capacity(said.len());
    let mut rest = said;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        if let Some(literal) = before.strip_suffix('$') {
            out.push_str(literal);
            out.push_str(BEGIN);
            rest = after;
            continue;
        }
        let Some((name, behind)) = after.split_once('}') else {
            return Err(Error::Unclosed(shown(&format!("{BEGIN}{after}"))));
        };
        out.push_str(before);
        out.push_str(variable(name, cluster)?);
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

fn variable<'c>(name: &str, cluster: &'c Cluster) -> Result<&'c str, Error> {
    let label = |key: &str| cluster.labels.get(key).map(String::as_str);
    let found = match name {
        "name" => Some(cluster.name.as_str()),
        "namespace" => Some(cluster.namespace.as_str()),
        "uid" => Some(cluster.uid.as_str()),
        "region" => cluster.region.as_deref(),
        "zone" => cluster.zone.as_deref(),
        "provider" => cluster.provider.as_deref(),
        _ => match name.strip_prefix(LABELS) {
            Some(key) => label(key),
            None => return Err(Error::Unknown(shown(name))),
        },
    };
    let found = found.filter(|text| !text.is_empty() || name.starts_with(LABELS));
    found.ok_or_else(|| Error::Missing(shown(name)))
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_MAX).collect()
}
