//! `roadstead preview`: what a change will do to the fleet, before anybody makes it.
//!
//! The hub tries it on a copy; here the files are read and the answer is shown. Nothing is written.

mod difference;
#[cfg(test)]
mod tests;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::status::{plain, trimmed};
use crate::client::{Api, Error};
use crate::config::{Output, Preview};
use crate::preview::{Answer, Ask, OBJECTS_MAX, PATH, Template};
use difference::Differences;

/// Longest file, in bytes: what a hub takes in one request.
const FILE_BYTES_MAX: u64 = 3 * 1024 * 1024;

/// Which files of a folder are looked at.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];
/// Most files of a folder.
const FILES_MAX: usize = OBJECTS_MAX;

/// What there is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// For people, or for machines.
    pub text: String,
    /// Whether anything would change, on the hub or on a cluster.
    pub differs: bool,
}

/// Asks the hub what would change, and gives the text to print.
///
/// # Errors
/// When a file cannot be read, or the hub does not answer, or would refuse one of the objects.
pub async fn preview(args: &Preview) -> Result<Shown, Error> {
    let mut objects = Vec::new();
    for file in args.filename.iter().map(|path| files(path)) {
        for file in file? {
            objects.extend(read(&file)?);
        }
    }
    if objects.len() > OBJECTS_MAX {
        let count = objects.len();
        return Err(Error::Flag(format!(
            "--filename: {count} objects in all, and {OBJECTS_MAX} is the most"
        )));
    }
    let hub = Api::connect(&args.target).await?;
    let namespace = args.namespace.as_ref().unwrap_or(&hub.namespace);
    let ask = Ask {
        objects,
        namespace: namespace.clone(),
        delete: args.delete,
    };
    let answer: Answer = hub.ask(PATH, &ask, "objects").await?;
    Ok(Shown {
        differs: differs(&answer),
        text: match args.output {
            Output::Text => text(&answer, args.brief),
            Output::Json => serde_json::to_string_pretty(&answer).unwrap_or_default(),
        },
    })
}

/// The files that a path means: itself, or what is in the folder, by name, as kubectl takes it.
fn files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let shown = path.display();
    let failed = |e: std::io::Error| Error::Flag(format!("--filename {shown}: {e}"));
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let extension = file
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default();
        if EXTENSIONS.contains(&extension) && file.is_file() {
            found.push(file);
        }
        if found.len() > FILES_MAX {
            return Err(Error::Flag(format!(
                "--filename {shown}: it has more than {FILES_MAX} files, which is the most"
            )));
        }
    }
    if found.is_empty() {
        return Err(Error::Flag(format!(
            "--filename {shown}: there is no file in this folder that ends with .yaml, .yml or .json"
        )));
    }
    found.sort();
    Ok(found)
}

/// The objects of a file.
fn read(path: &Path) -> Result<Vec<Value>, Error> {
    let shown = path.display();
    let mut text = String::new();
    let read = if path == Path::new("-") {
        let input = std::io::stdin().lock();
        input.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)
    } else {
        let file = std::fs::File::open(path);
        file.and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text))
    };
    let read = read.map_err(|e| Error::Flag(format!("--filename {shown}: {e}")))?;
    if u64::try_from(read).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        return Err(Error::Flag(format!(
            "--filename {shown}: it is longer than {FILE_BYTES_MAX} bytes, which is the most; look at its objects apart"
        )));
    }
    let found = parse(&text).map_err(|why| Error::Flag(format!("--filename {shown}: {why}")))?;
    if found.len() > OBJECTS_MAX {
        let count = found.len();
        return Err(Error::Flag(format!(
            "--filename {shown}: it has {count} objects, and {OBJECTS_MAX} is the most"
        )));
    }
    Ok(found)
}

/// The objects of a text: of all its documents, and those inside of lists.
fn parse(text: &str) -> Result<Vec<Value>, String> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(text).map_err(|e| format!("it is no YAML: {e}"))?;
    let mut objects = Vec::new();
    for document in documents {
        match document {
            Value::Null => {}
            Value::Object(mut map) if map.get("kind") == Some(&Value::from("List")) => {
                match map.remove("items") {
                    Some(Value::Array(items)) => objects.extend(items),
                    Some(_) | None => return Err("a List without items".to_owned()),
                }
            }
            Value::Object(map) => objects.push(Value::Object(map)),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                return Err("it has a document that is no object".to_owned());
            }
        }
    }
    if objects.is_empty() {
        return Err("there is no object in it".to_owned());
    }
    Ok(objects)
}

/// Whether anything would change.
fn differs(answer: &Answer) -> bool {
    let written = answer.objects.iter().any(|o| o.result != "unchanged");
    let given = answer.templates.iter().any(|t| !t.clusters.is_empty());
    written || given
}

fn text(answer: &Answer, brief: bool) -> String {
    let mut parts = vec![on_the_hub(answer)];
    parts.push(on_the_clusters(answer));
    let notes = answer.templates.iter().flat_map(notes);
    let notes: Vec<String> = notes.chain(answer.notes.iter().cloned()).collect();
    if !notes.is_empty() {
        parts.push(notes.join("\n"));
    }
    if !brief {
        parts.extend(Differences::of(answer).texts());
    }
    parts.join("\n\n")
}

fn on_the_hub(answer: &Answer) -> String {
    let mut table = plain(&["ON THE HUB", "OBJECT"]);
    for object in &answer.objects {
        table.add_row(vec![object.result.as_str(), object.object.as_str()]);
    }
    trimmed(&table)
}

fn on_the_clusters(answer: &Answer) -> String {
    let changes = answer
        .templates
        .iter()
        .flat_map(|t| t.clusters.iter().map(move |c| (t, c)));
    let mut table = plain(&["ON CLUSTERS", "CLUSTER", "REPLICAS", "OBJECT", "POLICY"]);
    let mut any = false;
    for (template, cluster) in changes {
        any = true;
        table.add_row(vec![
            cluster.change.clone(),
            cluster.cluster.clone(),
            replicas(cluster.replicas),
            template.object.clone(),
            template.policy.clone(),
        ]);
    }
    if !any {
        return "Nothing would change on any cluster.".to_owned();
    }
    match answer.more {
        0 => trimmed(&table),
        more => format!("{}\nand {more} more", trimmed(&table)),
    }
}

fn replicas(shares: (Option<u32>, Option<u32>)) -> String {
    match shares {
        (None, None) => String::new(),
        (Some(before), Some(after)) if before != after => format!("{before} -> {after}"),
        (Some(share), _) | (None, Some(share)) => share.to_string(),
    }
}

/// What there is to say about a template beside its clusters.
fn notes(template: &Template) -> Vec<String> {
    let object = &template.object;
    let says = Some(&template.says).filter(|says| !says.is_empty());
    let says = says.map(|says| format!("{object}: {says}"));
    let refused = template.refused.iter();
    let refused = refused.map(|refused| format!("{object} does not go to {refused}"));
    says.into_iter().chain(refused).collect()
}
