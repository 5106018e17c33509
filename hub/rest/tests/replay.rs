//! What a real kube-apiserver 1.36 was recorded to answer, asked of this API.
//!
//! `golden/*.jsonl` are the recordings, one exchange per line. Each request is sent again, in order,
//! and the answers are compared, less what must differ: uids, revisions, times, tokens, generated
//! names. What is known to differ stands in `golden/differences.txt`, with its reason; the test
//! fails when something else differs, and when something listed there no longer does.

mod golden;
mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use golden::{Exchange, Normal};
use roadstead_machinery::resource::Registry;
use roadstead_rest::{NoHooks, Options};
use support::Client;

const FILES: &[(&str, &str)] = &[
    ("02-errors", include_str!("golden/02-errors.jsonl")),
    ("03-crud", include_str!("golden/03-crud.jsonl")),
    ("04-watch", include_str!("golden/04-watch.jsonl")),
    ("05-ssa", include_str!("golden/05-ssa.jsonl")),
];

#[tokio::test(start_paused = true)]
async fn answers_are_those_of_kubernetes() {
    let known = differences();
    let client = client().await;
    let mut normal = Normal::default();
    let (mut same, mut total) = (0, 0);
    let mut wrong = Vec::new();
    for (file, text) in FILES {
        for line in text.lines() {
            let exchange = Exchange::parse(line);
            let id = format!("{file} {}", exchange.i);
            total += 1;
            if known
                .get(&id)
                .is_some_and(|why| why.starts_with("not sent"))
            {
                continue;
            }
            let found = golden::replay(&client, &exchange, &mut normal).await;
            match (found, known.get(&id)) {
                (None, None) => same += 1,
                (None, Some(_)) => {
                    same += 1;
                    wrong.push(format!(
                        "{id}: no longer differs, take it out of differences.txt"
                    ));
                }
                (Some(_), Some(_)) => {}
                (Some(difference), None) => {
                    wrong.push(format!("{id} ({}): {difference}", exchange.note))
                }
            }
        }
    }
    println!(
        "{same} of {total} exchanges are answered as by Kubernetes, {} are known to differ",
        known.len()
    );
    assert!(
        wrong.is_empty(),
        "{} exchanges:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

async fn client() -> Client {
    let crd = serde_json::from_str(include_str!("golden/crd.json")).expect("a manifest");
    let registry = Registry::member()
        .expect("tables")
        .with_crd(&crd)
        .expect("a custom kind");
    let options = Options {
        namespaces_emptied: false,
        ..Options::member()
    };
    let client = Client::over(registry, options, Arc::new(NoHooks)).await;
    let namespace = serde_json::json!({"metadata": {"name": "g"}});
    client
        .post("/api/v1/namespaces", &namespace)
        .await
        .expect(201);
    client
}

/// `02-errors 8: why`, one per line.
fn differences() -> BTreeMap<String, String> {
    let lines = include_str!("golden/differences.txt").lines();
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| line.split_once(": "))
        .map(|(id, why)| (id.to_owned(), why.to_owned()))
        .collect()
}
