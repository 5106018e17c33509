//! Fields that the agent leaves to others: it applies them as they are until another manager owns them,
//! and then leaves them out. Each step of that is the API's.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::script::{Script, at, map};

const OWNERS: &[&str] = &[
    "/data",
    "/metadata/managedFields/0/manager",
    "/metadata/managedFields/0/fieldsV1",
    "/metadata/managedFields/1/manager",
    "/metadata/managedFields/1/fieldsV1",
];

pub(crate) async fn to_others(s: &mut Script) -> Result<()> {
    let path = at("left");
    let given = |data| map("left", data);
    let first = given(json!({"a": "1", "b": "1"}));
    let made = s.api.apply(&path, "roadstead", false, &first).await?;
    s.note("apply of two fields", &made, (201, &["/data"]))?;
    // Applied as it is, a field stays and remains ours.
    let as_it_is = given(json!({"a": "1", "b": "2"}));
    let kept = s.api.apply(&path, "roadstead", true, &as_it_is).await?;
    s.note("apply of a field as it is", &kept, (200, &["/data"]))?;
    ensure!(kept.body["data"] == json!({"a": "1", "b": "2"}), "{kept:?}");
    // Another changes it: it is theirs alone.
    let theirs = s.api.merge(&path, &json!({"data": {"a": "9"}})).await?;
    ensure!(theirs.code == 200, "{theirs:?}");
    let owners = theirs.body.pointer("/metadata/managedFields");
    let owners = owners.and_then(|o| o.as_array()).cloned();
    let ours = owners.unwrap_or_default();
    let ours = ours.iter().find(|o| o["manager"] == "roadstead");
    let lost = ours.is_some_and(|o| o["fieldsV1"]["f:data"].get("f:a").is_none());
    ensure!(lost, "what another changed is still ours: {theirs:?}");
    // Left out then, it stays as they have it.
    let without = given(json!({"b": "3"}));
    let left = s.api.apply(&path, "roadstead", true, &without).await?;
    s.note("apply without what is another's", &left, (200, OWNERS))?;
    ensure!(left.body["data"] == json!({"a": "9", "b": "3"}), "{left:?}");
    // Left out while it is ours alone, it would go: that is why it is applied as it is until then.
    let nothing = given(json!({}));
    let gone = s.api.apply(&path, "roadstead", true, &nothing).await?;
    s.note("apply without what is ours alone", &gone, (200, &["/data"]))?;
    ensure!(gone.body["data"] == json!({"a": "9"}), "{gone:?}");
    Ok(())
}
