//! Deleting: preconditions, finalizers, and what is answered.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::script::{MAPS, Script, at, map};

const OTHER: &str = "11111111-1111-1111-1111-111111111111";

pub(crate) async fn by_uid(s: &mut Script) -> Result<()> {
    let created = s.api.create(MAPS, &map("uid", json!({}))).await?;
    s.name(&created.body, "it");
    let options = |uid: &str| {
        json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid},
            "propagationPolicy": "Background",
        })
    };
    let refused = s.api.delete(&at("uid"), Some(&options(OTHER))).await?;
    s.note("delete of another uid", &refused, (409, &[]))?;
    ensure!(refused.text("/reason") == "Conflict");
    let uid = created.text("/metadata/uid").to_owned();
    let done = s.api.delete(&at("uid"), Some(&options(&uid))).await?;
    let fields = &[
        "/kind",
        "/status",
        "/details/name",
        "/details/kind",
        "/details/uid",
    ];
    s.note("delete of this uid", &done, (200, fields))?;
    let again = s.api.delete(&at("uid"), Some(&options(&uid))).await?;
    s.note("delete of what is gone", &again, (404, &[]))?;
    // The same name again is another object.
    let anew = s.api.create(MAPS, &map("uid", json!({}))).await?;
    s.name(&anew.body, "its successor");
    ensure!(anew.text("/metadata/uid") != uid);
    let refused = s.api.delete(&at("uid"), Some(&options(&uid))).await?;
    s.note(
        "delete of its successor by the old uid",
        &refused,
        (409, &[]),
    )?;
    Ok(())
}

pub(crate) async fn with_finalizer(s: &mut Script) -> Result<()> {
    let mut object = map("finalizer", json!({}));
    object["metadata"]["finalizers"] = json!(["example.com/wait"]);
    s.api.create(MAPS, &object).await?.ok()?;
    let path = at("finalizer");
    let fields = &[
        "/kind",
        "/metadata/finalizers",
        "/metadata/deletionGracePeriodSeconds",
    ];
    let waiting = s.api.delete(&path, None).await?;
    s.note("delete waits for a finalizer", &waiting, (200, fields))?;
    let there = s.api.get(&path).await?;
    ensure!(
        !there.text("/metadata/deletionTimestamp").is_empty(),
        "{there:?}"
    );
    let patch = json!({"metadata": {"finalizers": ["example.com/wait", "example.com/more"]}});
    let refused = s.api.merge(&path, &patch).await?;
    s.note("a finalizer too late", &refused, (422, &[]))?;
    let last = s
        .api
        .merge(&path, &json!({"metadata": {"finalizers": null}}))
        .await?;
    s.note("its last finalizer goes", &last, (200, &["/kind"]))?;
    let gone = s.api.get(&path).await?;
    s.note("and so does it", &gone, (404, &[]))?;
    Ok(())
}
