//! Lists and watches.

use anyhow::{Context as _, Result, ensure};
use roadstead_tests::api::{JSON, METADATA, Watch, text};
use serde_json::{Value, json};

use crate::script::{EVENT_WITHIN, MAPS, Script, at, map};

/// The next event but for bookmarks.
async fn event(watch: &mut Watch) -> Result<Value> {
    loop {
        let event = watch.next(EVENT_WITHIN).await?;
        let event = event.context("the watch ended")?;
        if text(&event, "/type") != "BOOKMARK" {
            return Ok(event);
        }
    }
}

fn selected(label: &str) -> String {
    format!(
        "{MAPS}?watch=true&allowWatchBookmarks=true&timeoutSeconds=60&labelSelector=w%3D{label}"
    )
}

fn labelled(name: &str, label: &str) -> Value {
    let mut object = map(name, json!({"key": "1"}));
    object["metadata"]["labels"] = json!({"w": label});
    object
}

async fn version(s: &Script, label: &str) -> Result<String> {
    let list = s
        .api
        .get(&format!("{MAPS}?labelSelector=w%3D{label}"))
        .await?;
    Ok(list.text("/metadata/resourceVersion").to_owned())
}

pub(crate) async fn from_a_version(s: &mut Script) -> Result<()> {
    s.api.create(MAPS, &labelled("before", "v")).await?.ok()?;
    let from = version(s, "v").await?;
    s.api.create(MAPS, &labelled("after", "v")).await?.ok()?;
    s.api
        .merge(&at("after"), &json!({"data": {"key": "2"}}))
        .await?
        .ok()?;
    let path = format!("{}&resourceVersion={from}", selected("v"));
    let mut watch = s.api.watch(&path, JSON).await?;
    s.api.delete(&at("after"), None).await?.ok()?;
    for expected in ["ADDED", "MODIFIED", "DELETED"] {
        let event = event(&mut watch).await?;
        ensure!(text(&event, "/type") == expected, "{event}");
        let fields = &[
            "/type",
            "/object/metadata/name",
            "/object/kind",
            "/object/data",
        ];
        s.write("from a version", 0, &event, fields);
    }
    // From now on, with what is there first.
    let mut watch = s.api.watch(&selected("v"), JSON).await?;
    let first = event(&mut watch).await?;
    ensure!(text(&first, "/type") == "ADDED", "{first}");
    s.write(
        "without a version",
        0,
        &first,
        &["/type", "/object/metadata/name"],
    );
    Ok(())
}

pub(crate) async fn metadata_only(s: &mut Script) -> Result<()> {
    let from = version(s, "m").await?;
    let path = format!("{}&resourceVersion={from}", selected("m"));
    let mut watch = s.api.watch(&path, METADATA).await?;
    s.api.create(MAPS, &labelled("meta", "m")).await?.ok()?;
    let seen = event(&mut watch).await?;
    let fields = &[
        "/type",
        "/object/kind",
        "/object/apiVersion",
        "/object/data",
        "/object/metadata/name",
        "/object/metadata/labels",
    ];
    s.write("metadata only", 0, &seen, fields);
    ensure!(
        text(&seen, "/object/kind") == "PartialObjectMetadata",
        "{seen}"
    );
    ensure!(seen.pointer("/object/data").is_none(), "{seen}");
    let accept = METADATA.replace("PartialObjectMetadata", "PartialObjectMetadataList");
    let path = format!("{MAPS}?labelSelector=w%3Dm");
    let list = s.api.send("GET", &path, (JSON, &accept), None).await?;
    let fields = &[
        "/kind",
        "/apiVersion",
        "/items/0/metadata/name",
        "/items/0/data",
    ];
    s.note("a list of metadata", &list, (200, fields))?;
    ensure!(list.text("/kind") == "PartialObjectMetadataList");
    Ok(())
}

pub(crate) async fn by_label(s: &mut Script) -> Result<()> {
    let from = version(s, "l").await?;
    let path = format!("{}&resourceVersion={from}", selected("l"));
    let mut watch = s.api.watch(&path, JSON).await?;
    s.api
        .create(MAPS, &labelled("moves", "other"))
        .await?
        .ok()?;
    let relabel = |label: Value| json!({"metadata": {"labels": {"w": label}}});
    for (label, expected) in [
        (json!("l"), "ADDED"),
        (json!("other"), "DELETED"),
        (json!("l"), "ADDED"),
        (Value::Null, "DELETED"),
    ] {
        s.api.merge(&at("moves"), &relabel(label)).await?.ok()?;
        let event = event(&mut watch).await?;
        ensure!(text(&event, "/type") == expected, "{event}");
        s.write("by label", 0, &event, &["/type", "/object/metadata/labels"]);
    }
    Ok(())
}

pub(crate) async fn in_pages(s: &mut Script) -> Result<()> {
    for index in 0..5 {
        s.api
            .create(MAPS, &labelled(&format!("page-{index}"), "p"))
            .await?
            .ok()?;
    }
    let path = format!("{MAPS}?labelSelector=w%3Dp&limit=2");
    let (mut next, mut versions, mut names) = (String::new(), Vec::new(), Vec::new());
    loop {
        let page = s.api.get(&format!("{path}{next}")).await?.ok()?;
        let items = page
            .get("items")
            .and_then(Value::as_array)
            .context("no items")?;
        names.push(
            items
                .iter()
                .map(|i| text(i, "/metadata/name").to_owned())
                .collect::<Vec<_>>(),
        );
        versions.push(text(&page, "/metadata/resourceVersion").to_owned());
        let token = text(&page, "/metadata/continue");
        if token.is_empty() {
            break;
        }
        next = format!(
            "&continue={}",
            token.replace('=', "%3D").replace('+', "%2B")
        );
    }
    ensure!(
        names.iter().map(Vec::len).collect::<Vec<_>>() == [2, 2, 1],
        "{names:?}"
    );
    ensure!(
        versions.windows(2).all(|w| w.first() == w.last()),
        "{versions:?}"
    );
    s.write("pages", 0, &json!({"names": names}), &["/names"]);
    let bad = s.api.get(&format!("{path}&continue=nonsense")).await?;
    ensure!(bad.code == 400, "{bad:?}");
    Ok(())
}
