//! What is told of a member, and how often it is looked at.

use std::sync::atomic::{AtomicUsize, Ordering};

use roadstead_protocol::api::facts::NodeShape;

use super::*;
use crate::member::fake::{Fake, Fault};
use crate::store::Loaded;

fn check(quantities: &[&str], expected: &str) {
    let mut sums = BTreeMap::new();
    for quantity in quantities {
        add(&mut sums, Some(&serde_json::json!({"x": quantity})));
    }
    assert_eq!(
        write(sums).remove("x").as_deref(),
        Some(expected),
        "{quantities:?}"
    );
}

#[test]
fn looks_again_soon_after_a_failure_and_then_more_rarely() {
    let every = Duration::from_secs(60);
    let waits: Vec<u64> = (0..8).map(|n| pause(n, every).as_secs()).collect();
    assert_eq!(waits, [60, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(pause(u32::MAX, every), every);
    assert_eq!(pause(1, Duration::from_secs(1)), Duration::from_secs(1));
}

/// Looks at the member of `fake` until it is aborted.
fn looking(fake: &Fake, desk: &Arc<Desk>, every: Duration) -> tokio::task::JoinHandle<()> {
    let (member, desk) = (Member::new(fake.client()), Arc::clone(desk));
    tokio::spawn(async move {
        run(member, desk, every, Vec::new()).await;
    })
}

#[tokio::test(start_paused = true)]
async fn one_answer_that_never_came_is_made_good_within_seconds() {
    let fake = Fake::new();
    fake.state().fault = Some(Box::new(|_, path| {
        (path == "/version").then_some(Fault::Answer(503, "ServiceUnavailable", "not now"))
    }));
    let desk = Arc::new(Desk::new(&Loaded::default()));
    let every = Duration::from_secs(60);
    let looking = looking(&fake, &desk, every);
    let problem = || {
        let said = desk.take_facts()?;
        Some(serde_json::from_slice::<Facts>(&said).unwrap().problem)
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(problem().is_some_and(|problem| problem.is_some()));
    fake.state().fault = None;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(problem(), Some(None));
    looking.abort();
}

#[tokio::test(start_paused = true)]
async fn nodes_and_what_pods_ask_of_them_are_told_and_again_only_when_they_change() {
    let fake = Fake::new();
    let node = serde_json::json!({
        "metadata": {"name": "n", "labels": {"nvidia.com/gpu.product": "Tesla-T4"}},
        "status": {
            "allocatable": {"cpu": "4", "nvidia.com/gpu": "2"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    });
    fake.put("/api/v1/nodes/n", node);
    let desk = Arc::new(Desk::new(&Loaded::default()));
    let every = Duration::from_secs(60);
    let looking = looking(&fake, &desk, every);
    let free = || {
        let said = serde_json::from_slice::<Facts>(&desk.take_facts()?).unwrap();
        let shape = said.shapes.into_iter().next()?;
        assert_eq!((shape.count, shape.models.len()), (1, 1));
        shape.free?.get("nvidia.com/gpu").cloned()
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(free().as_deref(), Some("2"));
    tokio::time::sleep(every * 3).await;
    assert_eq!(free(), None, "nothing changed");
    let limits = serde_json::json!({"nvidia.com/gpu": 1});
    let pod = serde_json::json!({
        "metadata": {"name": "p", "namespace": "web"},
        "spec": {"nodeName": "n", "containers": [{"resources": {"limits": limits}}]},
    });
    fake.put("/api/v1/namespaces/web/pods/p", pod);
    tokio::time::sleep(every).await;
    assert_eq!(free().as_deref(), Some("1"));
    looking.abort();
}

#[test]
fn quantities_add_up() {
    check(&["4", "3920m"], "7920m");
    check(&["1.5", "500m"], "2");
    check(&["16393244Ki", "4Ki"], "16393248Ki");
    check(&["1Gi", "1Gi"], "2Gi");
    check(&["110", "110"], "220");
    check(&["0"], "0");
}

#[test]
fn sums_do_not_end_where_64_bits_do() {
    let most = "18014398509481984";
    check(&[most, most], "36028797018963968");
    check(&["16Pi", "15Pi"], "34084860461056Ki");
}

fn fat(count: u32) -> NodeShape {
    let long = |i: usize| format!("{i}-{count}-{}", "x".repeat(100));
    let entries = |_: ()| (0..16).map(|i| (long(i), long(i))).collect();
    NodeShape {
        count,
        allocatable: entries(()),
        free: Some(entries(())),
        models: entries(()),
        taints: Vec::new(),
    }
}

#[test]
fn facts_that_are_too_long_lose_the_rarest_shapes_first() {
    let problem = Some(Problem {
        reason: "Busy".to_owned(),
        message: "not now".to_owned(),
    });
    let facts = Facts {
        version: "v1.36.3".to_owned(),
        nodes: 7,
        api_groups: vec!["v1".to_owned()],
        shapes: (1..=64).map(fat).collect(),
        problem: problem.clone(),
        ..Facts::default()
    };
    let told = |facts: &Facts| {
        let bytes = encode(facts);
        assert!(bytes.len() <= FACTS_BYTES_MAX, "{}", bytes.len());
        serde_json::from_slice::<Facts>(&bytes).unwrap()
    };
    let short = told(&facts);
    let counts: Vec<u32> = short.shapes.iter().map(|shape| shape.count).collect();
    assert!(counts.len() > 3, "{counts:?}");
    let most: Vec<u32> = (1..=64).rev().take(counts.len()).collect();
    assert_eq!(counts, most);
    assert_eq!(short.api_groups, facts.api_groups);
    assert_eq!(short.problem, problem);

    let groups = (0..5000).map(|i| format!("group-{i}.example.com/v1"));
    let last = told(&Facts {
        api_groups: groups.collect(),
        ..facts
    });
    assert!(last.shapes.is_empty() && last.api_groups.is_empty());
    assert_eq!(
        (last.version.as_str(), last.nodes, last.problem),
        ("v1.36.3", 7, problem)
    );
}

/// How often pods were asked for within so many rounds where listing them ends so, and whether the nodes
/// were told of at once.
async fn asked(rounds: u32, ends: fn() -> Fault) -> usize {
    let fake = Fake::new();
    let node = serde_json::json!({
        "metadata": {"name": "n"}, "status": {"allocatable": {"cpu": "4"}},
    });
    fake.put("/api/v1/nodes/n", node);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    fake.state().fault = Some(Box::new(move |_, path| {
        (path == "/api/v1/pods").then(|| {
            count.fetch_add(1, Ordering::Relaxed);
            ends()
        })
    }));
    let desk = Arc::new(Desk::new(&Loaded::default()));
    let every = Duration::from_secs(60);
    let member = Member::new(fake.client());
    let looking = tokio::spawn(run(member, Arc::clone(&desk), every, Vec::new()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let told: Facts = serde_json::from_slice(&desk.take_facts().unwrap()).unwrap();
    assert_eq!((told.nodes, told.shapes.len()), (1, 1));
    assert_eq!(told.shapes[0].free, None);
    tokio::time::sleep(every * rounds).await;
    looking.abort();
    asked.load(Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn pods_that_cannot_be_listed_are_asked_for_ever_more_seldom_and_hold_nothing_up() {
    // At looks 1, 3, 7, 15, 31 and then every thirtieth.
    assert_eq!(
        asked(64, || Fault::Answer(500, "InternalError", "no")).await,
        6
    );
    assert_eq!(asked(64, || Fault::Answer(403, "Forbidden", "no")).await, 3);
    assert!(asked(64, || Fault::Silence).await <= 6);
}
