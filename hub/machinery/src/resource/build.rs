//! Turns the generated tables into resources, and puts resources in discovery order.

use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

use super::{Origin, Resource, ScalePaths, VERBS, VERBS_ONE_BY_ONE, VERBS_REVIEW, qualified};
use crate::tables::{self, Row, Tables, extras};

/// Who serves the built-in kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The hub: workloads are templates.
    Hub,
    /// A simulated member cluster: everything is live.
    Member,
}

/// The built-in kinds.
pub(super) fn builtin(side: Side) -> Result<Vec<Resource>, tables::Error> {
    let tables = tables::get()?;
    let served = |row: &&Row| {
        let name = qualified(row.plural, row.group);
        !extras::NOT_SERVED.contains(&name.as_str())
            && !extras::VERSIONS_NOT_SERVED.contains(&(row.group, row.version))
    };
    let rows = tables.rows().iter().filter(served);
    Ok(rows.map(|row| of(tables, row, side)).collect())
}

fn of(tables: &Tables, row: &Row, side: Side) -> Resource {
    let name = qualified(row.plural, row.group);
    let name = name.as_str();
    let owned = |words: &[&'static str]| words.iter().map(|&w| w.to_owned()).collect();
    let selectable = extras::SELECTABLE.iter().find(|(of, _)| *of == name);
    let stored_as = extras::STORED_AS.iter().find(|(of, _)| *of == name);
    let (group, plural) = stored_as.map_or((row.group, row.plural), |(_, store)| *store);
    let schema = Arc::clone(tables.schema());
    let ty = schema.named(tables.ty(row.ty).name);
    let [spec_replicas, status_replicas, selector] = extras::SCALE.map(str::to_owned);
    Resource {
        group: row.group.to_owned(),
        version: row.version.to_owned(),
        kind: row.kind.to_owned(),
        list_kind: format!("{}List", row.kind),
        plural: row.plural.to_owned(),
        singular: row.singular.to_owned(),
        short_names: owned(&row.short_names),
        categories: owned(&row.categories),
        namespaced: row.namespaced,
        verbs: match name {
            _ if row.create_only => VERBS_REVIEW,
            name if extras::ONE_BY_ONE.contains(&name) => VERBS_ONE_BY_ONE,
            _ => VERBS,
        },
        status: row.subresources.contains(&"status"),
        scale: row.subresources.contains(&"scale").then_some(ScalePaths {
            spec_replicas,
            status_replicas,
            label_selector: Some(selector),
        }),
        generation: extras::GENERATION.contains(&name),
        ty: ty.unwrap_or(crate::schema::TypeId::UNTYPED_DEDUCED),
        schema,
        smp: true,
        columns: Vec::new(),
        template: side == Side::Hub && !row.create_only && !extras::NO_TEMPLATES.contains(&name),
        origin: Origin::BuiltIn,
        selectable_fields: owned(selectable.map_or(&[], |(_, fields)| *fields)),
        storage: (group.to_owned(), plural.to_owned()),
        structural: None,
    }
}

/// Sorts into discovery order: groups as they came, in each group the preferred version first, in
/// each version the kinds as they came.
pub(super) fn order(resources: &mut [Arc<Resource>]) {
    let mut groups: Vec<String> = Vec::new();
    for resource in resources.iter() {
        if !groups.contains(&resource.group) {
            groups.push(resource.group.clone());
        }
    }
    let rank = |r: &Resource| groups.iter().position(|g| *g == r.group);
    resources.sort_by(|a, b| {
        let groups = rank(a).cmp(&rank(b));
        groups.then_with(|| version_order(&a.version, &b.version))
    });
}

/// Kubernetes' order of versions, the preferred one first: `v2`, `v1`, `v1beta2`, `v1alpha1`, then
/// anything else by name.
pub(super) fn version_order(a: &str, b: &str) -> Ordering {
    match (parts(a), parts(b)) {
        (Some(a), Some(b)) => Reverse(a).cmp(&Reverse(b)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

/// Maturity, major and minor number.
fn parts(version: &str) -> Option<(u8, u64, u64)> {
    let rest = version.strip_prefix('v')?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (major, stage) = rest.split_at(end);
    let major = major.parse().ok()?;
    if stage.is_empty() {
        return Some((2, major, 0));
    }
    let minor = |s: &str| s.parse().ok();
    match (stage.strip_prefix("beta"), stage.strip_prefix("alpha")) {
        (Some(beta), _) => Some((1, major, minor(beta)?)),
        (_, Some(alpha)) => Some((0, major, minor(alpha)?)),
        (None, None) => None,
    }
}
