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
use super::shapes::{Nodes, Usage, model_labels, use_up};
use crate::desk::Desk;
use crate::plan::report::cut;

/// Nodes, or pods, in one page of a list.
const PAGE: usize = 50;
/// After how many pages of pods they are looked at one time less: the larger a cluster, the more
/// seldom.
const PAGES_A_LOOK: u32 = 10;
/// Most looks between two at the pods.
const LOOKS_MAX: u32 = 30;
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
        match look(&member, &labels, &mut pods).await {
            Ok(found) => {
                facts = found;
                failures = 0;
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
        desk.facts(encode(&facts));
        // What is under our label may be of a kind that was not served when it was looked for.
        if std::mem::replace(&mut changes, member.catalogue().changes()) != changes {
            desk.kinds_changed();
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

fn encode(facts: &Facts) -> Bytes {
    let bytes = serde_json::to_vec(facts).unwrap_or_default();
    if bytes.len() <= FACTS_BYTES_MAX {
        return Bytes::from(bytes);
    }
    // Thousands of kinds, or of resource names: the rest is still worth knowing.
    let short = Facts {
        api_groups: Vec::new(),
        capacity: BTreeMap::new(),
        allocatable: BTreeMap::new(),
        ..facts.clone()
    };
    Bytes::from(serde_json::to_vec(&short).unwrap_or_default())
}

/// What was seen of the pods.
#[derive(Default)]
struct Pods {
    /// What they ask for; `None` while they cannot be seen.
    usage: Option<Usage>,
    /// After how many looks they are looked at again.
    rest: u32,
}

impl Pods {
    /// Looks at the pods. What keeps us from seeing them keeps us from nothing else: what was seen
    /// last stays until it is known that they may not be seen.
    async fn look(&mut self, member: &Member) {
        let pages = match visible(used(member).await) {
            Ok(seen) => {
                let (usage, pages) = seen.unzip();
                self.usage = usage;
                pages.unwrap_or(0)
            }
            Err(error) => {
                tracing::debug!(error = %error, "the pods cannot be seen");
                0
            }
        };
        self.rest = (1 + pages / PAGES_A_LOOK).min(LOOKS_MAX);
    }
}

async fn look(member: &Member, labels: &[String], pods: &mut Pods) -> Result<Facts, Error> {
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
    if let Some(nodes) = visible(nodes(member, labels, &mut facts).await)? {
        pods.rest = pods.rest.saturating_sub(1);
        if pods.rest == 0 {
            pods.look(member).await;
        }
        facts.shapes = nodes.shapes(pods.usage.as_ref());
    }
    Ok(facts)
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

/// What all pods ask for, by node, and how many pages they were.
async fn used(member: &Member) -> Result<(Usage, u32), Error> {
    let mut usage = Usage::default();
    let pages = pages(member, "/api/v1/pods", &mut |pod| use_up(&mut usage, &pod)).await?;
    Ok((usage, pages))
}

/// Reads a list page by page, and says how many there were.
async fn pages(
    member: &Member,
    path: &str,
    each: &mut (dyn FnMut(Value) + Send),
) -> Result<u32, Error> {
    let mut next = String::new();
    let mut pages = 0_u32;
    loop {
        let at = format!("{path}?limit={PAGE}{next}");
        let listed = member.page(&at, "application/json", each).await?;
        pages = pages.saturating_add(1);
        if listed.next.is_empty() {
            return Ok(pages);
        }
        next = format!(
            "&continue={}",
            percent_encoding::utf8_percent_encode(&listed.next, percent_encoding::NON_ALPHANUMERIC)
        );
    }
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
    pages(member, "/api/v1/nodes", &mut each).await?;
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
    milli: u64,
    binary: bool,
}

fn add(sums: &mut BTreeMap<String, Sum>, quantities: Option<&Value>) {
    for (name, said) in quantities.and_then(Value::as_object).into_iter().flatten() {
        let Some(milli) = quantity::read(said) else {
            continue;
        };
        let sum = sums.entry(name.clone()).or_default();
        sum.milli = sum.milli.saturating_add(milli);
        sum.binary |= said.as_str().is_some_and(|text| text.ends_with('i'));
    }
}

fn write(sums: BTreeMap<String, Sum>) -> BTreeMap<String, String> {
    sums.into_iter()
        .map(|(name, sum)| (name, quantity::text(sum.milli, sum.binary)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::fake::{Fake, Fault};
    use crate::store::Loaded;

    fn check(quantities: &[&str], expected: &str) {
        let mut sums = BTreeMap::new();
        for quantity in quantities {
            add(&mut sums, Some(&serde_json::json!({"x": quantity})));
        }
        assert_eq!(
            write(sums).remove("x").as_deref(),
            Some(expected),
            "{quantities:?}"
        );
    }

    #[test]
    fn looks_again_soon_after_a_failure_and_then_more_rarely() {
        let every = Duration::from_secs(60);
        let waits: Vec<u64> = (0..8).map(|n| pause(n, every).as_secs()).collect();
        assert_eq!(waits, [60, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pause(u32::MAX, every), every);
        assert_eq!(pause(1, Duration::from_secs(1)), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn one_answer_that_never_came_is_made_good_within_seconds() {
        let fake = Fake::new();
        fake.state().fault = Some(Box::new(|_, path| {
            (path == "/version").then(|| Fault::Answer(503, "ServiceUnavailable", "not now"))
        }));
        let desk = Arc::new(Desk::new(&Loaded::default()));
        let every = Duration::from_secs(60);
        let looking = run(
            Member::new(fake.client()),
            Arc::clone(&desk),
            every,
            Vec::new(),
        );
        let looking = tokio::spawn(looking);
        let problem = || {
            let said = desk.take_facts()?;
            Some(serde_json::from_slice::<Facts>(&said).unwrap().problem)
        };
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(problem().is_some_and(|problem| problem.is_some()));
        fake.state().fault = None;
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(problem(), Some(None));
        looking.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn nodes_and_what_pods_ask_of_them_are_told_and_again_only_when_they_change() {
        let fake = Fake::new();
        let node = serde_json::json!({
            "metadata": {"name": "n", "labels": {"nvidia.com/gpu.product": "Tesla-T4"}},
            "status": {
                "allocatable": {"cpu": "4", "nvidia.com/gpu": "2"},
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        });
        fake.put("/api/v1/nodes/n", node);
        let desk = Arc::new(Desk::new(&Loaded::default()));
        let every = Duration::from_secs(60);
        let looking = run(
            Member::new(fake.client()),
            Arc::clone(&desk),
            every,
            Vec::new(),
        );
        let looking = tokio::spawn(looking);
        let free = || {
            let said = serde_json::from_slice::<Facts>(&desk.take_facts()?).unwrap();
            let shape = said.shapes.into_iter().next()?;
            assert_eq!((shape.count, shape.models.len()), (1, 1));
            shape.free?.get("nvidia.com/gpu").cloned()
        };
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(free().as_deref(), Some("2"));
        tokio::time::sleep(every * 3).await;
        assert_eq!(free(), None, "nothing changed");
        let limits = serde_json::json!({"nvidia.com/gpu": 1});
        let pod = serde_json::json!({
            "metadata": {"name": "p", "namespace": "web"},
            "spec": {"nodeName": "n", "containers": [{"resources": {"limits": limits}}]},
        });
        fake.put("/api/v1/namespaces/web/pods/p", pod);
        tokio::time::sleep(every).await;
        assert_eq!(free().as_deref(), Some("1"));
        looking.abort();
    }

    #[test]
    fn quantities_add_up() {
        check(&["4", "3920m"], "7920m");
        check(&["1.5", "500m"], "2");
        check(&["16393244Ki", "4Ki"], "16393248Ki");
        check(&["1Gi", "1Gi"], "2Gi");
        check(&["110", "110"], "220");
        check(&["0"], "0");
    }
}
