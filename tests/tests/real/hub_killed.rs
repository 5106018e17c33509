//! The hub is killed while people write: what it acknowledged is there, and reaches the members.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use roadstead_tests::api::{Api, text};
use roadstead_tests::fleet::Fleet;
use serde_json::json;
use tokio::time::sleep;

use crate::DR;
use crate::manifests::{config_map_path, policy};

const PHASE: &str = "killed";
/// How often it is killed.
const ROUNDS: u64 = 4;
/// How many write at once.
const WRITERS: usize = 4;
/// Longest time between the writers' start and the kill.
const LONGEST: u64 = 900;

type Acked = BTreeMap<String, u64>;

pub(crate) async fn nothing_acked_is_lost(fleet: &mut Fleet) -> Result<()> {
    fleet.apply("default", &policy(PHASE, ("v1", "ConfigMap"), &[DR]))?;
    let mut acked = Acked::new();
    for round in 0..ROUNDS {
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..WRITERS)
            .map(|w| {
                let name = format!("acked-{w}");
                tokio::spawn(write(fleet.api.clone(), name, round, stop.clone()))
            })
            .collect();
        let random = u64::from(uuid_byte()?) * LONGEST / 255;
        sleep(Duration::from_millis(100 + random)).await;
        fleet.hub.kill().await?;
        stop.store(true, Ordering::SeqCst);
        for writer in writers {
            acked.extend(writer.await?);
        }
        fleet.hub.begin().await?;
        for (name, value) in &acked {
            let object = fleet.api.get(&config_map_path(name)).await?.ok()?;
            let there: u64 = text(&object, "/data/key").parse()?;
            // A write whose answer was lost may be there, too; one that was answered must be.
            ensure!(
                there >= *value,
                "{name}: {value} was acknowledged, {there} is there"
            );
        }
    }
    println!(
        "        {} objects acknowledged over {ROUNDS} kills",
        acked.len()
    );
    ensure!(acked.len() > WRITERS, "hardly anything was written");
    let site = fleet.site(DR)?;
    for (name, value) in &acked {
        site.until(&config_map_path(name), "it is there", |o| {
            let there = o.and_then(|o| text(o, "/data/key").parse::<u64>().ok());
            there >= Some(*value)
        })
        .await?;
    }
    fleet
        .kubectl
        .run(&format!("delete configmap -l phase={PHASE} --wait=false"))?;
    for name in acked.keys() {
        site.until(&config_map_path(name), "it is gone", |o| o.is_none())
            .await?;
    }
    Ok(())
}

/// Creates objects and updates them, until told or cut off; gives what was acknowledged.
async fn write(api: Api, name: String, round: u64, stop: Arc<AtomicBool>) -> Acked {
    let mut acked = Acked::new();
    for index in 0.. {
        let name = format!("{name}-{round}-{}", index / 4);
        let value = index % 4;
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let object = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "labels": {"phase": PHASE}},
            "data": {"key": value.to_string()},
        });
        let path = config_map_path(&name);
        match api.apply(&path, "writer", true, &object).await {
            Ok(answer) if answer.code < 300 => {
                acked.insert(name, value);
            }
            Ok(_) | Err(_) => break,
        }
    }
    acked
}

/// A byte that differs from run to run.
fn uuid_byte() -> Result<u8> {
    let uuid = std::fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    let digits = uuid.get(..2).context("an empty uuid")?;
    Ok(u8::from_str_radix(digits, 16)?)
}
