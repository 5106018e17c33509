//! Workloads that want to be together, or apart.

use super::*;

const SELECT: &str = "resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]";

fn placing(affinity: &str) -> Vec<Value> {
    policy(
        "p",
        &format!("{{{SELECT}, placement: {{workloadAffinity: {{{affinity}}}}}}}"),
    )
}

/// `web` of the team `blue`, with peers of that team on these clusters.
fn case(affinity: &str, peers: &[&str]) -> Case {
    let mut case = Case::new(
        &[&clusters(&["a", "b", "c"]), &placing(affinity)],
        &deployment(2),
    );
    case.template.as_mut().unwrap()["metadata"]["labels"] =
        serde_json::json!({"app": "web", "team": "blue"});
    let uids = peers.iter().map(|name| format!("uid-default-{name}"));
    case.around.peers.insert("team".to_owned(), uids.collect());
    case
}

const TOGETHER: &str = "affinity: {groupByLabelKey: team}";
const APART: &str = "antiAffinity: {groupByLabelKey: team}";

#[test]
fn what_is_new_goes_to_its_peers_or_away_from_them() {
    check(&case(TOGETHER, &[]), "a\n b\n c");
    check(
        &case(TOGETHER, &["b"]),
        "b\n refused 2: WorkloadAffinity (default/a default/c)",
    );
    check(&case(APART, &[]), "a\n b\n c");
    check(
        &case(APART, &["b"]),
        "a\n c\n refused 1: WorkloadAntiAffinity (default/b)",
    );
    check(
        &case(APART, &["a", "b", "c"]),
        "refused 3: WorkloadAntiAffinity (default/a default/b default/c)\n ! NothingOpen",
    );
    let groups = case(APART, &[]).place().groups;
    assert_eq!(groups, [("team".to_owned(), "blue".to_owned())].into());
}

#[test]
fn what_runs_stays_whoever_comes() {
    let mut running = case(APART, &[]);
    let placement = running.place();
    running.carry_out(&placement);
    let mut later = case(APART, &["b"]);
    later.former.clone_from(&running.former);
    check(&later, "a\n b\n c");
}

#[test]
fn peers_are_of_the_same_namespace_and_value() {
    let labels = [("team".to_owned(), "blue".to_owned())].into();
    let spec = |namespace: &str, name: &str, team: &str, cluster: &str| {
        serde_json::from_value(serde_json::json!({
            "template": {
                "apiVersion": "apps/v1", "kind": "Deployment",
                "namespace": namespace, "name": name,
            },
            "groups": {"team": team},
            "clusters": [{"uid": cluster}],
        }))
        .unwrap()
    };
    let specs = [
        spec("default", "db", "blue", "1"),
        spec("default", "cache", "blue", "2"),
        spec("default", "web", "blue", "3"),
        spec("default", "red", "red", "4"),
        spec("other", "db", "blue", "5"),
    ];
    let peers = crate::peers::peers(&web(), &labels, specs.iter());
    let expected = ["1", "2"].map(str::to_owned).into();
    assert_eq!(peers, [("team".to_owned(), expected)].into());
}

#[test]
fn nobody_is_together_and_apart() {
    let world = World::read(
        placing(&format!("{TOGETHER}, {APART}")),
        BTreeSet::new(),
        Limits::default(),
    );
    assert!(world.unreadable[0].problem.contains("together and apart"));
}
