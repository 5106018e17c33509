//! What was begun before a restart is ended after it.

mod support;

use std::sync::Arc;

use roadstead_machinery::resource::Registry;
use roadstead_rest::{Identity, NoHooks, Options, Parts, Rest};
use roadstead_store::{Backend, OpenDatabase, Store};
use serde_json::json;
use support::{Client, env};

/// A database that outlives the stores that open it, in memory.
fn disk(folder: &tempfile::TempDir) -> OpenDatabase {
    let path = folder.path().join("hub.redb");
    Arc::new(move || redb::Database::create(&path))
}

async fn open(disk: &OpenDatabase, emptied: bool) -> Client {
    let env = env();
    let options = roadstead_store::Options::default();
    let store = Store::open(env.clone(), Backend::Redb(Arc::clone(disk)), options).await;
    let store = store.expect("a store");
    let rest = Rest::new(Parts {
        env,
        store: store.clone(),
        registry: Arc::new(Registry::member().expect("tables")),
        hooks: Arc::new(NoHooks),
        options: Options {
            namespaces_emptied: emptied,
            ..Options::default()
        },
    });
    Client {
        rest,
        store,
        who: Identity::admin(),
    }
}

#[tokio::test]
async fn a_namespace_that_was_going_away_goes_on_doing_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = disk(&folder);
    let before = open(&disk, false).await;
    let namespace = json!({"metadata": {"name": "n"}});
    before
        .post("/api/v1/namespaces", &namespace)
        .await
        .expect(201);
    let maps = "/api/v1/namespaces/n/configmaps";
    before
        .post(maps, &json!({"metadata": {"name": "a"}}))
        .await
        .expect(201);
    let list = before.get("/api/v1/namespaces").await.expect(200);
    let revision = list["metadata"]["resourceVersion"]
        .as_str()
        .expect("a revision")
        .to_owned();
    before.delete("/api/v1/namespaces/n").await.expect(200);
    before.store.close().await;
    drop(before);

    let after = open(&disk, true).await;
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    after.get("/api/v1/namespaces/n").await.fails(404);
    let old = format!("/api/v1/namespaces?watch=1&resourceVersion={revision}");
    let (_, mut lines) = after.watch(&old, "").await;
    let first = lines.next().await.expect("an event");
    assert_eq!(
        first["object"]["code"], 410,
        "history does not outlive the process"
    );
}
