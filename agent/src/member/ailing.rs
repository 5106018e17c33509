//! Why the pods of workloads that are not well do not run.
//!
//! Only while a workload is not well its pods are looked at: one short list for each, one workload at a
//! time, the more seldom the longer it says the same. Where all is well nothing is asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use roadstead_protocol::wire::item::ItemKey;
use serde_json::Value;
use tokio::time::Instant;

use super::client::Member;
use super::error::{Class, Error};
use crate::desk::{Desk, Unwell};
use crate::plan::ailing;
use crate::store::Disk;

/// How often it is looked for workloads that are not well, and how soon pods are looked at.
const EVERY: Duration = Duration::from_secs(10);
/// The longest wait between two looks at the pods of one workload.
const WAIT_MAX: Duration = Duration::from_secs(300);
/// Most pods of a workload that are looked at.
const PODS_MAX: usize = 50;
/// Most workloads that are looked at in one round.
const LOOKS_MAX: usize = 20;

/// When a workload's pods are looked at again.
struct Turn {
    at: Instant,
    wait: Duration,
    version: String,
}

/// Looks at pods until it is dropped.
pub async fn run(member: Member, desk: Arc<Desk>, disk: Disk) {
    let mut turns: BTreeMap<ItemKey, Turn> = BTreeMap::new();
    loop {
        tokio::time::sleep(EVERY).await;
        let unwell = desk.unwell();
        for key in turns.keys().filter(|key| !unwell.contains_key(*key)) {
            desk.ails(key, "");
        }
        turns.retain(|key, _| unwell.contains_key(key));
        let now = Instant::now();
        for (key, seen) in &unwell {
            let turn = turns.entry(key.clone()).or_insert_with(|| Turn {
                at: now,
                wait: EVERY,
                version: seen.version.clone(),
            });
            // It changed: what keeps it may be something else by now.
            if turn.version != seen.version {
                turn.version.clone_from(&seen.version);
                turn.wait = EVERY;
                turn.at = turn.at.min(now + EVERY);
            }
        }
        let mut due: Vec<(Instant, ItemKey)> = turns
            .iter()
            .filter(|(_, turn)| turn.at <= now)
            .map(|(key, turn)| (turn.at, key.clone()))
            .collect();
        due.sort();
        for (_, key) in due.into_iter().take(LOOKS_MAX) {
            let seen = look(&member, &disk, (&key, unwell.get(&key))).await;
            let Some(turn) = turns.get_mut(&key) else {
                continue;
            };
            let news = match seen {
                Ok(words) => desk.ails(&key, &words),
                Err(error) => {
                    tracing::debug!(%key, %error, "its pods cannot be seen");
                    if matches!(error.class, Class::Forbidden | Class::NotFound) {
                        turn.wait = WAIT_MAX;
                    }
                    false
                }
            };
            turn.wait = match news {
                true => EVERY,
                false => turn.wait.saturating_mul(2).min(WAIT_MAX),
            };
            turn.at = Instant::now() + turn.wait;
        }
    }
}

async fn look(
    member: &Member,
    disk: &Disk,
    (key, unwell): (&ItemKey, Option<&Unwell>),
) -> Result<String, Error> {
    let Some(unwell) = unwell else {
        return Ok(String::new());
    };
    let content = disk.content(unwell.given).await;
    let content = content.ok().flatten();
    let given: Option<Value> = content.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let selector = given.and_then(|given| ailing::selector(&key.kind, &key.name, &given));
    let Some(selector) = selector else {
        return Ok(String::new());
    };
    let selector =
        percent_encoding::utf8_percent_encode(&selector, percent_encoding::NON_ALPHANUMERIC);
    let namespace = &key.namespace;
    let path =
        format!("/api/v1/namespaces/{namespace}/pods?labelSelector={selector}&limit={PODS_MAX}");
    let mut found = ailing::Ailing::default();
    let mut each = |pod: Value| found.add(&pod);
    member.page(&path, "application/json", &mut each).await?;
    Ok(found.words())
}
