//! Who gets a backup, how many do at a time, and that it is whole.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use roadstead_machinery::resource::{Registry, Resource};
use roadstead_protocol::env::BoxFuture;
use roadstead_protocol::host::system;
use roadstead_rest::{Hooks, Identity, Options, Parts, Rest, Subresource, Write};
use roadstead_store::backup::Reader;
use roadstead_store::{Backend, Key, Op, Txn};
use serde_json::Value;

use super::*;

/// Nothing but backups.
struct Backups(Env, Store);

impl Hooks for Backups {
    fn admit(&self, _: &mut Write<'_>) -> Result<Vec<Op>, Status> {
        Ok(Vec::new())
    }

    fn subresources(&self, _: &Resource) -> &'static [&'static str] {
        &[]
    }

    fn subresource(&self, _: Subresource) -> BoxFuture<Result<Value, Status>> {
        Box::pin(std::future::ready(Err(Status::no_such_resource())))
    }

    fn page(&self, asked: &Page<'_>) -> Option<BoxFuture<Result<Response<RestBody>, Status>>> {
        let answer = page(&self.0, &self.1, asked)?;
        Some(Box::pin(std::future::ready(answer)))
    }
}

async fn world() -> (Rest, Store) {
    let env = system::env();
    let options = roadstead_store::Options::default();
    let store = Store::open(env.clone(), Backend::Memory, options)
        .await
        .unwrap();
    for i in 0..40 {
        let key = Key::parse(&format!("/authority/{i:02}")).unwrap();
        let txn = Txn::new().put(key, vec![7; 100_000]);
        store.commit(txn).await.unwrap();
    }
    let rest = Rest::new(Parts {
        env: env.clone(),
        store: store.clone(),
        registry: Arc::new(Registry::hub(roadstead_protocol::api::CRDS).unwrap()),
        hooks: Arc::new(Backups(env, store.clone())),
        options: Options::default(),
    });
    (rest, store)
}

async fn ask(rest: &Rest, method: &str, path: &str, who: Identity) -> Response<RestBody> {
    let request = Request::builder().method(method).uri(path);
    rest.handle(request.body(Empty::<Bytes>::new()).unwrap(), who)
        .await
}

#[tokio::test]
async fn administrators_get_a_whole_backup_and_nobody_else_gets_anything() {
    let (rest, store) = world().await;
    for who in [
        Identity::anonymous(),
        Identity::agent("uid"),
        Identity::new("somebody", ["users"].map(String::from)),
    ] {
        let refused = ask(&rest, "GET", PATH, who).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    }
    let posted = ask(&rest, "POST", PATH, Identity::admin()).await;
    assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
    let other = ask(&rest, "GET", "/roadstead.dev/other", Identity::admin()).await;
    assert_eq!(other.status(), StatusCode::NOT_FOUND);

    // As many as may be wait to be read; one more is refused, and comes in when one has ended.
    let one = ask(&rest, "GET", PATH, Identity::admin()).await;
    let two = ask(&rest, "GET", PATH, Identity::admin()).await;
    let three = ask(&rest, "GET", PATH, Identity::admin()).await;
    assert_eq!(one.status(), StatusCode::OK);
    assert!(three.status().is_server_error() || three.status().is_client_error());
    drop(two);
    let bytes = one.into_body().collect().await.unwrap().to_bytes();
    let mut reader = Reader::new(true);
    reader.take(&bytes).unwrap();
    let contents = reader.finish().unwrap();
    assert_eq!(contents.entries.len(), 40);
    assert_eq!(contents.head.revision, store.revision());
    let mut again = ask(&rest, "GET", PATH, Identity::admin()).await;
    while again.status() != StatusCode::OK {
        tokio::time::sleep(Duration::from_millis(5)).await;
        again = ask(&rest, "GET", PATH, Identity::admin()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_stops_reading_is_not_waited_for_and_is_told_no_end() {
    let env = system::env();
    let (_rest, store) = world().await;
    let room = Semaphore::new(1);
    let room: &'static Semaphore = Box::leak(Box::new(room));
    let (to, mut pieces) = mpsc::channel(PIECES_AHEAD);
    let backup = store.backup(env.clock.now(), "0.1.0");
    let giving = tokio::spawn(give(backup, to, room.try_acquire().unwrap()));
    tokio::time::sleep(STALLED_AFTER * 2).await;
    assert!(giving.is_finished(), "it holds on to nothing any more");
    assert_eq!(room.available_permits(), 1);
    let mut reader = Reader::new(false);
    while let Some(piece) = pieces.recv().await {
        reader.take(&piece).unwrap();
    }
    assert!(reader.finish().is_err());
}
