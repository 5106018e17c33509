//! Reads what only the Go sources tell: JSON names, and which zero values are written.
//!
//! gofmt fixes the form of a struct, so lines are enough: `Name Type \`json:"…" protobuf:"…"\``.

use std::collections::BTreeMap;
use std::fs;

use crate::names;
use crate::proto::import_of;
use crate::sources::Sources;

/// What the tags of one struct field say.
pub(crate) struct Tag {
    /// JSON name; empty where the field is inlined.
    pub(crate) json: String,
    /// Whether a zero value is still written as JSON: a pointer, or a field without `omitempty`.
    pub(crate) keeps_zero: bool,
}

/// Tags by short type name and protobuf tag number.
pub(crate) type Tags = BTreeMap<(String, u32), Tag>;

/// Reads all structs of the API packages.
pub(crate) fn read(sources: &Sources) -> anyhow::Result<Tags> {
    let mut tags = Tags::new();
    for (import, dir) in &sources.libraries {
        for proto in crate::proto::find(dir, "generated.proto")? {
            let package = import_of(import, dir, &proto)
                .as_deref()
                .and_then(names::package);
            let (Some(package), Some(folder)) = (package, proto.parent()) else {
                continue;
            };
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.extension().is_some_and(|e| e == "go") {
                    parse(&package, &fs::read_to_string(&path)?, &mut tags);
                }
            }
        }
    }
    Ok(tags)
}

fn parse(package: &str, text: &str, tags: &mut Tags) {
    let mut current = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("type ") {
            current = rest
                .strip_suffix(" struct {")
                .map(|name| format!("{package}.{name}"));
        } else if line == "}" {
            current = None;
        } else if let Some(name) = &current
            && let Some((number, tag)) = field(line)
        {
            tags.insert((name.clone(), number), tag);
        }
    }
}

fn field(line: &str) -> Option<(u32, Tag)> {
    let (declaration, rest) = line.split_once('`')?;
    let (tags, _) = rest.split_once('`')?;
    if declaration.trim_start().starts_with("//") {
        return None;
    }
    let number = quoted(tags, "protobuf:\"")?
        .split(',')
        .nth(1)?
        .parse()
        .ok()?;
    let json = quoted(tags, "json:\"")?;
    let (name, options) = json.split_once(',').unwrap_or((json, ""));
    let omits = options
        .split(',')
        .any(|o| o == "omitempty" || o == "omitzero");
    let pointer = declaration.contains('*');
    let keeps_zero = pointer || !omits;
    Some((
        number,
        Tag {
            json: name.to_owned(),
            keeps_zero,
        },
    ))
}

fn quoted<'a>(tags: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = tags.split_once(key)?;
    Some(rest.split_once('"')?.0)
}
