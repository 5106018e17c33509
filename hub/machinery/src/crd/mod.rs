//! Custom resource definitions: from a manifest to resources.
//!
//! A manifest may come from the binary (this project's kinds) or from a user (an object of the
//! API). Both go the same way. Conversion webhooks are not called: versions of a kind differ in
//! their version's name alone.

mod convert;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::Value;

use crate::resource::{Column, Origin, Resource, ScalePaths, VERBS};
use crate::tables;
use crate::validate::{self, Structural, names};

/// How many documents one text may hold.
pub const DOCUMENTS_MAX: usize = 1000;

/// Why a manifest is not a CRD that can be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is neither YAML nor JSON.
    #[error("failed to parse the manifest: {0}")]
    Syntax(String),
    /// A field is missing or has a wrong value.
    #[error("{0}: {1}")]
    Field(&'static str, String),
    /// The schema of a version cannot be used.
    #[error("failed to read the schema of version {version}")]
    Structural {
        /// The version.
        version: String,
        /// What is wrong with its schema.
        #[source]
        source: validate::Error,
    },
    /// The schema of a version makes no types.
    #[error("failed to build the types of version {version}")]
    Types {
        /// The version.
        version: String,
        /// What is wrong.
        #[source]
        source: crate::schema::Error,
    },
    /// The tables of built-in types cannot be read.
    #[error(transparent)]
    Tables(#[from] tables::Error),
}

/// The documents of a YAML stream, empty ones left out.
///
/// # Errors
/// When a document cannot be parsed, or there are more than [`DOCUMENTS_MAX`].
pub fn documents(text: &str) -> Result<Vec<Value>, Error> {
    let mut out: Vec<Value> =
        serde_saphyr::from_multiple(text).map_err(|e| Error::Syntax(e.to_string()))?;
    out.retain(|v| !v.is_null());
    if out.len() > DOCUMENTS_MAX {
        return Err(Error::Syntax(format!(
            "more than {DOCUMENTS_MAX} documents"
        )));
    }
    Ok(out)
}

/// One resource per served version of the CRD object `manifest`.
///
/// # Errors
/// When the manifest is not a CRD, or a schema is not structural.
pub fn resources(manifest: &Value, origin: Origin) -> Result<Vec<Resource>, Error> {
    if manifest.get("kind").and_then(Value::as_str) != Some("CustomResourceDefinition") {
        return Err(field("kind", "must be CustomResourceDefinition"));
    }
    if manifest.get("apiVersion").and_then(Value::as_str) != Some("apiextensions.k8s.io/v1") {
        return Err(field("apiVersion", "must be apiextensions.k8s.io/v1"));
    }
    let spec = manifest.get("spec").unwrap_or(&Value::Null);
    let names = Names::of(manifest, spec)?;
    let versions = spec.get("versions").and_then(Value::as_array);
    let versions = versions.ok_or_else(|| field("spec.versions", "must be a list"))?;
    let is = |version: &Value, key: &str| version.get(key) == Some(&Value::Bool(true));
    if versions.iter().filter(|v| is(v, "storage")).count() != 1 {
        return Err(field(
            "spec.versions",
            "must have exactly one storage version",
        ));
    }
    let served = versions.iter().filter(|v| is(v, "served"));
    served
        .map(|version| resource(&names, version, origin))
        .collect()
}

/// What all versions of a kind share.
struct Names {
    group: String,
    plural: String,
    singular: String,
    kind: String,
    list_kind: String,
    short_names: Vec<String>,
    categories: Vec<String>,
    namespaced: bool,
}

impl Names {
    fn of(manifest: &Value, spec: &Value) -> Result<Self, Error> {
        let text = |pointer: &str| {
            let found = spec.pointer(pointer).and_then(Value::as_str);
            found.filter(|t| !t.is_empty()).map(str::to_owned)
        };
        let list = |pointer: &str| {
            let found = spec.pointer(pointer).and_then(Value::as_array);
            let items = found.into_iter().flatten();
            items.filter_map(|v| Some(v.as_str()?.to_owned())).collect()
        };
        let need = |pointer: &str, name: &'static str| {
            text(pointer).ok_or_else(|| field(name, "must not be empty"))
        };
        let group = need("/group", "spec.group")?;
        let plural = need("/names/plural", "spec.names.plural")?;
        let kind = need("/names/kind", "spec.names.kind")?;
        if !names::subdomain(&group).is_empty() || !group.contains('.') {
            return Err(field(
                "spec.group",
                "must be a domain with at least two labels",
            ));
        }
        if !names::label(&plural).is_empty() {
            return Err(field("spec.names.plural", "must be a DNS label"));
        }
        let name = manifest.pointer("/metadata/name").and_then(Value::as_str);
        if name != Some(format!("{plural}.{group}").as_str()) {
            return Err(field(
                "metadata.name",
                "must be spec.names.plural+\".\"+spec.group",
            ));
        }
        let namespaced = match text("/scope").as_deref() {
            Some("Namespaced") => true,
            Some("Cluster") => false,
            _ => return Err(field("spec.scope", "must be Cluster or Namespaced")),
        };
        Ok(Self {
            singular: text("/names/singular").unwrap_or_else(|| kind.to_lowercase()),
            list_kind: text("/names/listKind").unwrap_or_else(|| format!("{kind}List")),
            short_names: list("/names/shortNames"),
            categories: list("/names/categories"),
            group,
            plural,
            kind,
            namespaced,
        })
    }
}

fn field(name: &'static str, why: &str) -> Error {
    Error::Field(name, why.to_owned())
}

fn resource(names: &Names, version: &Value, origin: Origin) -> Result<Resource, Error> {
    let name = version
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if !names::label(name).is_empty() {
        return Err(field("spec.versions.name", "must be a DNS label"));
    }
    let written = version.pointer("/schema/openAPIV3Schema");
    let written = written.ok_or_else(|| field("spec.versions.schema", "must be there"))?;
    let structural = Structural::parse(written).map_err(|source| Error::Structural {
        version: name.to_owned(),
        source,
    })?;
    let types = convert::schema(&structural.root, tables::get()?);
    let (schema, ty) = types.map_err(|source| Error::Types {
        version: name.to_owned(),
        source,
    })?;
    Ok(Resource {
        group: names.group.clone(),
        version: name.to_owned(),
        kind: names.kind.clone(),
        list_kind: names.list_kind.clone(),
        plural: names.plural.clone(),
        singular: names.singular.clone(),
        short_names: names.short_names.clone(),
        categories: names.categories.clone(),
        namespaced: names.namespaced,
        verbs: VERBS,
        status: version.pointer("/subresources/status").is_some(),
        scale: version.pointer("/subresources/scale").and_then(scale),
        generation: true,
        schema: Arc::new(schema),
        ty,
        smp: false,
        columns: columns(version),
        template: origin == Origin::Custom,
        origin,
        selectable_fields: selectable(version),
        storage: (names.group.clone(), names.plural.clone()),
        structural: Some(Arc::new(structural)),
    })
}

fn scale(scale: &Value) -> Option<ScalePaths> {
    let text = |key: &str| Some(scale.get(key)?.as_str()?.to_owned());
    Some(ScalePaths {
        spec_replicas: text("specReplicasPath")?,
        status_replicas: text("statusReplicasPath")?,
        label_selector: text("labelSelectorPath"),
    })
}

fn columns(version: &Value) -> Vec<Column> {
    let listed = version
        .get("additionalPrinterColumns")
        .and_then(Value::as_array);
    let column = |column: &Value| {
        let text = |key: &str| {
            let found = column.get(key).and_then(Value::as_str);
            found.unwrap_or_default().to_owned()
        };
        let priority = column.get("priority").and_then(Value::as_i64).unwrap_or(0);
        Column {
            name: text("name"),
            ty: text("type"),
            format: text("format"),
            description: text("description"),
            priority: i32::try_from(priority).unwrap_or(i32::MAX),
            json_path: text("jsonPath"),
        }
    };
    listed.into_iter().flatten().map(column).collect()
}

fn selectable(version: &Value) -> Vec<String> {
    let listed = version.get("selectableFields").and_then(Value::as_array);
    let paths = listed.into_iter().flatten();
    let paths = paths.filter_map(|f| Some(f.get("jsonPath")?.as_str()?.to_owned()));
    paths.collect()
}
