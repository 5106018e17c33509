//! Reads the messages of `generated.proto` files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::names;
use crate::sources::Sources;

/// Fields of a message: tag and type expression.
pub(crate) type Message = BTreeMap<u32, String>;

/// All messages by short name.
pub(crate) fn read(sources: &Sources) -> anyhow::Result<BTreeMap<String, Message>> {
    let mut all = BTreeMap::new();
    for (import, dir) in &sources.libraries {
        for path in find(dir, "generated.proto")? {
            let Some(package) = import_of(import, dir, &path)
                .as_deref()
                .and_then(names::package)
            else {
                continue;
            };
            let text = fs::read_to_string(&path)?;
            parse(&package, &text, &mut all)
                .with_context(|| format!("failed to read {}", path.display()))?;
        }
    }
    Ok(all)
}

/// Files called `name` under `dir`.
pub(crate) fn find(dir: &Path, name: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut out = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            out.extend(find(&path, name)?);
        } else if path.file_name().is_some_and(|n| n == name) {
            out.push(path);
        }
    }
    out.sort();
    Ok(out)
}

/// The import path of the package that `file` belongs to.
pub(crate) fn import_of(module: &str, dir: &Path, file: &Path) -> Option<String> {
    let inside = file.parent()?.strip_prefix(dir).ok()?;
    Some(format!("{module}/{}", inside.to_str()?))
}

fn parse(package: &str, text: &str, all: &mut BTreeMap<String, Message>) -> anyhow::Result<()> {
    let mut current: Option<(String, Message)> = None;
    for line in text.lines() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix("message ") {
            let name = name.trim_end_matches(['{', ' ']);
            current = Some((format!("{package}.{name}"), Message::new()));
        } else if line == "}" {
            all.extend(current.take());
        } else if let Some((_, message)) = &mut current
            && let Some((tag, ty)) = field(package, line)?
        {
            message.insert(tag, ty);
        }
    }
    Ok(())
}

fn field(package: &str, line: &str) -> anyhow::Result<Option<(u32, String)>> {
    let Some((left, tag)) = line.trim_end_matches(';').rsplit_once(" = ") else {
        return Ok(None);
    };
    if line.starts_with("//") {
        return Ok(None);
    }
    let Some((ty, _name)) = left.rsplit_once(' ') else {
        return Ok(None);
    };
    let tag = tag.parse().with_context(|| format!("bad tag in {line}"))?;
    let ty = if let Some(ty) = ty.strip_prefix("optional ") {
        named(package, ty)?
    } else if let Some(ty) = ty.strip_prefix("repeated ") {
        format!("[]{}", named(package, ty)?)
    } else if let Some(value) = ty.strip_prefix("map<string, ") {
        format!("{{}}{}", named(package, value.trim_end_matches('>'))?)
    } else {
        return Ok(None);
    };
    Ok(Some((tag, ty)))
}

fn named(package: &str, ty: &str) -> anyhow::Result<String> {
    if let Some(full) = ty.strip_prefix('.') {
        return names::of_proto(full).with_context(|| format!("unknown type {full}"));
    }
    Ok(match ty {
        "string" | "bool" | "int32" | "int64" | "bytes" => ty.to_owned(),
        "double" => "number".to_owned(),
        local => format!("{package}.{local}"),
    })
}
