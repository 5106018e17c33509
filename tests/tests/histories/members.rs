//! What happens on the member, by its own users and by its own ways.

use anyhow::{Context as _, Result, ensure};
use http::Method;
use roadstead_protocol::wire::frame::features;
use roadstead_protocol::wire::report::ItemState;
use roadstead_tests::api::text;
use serde_json::{Value, json};

use crate::stage::Stage;
use crate::stage::objects::{
    key, map, map_in, map_key, map_path, namespace, path_of, policy_path, sends_everywhere,
};

/// A user deletes an object of ours and makes one of that name: it is theirs. It is left alone and
/// shown, a deletion on the hub does not touch it, and a policy may say that it is taken.
pub(crate) async fn deleted_and_made_anew_by_a_user(stage: &mut Stage) -> Result<()> {
    stage.given(&[("a", "ours"), ("b", "ours")]).await?;
    stage.agent.kill()?;
    let mut theirs = Vec::new();
    for name in ["a", "b"] {
        let path = map_path(name);
        stage.member.api.delete(&path, None).await?.ok()?;
        let object = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "default"},
            "data": {"key": "theirs"},
        });
        let maps = "/api/v1/namespaces/default/configmaps";
        let made = stage.member.api.create(maps, &object).await?.ok()?;
        theirs.push(text(&made, "/metadata/uid").to_owned());
    }
    stage.start_agent().await?;
    for name in ["a", "b"] {
        let said = stage
            .until_report(&map_key(name), ItemState::Conflict, "ForeignObject")
            .await?;
        ensure!(said.message.contains("Overwrite"), "{}", said.message);
    }
    // Deleted on the hub: what is theirs stays.
    stage.hub.delete(&map_path("b")).await?;
    stage.quiet().await;
    stage.member.expect_map("b", Some("theirs")).await?;
    stage.expect_deleted(&[]).await?;
    // Taken, in its place.
    let take = json!({"spec": {"conflictResolution": "Overwrite"}});
    let path = policy_path("all");
    stage.hub.api()?.merge(&path, &take).await?.ok()?;
    stage.member.until_map("a", Some("ours")).await?;
    stage.until_applied("a").await?;
    let uid = stage.member.uid(&map_path("a")).await?;
    ensure!(theirs.first() == Some(&uid), "it was made anew");
    stage.member.expect_map("b", Some("theirs")).await?;
    stage.expect_deleted(&[]).await
}

/// What was on the member before is taken over where it is as the hub gives it, and stays as it is where it
/// differs, until somebody makes both equal. An agent of a release before leaves both alone.
pub(crate) async fn adopted_where_equal(stage: &mut Stage) -> Result<()> {
    stage.agent.kill()?;
    stage.agent.features = features::ALL & !features::ADOPT;
    let maps = "/api/v1/namespaces/default/configmaps";
    let mut theirs = Vec::new();
    for (name, value) in [("a", "same"), ("b", "theirs")] {
        let mut object = map(name, value);
        object["metadata"]["labels"]["team"] = json!("shop");
        object["data"]["more"] = json!("of their own");
        let made = stage.member.api.create(maps, &object).await?.ok()?;
        theirs.push(text(&made, "/metadata/uid").to_owned());
    }
    let adopt = json!({"spec": {"conflictResolution": "AdoptIfEqual"}});
    let all = policy_path("all");
    stage.hub.api()?.merge(&all, &adopt).await?.ok()?;
    stage.hub.put(&[map("a", "same"), map("b", "ours")]).await?;
    stage.start_agent().await?;
    for name in ["a", "b"] {
        let (conflict, reason) = (ItemState::Conflict, "ForeignObject");
        stage.until_report(&map_key(name), conflict, reason).await?;
    }
    stage.agent.kill()?;
    stage.agent.features = features::ALL;
    stage.start_agent().await?;
    stage.until_applied("a").await?;
    let differs = "ForeignObjectDiffers";
    let said = stage
        .until_report(&map_key("b"), ItemState::Conflict, differs)
        .await?;
    let place = ".data.key (\"ours\" given, \"theirs\" there)";
    ensure!(said.message.contains(place), "{}", said.message);
    stage.member.expect_map("b", Some("theirs")).await?;
    let mut both = Vec::new();
    stage.hub.put(&[map("b", "theirs")]).await?;
    for name in ["a", "b"] {
        stage.until_applied(name).await?;
        let there = stage.member.get(&map_path(name)).await?;
        let there = there.context("it is gone")?;
        ensure!(text(&there, "/data/more") == "of their own", "{there}");
        both.push(text(&there, "/metadata/uid").to_owned());
    }
    ensure!(both == theirs, "they were made anew");
    stage.expect_deleted(&[]).await
}

/// A user copies an object of ours under another name, label and all: it is nobody's. It is shown and
/// left alone, also when what it was copied from goes, until a user lets go of it.
pub(crate) async fn copied_with_our_label(stage: &mut Stage) -> Result<()> {
    stage.given(&[("a", "1")]).await?;
    let object = stage.member.get(&map_path("a")).await?;
    let mut copy = object.context("a is gone")?;
    let labels = copy.pointer("/metadata/labels").cloned();
    let annotations = copy.pointer("/metadata/annotations").cloned();
    copy["metadata"] = json!({
        "name": "copy", "namespace": "default", "labels": labels, "annotations": annotations,
    });
    let maps = "/api/v1/namespaces/default/configmaps";
    stage.member.api.create(maps, &copy).await?.ok()?;
    stage
        .until_report(&map_key("copy"), ItemState::Unclaimed, "Unclaimed")
        .await?;
    stage.until_held(&["ConfigMap/default/copy"]).await?;
    stage.hub.delete(&map_path("a")).await?;
    stage.member.until_map("a", None).await?;
    stage.quiet().await;
    stage.member.expect_map("copy", Some("1")).await?;
    stage
        .reconcile("--release", "ConfigMap/default/copy")
        .await?;
    let path = map_path("copy");
    let free = |o: Option<&Value>| {
        o.is_some_and(|o| o.pointer("/metadata/labels/roadstead.dev~1owner").is_none())
    };
    stage.member.until(&path, "it is let go of", free).await?;
    stage.until_nothing_held().await?;
    stage.member.expect_map("copy", Some("1")).await?;
    stage.expect_deleted(&[map_path("a")]).await
}

/// A user takes our label off an object of ours: it is the very object that was made for the hub, so
/// the label comes back, and the object still goes when its template goes.
pub(crate) async fn our_label_taken_off(stage: &mut Stage) -> Result<()> {
    stage.given(&[("a", "1")]).await?;
    let path = map_path("a");
    let uid = stage.member.uid(&path).await?;
    let off = json!({"metadata": {"labels": {"roadstead.dev/owner": null}}});
    stage.member.api.merge(&path, &off).await?.ok()?;
    let labelled = |o: Option<&Value>| {
        o.is_some_and(|o| o.pointer("/metadata/labels/roadstead.dev~1owner").is_some())
    };
    stage
        .member
        .until(&path, "the label is back", labelled)
        .await?;
    ensure!(stage.member.uid(&path).await? == uid, "it was made anew");
    stage.hub.delete(&path).await?;
    stage.member.until_map("a", None).await?;
    stage.expect_deleted(&[path]).await
}

/// Somebody's finalizer keeps an object that is to go: that is said, with the finalizer's name, until
/// it goes.
pub(crate) async fn a_deletion_that_hangs_on_a_finalizer(stage: &mut Stage) -> Result<()> {
    stage.given(&[("a", "1")]).await?;
    let path = map_path("a");
    let hold = json!({"metadata": {"finalizers": ["example.com/wait"]}});
    stage.member.api.merge(&path, &hold).await?.ok()?;
    stage.hub.delete(&path).await?;
    stage
        .until_report(&map_key("a"), ItemState::Pending, "DeletionPending")
        .await?;
    let said = stage.until_condition("Deleting", "True", "").await?;
    ensure!(said.contains("example.com/wait"), "{said}");
    let status = stage.hub.roadstead(&["status"]).await?;
    ensure!(status.contains("example.com/wait"), "{status}");
    // Others are not kept waiting.
    stage.given(&[("b", "1")]).await?;
    let free = json!({"metadata": {"finalizers": null}});
    stage.member.api.merge(&path, &free).await?.ok()?;
    stage.member.until_map("a", None).await?;
    stage.until_condition("Deleting", "False", "").await?;
    stage.expect_deleted(&[path]).await
}

/// A user deletes, on the member, a namespace that holds objects of ours: they come back, and so does
/// the namespace, once its end has come.
pub(crate) async fn a_namespace_of_ours_deleted_on_the_member(stage: &mut Stage) -> Result<()> {
    let hub = &stage.hub;
    hub.put(&[json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "made"}})])
        .await?;
    hub.put(&[namespace("given")]).await?;
    hub.put(&[sends_everywhere("namespaces", ("v1", "Namespace"))])
        .await?;
    hub.put(&[sends_everywhere("maps", ("v1", "ConfigMap"))])
        .await?;
    let inside = [map_in("made", "a", "1"), map_in("given", "a", "1")];
    hub.put(&inside).await?;
    let there = |o: Option<&Value>| o.is_some_and(|o| text(o, "/data/key") == "1");
    let mut uids = Vec::new();
    for object in &inside {
        let path = path_of(object);
        stage.member.until(&path, "it is there", there).await?;
        uids.push(stage.member.uid(&path).await?);
    }
    for name in ["made", "given"] {
        let path = format!("/api/v1/namespaces/{name}");
        let answer = stage.member.api.delete(&path, None).await?;
        answer.ok()?;
    }
    for (object, uid) in inside.iter().zip(&uids) {
        let again =
            |o: Option<&Value>| there(o) && o.is_some_and(|o| text(o, "/metadata/uid") != uid);
        let path = path_of(object);
        stage.member.until(&path, "it is back", again).await?;
    }
    for name in ["made", "given"] {
        let item = key(("", "ConfigMap"), name, "a");
        stage
            .until_report(&item, ItemState::Applied, "Applied")
            .await?;
    }
    // It was a user of the member who deleted: the agent did not.
    stage.expect_deleted(&[]).await
}

/// A namespace's template leaves the cluster while others have objects inside: what is ours goes, and
/// the namespace and what is theirs stay.
pub(crate) async fn a_namespace_template_leaves_foreign_objects_behind(
    stage: &mut Stage,
) -> Result<()> {
    let hub = &stage.hub;
    let (space, ours) = (namespace("team"), map_in("team", "ours", "1"));
    hub.put(&[sends_everywhere("namespaces", ("v1", "Namespace"))])
        .await?;
    hub.put(&[sends_everywhere("maps", ("v1", "ConfigMap"))])
        .await?;
    hub.put(&[space.clone(), ours.clone()]).await?;
    let item = key(("", "Namespace"), "", "team");
    stage
        .until_report(&item, ItemState::Applied, "Applied")
        .await?;
    let path = path_of(&ours);
    let there = |o: Option<&Value>| o.is_some();
    stage.member.until(&path, "ours is there", there).await?;
    let theirs = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "theirs", "namespace": "team"},
        "data": {"key": "theirs"},
    });
    let made = stage
        .member
        .api
        .create("/api/v1/namespaces/team/configmaps", &theirs)
        .await?
        .ok()?;
    let uid = stage.member.uid(&path_of(&space)).await?;

    // The policy that sends namespaces goes: the namespace is let go of.
    let policy = sends_everywhere("namespaces", ("v1", "Namespace"));
    stage.hub.delete(&path_of(&policy)).await?;
    let label = |o: Option<&Value>| {
        o.is_some_and(|o| o.pointer("/metadata/labels/roadstead.dev~1owner").is_none())
    };
    stage
        .member
        .until(&path_of(&space), "it is let go of", label)
        .await?;
    stage.quiet().await;
    ensure!(
        stage.member.uid(&path_of(&space)).await? == uid,
        "the namespace was made anew"
    );
    let left = stage.member.get(&path_of(&theirs)).await?;
    ensure!(left.as_ref() == Some(&made), "theirs is {left:?}");
    stage.member.until(&path, "ours is there", there).await?;
    stage.expect_deleted(&[]).await?;
    // Ours goes by its own deletion.
    stage.hub.delete(&path).await?;
    let gone = |o: Option<&Value>| o.is_none();
    stage.member.until(&path, "ours is gone", gone).await?;
    stage.expect_deleted(&[path]).await
}

/// A kind that the member serves no more: its tombstone waits and says so, it does not count as
/// carried out; once the kind is served again the object goes.
pub(crate) async fn a_kind_that_is_no_longer_served(stage: &mut Stage) -> Result<()> {
    let budget = json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "budget", "namespace": "default", "labels": {"fleet": "yes"}},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "none"}}},
    });
    let path = "/apis/policy/v1/namespaces/default/poddisruptionbudgets/budget";
    let (hub, item) = (
        &stage.hub,
        key(("policy", "PodDisruptionBudget"), "default", "budget"),
    );
    hub.put(&[sends_everywhere(
        "budgets",
        ("policy/v1", "PodDisruptionBudget"),
    )])
    .await?;
    let media = ("application/apply-patch+yaml", "application/json");
    let apply = format!("{path}?fieldManager=user&force=true");
    let answer = hub
        .api()?
        .send("PATCH", &apply, media, Some(&budget))
        .await?;
    answer.ok()?;
    stage
        .until_report(&item, ItemState::Applied, "Applied")
        .await?;
    stage.agent.kill()?;
    stage.member.gate.hide(Some("policy"));
    stage.start_agent().await?;
    stage.until_ready().await?;
    stage.hub.delete(path).await?;
    let waits = stage
        .until_report(&item, ItemState::Pending, "DeletionPending")
        .await?;
    ensure!(waits.message.contains("served again"), "{waits:?}");
    let said = stage.until_condition("Deleting", "True", "").await?;
    ensure!(
        said.contains("budget") && said.contains("served again"),
        "{said}"
    );
    let status = stage.hub.roadstead(&["status"]).await?;
    ensure!(status.contains("Deleting"), "{status}");
    stage.quiet().await;
    let there = stage.member.get(path).await?;
    ensure!(there.is_some(), "it was deleted");
    stage.expect_deleted(&[]).await?;
    stage.member.gate.hide(None);
    let gone = |o: Option<&Value>| o.is_none();
    stage.member.until(path, "it is gone", gone).await?;
    stage.until_condition("Deleting", "False", "").await?;
    stage.expect_deleted(&[path.to_owned()]).await
}

/// A member that conflicts, forgets, is too busy, breaks or refuses: everything gets there in the end.
pub(crate) async fn a_member_that_answers_badly(stage: &mut Stage) -> Result<()> {
    use crate::stage::Fate;
    for (index, fate) in [
        Fate::Refused(409),
        Fate::Refused(429),
        Fate::Refused(503),
        Fate::Refused(410),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("bad-{index}");
        let path = map_path(&name);
        let gate = &stage.member.gate;
        gate.next((Method::PATCH, &path), fate, 2);
        gate.next(
            (Method::POST, path.trim_end_matches(&format!("/{name}"))),
            fate,
            1,
        );
        stage.hub.put(&[map(&name, "1")]).await?;
        gate.met().await?;
        stage.member.until_map(&name, Some("1")).await?;
        stage.until_applied(&name).await?;
        stage.member.gate.open();
    }
    stage.expect_deleted(&[]).await
}
