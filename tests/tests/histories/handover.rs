//! Policies that take over from one another, and hubs that render in another way.

use anyhow::{Context as _, Result, ensure};
use roadstead_protocol::wire::Digest;
use roadstead_protocol::wire::report::ItemState;
use roadstead_store::records::{
    LEDGER_PREFIX, LedgerEntry, LedgerState, content_key, decode, encode, parse_ledger_key,
};
use roadstead_store::{Backend, Options, Store, Txn};
use roadstead_tests::process::within;
use serde_json::{Value, json};

use crate::stage::objects::{map_key, map_path, path_of, policy_path, sends, sends_everywhere};
use crate::stage::{SOON, Stage};

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

/// A release renders other bytes than the one before, for the same template: they come under a stamp
/// of their own, so that no stamp has two contents.
pub(crate) async fn a_release_that_renders_other_bytes(stage: &mut Stage) -> Result<()> {
    stage.given(&[("a", "1"), ("b", "1")]).await?;
    let (_, uid, _) = stage.shape(&map_path("a")).await?;
    let (_, _, untouched) = stage.shape(&map_path("b")).await?;
    stage.agent.kill()?;
    stage.hub.stop().await?;
    let before = rendered_otherwise(stage).await?;
    stage.hub.start().await?;
    stage.start_agent().await?;
    stage.until_ready().await?;
    within(SOON, "a stamp of its own", || async {
        let report = stage.hub.report(&map_key("a")).await?;
        let report = report.filter(|r| r.state == ItemState::Applied);
        let revision = report.map(|r| r.stamp.revision.0);
        ensure!(revision > Some(before), "{revision:?}, {before}");
        Ok(true)
    })
    .await?;
    let object = stage.member.get(&map_path("a")).await?;
    let left = object.as_ref().and_then(|o| o.pointer("/data/former"));
    ensure!(left.is_none(), "{object:?}");
    stage.member.expect_map("a", Some("1")).await?;
    let (_, now, _) = stage.shape(&map_path("a")).await?;
    ensure!(now == uid, "it was made anew");
    let (_, _, other) = stage.shape(&map_path("b")).await?;
    ensure!(other == untouched, "b was stamped anew");
    ensure!(
        !stage.agent.log()?.contains("SameStampDiffers"),
        "one stamp, two contents"
    );
    stage.until_nothing_held().await?;
    stage.expect_deleted(&[]).await
}

/// Makes the stopped hub's ledger what a former release would have made of it, and gives the revision
/// of that.
async fn rendered_otherwise(stage: &Stage) -> Result<u64> {
    let backend = Backend::Redb(roadstead_store::file(stage.hub.file()));
    let store = Store::open(stage.hub.clock.env(), backend, Options::default()).await?;
    let snapshot = store.snapshot();
    let mut entries = snapshot.range(LEDGER_PREFIX);
    let of_a = |key: &str| parse_ledger_key(key).is_some_and(|(_, item)| item == map_key("a"));
    let entry = entries.find(|e| of_a(e.key.as_str()));
    let entry = entry.context("the ledger has no a")?;
    let mut record: LedgerEntry = decode(entry)?;
    let LedgerState::Put { digest, .. } = record.state else {
        anyhow::bail!("a is to go");
    };
    let content = snapshot.get(content_key(&digest)?.as_str());
    let mut object: Value = decode(content.context("no content")?)?;
    object["data"]["former"] = json!("release");
    let bytes = object.to_string();
    let digest = Digest::of(bytes.as_bytes());
    record.state = LedgerState::Put {
        digest,
        size: u64::try_from(bytes.len())?,
    };
    let txn = Txn::new()
        .put(content_key(&digest)?, bytes::Bytes::from(bytes))
        .put(entry.key.clone(), encode(&record)?);
    store.commit(txn).await?;
    let revision = store.revision().0;
    store.close().await;
    Ok(revision)
}
