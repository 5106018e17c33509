//! What a member cluster is like: its version, nodes, capacity and kinds.
//!
//! Looked at slowly. What cannot be seen (an account without access to nodes) is left out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use roadstead_protocol::api::Facts;
use roadstead_protocol::api::facts::Problem;
use roadstead_protocol::api::quantity;
use roadstead_protocol::wire::limits::{FACTS_BYTES_MAX, MESSAGE_BYTES_MAX};
use serde_json::Value;

use super::client::Member;
use super::error::{Class, Error};
use super::shapes::{Nodes, model_labels};
use crate::desk::Desk;
use crate::plan::report::cut;

mod pods;

use pods::Pods;

/// Nodes, or pods, in one page of a list.
const PAGE: usize = 50;
/// Most pages of one list: more than the largest clusters have.
const PAGES_MAX: u32 = 4000;
/// Longest version, UID and reason in facts that have to be cut, in bytes.
const WORD_BYTES_MAX: usize = 256;
/// How long after a look that failed there is another: one answer that never came is not to make a
/// cluster unready for long. The wait doubles from failure to failure.
const AGAIN_MIN: Duration = Duration::from_secs(2);

/// Looks at the member `every` so often, and sooner after a look that failed, until it is dropped.
///
/// `labels` of nodes name the model of their devices, beside those that are known.
pub async fn run(member: Member, desk: Arc<Desk>, every: Duration, labels: Vec<String>) {
    let mut facts = Facts::default();
    let mut pods = Pods::default();
    let labels = model_labels(labels);
    let mut changes = 0;
    let mut failures = 0_u32;
    loop {
        let mut seen = None;
        match look(&member, &labels).await {
            Ok((found, nodes)) => {
                facts = found;
                failures = 0;
                seen = nodes;
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                // What was seen last stays, with what keeps us from seeing more.
                facts.problem = Some(Problem {
                    reason: error.reason,
                    message: cut(error.message, MESSAGE_BYTES_MAX),
                });
            }
        }
        let due = seen.is_some() && pods.is_due();
        if let Some(nodes) = &seen {
            facts.shapes = nodes.shapes(pods.usage());
        }
        // What is known is told before the pods are looked at, which may take long.
        desk.facts(encode(&facts));
        // What is under our label may be of a kind that was not served when it was looked for.
        if std::mem::replace(&mut changes, member.catalogue().changes()) != changes {
            desk.kinds_changed();
        }
        if let Some(nodes) = seen.filter(|_| due) {
            pods.look(&member, &nodes).await;
            facts.shapes = nodes.shapes(pods.usage());
            desk.facts(encode(&facts));
        }
        tokio::time::sleep(pause(failures, every)).await;
    }
}

/// How long to wait after so many looks in a row that failed.
fn pause(failures: u32, every: Duration) -> Duration {
    match failures.checked_sub(1) {
        None => every,
        Some(doubled) => AGAIN_MIN.saturating_mul(1 << doubled.min(16)).min(every),
    }
}

/// As JSON, within what a hub takes: the rarest shapes go first, then what there can be thousands of.
fn encode(facts: &Facts) -> Bytes {
    if let Some(bytes) = fitting(facts) {
        return bytes;
    }
    let mut short = facts.clone();
    short
        .shapes
        .sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.cmp(b)));
    while short.shapes.pop().is_some() {
        if let Some(bytes) = fitting(&short) {
            return bytes;
        }
    }
    // Thousands of kinds, or of resource names: the rest is still worth knowing.
    let word = |text: &str| cut(text.to_owned(), WORD_BYTES_MAX);
    let problem = facts.problem.as_ref().map(|problem| Problem {
        reason: word(&problem.reason),
        message: cut(problem.message.clone(), MESSAGE_BYTES_MAX),
    });
    let last = Facts {
        version: word(&facts.version),
        member_uid: word(&facts.member_uid),
        nodes: facts.nodes,
        ready_nodes: facts.ready_nodes,
        problem,
        ..Facts::default()
    };
    fitting(&last).unwrap_or_default()
}

fn fitting(facts: &Facts) -> Option<Bytes> {
    let bytes = serde_json::to_vec(facts).ok()?;
    (bytes.len() <= FACTS_BYTES_MAX).then(|| Bytes::from(bytes))
}

/// What the member is like, with its nodes where they can be seen.
async fn look(member: &Member, labels: &[String]) -> Result<(Facts, Option<Nodes>), Error> {
    let version = member.fetch("/version", "application/json").await?;
    let mut facts = Facts {
        version: version
            .get("gitVersion")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        member_uid: member.member_uid().await?,
        ..Facts::default()
    };
    member.refresh(Duration::from_secs(1)).await?;
    facts.api_groups = member.catalogue().group_versions();
    let nodes = visible(nodes(member, labels, &mut facts).await)?;
    Ok((facts, nodes))
}

/// What was seen; `None` where this agent may not see it.
fn visible<T>(seen: Result<T, Error>) -> Result<Option<T>, Error> {
    match seen {
        Ok(seen) => Ok(Some(seen)),
        Err(error)
            if matches!(
                error.class,
                Class::Forbidden | Class::NotFound | Class::KindUnknown
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Reads a list page by page, and counts them in `read`.
async fn pages(
    member: &Member,
    path: &str,
    read: &mut u32,
    each: &mut (dyn FnMut(Value) + Send),
) -> Result<(), Error> {
    let mut next = String::new();
    while *read < PAGES_MAX {
        let at = format!("{path}?limit={PAGE}{next}");
        let listed = member.page(&at, "application/json", each).await?;
        *read += 1;
        if listed.next.is_empty() {
            return Ok(());
        }
        next = format!(
            "&continue={}",
            percent_encoding::utf8_percent_encode(&listed.next, percent_encoding::NON_ALPHANUMERIC)
        );
    }
    let message = format!("the list at {path} has more than {PAGES_MAX} pages of {PAGE}");
    Err(Error::new(Class::Answer, "ListTooLong", message))
}

async fn nodes(member: &Member, labels: &[String], facts: &mut Facts) -> Result<Nodes, Error> {
    let mut nodes = Nodes::default();
    let mut capacity = BTreeMap::new();
    let mut allocatable = BTreeMap::new();
    let mut each = |node: Value| {
        let ready = is_ready(&node);
        facts.nodes = facts.nodes.saturating_add(1);
        facts.ready_nodes = facts.ready_nodes.saturating_add(u32::from(ready));
        add(&mut capacity, node.pointer("/status/capacity"));
        add(&mut allocatable, node.pointer("/status/allocatable"));
        nodes.add(&node, ready, labels);
    };
    pages(member, "/api/v1/nodes", &mut 0, &mut each).await?;
    facts.capacity = write(capacity);
    facts.allocatable = write(allocatable);
    Ok(nodes)
}

fn is_ready(node: &Value) -> bool {
    let conditions = node.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|c| {
        let is = |field: &str, text: &str| c.get(field).and_then(Value::as_str) == Some(text);
        is("type", "Ready") && is("status", "True")
    })
}

/// A sum of quantities, in thousandths, and whether one of them was written in powers of 1024.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    milli: u128,
    binary: bool,
}

fn add(sums: &mut BTreeMap<String, Sum>, quantities: Option<&Value>) {
    for (name, said) in quantities.and_then(Value::as_object).into_iter().flatten() {
        let Some(milli) = quantity::read(said) else {
            continue;
        };
        let sum = sums.entry(name.clone()).or_default();
        sum.milli = sum.milli.saturating_add(u128::from(milli));
        sum.binary |= said.as_str().is_some_and(|text| text.ends_with('i'));
    }
}

fn write(sums: BTreeMap<String, Sum>) -> BTreeMap<String, String> {
    sums.into_iter()
        .map(|(name, sum)| (name, sum.text()))
        .collect()
}

impl Sum {
    /// As a quantity. What has more thousandths than fit in 64 bits is rounded down to whole units.
    fn text(self) -> String {
        match u64::try_from(self.milli) {
            Ok(milli) => quantity::text(milli, self.binary),
            Err(_) if self.binary => format!("{}Ki", self.milli / 1000 / 1024),
            Err(_) => (self.milli / 1000).to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
