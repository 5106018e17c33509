//! What is different on each cluster, what goes along, what is left to others, and what stays.

use anyhow::{Result, ensure};
use roadstead_tests::api::text;
use roadstead_tests::fleet::{Fleet, Site};
use serde_json::{Value, json};

use crate::manifests::config_map_path;
use crate::{Clock, DR, EDGE, PROD};

const APP: &str = include_str!("../../../deploy/examples/shop-app.yaml");
const POLICY: &str = include_str!("../../../deploy/examples/shop-policy.yaml");
const OVERRIDES: &str = include_str!("../../../deploy/examples/shop-overrides.yaml");

const SHOP: &str = "/apis/apps/v1/namespaces/default/deployments/shop";
const DECISION: (&str, &str) = ("default", "deployment.apps.shop");
const POLICIES: &str = "/apis/policy.kurator.dev/v1alpha1/namespaces/default/distributionpolicies";

fn is(object: Option<&Value>, pointer: &str, expected: &Value) -> bool {
    object.and_then(|o| o.pointer(pointer)) == Some(expected)
}

pub(crate) async fn overridden_with_all_that_it_needs(fleet: &mut Fleet) -> Result<()> {
    fleet.apply("default", OVERRIDES)?;
    fleet.apply("default", POLICY)?;
    let clock = Clock::start();
    fleet.apply("default", APP)?;
    let files = config_map_path("shop-files");
    for name in [PROD, DR] {
        let site = fleet.site(name)?;
        site.until(SHOP, "the shop", |o| o.is_some()).await?;
        site.until(&files, "its files", |o| o.is_some()).await?;
        clock.lap(&format!("the shop is on {name}, with its files"));
        fleet
            .until_decision(DECISION, name, |c| text(c, "/state") == "Applied")
            .await?;
    }
    ensure!(
        fleet.site(EDGE)?.object(&files).await?.is_none(),
        "{EDGE} has the files"
    );
    let container = "/spec/template/spec/containers/0";
    let prod = fleet.site(PROD)?.object(SHOP).await?;
    let dr = fleet.site(DR)?.object(SHOP).await?;
    let expected: [(&Option<Value>, &str, Value); 8] = [
        (&prod, "/image", json!("registry.example/shop/web:1.2")),
        (&prod, "/env/0/value", json!(PROD)),
        (&dr, "/image", json!("mirror.example:5000/shop/web:1.2")),
        (&dr, "/env/0/value", json!(DR)),
        (&dr, "/args", json!(["--verbose"])),
        (&dr, "/metadata/labels/site", json!(format!("default-{DR}"))),
        (&dr, "/spec/strategy/type", json!("Recreate")),
        (
            &dr,
            "/spec/template/spec/terminationGracePeriodSeconds",
            json!(5),
        ),
    ];
    for (object, pointer, value) in expected {
        let whole = pointer.starts_with("/spec") || pointer.starts_with("/metadata");
        let at = if whole {
            pointer.to_owned()
        } else {
            format!("{container}{pointer}")
        };
        ensure!(
            is(object.as_ref(), &at, &value),
            "{at} is not {value}: {object:?}"
        );
    }
    Ok(())
}

/// Somebody scales it on the member: so it stays, whatever else changes, and the field is theirs alone.
pub(crate) async fn left_to_who_scales_it(fleet: &mut Fleet) -> Result<()> {
    let scale = format!("{SHOP}/scale");
    let site = fleet.site(PROD)?;
    let mut wanted = site.api.get(&scale).await?.ok()?;
    wanted["spec"]["replicas"] = json!(5);
    site.api.replace(&scale, &wanted).await?.ok()?;
    let image = "registry.example/shop/web:1.3";
    new_image(fleet, image).await?;
    let site = fleet.site(PROD)?;
    let after = site
        .until(SHOP, "the new image", |o| {
            is(o, "/spec/template/spec/containers/0/image", &json!(image))
        })
        .await?;
    ensure!(is(after.as_ref(), "/spec/replicas", &json!(5)), "{after:?}");
    ensure!(
        !ours(after.as_ref()),
        "the replicas are still ours: {after:?}"
    );
    // Where nobody scaled it, it is as it was given.
    let dr = fleet.site(DR)?.object(SHOP).await?;
    ensure!(is(dr.as_ref(), "/spec/replicas", &json!(2)), "{dr:?}");
    ensure!(ours(dr.as_ref()), "{dr:?}");
    // It is put right again once that is no longer left.
    drift(fleet, json!({"ignoreFields": null})).await?;
    let site = fleet.site(PROD)?;
    site.until(SHOP, "its own replicas", |o| {
        is(o, "/spec/replicas", &json!(2))
    })
    .await?;
    Ok(())
}

/// Whether this project's manager owns the number of replicas.
fn ours(object: Option<&Value>) -> bool {
    let entries = object.and_then(|o| o.pointer("/metadata/managedFields"));
    let mut entries = entries.and_then(Value::as_array).into_iter().flatten();
    entries.any(|e| {
        let owned = e.pointer("/fieldsV1/f:spec/f:replicas").is_some();
        text(e, "/manager") == "roadstead" && owned
    })
}

async fn new_image(fleet: &Fleet, image: &str) -> Result<()> {
    let patch = json!([{
        "op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image,
    }]);
    let media = ("application/json-patch+json", "application/json");
    fleet
        .api
        .send("PATCH", SHOP, media, Some(&patch))
        .await?
        .ok()?;
    Ok(())
}

async fn drift(fleet: &Fleet, drift: Value) -> Result<()> {
    let patch = json!({"spec": {"drift": drift}});
    fleet
        .api
        .merge(&format!("{POLICIES}/shop"), &patch)
        .await?
        .ok()?;
    Ok(())
}

/// What is changed there is said, and left so until something new is given.
pub(crate) async fn reported_only(fleet: &mut Fleet) -> Result<()> {
    let applied = |c: &Value| text(c, "/state") == "Applied";
    let before = fleet.until_decision(DECISION, DR, applied).await?;
    let anew = |c: &Value| applied(c) && c.get("revision") != before.get("revision");
    drift(fleet, json!({"correction": "Report"})).await?;
    fleet.until_decision(DECISION, DR, anew).await?;
    let site = fleet.site(DR)?;
    let patch = json!({"spec": {"replicas": 7}});
    site.api.merge(SHOP, &patch).await?.ok()?;
    let drifted = |c: &Value| {
        text(c, "/state") == "Conflict" && text(c, "/message").contains("changed on the member")
    };
    fleet.until_decision(DECISION, DR, drifted).await?;
    let object = fleet.site(DR)?.object(SHOP).await?;
    ensure!(
        is(object.as_ref(), "/spec/replicas", &json!(7)),
        "{object:?}"
    );
    new_image(fleet, "registry.example/shop/web:1.4").await?;
    fleet.until_decision(DECISION, DR, applied).await?;
    let object = fleet.site(DR)?.object(SHOP).await?;
    ensure!(
        is(object.as_ref(), "/spec/replicas", &json!(2)),
        "{object:?}"
    );
    Ok(())
}

/// Deleted on the hub, it goes on running, and is nobody's but its users'.
pub(crate) async fn stays(fleet: &mut Fleet) -> Result<()> {
    let files = config_map_path("shop-files");
    fleet.kubectl.run("delete deployment shop --wait=false")?;
    fleet
        .kubectl
        .run("delete distributionpolicy shop --wait=false")?;
    for name in [PROD, DR] {
        let site = fleet.site(name)?;
        for path in [SHOP, files.as_str()] {
            let_go(site, path).await?;
        }
    }
    fleet
        .kubectl
        .run("delete overridepolicy shop --wait=false")?;
    fleet
        .kubectl
        .run("delete configmap shop-files --wait=false")?;
    for name in [PROD, DR] {
        let site = fleet.site(name)?;
        for path in [SHOP, files.as_str()] {
            site.api.delete(path, None).await?.ok()?;
        }
    }
    Ok(())
}

async fn let_go(site: &Site, path: &str) -> Result<()> {
    let label = "/metadata/labels/roadstead.dev~1owner";
    site.until(path, "it is let go", |o| {
        o.is_some_and(|o| text(o, label).is_empty())
    })
    .await?;
    Ok(())
}
