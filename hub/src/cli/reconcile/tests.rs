//! What is sent, what is refused before, and what is printed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use clap::Parser as _;
use kube::client::Body;

use super::*;
use crate::config::{Cli, Command};

fn args(line: &str) -> Result<Reconcile, String> {
    let cli = Cli::try_parse_from(line.split(' ')).map_err(|e| e.to_string())?;
    let Command::Reconcile(args) = cli.command else {
        return Err("another command".to_owned());
    };
    Ok(args)
}

fn waits() -> Status {
    let entry = |group: &str, kind: &str, actions: &[Action]| Entry {
        item: Item {
            group: group.to_owned(),
            kind: kind.to_owned(),
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            stamp: "1/2".to_owned(),
        },
        actions: actions.to_vec(),
        ..Entry::default()
    };
    Status {
        items: vec![
            entry("apps", "Deployment", &[Action::TakeHub]),
            entry("", "ConfigMap", &[Action::Delete]),
            entry("a.example", "Thing", &[Action::Delete]),
            entry("b.example", "Thing", &[Action::Delete]),
        ],
        more: 0,
    }
}

#[test]
fn one_action_and_objects_or_all() {
    for wrong in [
        "roadstead reconcile edge --all",
        "roadstead reconcile edge Deployment/shop/web",
        "roadstead reconcile edge --adopt --delete --all",
        "roadstead reconcile edge --adopt --all Deployment/shop/web",
    ] {
        assert!(args(wrong).is_err(), "{wrong}");
    }
    assert_eq!(args("roadstead reconcile edge").unwrap().action(), None);
    let stray = args("roadstead reconcile edge --adopt --confirm x --all").unwrap();
    assert!(fits(&stray).is_err());
    let bare = args("roadstead reconcile edge --release").unwrap();
    let error = chosen(&bare, Action::Release, &waits()).unwrap_err();
    assert!(error.to_string().contains("--all"), "{error}");
}

#[test]
fn objects_are_found_by_what_was_shown() {
    let check = |items: &str, expected: &[(&str, &str)]| {
        let args = args(&format!("roadstead reconcile edge --delete {items}")).unwrap();
        let (found, _) = chosen(&args, Action::Delete, &waits()).unwrap();
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|item| (item.group.as_str(), item.stamp.as_str()))
            .collect();
        assert_eq!(found, expected, "{items}");
    };
    check("Deployment/shop/web", &[("apps", "1/2")]);
    check("Thing.b.example/shop/web", &[("b.example", "1/2")]);
    check("Secret/shop/web", &[("", "")]);
    check(
        "--all",
        &[("", "1/2"), ("a.example", "1/2"), ("b.example", "1/2")],
    );
    let twice = args("roadstead reconcile edge --delete Thing/shop/web").unwrap();
    let error = chosen(&twice, Action::Delete, &waits())
        .unwrap_err()
        .to_string();
    assert!(error.contains("name the group"), "{error}");
}

/// Runs a command against a hub that answers the listing with `waits`, and what is posted with
/// `answers`. What it says, and how many requests were posted.
async fn run(line: &str, waits: &Status, answers: Vec<(u16, Value)>) -> (String, usize) {
    let count = answers.len();
    let answers = Arc::new(Mutex::new(VecDeque::from(answers)));
    let (posted, listing) = (answers.clone(), json!({"status": waits}));
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let (code, body) = match *request.method() {
            http::Method::GET => (200, listing.clone()),
            _ => posted.lock().unwrap().pop_front().unwrap(),
        };
        let body = Body::from(body.to_string().into_bytes());
        let answer = http::Response::builder().status(code).body(body).unwrap();
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    let hub = Api::over(kube::Client::new(service, "default"));
    let said = at(&hub, "shop", &args(line).unwrap()).await;
    let left = answers.lock().unwrap().len();
    (
        said.unwrap_or_else(|error| crate::chain(&error)),
        count - left,
    )
}

fn many(count: usize, more: usize) -> Status {
    let entry = |n: usize| Entry {
        item: Item {
            kind: "ConfigMap".to_owned(),
            namespace: "shop".to_owned(),
            name: format!("n{n}"),
            ..Item::default()
        },
        actions: vec![Action::TakeHub, Action::Delete],
        ..Entry::default()
    };
    Status {
        items: (0..count).map(entry).collect(),
        more,
    }
}

fn did(name: &str) -> (u16, Value) {
    let item = json!({"kind": "ConfigMap", "namespace": "shop", "name": name});
    (201, json!({"status": {"items": [item]}}))
}

#[tokio::test]
async fn a_deletion_does_not_come_in_parts() {
    let all = "roadstead reconcile edge --delete --all";
    for (count, more) in [(ITEMS_MAX + 1, 0), (1, 1)] {
        let answers = vec![did("a"), did("b")];
        let (said, posted) = run(all, &many(count, more), answers).await;
        assert_eq!(posted, 0, "{said}");
        assert!(said.contains("Nothing was deleted: name"), "{said}");
    }
    let (said, posted) = run(all, &many(ITEMS_MAX, 0), vec![did("a")]).await;
    assert_eq!(
        (said.as_str(), posted),
        ("ConfigMap/shop/a: to be deleted", 1)
    );
    // By name is no other way around it.
    let names: Vec<String> = (0..=ITEMS_MAX)
        .map(|n| format!("ConfigMap/shop/n{n}"))
        .collect();
    let named = format!("roadstead reconcile edge --delete {}", names.join(" "));
    let (said, posted) = run(&named, &many(1, 0), vec![did("a"), did("b")]).await;
    assert_eq!(posted, 0, "{said}");
}

#[tokio::test]
async fn what_was_done_is_said_also_before_an_error() {
    let all = "roadstead reconcile edge --take-hub --all";
    let refusal = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 409,
        "reason": "Conflict", "message": "nothing was done: it changed",
    });
    let answers = vec![did("a"), (409, refusal.clone())];
    let (said, posted) = run(all, &many(ITEMS_MAX + 1, 0), answers).await;
    assert_eq!(posted, 2);
    assert!(
        said.contains("ConfigMap/shop/a: what the hub says"),
        "{said}"
    );
    assert!(
        said.contains("Then a request failed: nothing was done"),
        "{said}"
    );
    let (said, _) = run(all, &many(1, 0), vec![(409, refusal)]).await;
    assert!(said.starts_with("nothing was done"), "{said}");
}

#[tokio::test]
async fn all_says_what_it_did_not_see() {
    let all = "roadstead reconcile edge --take-hub --all";
    let (said, _) = run(all, &many(1, 7), vec![did("a")]).await;
    assert!(said.contains("7 more wait"), "{said}");
    let (said, _) = run(all, &many(0, 7), Vec::new()).await;
    assert!(said.contains("7 more wait"), "{said}");
}

#[tokio::test]
async fn the_command_that_ends_it_names_the_namespace() {
    let (said, _) = run("roadstead reconcile edge", &many(1, 0), Vec::new()).await;
    assert!(
        said.contains("roadstead reconcile -n shop edge --take-hub"),
        "{said}"
    );
}
