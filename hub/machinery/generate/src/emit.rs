//! Joins what the sources say and writes the tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::Context as _;

use crate::discovery::Row;
use crate::golang::Tags;
use crate::openapi::Schema;
use crate::proto::Message;
use crate::sources::{KUBERNETES, LIBRARIES};

/// Types that no kind refers to and that still come as request bodies.
const ROOTS: &[&str] = &[
    "meta.v1.DeleteOptions",
    "autoscaling.v1.Scale",
    "policy.v1.Eviction",
    "authentication.v1.TokenRequest",
];

/// Types whose JSON does not follow from their fields, and the name of the rule.
const SHAPES: &[(&str, &str)] = &[
    ("meta.v1.Time", "time"),
    ("meta.v1.MicroTime", "microtime"),
    ("meta.v1.FieldsV1", "fields"),
    ("meta.v1.Verbs", "strings"),
    ("resource.Quantity", "quantity"),
    ("intstr.IntOrString", "intstr"),
    ("runtime.RawExtension", "extension"),
    ("apiextensions.v1.JSON", "json"),
    ("apiextensions.v1.JSONSchemaPropsOrArray", "schema-or-array"),
    ("apiextensions.v1.JSONSchemaPropsOrBool", "schema-or-bool"),
    (
        "apiextensions.v1.JSONSchemaPropsOrStringArray",
        "schema-or-strings",
    ),
    ("authentication.v1.ExtraValue", "strings"),
    ("authorization.v1.ExtraValue", "strings"),
    ("certificates.v1.ExtraValue", "strings"),
];

/// The whole text.
pub(crate) fn text(
    rows: &[Row],
    schemas: &BTreeMap<String, Schema>,
    messages: &BTreeMap<String, Message>,
    tags: &Tags,
) -> anyhow::Result<String> {
    let mut out = header();
    let mut wanted: Vec<String> = ROOTS.iter().map(|&name| name.to_owned()).collect();
    for row in rows {
        let ty = type_of(row, schemas)
            .with_context(|| format!("no type for {} {}", row.version, row.kind))?;
        resource(&mut out, row, &ty)?;
        wanted.push(ty);
    }
    let mut written = BTreeMap::new();
    let mut seen = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let (text, used) = one(&name, schemas.get(&name), messages.get(&name), tags)
            .with_context(|| format!("failed to describe {name}"))?;
        wanted.extend(used);
        written.insert(name, text);
    }
    for text in written.values() {
        out.push_str(text);
    }
    Ok(out)
}

fn header() -> String {
    format!(
        "# Facts about Kubernetes' built-in kinds, written by roadstead-generate. Do not edit.\n\
         # Sources: k8s.io/kubernetes {KUBERNETES} (api/openapi-spec/v3, api/discovery);\n\
         # generated.proto and struct tags of k8s.io/api, k8s.io/apimachinery,\n\
         # k8s.io/apiextensions-apiserver {LIBRARIES}.\n\
         # resource: group version plural singular kind scope short-names categories subresources verbs type\n\
         # type: name shape; fields: name type =protobuf-tag (* where a zero is written) attributes\n"
    )
}

fn type_of(row: &Row, schemas: &BTreeMap<String, Schema>) -> Option<String> {
    let first = row.group.split('.').next().unwrap_or_default();
    let package = if first.is_empty() { "core" } else { first };
    let name = format!("{package}.{}.{}", row.version, row.kind);
    schemas.contains_key(&name).then_some(name)
}

fn resource(out: &mut String, row: &Row, ty: &str) -> anyhow::Result<()> {
    let list = |items: &[String]| match items {
        [] => "-".to_owned(),
        items => items.join(","),
    };
    let group = if row.group.is_empty() {
        "-"
    } else {
        &row.group
    };
    let scope = if row.namespaced {
        "namespaced"
    } else {
        "cluster"
    };
    let verbs = if row.review { "create" } else { "all" };
    writeln!(
        out,
        "resource {group} {} {} {} {} {scope} {} {} {} {verbs} {ty}",
        row.version,
        row.plural,
        row.singular,
        row.kind,
        list(&row.short),
        list(&row.categories),
        list(&row.subresources),
    )?;
    Ok(())
}

/// The text of one type, and the types that it names.
fn one(
    name: &str,
    schema: Option<&Schema>,
    message: Option<&Message>,
    tags: &Tags,
) -> anyhow::Result<(String, Vec<String>)> {
    let special = SHAPES.iter().find(|(of, _)| *of == name).map(|(_, s)| *s);
    let shape = special.unwrap_or_else(|| schema.map_or("object", |s| &s.shape));
    let mut out = format!("type {name} {shape}");
    if schema.is_some_and(|s| s.atomic) {
        out.push_str(" atomic");
    }
    out.push('\n');
    let mut used = Vec::new();
    if shape != "object" {
        used.extend(
            shape
                .starts_with("schema-or-")
                .then(|| "apiextensions.v1.JSONSchemaProps".to_owned()),
        );
        return Ok((out, used));
    }
    let mut wire = BTreeMap::new();
    let mut inline = Vec::new();
    for (number, ty) in message.into_iter().flatten() {
        let tag = tags
            .get(&(name.to_owned(), *number))
            .with_context(|| format!("no struct tag for field {number}"))?;
        if tag.json.is_empty() {
            inline.push((number, ty));
        } else {
            wire.insert(tag.json.as_str(), (number, ty, tag.keeps_zero));
        }
    }
    let empty = BTreeMap::new();
    let fields = schema.map_or(&empty, |s| &s.fields);
    for (field, facts) in fields {
        write!(out, " {field} {}", facts.ty)?;
        if let Some((number, ty, keeps)) = wire.remove(field.as_str()) {
            write!(out, " ={number}{}", if keeps { "*" } else { "" })?;
            if *ty != facts.ty {
                write!(out, " wire={ty}")?;
                used.push(base(ty).to_owned());
            }
        }
        if facts.required {
            out.push_str(" required");
        }
        for attribute in &facts.attributes {
            write!(out, " {attribute}")?;
        }
        out.push('\n');
        used.push(base(&facts.ty).to_owned());
    }
    for (field, (number, ty, keeps)) in wire {
        writeln!(
            out,
            " {field} {ty} ={number}{}",
            if keeps { "*" } else { "" }
        )?;
        used.push(base(ty).to_owned());
    }
    for (number, ty) in inline {
        writeln!(out, " - {ty} ={number} inline")?;
        used.push(base(ty).to_owned());
    }
    used.retain(|ty| ty.contains('.'));
    Ok((out, used))
}

fn base(ty: &str) -> &str {
    ty.trim_start_matches(['[', ']', '{', '}'])
}
