//! Whether somebody's rights comprise others: nobody hands on what they do not have themselves.
//!
//! What is wanted is taken apart into rights to do one thing to one sort of thing; each has to be part
//! of one single rule, as in Kubernetes.

use std::collections::BTreeMap;

use super::Rule;
use super::rule::reaches;

/// Most single rights that rules are taken apart into; rules of more are not compared. Far more than
/// any role that Kubernetes itself comes with, and few enough for a request.
const RIGHTS_MAX: usize = 10_000;
/// Most of what is missing that is named.
const NAMED_MAX: usize = 10;

/// The right to do one thing to one sort of thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Right<'a> {
    /// To objects: group, resource, and a name where only that one is meant.
    Objects(&'a str, &'a str, Option<&'a str>),
    /// To a path.
    Path(&'a str),
}

/// What is missing, in Kubernetes' words.
///
/// # Errors
/// The text, where `have` does not comprise `wanted`, or they are too many to be compared.
pub(crate) fn check<'a>(
    have: &[&Rule],
    wanted: impl IntoIterator<Item = &'a Rule>,
) -> Result<(), String> {
    let mut looked_at = 0_usize;
    let mut missing: BTreeMap<Right<'_>, Vec<&str>> = BTreeMap::new();
    for rule in wanted {
        looked_at = looked_at.saturating_add(size(rule));
        if looked_at > RIGHTS_MAX {
            return Err(format!(
                "the rules amount to more than {RIGHTS_MAX} single rights: split them, or use *"
            ));
        }
        for right in rights(rule) {
            for verb in &rule.verbs {
                let held = have.iter().any(|held| part_of(held, verb, right));
                let verbs = (!held).then(|| missing.entry(right).or_default());
                if let Some(verbs) = verbs.filter(|verbs| !verbs.contains(&verb.as_str())) {
                    verbs.push(verb);
                }
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let more = missing.len().saturating_sub(NAMED_MAX);
    let mut lines: Vec<String> = missing
        .iter()
        .take(NAMED_MAX)
        .map(|(right, verbs)| shown(*right, verbs))
        .collect();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    Err(lines.join("\n"))
}

/// How many single rights a rule is, at most.
fn size(rule: &Rule) -> usize {
    let objects = rule
        .groups
        .len()
        .saturating_mul(rule.resources.len())
        .saturating_mul(rule.names.len().max(1));
    objects
        .saturating_add(rule.urls.len())
        .saturating_mul(rule.verbs.len())
}

fn rights(rule: &Rule) -> Vec<Right<'_>> {
    let mut rights: Vec<Right<'_>> = rule.urls.iter().map(|url| Right::Path(url)).collect();
    for group in &rule.groups {
        for resource in &rule.resources {
            if rule.names.is_empty() {
                rights.push(Right::Objects(group, resource, None));
            }
            for name in &rule.names {
                rights.push(Right::Objects(group, resource, Some(name)));
            }
        }
    }
    rights
}

/// Whether a right is part of a rule.
fn part_of(held: &Rule, verb: &str, right: Right<'_>) -> bool {
    let has = |list: &[String], text: &str| list.iter().any(|item| item == "*" || item == text);
    if !has(&held.verbs, verb) {
        return false;
    }
    match right {
        Right::Path(url) => held.urls.iter().any(|own| own == url || reaches(own, url)),
        Right::Objects(group, resource, name) => {
            let all_of = |own: &String| {
                let sub = resource.split_once('/').map(|(_, sub)| sub);
                own == "*"
                    || own == resource
                    || sub.is_some_and(|sub| own.strip_prefix("*/") == Some(sub))
            };
            let named = |name: &str| held.names.iter().any(|own| own == name);
            has(&held.groups, group)
                && held.resources.iter().any(all_of)
                && (held.names.is_empty() || name.is_some_and(named))
        }
    }
}

fn shown(right: Right<'_>, verbs: &[&str]) -> String {
    let verbs: Vec<String> = verbs.iter().map(|verb| format!("{verb:?}")).collect();
    let verbs = verbs.join(" ");
    match right {
        Right::Path(url) => format!("{{NonResourceURLs:[{url:?}], Verbs:[{verbs}]}}"),
        Right::Objects(group, resource, None) => {
            format!("{{APIGroups:[{group:?}], Resources:[{resource:?}], Verbs:[{verbs}]}}")
        }
        Right::Objects(group, resource, Some(name)) => format!(
            "{{APIGroups:[{group:?}], Resources:[{resource:?}], ResourceNames:[{name:?}], Verbs:[{verbs}]}}"
        ),
    }
}
