//! Garbage collection: what hangs on an object that is deleted, or on a namespace.

use anyhow::{Context as _, Result, ensure};
use roadstead_tests::api::text;
use serde_json::{Value, json};

use crate::script::{MAPS, Script, at, map};

/// An owner and something that hangs on it.
async fn pair(s: &Script, owner: &str) -> Result<String> {
    let object = s.api.create(MAPS, &map(owner, json!({}))).await?.ok()?;
    let name = format!("{owner}-dependent");
    let mut dependent = map(&name, json!({}));
    dependent["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": owner,
        "uid": text(&object, "/metadata/uid"),
        "blockOwnerDeletion": true,
    }]);
    s.api.create(MAPS, &dependent).await?.ok()?;
    Ok(at(&name))
}

fn options(policy: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy})
}

pub(crate) async fn background(s: &mut Script) -> Result<()> {
    let dependent = pair(s, "background").await?;
    let answer = s
        .api
        .delete(&at("background"), Some(&options("Background")))
        .await?;
    s.note("background", &answer, (200, &["/kind", "/status"]))?;
    s.until(&dependent, "the dependent goes, too", |o| o.is_none())
        .await?;
    // An owner that was never there.
    let mut lost = map("lost", json!({}));
    lost["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "never",
        "uid": "22222222-2222-2222-2222-222222222222",
    }]);
    s.api.create(MAPS, &lost).await?.ok()?;
    s.until(&at("lost"), "what hangs on nothing goes", |o| o.is_none())
        .await
}

pub(crate) async fn orphaned(s: &mut Script) -> Result<()> {
    let dependent = pair(s, "orphaned").await?;
    s.api
        .delete(&at("orphaned"), Some(&options("Orphan")))
        .await?
        .ok()?;
    s.until(&at("orphaned"), "the owner goes", |o| o.is_none())
        .await?;
    let answer = s.api.get(&dependent).await?;
    s.note(
        "orphaned",
        &answer,
        (200, &["/kind", "/metadata/ownerReferences"]),
    )?;
    ensure!(
        answer.body.pointer("/metadata/ownerReferences").is_none(),
        "{answer:?}"
    );
    Ok(())
}

pub(crate) async fn foreground(s: &mut Script) -> Result<()> {
    let dependent = pair(s, "foreground").await?;
    let hold = json!({"metadata": {"finalizers": ["example.com/wait"]}});
    s.api.merge(&dependent, &hold).await?.ok()?;
    let answer = s
        .api
        .delete(&at("foreground"), Some(&options("Foreground")))
        .await?;
    s.note(
        "foreground",
        &answer,
        (200, &["/kind", "/metadata/finalizers"]),
    )?;
    let deleting =
        |o: Option<&Value>| o.is_some_and(|o| !text(o, "/metadata/deletionTimestamp").is_empty());
    s.until(&dependent, "the dependent is being deleted", deleting)
        .await?;
    let owner = s.api.get(&at("foreground")).await?;
    ensure!(owner.code == 200, "the owner did not wait: {owner:?}");
    let release = json!({"metadata": {"finalizers": null}});
    s.api.merge(&dependent, &release).await?.ok()?;
    s.until(&at("foreground"), "the owner goes last", |o| o.is_none())
        .await
}

pub(crate) async fn namespace(s: &mut Script) -> Result<()> {
    s.namespace("doomed").await?;
    let maps = "/api/v1/namespaces/doomed/configmaps";
    s.api.create(maps, &map("inside", json!({}))).await?.ok()?;
    let hold = json!({"metadata": {"finalizers": ["example.com/wait"]}});
    s.api.merge(&format!("{maps}/inside"), &hold).await?.ok()?;
    let path = "/api/v1/namespaces/doomed";
    let answer = s.api.delete(path, None).await?;
    s.note(
        "a namespace",
        &answer,
        (200, &["/kind", "/status/phase", "/spec/finalizers"]),
    )?;
    let inside = format!("{maps}/inside");
    let deleting =
        |o: Option<&Value>| o.is_some_and(|o| !text(o, "/metadata/deletionTimestamp").is_empty());
    s.until(&inside, "what is inside is being deleted", deleting)
        .await?;
    let refused = s.api.create(maps, &map("late", json!({}))).await?;
    s.note("create in a namespace that goes", &refused, (403, &[]))?;
    let release = json!({"metadata": {"finalizers": null}});
    s.api.merge(&inside, &release).await?.ok()?;
    s.until(path, "the namespace goes", |o| o.is_none())
        .await
        .context("it must go once nothing is inside")
}
