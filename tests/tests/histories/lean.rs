//! What travels: sites at the edge pay for every byte.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::stage::Stage;
use crate::stage::objects::{map, map_path};

/// How long the object is beside the field that changes, in bytes.
const REST_BYTES: usize = 100_000;
/// What may travel for one field of it, in bytes: a hundredth of that is what it takes, keep-alives and
/// acknowledgements come on top.
const HEARD_MAX: i64 = 12_000;

/// A ConfigMap of which one field is short and the rest long.
fn large(value: &str) -> Value {
    let mut object = map("large", value);
    let lines = (0..REST_BYTES / 10).map(|n| format!("{:09} ", n * 7919 % 1_000_003));
    object["data"]["rest"] = lines.collect::<String>().into();
    object
}

/// Writes it with this value, and gives how many bytes the agent heard for it.
async fn travels(stage: &Stage, value: &str) -> Result<i64> {
    let before = stage.agent.wires.heard();
    stage.hub.put(&[large(value)]).await?;
    stage.member.until_map("large", Some(value)).await?;
    stage.until_applied("large").await?;
    let there = stage.member.get(&map_path("large")).await?;
    let there = there.context("it is there")?;
    ensure!(
        there.pointer("/data/rest") == large(value).pointer("/data/rest"),
        "the rest has changed"
    );
    Ok(stage.agent.wires.heard() - before)
}

/// A user changes one short field of a long object: only that travels, also to an agent that has
/// the rest on its disk from its life before.
pub(crate) async fn one_field_of_a_large_object_travels_alone(stage: &mut Stage) -> Result<()> {
    let whole = travels(stage, "1").await?;
    let least = i64::try_from(REST_BYTES / 10)?;
    ensure!(whole > least, "the whole took {whole} bytes");
    for value in ["2", "3"] {
        let heard = travels(stage, value).await?;
        println!("{heard} bytes for one field, {whole} for the whole");
        ensure!(heard < HEARD_MAX.min(whole), "one field took {heard} bytes");
    }
    stage.restart_agent().await?;
    stage.given(&[("small", "1")]).await?;
    let heard = travels(stage, "4").await?;
    ensure!(
        heard < HEARD_MAX,
        "after a restart one field took {heard} bytes"
    );
    stage.expect_deleted(&[]).await
}
