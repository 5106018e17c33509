//! Create, replace, patch and server-side apply, and how they are refused.

use anyhow::{Result, ensure};
use roadstead_tests::api::text;
use serde_json::{Value, json};

use crate::script::{MAPS, Script, at, map};

pub(crate) async fn created(s: &mut Script) -> Result<()> {
    let object = map("created", json!({"a": "1"}));
    let answer = s.api.create(MAPS, &object).await?;
    s.note(
        "create",
        &answer,
        (201, &["/kind", "/data", "/metadata/namespace"]),
    )?;
    s.name(&answer.body, "created");
    let again = s.api.create(MAPS, &object).await?;
    s.note("create again", &again, (409, &[]))?;
    ensure!(again.text("/reason") == "AlreadyExists");

    let mut stale = answer.body.clone();
    let changed = s
        .api
        .merge(&at("created"), &json!({"data": {"b": "2"}}))
        .await?;
    s.note("merge patch", &changed, (200, &["/data"]))?;
    stale["data"] = json!({"c": "3"});
    let refused = s.api.replace(&at("created"), &stale).await?;
    s.note("replace of an older version", &refused, (409, &[]))?;
    ensure!(refused.text("/reason") == "Conflict");
    let patch = json!({"metadata": {"resourceVersion": stale["metadata"]["resourceVersion"]}, "data": {"d": "4"}});
    let refused = s.api.merge(&at("created"), &patch).await?;
    s.note("merge patch of an older version", &refused, (409, &[]))?;
    let patch = json!({"metadata": {"uid": "00000000-0000-0000-0000-000000000000"}});
    let refused = s.api.merge(&at("created"), &patch).await?;
    s.note("merge patch of another uid", &refused, (422, &[]))?;

    let same = s
        .api
        .merge(&at("created"), &json!({"data": {"b": "2"}}))
        .await?;
    s.note("merge patch that changes nothing", &same, (200, &["/data"]))?;
    ensure!(
        same.text("/metadata/resourceVersion") == changed.text("/metadata/resourceVersion"),
        "nothing changed, and the version moved"
    );
    let absent = s.api.get(&at("absent")).await?;
    s.note("get of nothing", &absent, (404, &[]))?;
    let absent = s.api.merge(&at("absent"), &json!({"data": {}})).await?;
    s.note("merge patch of nothing", &absent, (404, &[]))?;
    let unknown = s.api.get("/apis/nobody.example/v1/things").await?;
    ensure!(unknown.code == 404, "{unknown:?}");
    Ok(())
}

pub(crate) async fn applied(s: &mut Script) -> Result<()> {
    let fields = &[
        "/data",
        "/metadata/labels",
        "/metadata/managedFields/0/manager",
        "/metadata/managedFields/0/operation",
        "/metadata/managedFields/0/apiVersion",
        "/metadata/managedFields/0/fieldsType",
        "/metadata/managedFields/0/fieldsV1",
        "/metadata/managedFields/1/manager",
        "/metadata/managedFields/1/fieldsV1",
    ];
    let path = at("applied");
    let mut object = map("applied", json!({"a": "1", "b": "2"}));
    object["metadata"]["labels"] = json!({"x": "y"});
    let first = s.api.apply(&path, "roadstead", false, &object).await?;
    s.note("apply creates", &first, (201, fields))?;
    let same = s.api.apply(&path, "roadstead", false, &object).await?;
    s.note("apply of the same", &same, (200, fields))?;
    ensure!(
        same.text("/metadata/resourceVersion") == first.text("/metadata/resourceVersion"),
        "nothing changed, and the version moved"
    );
    object["data"] = json!({"a": "9"});
    let less = s.api.apply(&path, "roadstead", false, &object).await?;
    s.note("apply of less removes", &less, (200, fields))?;
    ensure!(less.body["data"] == json!({"a": "9"}), "{less:?}");
    let patch = json!({"data": {"theirs": "1"}});
    let by_others = format!("{path}?fieldManager=someone");
    let by_others = s.api.merge(&by_others, &patch).await?;
    s.note("others add a field", &by_others, (200, fields))?;
    object["data"] = json!({"a": "10"});
    let kept = s.api.apply(&path, "roadstead", true, &object).await?;
    s.note("and it stays", &kept, (200, fields))?;
    ensure!(
        kept.body["data"] == json!({"a": "10", "theirs": "1"}),
        "{kept:?}"
    );
    Ok(())
}

pub(crate) async fn forced(s: &mut Script) -> Result<()> {
    let path = at("forced");
    let ours = map("forced", json!({"a": "ours", "b": "ours"}));
    let theirs = map("forced", json!({"a": "theirs", "b": "theirs"}));
    s.api.apply(&path, "roadstead", false, &ours).await?.ok()?;
    let refused = s.api.apply(&path, "someone", false, &theirs).await?;
    s.note("apply over another's fields", &refused, (409, &[]))?;
    let causes = refused
        .body
        .pointer("/details/causes")
        .and_then(Value::as_array);
    ensure!(causes.is_some_and(|c| c.len() == 2), "{refused:?}");
    let taken = s.api.apply(&path, "someone", true, &theirs).await?;
    s.note("apply with force", &taken, (200, &["/data"]))?;
    let managers = |o: &Value| -> Vec<String> {
        let all = o
            .pointer("/metadata/managedFields")
            .and_then(Value::as_array);
        all.into_iter()
            .flatten()
            .map(|m| text(m, "/manager").to_owned())
            .collect()
    };
    ensure!(
        managers(&taken.body) == ["someone"],
        "{:?}",
        managers(&taken.body)
    );
    // Two may want the same.
    let shared = s.api.apply(&path, "roadstead", false, &theirs).await?;
    s.note(
        "apply of what another owns likewise",
        &shared,
        (200, &["/data"]),
    )?;
    let refused = s.api.apply(&path, "third", false, &ours).await?;
    s.note("apply over the fields of two", &refused, (409, &[]))?;
    // A field that was written by an update, not applied, is owned, too.
    let patch = json!({"data": {"a": "edited"}});
    s.api
        .merge(&format!("{path}?fieldManager=editor"), &patch)
        .await?
        .ok()?;
    let refused = s.api.apply(&path, "roadstead", false, &theirs).await?;
    let start = refused
        .text("/message")
        .starts_with("Apply failed with 1 conflict");
    ensure!(refused.code == 409 && start, "{refused:?}");
    Ok(())
}

pub(crate) async fn in_no_namespace(s: &mut Script) -> Result<()> {
    let object = map("lost", json!({}));
    let maps = "/api/v1/namespaces/nowhere/configmaps";
    let answer = s.api.create(maps, &object).await?;
    s.note("create in no namespace", &answer, (404, &[]))?;
    ensure!(answer.text("/details/kind") == "namespaces");
    let path = format!("{maps}/lost");
    let answer = s.api.apply(&path, "roadstead", false, &object).await?;
    s.note("apply in no namespace", &answer, (404, &[]))?;
    ensure!(answer.text("/details/kind") == "namespaces");
    let answer = s.api.get(&path).await?;
    s.note("get in no namespace", &answer, (404, &[]))?;
    let answer = s.api.delete(&path, None).await?;
    s.note("delete in no namespace", &answer, (404, &[]))?;
    Ok(())
}

pub(crate) async fn refused(s: &mut Script) -> Result<()> {
    let answer = s.api.create(MAPS, &map("Bad_Name", json!({}))).await?;
    s.note("a bad name", &answer, (422, &[]))?;
    let mut labelled = map("labelled", json!({}));
    labelled["metadata"]["labels"] = json!({"a b": "c"});
    let answer = s.api.create(MAPS, &labelled).await?;
    s.note("a bad label", &answer, (422, &[]))?;
    let answer = s
        .api
        .apply(&at("one"), "roadstead", false, &map("two", json!({})))
        .await?;
    s.note("a name that is not the path's", &answer, (400, &[]))?;
    let (path, typed) = (at("typed"), map("typed", json!({"a": 1})));
    let answer = s.api.apply(&path, "roadstead", false, &typed).await?;
    ensure!((400..=500).contains(&answer.code), "{answer:?}");
    let path = format!("{}?fieldManager=&force=false", at("nobody"));
    let apply = ("application/apply-patch+yaml", "application/json");
    let object = map("nobody", json!({}));
    let answer = s.api.send("PATCH", &path, apply, Some(&object)).await?;
    s.note("apply without a manager", &answer, (422, &[]))?;
    Ok(())
}

pub(crate) async fn generations(s: &mut Script) -> Result<()> {
    let path = "/apis/apps/v1/namespaces/parity/deployments/generations";
    let mut object = crate::workloads::object("generations", 0);
    let expect =
        |s: &mut Script, what: &str, answer: &roadstead_tests::api::Answer, code, generation| {
            s.note(
                what,
                answer,
                (code, &["/metadata/generation", "/spec/replicas"]),
            )?;
            let seen = answer
                .body
                .pointer("/metadata/generation")
                .and_then(Value::as_i64);
            ensure!(seen == Some(generation), "{what}: {seen:?}");
            anyhow::Ok(())
        };
    let answer = s.api.apply(path, "roadstead", false, &object).await?;
    expect(s, "a new Deployment", &answer, 201, 1)?;
    object["spec"]["paused"] = json!(true);
    let answer = s.api.apply(path, "roadstead", true, &object).await?;
    expect(s, "its spec changes", &answer, 200, 2)?;
    object["metadata"]["labels"] = json!({"a": "b"});
    let answer = s.api.apply(path, "roadstead", true, &object).await?;
    expect(s, "its labels change", &answer, 200, 2)?;
    let status = json!({"status": {"observedGeneration": 1}});
    let answer = s.api.merge(&format!("{path}/status"), &status).await?;
    expect(s, "its status changes", &answer, 200, 2)?;
    let answer = s
        .api
        .merge(path, &json!({"status": {"replicas": 77}}))
        .await?;
    expect(s, "a status beside the spec is ignored", &answer, 200, 2)?;
    ensure!(answer.body.pointer("/status/replicas") != Some(&json!(77)));
    s.api.delete(path, None).await?.ok()?;
    Ok(())
}
