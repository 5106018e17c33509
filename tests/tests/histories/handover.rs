//! Policies that take over from one another, and hubs that render in another way.

use anyhow::{Result, ensure};

use crate::stage::Stage;
use crate::stage::objects::{map_path, path_of, policy_path, sends, sends_everywhere};

/// An object's policy goes, and another one has it already: it is never removed in between, and
/// neither its uid nor its content moves.
pub(crate) async fn a_policy_handed_over_to_another(stage: &mut Stage) -> Result<()> {
    stage.given(&[("a", "1")]).await?;
    let (_, uid, _) = stage.shape(&map_path("a")).await?;
    // To one of the same kind, and then to one for the whole fleet.
    stage
        .hub
        .put(&[sends("other", ("v1", "ConfigMap"))])
        .await?;
    stage.quiet().await;
    stage.hub.delete(&policy_path("all")).await?;
    stage.quiet().await;
    stage.given(&[("a", "2")]).await?;
    let wide = sends_everywhere("wide", ("v1", "ConfigMap"));
    stage.hub.put(std::slice::from_ref(&wide)).await?;
    stage.hub.delete(&policy_path("other")).await?;
    stage.quiet().await;
    stage.given(&[("a", "3")]).await?;
    let (_, now, _) = stage.shape(&map_path("a")).await?;
    ensure!(now == uid, "it was made anew");
    stage.expect_deleted(&[]).await?;
    // The last one goes: that is a user's act.
    stage.hub.delete(&path_of(&wide)).await?;
    stage.member.until_map("a", None).await?;
    stage.expect_deleted(&[map_path("a")]).await
}
