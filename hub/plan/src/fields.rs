//! Field selectors: what people say about a cluster (provider, region, zone), and what it reports
//! (Kubernetes version, API groups).
//!
//! Reports are facts: they decide about what is not there yet, and take nothing away.

use roadstead_protocol::api::selection::{Field, FieldOperator, FieldRequirement, FieldSelector};

use crate::cluster::Cluster;

/// Most numbers of a version that are compared: major, minor, patch.
const VERSION_PARTS: usize = 3;

/// Whether a field is a report and not somebody's word.
fn reported(field: Field) -> bool {
    match field {
        Field::Version | Field::ApiGroup => true,
        Field::Provider | Field::Region | Field::Zone => false,
    }
}

/// What is wrong with a selector, with the path below it, if anything is. Where `facts` are not
/// allowed, it may only ask for what people say.
pub(crate) fn problem(selector: &FieldSelector, facts: bool) -> Option<String> {
    let expressions = selector.match_expressions.iter().enumerate();
    expressions
        .filter_map(|(i, r)| Some((i, wrong(r, facts)?)))
        .map(|(i, wrong)| format!("fieldSelector.matchExpressions[{i}].{wrong}"))
        .next()
}

fn wrong(requirement: &FieldRequirement, facts: bool) -> Option<String> {
    let FieldRequirement {
        key,
        operator,
        values,
    } = requirement;
    if reported(*key) && !facts {
        return Some(format!(
            "key: Invalid value: {key:?} changes without anybody's doing; provider, region and zone \
             may stand here"
        ));
    }
    let compares = matches!(operator, FieldOperator::Gt | FieldOperator::Lt);
    let lists = matches!(operator, FieldOperator::In | FieldOperator::NotIn);
    if compares && *key != Field::Version {
        return Some(format!(
            "operator: Invalid value: {operator:?} is for the version only; use In or NotIn"
        ));
    }
    if !compares && !lists && *key == Field::ApiGroup {
        return Some(format!(
            "operator: Invalid value: {operator:?} says nothing of API groups; use In or NotIn"
        ));
    }
    if (lists && values.is_empty()) || (compares && values.len() != 1) {
        return Some(format!("values: Required value: {operator:?} needs one"));
    }
    if !compares && !lists && !values.is_empty() {
        return Some(format!("values: Forbidden: {operator:?} takes none"));
    }
    let bad = |value: &&String| *key == Field::Version && parse(value).is_none();
    let bad = values.iter().find(bad)?;
    Some(format!(
        "values: Invalid value: {bad:?} is not a version such as 1.30 or v1.30.2"
    ))
}

/// Whether a selector asks for anything that clusters report.
pub(crate) fn goes_by_reports(selector: &FieldSelector) -> bool {
    selector.match_expressions.iter().any(|r| reported(r.key))
}

/// Whether what people say about a cluster meets the selector.
pub(crate) fn said(selector: &FieldSelector, cluster: &Cluster) -> bool {
    let expressions = selector.match_expressions.iter();
    expressions
        .filter(|r| !reported(r.key))
        .all(|r| holds(r, cluster))
}

/// Why what a cluster reports does not meet the selector, if it does not.
pub(crate) fn unmet(selector: &FieldSelector, cluster: &Cluster) -> Option<String> {
    let expressions = selector.match_expressions.iter();
    let mut facts = expressions.filter(|r| reported(r.key));
    let unmet = facts.find(|r| !holds(r, cluster))?;
    let values = unmet.values.join(", ");
    Some(match unmet.key {
        Field::Version => match &cluster.version {
            Some(version) => format!("it runs {version}, not {:?} {values}", unmet.operator),
            None => "its Kubernetes version is not known yet".to_owned(),
        },
        Field::ApiGroup | Field::Provider | Field::Region | Field::Zone => {
            format!("its API groups are not {:?} {values}", unmet.operator)
        }
    })
}

/// What the selector asks of a cluster's reports that is not known yet, where all that is known meets it.
pub(crate) fn unknown(selector: &FieldSelector, cluster: &Cluster) -> Option<&'static str> {
    let expressions = selector.match_expressions.iter();
    let missing = |r: &FieldRequirement| match (r.key, r.operator) {
        (_, FieldOperator::Exists | FieldOperator::DoesNotExist) => None,
        (Field::Version, _) => cluster.version.is_none().then_some("Kubernetes version"),
        (Field::ApiGroup, _) => cluster.api_groups.is_empty().then_some("API groups"),
        (Field::Provider | Field::Region | Field::Zone, _) => None,
    };
    let mut unknown = None;
    for requirement in expressions {
        match missing(requirement) {
            Some(what) => unknown = unknown.or(Some(what)),
            None if holds(requirement, cluster) => {}
            None => return None,
        }
    }
    unknown
}

fn holds(requirement: &FieldRequirement, cluster: &Cluster) -> bool {
    let text = match requirement.key {
        Field::Provider => cluster.provider.as_deref(),
        Field::Region => cluster.region.as_deref(),
        Field::Zone => cluster.zone.as_deref(),
        Field::Version => return version(requirement, cluster.version.as_deref()),
        Field::ApiGroup => return groups(requirement, cluster),
    };
    let listed = text.is_some_and(|text| requirement.values.iter().any(|value| value == text));
    match requirement.operator {
        FieldOperator::In => listed,
        FieldOperator::NotIn => !listed,
        FieldOperator::Exists => text.is_some(),
        FieldOperator::DoesNotExist => text.is_none(),
        FieldOperator::Gt | FieldOperator::Lt => false,
    }
}

fn groups(requirement: &FieldRequirement, cluster: &Cluster) -> bool {
    if cluster.api_groups.is_empty() {
        return false;
    }
    let serves = |value: &String| {
        let group =
            |version: &String| version.split_once('/').map_or("", |(group, _)| group) == value;
        cluster.api_groups.contains(value) || cluster.api_groups.iter().any(group)
    };
    let served = requirement.values.iter().any(serves);
    match requirement.operator {
        FieldOperator::In => served,
        FieldOperator::NotIn => !served,
        FieldOperator::Exists
        | FieldOperator::DoesNotExist
        | FieldOperator::Gt
        | FieldOperator::Lt => false,
    }
}

fn version(requirement: &FieldRequirement, reported: Option<&str>) -> bool {
    let found = reported.and_then(parse);
    match requirement.operator {
        FieldOperator::Exists => return found.is_some(),
        FieldOperator::DoesNotExist => return found.is_none(),
        FieldOperator::In | FieldOperator::NotIn | FieldOperator::Gt | FieldOperator::Lt => {}
    }
    let Some(found) = found else {
        return false;
    };
    // Compared as far as the value goes: 1.30.7 is 1.30, and not later than it.
    let orders = requirement.values.iter().filter_map(|value| {
        let value = parse(value)?;
        let found: Vec<u32> = found
            .iter()
            .copied()
            .chain(std::iter::repeat(0))
            .take(value.len())
            .collect();
        Some(found.cmp(&value))
    });
    let orders: Vec<std::cmp::Ordering> = orders.collect();
    match requirement.operator {
        FieldOperator::In => orders.iter().any(|o| o.is_eq()),
        FieldOperator::NotIn => orders.iter().all(|o| o.is_ne()),
        FieldOperator::Gt => orders.iter().any(|o| o.is_gt()),
        FieldOperator::Lt => orders.iter().any(|o| o.is_lt()),
        FieldOperator::Exists | FieldOperator::DoesNotExist => false,
    }
}

/// The numbers of a version: `v1.30.2-eks-1` is 1, 30, 2.
fn parse(text: &str) -> Option<Vec<u32>> {
    let text = text.trim();
    let text = text.strip_prefix('v').unwrap_or(text);
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (numbers, _) = text.split_at_checked(end)?;
    let parts = numbers.trim_end_matches('.').split('.').take(VERSION_PARTS);
    parts.map(|part| part.parse().ok()).collect()
}
