//! What changes inside of objects, as unified diffs: one for all clusters with the same change.

use std::collections::BTreeMap;

use serde_json::Value;
use similar::TextDiff;

use crate::preview::{Answer, Cluster};

/// Lines shown around each change.
const CONTEXT_LINES: usize = 3;
/// Most clusters that one diff names.
const NAMED_MAX: usize = 5;

/// A change of contents: which object, and the digests before and after.
type Turn<'a> = (&'a str, Option<&'a str>, Option<&'a str>);

/// All differences of an answer.
pub(super) struct Differences<'a> {
    answer: &'a Answer,
    /// Who has each change.
    turns: BTreeMap<Turn<'a>, Vec<&'a str>>,
}

impl<'a> Differences<'a> {
    /// Those of an answer. What is taken from a cluster is whole in the table already.
    pub(super) fn of(answer: &'a Answer) -> Self {
        let mut turns: BTreeMap<Turn<'a>, Vec<&'a str>> = BTreeMap::new();
        for template in &answer.templates {
            for Cluster {
                cluster,
                before,
                after,
                ..
            } in &template.clusters
            {
                if after.is_some() {
                    let turn = (&*template.object, before.as_deref(), after.as_deref());
                    turns.entry(turn).or_default().push(cluster);
                }
            }
        }
        Self { answer, turns }
    }

    /// Their texts.
    pub(super) fn texts(&self) -> Vec<String> {
        let text = |(turn, clusters): (&Turn<'_>, &Vec<&str>)| self.text(turn, clusters);
        self.turns.iter().map(text).collect()
    }

    fn text(&self, (object, before, after): &Turn<'_>, clusters: &[&str]) -> String {
        let named = named(clusters);
        let find = |digest: &Option<&str>| match digest {
            None => Some(Value::Null),
            Some(digest) => self.answer.contents.get(*digest).cloned(),
        };
        let (Some(mut before), Some(mut after)) = (find(before), find(after)) else {
            return format!(
                "{object} on {named}: what changes in it is left out, there is too much"
            );
        };
        hide(&mut before, &mut after);
        let old = format!("{object} on {named}");
        let (before, after) = (lines(&before), lines(&after));
        let diff = TextDiff::from_lines(&before, &after);
        let mut shown = diff.unified_diff();
        shown
            .context_radius(CONTEXT_LINES)
            .header(&old, "as it would be");
        shown.to_string().trim_end().to_owned()
    }
}

fn named(clusters: &[&str]) -> String {
    let shown: Vec<&str> = clusters.iter().take(NAMED_MAX).copied().collect();
    match clusters.len().saturating_sub(NAMED_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// An object as lines; none for nothing.
fn lines(object: &Value) -> String {
    if object.is_null() {
        return String::new();
    }
    let text = serde_saphyr::to_string(object);
    let mut text = text.unwrap_or_else(|_| format!("{object:#}"));
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// Puts stars in the place of what Secrets hold; what changes can still be told.
fn hide(before: &mut Value, after: &mut Value) {
    let secret = |object: &Value| object.get("kind") == Some(&Value::from("Secret"));
    if !secret(before) && !secret(after) {
        return;
    }
    for part in ["data", "stringData"] {
        let old = before.get(part).cloned().unwrap_or_default();
        let new = after.get(part).cloned().unwrap_or_default();
        stars(before, part, &new, "before");
        stars(after, part, &old, "after");
    }
}

fn stars(object: &mut Value, part: &str, other: &Value, when: &str) {
    let Some(fields) = object.get_mut(part).and_then(Value::as_object_mut) else {
        return;
    };
    for (name, value) in fields {
        let turned = other.get(name).is_some_and(|other| other != value);
        *value = if turned {
            format!("*** ({when})").into()
        } else {
            "***".into()
        };
    }
}
