//! What users do while an agent is away.

use anyhow::{Result, ensure};

use crate::stage::Stage;
use crate::stage::objects::{map, map_path};

/// Changed and then deleted: when the agent is back the object goes, and is not changed before.
pub(crate) async fn changed_and_then_deleted_while_away(stage: &mut Stage) -> Result<()> {
    stage.given(&[("a", "1"), ("b", "1")]).await?;
    stage.agent.kill()?;
    let before = stage.member.gate.acts().len();
    stage.hub.put(&[map("a", "2")]).await?;
    stage.quiet().await;
    stage.hub.delete(&map_path("a")).await?;
    stage.quiet().await;
    stage.start_agent().await?;
    stage.member.until_map("a", None).await?;
    stage.member.expect_map("b", Some("1")).await?;
    let acts = stage.member.gate.acts();
    let acts: Vec<&str> = acts
        .iter()
        .skip(before)
        .map(|a| a.method.as_str())
        .collect();
    ensure!(acts == ["DELETE"], "{acts:?}");
    stage.expect_deleted(&[map_path("a")]).await
}

/// Deleted and added again: the object stays the one that it was, and is changed in its place.
pub(crate) async fn deleted_and_added_again_while_away(stage: &mut Stage) -> Result<()> {
    stage.given(&[("a", "1")]).await?;
    let (_, uid, stamp) = stage.shape(&map_path("a")).await?;
    stage.agent.kill()?;
    stage.hub.delete(&map_path("a")).await?;
    // The decision about its end is made before it begins anew.
    stage.quiet().await;
    stage.hub.put(&[map("a", "2")]).await?;
    stage.quiet().await;
    stage.start_agent().await?;
    stage.member.until_map("a", Some("2")).await?;
    stage.until_applied("a").await?;
    let (_, now, restamped) = stage.shape(&map_path("a")).await?;
    ensure!(now == uid, "it was deleted on the member");
    ensure!(restamped != stamp, "it bears its first stamp");
    stage.expect_deleted(&[]).await
}
