//! What a member cluster is like: its version, nodes, capacity and kinds.
//!
//! Looked at slowly. What cannot be seen (an account without access to nodes) is left out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use roadstead_protocol::api::Facts;
use roadstead_protocol::api::facts::Problem;
use roadstead_protocol::wire::limits::{FACTS_BYTES_MAX, MESSAGE_BYTES_MAX};
use serde_json::Value;

use super::client::Member;
use super::error::{Class, Error};
use crate::desk::Desk;
use crate::plan::report::cut;

/// Nodes in one page of a list.
const PAGE: usize = 50;
/// How long after a look that failed there is another: one answer that never came is not to make a
/// cluster unready for long. The wait doubles from failure to failure.
const AGAIN_MIN: Duration = Duration::from_secs(2);

/// Looks at the member `every` so often, and sooner after a look that failed, until it is dropped.
pub async fn run(member: Member, desk: Arc<Desk>, every: Duration) {
    let mut facts = Facts::default();
    let mut changes = 0;
    let mut failures = 0_u32;
    loop {
        match look(&member).await {
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

async fn look(member: &Member) -> Result<Facts, Error> {
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
    match nodes(member, &mut facts).await {
        Ok(()) => {}
        Err(error)
            if matches!(
                error.class,
                Class::Forbidden | Class::NotFound | Class::KindUnknown
            ) => {}
        Err(error) => return Err(error),
    }
    Ok(facts)
}

async fn nodes(member: &Member, facts: &mut Facts) -> Result<(), Error> {
    let mut capacity = BTreeMap::new();
    let mut allocatable = BTreeMap::new();
    let mut page = String::new();
    loop {
        let mut each = |node: Value| {
            facts.nodes = facts.nodes.saturating_add(1);
            facts.ready_nodes = facts.ready_nodes.saturating_add(u32::from(is_ready(&node)));
            add(&mut capacity, node.pointer("/status/capacity"));
            add(&mut allocatable, node.pointer("/status/allocatable"));
        };
        let path = format!("/api/v1/nodes?limit={PAGE}{page}");
        let listed = member.page(&path, "application/json", &mut each).await?;
        if listed.next.is_empty() {
            break;
        }
        page = format!(
            "&continue={}",
            percent_encoding::utf8_percent_encode(&listed.next, percent_encoding::NON_ALPHANUMERIC)
        );
    }
    facts.capacity = write(capacity);
    facts.allocatable = write(allocatable);
    Ok(())
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
    milli: i128,
    binary: bool,
}

fn add(sums: &mut BTreeMap<String, Sum>, quantities: Option<&Value>) {
    for (name, quantity) in quantities.and_then(Value::as_object).into_iter().flatten() {
        let Some((milli, binary)) = quantity.as_str().and_then(parse) else {
            continue;
        };
        let sum = sums.entry(name.clone()).or_default();
        sum.milli = sum.milli.saturating_add(milli);
        sum.binary |= binary;
    }
}

/// A Kubernetes quantity in thousandths; exponents (`1e3`) do not occur in what nodes say.
fn parse(text: &str) -> Option<(i128, bool)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') {
        return None;
    }
    let mut milli: i128 = whole.parse::<i128>().ok()?.checked_mul(1000)?;
    for (digit, weight) in fraction.bytes().zip([100, 10, 1]) {
        milli += i128::from(digit - b'0') * weight;
    }
    let (factor, divisor, binary): (i128, i128, bool) = match suffix {
        "" => (1, 1, false),
        "m" => (1, 1000, false),
        "k" => (1000, 1, false),
        "M" => (1_000_000, 1, false),
        "G" => (1_000_000_000, 1, false),
        "T" => (1_000_000_000_000, 1, false),
        "Ki" => (1 << 10, 1, true),
        "Mi" => (1 << 20, 1, true),
        "Gi" => (1 << 30, 1, true),
        "Ti" => (1 << 40, 1, true),
        _ => return None,
    };
    Some((milli.checked_mul(factor)? / divisor, binary))
}

fn write(sums: BTreeMap<String, Sum>) -> BTreeMap<String, String> {
    sums.into_iter()
        .map(|(name, sum)| (name, text(sum)))
        .collect()
}

fn text(sum: Sum) -> String {
    if sum.milli % 1000 != 0 {
        return format!("{}m", sum.milli);
    }
    let whole = sum.milli / 1000;
    let mut scaled = (whole, "");
    if sum.binary && whole != 0 {
        for (factor, suffix) in [
            (1 << 10, "Ki"),
            (1 << 20, "Mi"),
            (1 << 30, "Gi"),
            (1_i128 << 40, "Ti"),
        ] {
            if whole % factor == 0 {
                scaled = (whole / factor, suffix);
            }
        }
    }
    format!("{}{}", scaled.0, scaled.1)
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
        let looking = run(Member::new(fake.client()), Arc::clone(&desk), every);
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

    #[test]
    fn quantities_add_up() {
        check(&["4", "3920m"], "7920m");
        check(&["1.5", "500m"], "2");
        check(&["16393244Ki", "4Ki"], "16393248Ki");
        check(&["1Gi", "1Gi"], "2Gi");
        check(&["110", "110"], "220");
        check(&["0"], "0");
        assert_eq!(parse("1e3"), None);
        assert_eq!(parse("x"), None);
        assert_eq!(parse("1.2.3"), None);
    }
}
