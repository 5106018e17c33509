//! Reads which resources there are, from the recorded discovery documents.

use std::fs;

use anyhow::Context as _;
use serde_json::Value;

use crate::sources::{GROUP_VERSIONS, Sources};

/// One resource in one version.
pub(crate) struct Row {
    /// API group; empty for core.
    pub(crate) group: String,
    /// Version.
    pub(crate) version: String,
    /// Plural.
    pub(crate) plural: String,
    /// Singular.
    pub(crate) singular: String,
    /// Kind.
    pub(crate) kind: String,
    /// Whether it is namespaced.
    pub(crate) namespaced: bool,
    /// Short names.
    pub(crate) short: Vec<String>,
    /// Categories.
    pub(crate) categories: Vec<String>,
    /// Subresources, by name.
    pub(crate) subresources: Vec<String>,
    /// Whether the only verb is create.
    pub(crate) review: bool,
}

/// All resources of the wanted group versions, in order.
pub(crate) fn read(sources: &Sources) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for gv in GROUP_VERSIONS {
        let (group, version) = gv.rsplit_once('/').unwrap_or(("", gv));
        let file = if group.is_empty() {
            format!("api__{version}.json")
        } else {
            format!("apis__{group}__{version}.json")
        };
        let path = sources.kubernetes.join("api/discovery").join(file);
        let text = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let document: Value = serde_json::from_slice(&text)?;
        let listed = document["resources"].as_array().context("no resources")?;
        let name = |v: &Value| v["name"].as_str().unwrap_or_default().to_owned();
        for item in listed.iter().filter(|v| !name(v).contains('/')) {
            let plural = name(item);
            let prefix = format!("{plural}/");
            let subresources = listed
                .iter()
                .filter_map(|v| Some(name(v).strip_prefix(&prefix)?.to_owned()))
                .collect();
            rows.push(row(group, version, item, subresources));
        }
    }
    Ok(rows)
}

fn row(group: &str, version: &str, item: &Value, subresources: Vec<String>) -> Row {
    let text = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
    let list = |key: &str| -> Vec<String> {
        let items = item[key].as_array().into_iter().flatten();
        items.filter_map(|v| Some(v.as_str()?.to_owned())).collect()
    };
    Row {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: text("name"),
        singular: text("singularName"),
        kind: text("kind"),
        namespaced: item["namespaced"] == true,
        short: list("shortNames"),
        categories: list("categories"),
        subresources,
        review: list("verbs") == ["create"],
    }
}
