//! Each verb and each refusal, without sockets.

mod support;

use std::sync::Arc;

use roadstead_machinery::resource::{Registry, Resource};
use roadstead_machinery::status::Status;
use roadstead_protocol::env::BoxFuture;
use roadstead_rest::{Hooks, Identity, Options, Subresource, Verb, Write};
use roadstead_store::{Key, Op};
use serde_json::{Value, json};
use support::Client;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn map(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": value}})
}

fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"]
        .as_str()
        .and_then(|r| r.parse().ok())
        .expect("a revision")
}

#[tokio::test]
async fn an_object_lives_and_dies() {
    let client = Client::member().await;
    let made = client.post(MAPS, &map("a", "1")).await.expect(201);
    assert_eq!(made["metadata"]["namespace"], "default");
    assert_eq!(client.get(&format!("{MAPS}/a")).await.expect(200), made);

    let mut new = made.clone();
    new["data"]["k"] = "2".into();
    let put = client.put(&format!("{MAPS}/a"), &new).await.expect(200);
    assert!(revision(&put) > revision(&made));
    let stale = client.put(&format!("{MAPS}/a"), &new).await.fails(409);
    assert!(stale.contains("the object has been modified"), "{stale}");

    let gone = client.delete(&format!("{MAPS}/a")).await.expect(200);
    assert_eq!(gone["status"], "Success");
    assert_eq!(gone["details"]["uid"], made["metadata"]["uid"]);
    assert_eq!(
        client.get(&format!("{MAPS}/a")).await.fails(404),
        "configmaps \"a\" not found"
    );
    assert_eq!(
        client.delete(&format!("{MAPS}/a")).await.fails(404),
        "configmaps \"a\" not found"
    );
}

#[tokio::test]
async fn what_changes_nothing_writes_nothing() {
    let client = Client::member().await;
    let made = client.post(MAPS, &map("a", "1")).await.expect(201);
    let before = revision(&client.get(MAPS).await.expect(200));
    client.put(&format!("{MAPS}/a"), &made).await.expect(200);
    client
        .merge(&format!("{MAPS}/a"), &json!({"data": {"k": "1"}}))
        .await
        .expect(200);
    for _ in 0..2 {
        client
            .apply(&format!("{MAPS}/b"), "m", &map("b", "1"))
            .await;
    }
    client.get(&format!("{MAPS}/a")).await.expect(200);
    let after = revision(&client.get(MAPS).await.expect(200));
    assert_eq!(after, before + 1, "only the first apply of b is a write");
}

#[tokio::test]
async fn bodies_are_bounded_and_must_be_known() {
    let client = Client::member().await;
    let huge = vec![b' '; roadstead_rest::BODY_BYTES_MAX + 1];
    let json = [("content-type", "application/json")];
    client.send("POST", MAPS, &json, &huge).await.fails(413);
    client
        .send("POST", MAPS, &[("content-type", "text/plain")], b"x")
        .await
        .fails(415);
    client.send("POST", MAPS, &json, b"[1]").await.fails(400);
    let deep = "[".repeat(100_000);
    client
        .send("POST", MAPS, &json, deep.as_bytes())
        .await
        .fails(400);
    let protobuf = [("content-type", "application/vnd.kubernetes.protobuf")];
    client
        .send("POST", MAPS, &protobuf, b"k8s\0\x0a\xff\xff\xff\xff\x7f")
        .await
        .fails(400);
    let yaml = b"metadata: {name: y1}\ndata: {a: \"b\"}\n";
    client
        .send("POST", MAPS, &[("content-type", "application/yaml")], yaml)
        .await
        .expect(201);
    client
        .send("PATCH", &format!("{MAPS}/y1"), &json, b"{}")
        .await
        .fails(415);
    client.send("PUT", MAPS, &json, b"{}").await.fails(400);
    client.send("OPTIONS", MAPS, &[], b"").await.fails(405);
}

#[tokio::test]
async fn only_administrators_come_in() {
    let mut client = Client::member().await;
    client
        .send("GET", MAPS, &[("impersonate-user", "alice")], b"")
        .await
        .fails(403);
    client.who = Identity::agent("u");
    client.get(MAPS).await.fails(403);
    client.get("/version").await.fails(403);
    client.who = Identity::anonymous();
    client.get("/version").await.expect(200);
    assert_eq!(client.get("/readyz").await.expect(200), "ok");
    client.get("/apis").await.fails(403);
    client.get("/metrics").await.fails(403);
    client
        .send(
            "GET",
            "/version",
            &[("impersonate-user", "system:admin")],
            b"",
        )
        .await
        .fails(403);
}

#[tokio::test]
async fn namespaces_must_exist_and_are_emptied() {
    let client = Client::member().await;
    let path = "/api/v1/namespaces/n/configmaps";
    assert_eq!(
        client.post(path, &map("a", "1")).await.fails(404),
        "namespaces \"n\" not found"
    );
    let namespace = json!({"metadata": {"name": "n"}});
    let made = client
        .post("/api/v1/namespaces", &namespace)
        .await
        .expect(201);
    assert_eq!(
        made["metadata"]["labels"]["kubernetes.io/metadata.name"],
        "n"
    );
    client.post(path, &map("a", "1")).await.expect(201);
    let mut held = map("b", "1");
    held["metadata"]["finalizers"] = json!(["x.io/held"]);
    client.post(path, &held).await.expect(201);

    let going = client.delete("/api/v1/namespaces/n").await.expect(200);
    assert_eq!(going["status"]["phase"], "Terminating");
    settle().await;
    client.get(&format!("{path}/a")).await.fails(404);
    client.get("/api/v1/namespaces/n").await.expect(200);
    client.post(path, &map("c", "1")).await.fails(403);
    client
        .merge(
            &format!("{path}/b"),
            &json!({"metadata": {"finalizers": null}}),
        )
        .await
        .expect(200);
    settle().await;
    client.get("/api/v1/namespaces/n").await.fails(404);
    client.delete("/api/v1/namespaces/default").await.fails(403);
}

/// Lets the tasks of the API run until they wait for something.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn patches_made_at_once_all_count() {
    let client = Arc::new(Client::member().await);
    client.post(MAPS, &map("a", "1")).await.expect(201);
    let tasks: Vec<_> = (0..20)
        .map(|i| {
            let client = Arc::clone(&client);
            tokio::spawn(async move {
                let change = json!({"data": {format!("k{i}"): "x"}});
                client
                    .merge(&format!("{MAPS}/a"), &change)
                    .await
                    .expect(200);
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    let all = client.get(&format!("{MAPS}/a")).await.expect(200);
    assert_eq!(all["data"].as_object().map(|d| d.len()), Some(21));
}

#[tokio::test]
async fn events_are_one_kind_in_two_forms() {
    let client = Client::member().await;
    let new = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"},
        "eventTime": "2026-11-21T08:00:00.000000Z", "reason": "R", "type": "Normal", "note": "hello",
        "action": "A", "reportingController": "c", "reportingInstance": "i",
        "regarding": {"kind": "Pod", "name": "p", "namespace": "default"},
    });
    let path = "/apis/events.k8s.io/v1/namespaces/default/events";
    let made = client.post(path, &new).await.expect(201);
    let selected = "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name=p,reason=R";
    let old = client.get(selected).await.expect(200);
    assert_eq!(old["items"][0]["message"], "hello");
    assert_eq!(old["items"][0]["reportingComponent"], "c");
    assert_eq!(old["items"][0]["metadata"]["uid"], made["metadata"]["uid"]);
    assert_eq!(
        client.get(&format!("{path}/e")).await.expect(200)["note"],
        "hello"
    );
    client
        .get("/api/v1/namespaces/default/events?fieldSelector=nope=p")
        .await
        .fails(400);
}

#[tokio::test]
async fn discovery_is_answered_once() {
    let client = Client::member().await;
    let form = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let first = client.send("GET", "/apis", &[("accept", form)], b"").await;
    assert_eq!(first.headers["content-type"], form);
    assert_eq!(first.body["kind"], "APIGroupDiscoveryList");
    let tag = first.headers["etag"].to_str().expect("a tag").to_owned();
    let again = client
        .send(
            "GET",
            "/apis",
            &[("accept", form), ("if-none-match", &tag)],
            b"",
        )
        .await;
    assert_eq!(again.code, 304);
    assert_eq!(
        client.get("/apis").await.expect(200)["kind"],
        "APIGroupList"
    );
    let index = client.get("/openapi/v3").await.expect(200);
    let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
        .as_str()
        .expect("an address");
    let document = client.get(url).await.expect(200);
    assert!(document["components"]["schemas"].is_object());
    assert_eq!(client.get("/apis/nosuch/v1").await.code, 404);
    client.get("/api/v1/nosuch").await.fails(404);
}

#[tokio::test]
async fn collections_go_in_pages_of_one_revision() {
    let client = Client::member().await;
    for name in ["a", "b", "c", "d", "e"] {
        client.post(MAPS, &map(name, "1")).await.expect(201);
    }
    let first = client.get(&format!("{MAPS}?limit=2")).await.expect(200);
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    client.delete(&format!("{MAPS}/d")).await.expect(200);
    let token = first["metadata"]["continue"].as_str().expect("a token");
    let rest = client
        .get(&format!("{MAPS}?limit=9&continue={token}"))
        .await
        .expect(200);
    let names: Vec<&str> = rest["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|i| i["metadata"]["name"].as_str())
        .collect();
    assert_eq!(
        names,
        ["c", "d", "e"],
        "d is still in the revision of the list"
    );
    assert_eq!(revision(&rest), revision(&first));
    let dropped = client.delete(MAPS).await.expect(200);
    assert_eq!(dropped["items"].as_array().map(Vec::len), Some(4));
    assert_eq!(client.get(MAPS).await.expect(200)["items"], json!([]));
}

/// Refuses what is called `refused`, remembers deletions, and answers one subresource.
struct Owner;

impl Hooks for Owner {
    fn admit(&self, write: &mut Write<'_>) -> Result<Vec<Op>, Status> {
        if write.name == "refused" {
            return Err(Status::forbidden(
                "",
                &write.resource.plural,
                write.name,
                "not this one",
            ));
        }
        if let Some(new) = write.new.as_deref_mut()
            && write.resource.kind == "ConfigMap"
        {
            new["data"]["seen"] = "yes".into();
        }
        if write.verb != Verb::Delete {
            return Ok(Vec::new());
        }
        let key = Key::parse(&format!("/deletions/{}", write.name)).map_err(Status::internal)?;
        Ok(vec![Op::Put {
            key,
            value: "{}".into(),
        }])
    }

    fn notices(&self) -> Vec<(&'static str, Result<(), String>)> {
        vec![("disk", Err("it is full".to_owned()))]
    }

    fn subresources(&self, resource: &Resource) -> &'static [&'static str] {
        if resource.kind == "ConfigMap" {
            &["token"]
        } else {
            &[]
        }
    }

    fn subresource(&self, request: Subresource) -> BoxFuture<Result<Value, Status>> {
        let answer = json!({"for": request.name, "asked": request.body, "by": request.user.user});
        Box::pin(std::future::ready(Ok(answer)))
    }
}

#[tokio::test]
async fn the_owner_has_a_say() {
    let registry = Registry::member().expect("tables");
    let client = Client::over(registry, Options::default(), Arc::new(Owner)).await;
    let refused = client.post(MAPS, &map("refused", "1")).await.fails(403);
    assert_eq!(refused, "configmaps \"refused\" is forbidden: not this one");
    let made = client.post(MAPS, &map("a", "1")).await.expect(201);
    assert_eq!(made["data"]["seen"], "yes");
    let token = client
        .post(&format!("{MAPS}/a/token"), &json!({"x": 1}))
        .await
        .expect(201);
    assert_eq!(token, json!({"for": "a", "asked": {"x": 1}, "by": "admin"}));
    client
        .post(&format!("{MAPS}/none/token"), &json!({}))
        .await
        .fails(404);
    client
        .delete(&format!("{MAPS}/a?dryRun=All"))
        .await
        .expect(200);
    let record = |client: &Client| client.store.snapshot().get("/deletions/a").is_some();
    assert!(!record(&client));
    client.delete(&format!("{MAPS}/a")).await.expect(200);
    assert!(record(&client));
}

#[tokio::test]
async fn what_keeps_nothing_from_being_served_fails_only_where_it_is_asked_for() {
    let registry = Registry::member().expect("tables");
    let client = Client::over(registry, Options::default(), Arc::new(Owner)).await;
    assert_eq!(client.get("/readyz").await.expect(200), "ok");
    assert_eq!(client.get("/livez").await.expect(200), "ok");
    let all = client.get("/readyz?verbose").await.expect(200).to_string();
    assert!(all.contains("[-]disk failed: it is full"), "{all}");
    assert!(all.contains("readyz check passed"), "{all}");
    let alone = client.get("/readyz/disk").await;
    assert_eq!(alone.code, 500);
    assert_eq!(client.get("/livez/disk").await.code, 404);
    let without = client.get("/readyz?verbose&exclude=disk").await.expect(200);
    assert!(!without.to_string().contains("disk"), "{without}");
}
