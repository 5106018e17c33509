//! What a user of a member changes or deletes there comes back at once.

use anyhow::{Result, ensure};
use roadstead_tests::api::text;
use roadstead_tests::fleet::{Fleet, Site};
use serde_json::{Value, json};

use crate::manifests::DEPLOYMENT;
use crate::{AT_ONCE, Clock, DR, PROD};

/// A change made behind the agent's back, and whether it has been put right.
type Change = (&'static str, Value, fn(&Value) -> bool);

fn changes() -> Vec<Change> {
    vec![
        (
            "the replicas are changed",
            json!({"spec": {"replicas": 7}}),
            |o| o.pointer("/spec/replicas") == Some(&json!(1)),
        ),
        (
            "a label is changed",
            json!({"metadata": {"labels": {"app": "mine"}}}),
            |o| text(o, "/metadata/labels/app") == "example-app",
        ),
        (
            "our own label is removed",
            json!({"metadata": {"labels": {"roadstead.dev/owner": null}}}),
            |o| !text(o, "/metadata/labels/roadstead.dev~1owner").is_empty(),
        ),
        (
            "the stamp is removed",
            json!({"metadata": {"annotations": {"roadstead.dev/stamp": null}}}),
            |o| !text(o, "/metadata/annotations/roadstead.dev~1stamp").is_empty(),
        ),
    ]
}

pub(crate) async fn put_right(fleet: &mut Fleet) -> Result<()> {
    let site = fleet.site(DR)?;
    for (what, patch, right) in changes() {
        site.api.merge(DEPLOYMENT, &patch).await?.ok()?;
        let clock = Clock::start();
        site.until(DEPLOYMENT, what, |o| o.is_some_and(right))
            .await?;
        let took = clock.lap(&format!("{what} on {DR}: put right"));
        ensure!(took < AT_ONCE, "{what}: {took:?}");
    }
    for name in [DR, PROD] {
        deleted(fleet.site(name)?).await?;
    }
    others_fields(site).await
}

async fn deleted(site: &Site) -> Result<()> {
    let before = site.object(DEPLOYMENT).await?.unwrap_or_default();
    site.api.delete(DEPLOYMENT, None).await?.ok()?;
    let clock = Clock::start();
    let old = text(&before, "/metadata/uid");
    let after = site
        .until(DEPLOYMENT, "it comes back", |o| {
            o.is_some_and(|o| text(o, "/metadata/uid") != old)
        })
        .await?;
    let took = clock.lap(&format!("deleted on {}: it is back", site.name));
    ensure!(took < AT_ONCE, "deleted: {took:?}");
    let spec = |o: &Value| o.pointer("/spec").cloned();
    ensure!(
        after.as_ref().and_then(spec) == spec(&before),
        "it came back otherwise"
    );
    Ok(())
}

/// What others add is theirs.
async fn others_fields(site: &Site) -> Result<()> {
    let patch = json!({"metadata": {"annotations": {"example.com/note": "mine"}}});
    site.api.merge(DEPLOYMENT, &patch).await?.ok()?;
    let patch = json!({"spec": {"replicas": 4}});
    site.api.merge(DEPLOYMENT, &patch).await?.ok()?;
    let after = site
        .until(DEPLOYMENT, "the replicas are put right", |o| {
            o.is_some_and(|o| o.pointer("/spec/replicas") == Some(&json!(1)))
        })
        .await?;
    let note = after
        .as_ref()
        .map(|o| text(o, "/metadata/annotations/example.com~1note"));
    ensure!(note == Some("mine"), "the note is {note:?}");
    let patch = json!({"metadata": {"annotations": {"example.com/note": null}}});
    site.api.merge(DEPLOYMENT, &patch).await?.ok()?;
    Ok(())
}
