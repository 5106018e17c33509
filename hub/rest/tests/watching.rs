//! Watches: where they begin, what they say, how they end.

mod support;

use serde_json::{Value, json};
use support::{Client, Lines};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn map(name: &str, color: &str) -> Value {
    let metadata = json!({"name": name, "labels": {"color": color}});
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
}

async fn recolor(client: &Client, name: &str, color: &str) {
    let change = json!({"metadata": {"labels": {"color": color}}});
    client
        .merge(&format!("{MAPS}/{name}"), &change)
        .await
        .expect(200);
}

async fn revision(client: &Client) -> String {
    let list = client.get(MAPS).await.expect(200);
    list["metadata"]["resourceVersion"]
        .as_str()
        .expect("a revision")
        .to_owned()
}

/// `ADDED a`, `BOOKMARK`, … until the end, or `count` of them.
async fn said(lines: &mut Lines, count: usize) -> Vec<String> {
    let mut out = Vec::new();
    while out.len() < count
        && let Some(line) = lines.next().await
    {
        let what = line["type"].as_str().unwrap_or("?");
        let name = line["object"]["metadata"]["name"]
            .as_str()
            .unwrap_or_default();
        out.push(format!("{what} {name}").trim_end().to_owned());
    }
    out
}

#[tokio::test(start_paused = true)]
async fn an_object_that_ceases_to_match_is_deleted_for_the_watcher() {
    let client = Client::member().await;
    let from = revision(&client).await;
    let path =
        format!("{MAPS}?watch=1&labelSelector=color=red&timeoutSeconds=3&resourceVersion={from}");
    let (code, mut lines) = client.watch(&path, "").await;
    assert_eq!(code, 200);
    client.post(MAPS, &map("a", "blue")).await.expect(201);
    recolor(&client, "a", "red").await;
    recolor(&client, "a", "green").await;
    client.post(MAPS, &map("b", "red")).await.expect(201);
    client.delete(&format!("{MAPS}/b")).await.expect(200);
    client.delete(&format!("{MAPS}/a")).await.expect(200);
    let all = said(&mut lines, 9).await;
    assert_eq!(all, ["ADDED a", "DELETED a", "ADDED b", "DELETED b"]);
}

#[tokio::test(start_paused = true)]
async fn watching_goes_on_where_a_list_ended() {
    let client = Client::member().await;
    client.post(MAPS, &map("a", "red")).await.expect(201);
    let from = revision(&client).await;
    client.post(MAPS, &map("b", "red")).await.expect(201);
    let path = format!("{MAPS}?watch=1&timeoutSeconds=1&resourceVersion={from}");
    let (_, mut lines) = client.watch(&path, "").await;
    assert_eq!(said(&mut lines, 9).await, ["ADDED b"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_list_says_where_its_beginning_ends() {
    let client = Client::member().await;
    client.post(MAPS, &map("a", "red")).await.expect(201);
    let query =
        "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let (_, mut lines) = client
        .watch(&format!("{MAPS}?{query}&timeoutSeconds=100"), "")
        .await;
    assert_eq!(said(&mut lines, 1).await, ["ADDED a"]);
    let end = lines.next().await.expect("a bookmark");
    assert_eq!(end["type"], "BOOKMARK");
    assert_eq!(
        end["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"],
        "true"
    );
    assert_eq!(end["object"]["kind"], "ConfigMap");
    // Then one a minute, and one before the end.
    assert_eq!(said(&mut lines, 9).await, ["BOOKMARK", "BOOKMARK"]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_place_is_said_as_an_event() {
    let client = Client::member().await;
    let (code, mut lines) = client
        .watch(&format!("{MAPS}?watch=1&resourceVersion=1"), "")
        .await;
    assert_eq!(code, 200);
    let error = lines.next().await.expect("an event");
    assert_eq!(
        (&error["type"], &error["object"]["code"]),
        (&json!("ERROR"), &json!(410))
    );
    assert_eq!(lines.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn only_the_first_table_names_its_columns() {
    let client = Client::member().await;
    client.post(MAPS, &map("a", "red")).await.expect(201);
    client.post(MAPS, &map("b", "red")).await.expect(201);
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let (_, mut lines) = client
        .watch(&format!("{MAPS}?watch=1&timeoutSeconds=1"), table)
        .await;
    let first = lines.next().await.expect("an event");
    assert!(first["object"]["columnDefinitions"].is_array());
    let second = lines.next().await.expect("an event");
    assert_eq!(second["object"]["columnDefinitions"], Value::Null);
    assert_eq!(second["object"]["rows"][0]["cells"][0], "b");
}

#[tokio::test(start_paused = true)]
async fn there_is_a_bound_to_watches() {
    let client = Client::member().await;
    let mut open = Vec::new();
    for _ in 0..roadstead_rest::WATCHES_MAX {
        open.push(client.watch(&format!("{MAPS}?watch=1"), "").await);
    }
    let (code, _) = client.watch(&format!("{MAPS}?watch=1"), "").await;
    assert_eq!(code, 429);
    open.clear();
    let (code, _) = client.watch(&format!("{MAPS}?watch=1"), "").await;
    assert_eq!(code, 200);
}

#[tokio::test(start_paused = true)]
async fn lines_that_wait_go_out_together_and_in_order() {
    let client = Client::member().await;
    for n in 0..20 {
        let name = format!("old-{n:02}");
        client.post(MAPS, &map(&name, "red")).await.expect(201);
    }
    let (_, mut lines) = client
        .watch(&format!("{MAPS}?watch=1&timeoutSeconds=2"), "")
        .await;
    let first = said(&mut lines, 1).await;
    assert_eq!(
        (first, lines.waiting()),
        (vec!["ADDED old-00".to_owned()], 19)
    );
    assert_eq!(said(&mut lines, 19).await.last().unwrap(), "ADDED old-19");
    for n in 0..20 {
        let name = format!("old-{n:02}");
        recolor(&client, &name, "blue").await;
    }
    client.delete(&format!("{MAPS}/old-00")).await.expect(200);
    let first = said(&mut lines, 1).await;
    assert_eq!(
        (first, lines.waiting()),
        (vec!["MODIFIED old-00".to_owned()], 20)
    );
    let rest = said(&mut lines, 99).await;
    let mut expected: Vec<String> = (1..20).map(|n| format!("MODIFIED old-{n:02}")).collect();
    expected.push("DELETED old-00".to_owned());
    assert_eq!(rest, expected);
}
