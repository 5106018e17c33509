//! Shares from policies: what a division goes by, what moves it and what does not, and hardware.

use serde_json::{Value, json};

use super::*;

/// A joined cluster whose nodes (each `count allocatable free`) have so many GPUs of a model.
fn gpus(name: &str, model: &str, nodes: &[(u32, u32, u32)]) -> Value {
    let room = |n: u32| json!({"cpu": "64", "memory": "512Gi", "pods": "110", "nvidia.com/gpu": n.to_string()});
    let shapes: Vec<Value> = nodes
        .iter()
        .map(|(count, all, free)| {
            json!({
                "count": count, "allocatable": room(*all), "free": room(*free),
                "models": {"nvidia.com/gpu.product": model},
            })
        })
        .collect();
    let mut cluster = clusters(&[name]).remove(0);
    cluster["status"]["nodeShapes"] = json!(shapes);
    cluster
}

/// The Deployment `web` of so many replicas, each with so many GPUs.
fn inference(replicas: u32, gpus: u32) -> String {
    deployment(replicas).replace(
        "image: web:1",
        &format!("image: web:1, resources: {{limits: {{nvidia.com/gpu: {gpus}}}}}"),
    )
}

fn spec(placement: &str) -> String {
    format!(
        "{{resourceSelectors: [{{apiVersion: apps/v1, kind: Deployment, name: web}}, {{apiVersion: apps/v1, kind: StatefulSet, name: web}}, {{apiVersion: batch/v1, kind: Job, name: web}}], placement: {placement}}}"
    )
}

fn case(world: &[Value], placement: &str, template: &str) -> Case {
    Case::new(&[world, &policy("p", &spec(placement))], template)
}

/// Decides, carries it out, and says who has how many.
fn run(case: &mut Case) -> String {
    let placement = case.place();
    let shares: Vec<String> = placement
        .targets
        .iter()
        .map(|t| format!("{} {}", t.path.1, t.replicas.unwrap()))
        .collect();
    case.carry_out(&placement);
    let left = placement.unplaced.map(|u| format!(" left {}", u.replicas));
    format!("{}{}", shares.join(" "), left.unwrap_or_default())
}

fn scale(case: &mut Case, replicas: u32) {
    case.template.as_mut().unwrap()["spec"]["replicas"] = json!(replicas);
}

fn rewrite(case: &mut Case, placement: &str) {
    case.world.retain(|o| o["kind"] != "DistributionPolicy");
    case.world.extend(policy("p", &spec(placement)));
}

const HALVES: &str = "{replicaScheduling: {replicaSchedulingType: Divided}}";
const AVAILABLE: &str = "{replicaScheduling: {replicaDivisionPreference: Weighted, weightPreference: {dynamicWeight: AvailableReplicas}}}";
const AGGREGATED: &str = "{replicaScheduling: {replicaDivisionPreference: Aggregated}}";

#[test]
fn scaling_only_adds_and_only_takes() {
    let joined = clusters(&["a", "b", "c"]);
    let mut case = case(&joined, HALVES, &deployment(9));
    assert_eq!(run(&mut case), "a 3 b 3 c 3");
    scale(&mut case, 10);
    assert_eq!(run(&mut case), "a 4 b 3 c 3");
    scale(&mut case, 2);
    assert_eq!(run(&mut case), "a 1 b 1 c 0");
    let zero = &case.place().targets[2];
    let object: Value = serde_json::from_slice(&zero.content.bytes).unwrap();
    assert_eq!(object["spec"]["replicas"], 0);
}

#[test]
fn a_cluster_that_joins_divides_anew_and_a_policy_that_cannot_be_read_does_not() {
    let mut case = case(&clusters(&["a"]), HALVES, &deployment(9));
    assert_eq!(run(&mut case), "a 9");
    case.world.extend(clusters(&["b"]));
    assert_eq!(run(&mut case), "a 5 b 4");
    let basis = case.basis.clone();
    assert!(basis.is_some());
    let at = case
        .world
        .iter()
        .position(|o| o["kind"] == "DistributionPolicy");
    case.world[at.unwrap()]["spec"]["resourceSelectors"] = json!("everything");
    let placement = case.place();
    assert_eq!(placement.kept.len(), 2);
    assert_eq!(placement.basis, basis);
}

#[test]
fn what_is_free_moves_nothing_until_somebody_asks() {
    let nodes = |a: u32, b: u32| [gpus("a", "T4", &[(1, 8, a)]), gpus("b", "T4", &[(1, 8, b)])];
    let mut case = case(&nodes(6, 2), AVAILABLE, &inference(4, 1));
    assert_eq!(run(&mut case), "a 3 b 1");
    let become_free = |case: &mut Case, a: u32, b: u32| {
        case.world.retain(|o| o["kind"] != "AttachedCluster");
        case.world.extend(nodes(a, b));
    };
    become_free(&mut case, 0, 8);
    assert_eq!(run(&mut case), "a 3 b 1");
    scale(&mut case, 6);
    assert_eq!(run(&mut case), "a 3 b 3");
    case.template.as_mut().unwrap()["metadata"]["annotations"] =
        json!({"roadstead.dev/rebalance": "1"});
    assert_eq!(run(&mut case), "a 1 b 5");
    become_free(&mut case, 7, 0);
    assert_eq!(run(&mut case), "a 1 b 5");
}

#[test]
fn what_has_no_place_waits_and_is_placed_when_there_is_one() {
    let mut case = case(
        &[gpus("a", "T4", &[(1, 8, 2)])],
        AGGREGATED,
        &inference(3, 1),
    );
    let placement = case.place();
    let unplaced = placement.unplaced.unwrap();
    assert_eq!(
        (unplaced.replicas, unplaced.why.as_str()),
        (1, "default/a: it has room for 2")
    );
    assert_eq!(run(&mut case), "a 2 left 1");
    case.world[0] = gpus("a", "T4", &[(1, 8, 0)]);
    let placement = case.place();
    assert_eq!(
        placement.unplaced.unwrap().why,
        "default/a: no node has 1 of nvidia.com/gpu free, the most is 0"
    );
    assert!(placement.findings.iter().any(|f| f.reason() == "Unplaced"));
    case.world.push(gpus("b", "T4", &[(1, 1, 1)]));
    assert_eq!(run(&mut case), "a 2 b 1");
}

#[test]
fn what_was_promised_and_not_seen_is_not_given_twice() {
    let mut case = case(
        &[gpus("a", "T4", &[(1, 8, 4)])],
        AGGREGATED,
        &inference(4, 1),
    );
    assert_eq!(run(&mut case), "a 4");
    scale(&mut case, 5);
    for former in &mut case.former {
        former.seen = Some(1);
    }
    // Three of the four that are free are spoken for.
    assert_eq!(run(&mut case), "a 5");
    scale(&mut case, 7);
    for former in &mut case.former {
        former.seen = Some(2);
    }
    assert_eq!(run(&mut case), "a 6 left 1");
}

#[test]
fn without_figures_nothing_is_placed_by_figures() {
    let mut case = case(&clusters(&["a"]), AVAILABLE, &deployment(2));
    check(
        &case,
        "refused 1: NoRoom (default/a)
         ! Unplaced",
    );
    let why = case.place().unplaced.unwrap().why;
    assert_eq!(why, "default/a: its agent does not say what is free");
    rewrite(&mut case, HALVES);
    assert_eq!(run(&mut case), "a 2");
}

fn seed() -> Option<String> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/seed/ai-workload-distribution.yaml"
    );
    std::fs::read_to_string(path).ok()
}

#[test]
fn the_seeds_hardware() {
    let Some(text) = seed() else {
        println!("skipped: the seed is not there");
        return;
    };
    let text = text
        .replace(
            "  name: ai-workload-distribution",
            "  name: ai\n  namespace: default\n  uid: uid-p",
        )
        .replace("llm-inference", "web");
    let mut world = yaml(&text);
    world.push(gpus(
        "cluster-gpu-a100",
        "NVIDIA-A100-SXM4-80GB",
        &[(2, 8, 8), (8, 1, 1)],
    ));
    world.push(gpus(
        "cluster-gpu-h100",
        "NVIDIA-H100-80GB-HBM3",
        &[(1, 8, 8)],
    ));
    let case = |replicas| Case::new(&[&world], &inference(replicas, 4));
    // Four fit on the whole nodes, none on those with one GPU.
    check(
        &case(3),
        "cluster-gpu-a100 3\n refused 1: NotNeeded (default/cluster-gpu-h100)",
    );
    check(&case(5), "cluster-gpu-a100 4\n cluster-gpu-h100 1");
    let placement = case(8).place();
    let unplaced = placement.unplaced.unwrap();
    assert_eq!(unplaced.replicas, 2);
    let mut old = case(3);
    old.world[2] = gpus("cluster-gpu-h100", "Tesla-T4", &[(4, 8, 8)]);
    old.world[1] = gpus("cluster-gpu-a100", "NVIDIA-A100-SXM4-80GB", &[(3, 1, 1)]);
    check(
        &old,
        "refused 2: HardwareMissing (default/cluster-gpu-a100 default/cluster-gpu-h100)
         ! Unplaced",
    );
    assert_eq!(
        old.place().unplaced.unwrap().why,
        "default/cluster-gpu-a100: it has 3 of nvidia.com/gpu of the models asked for, and 4 is \
         needed; default/cluster-gpu-h100: it has 0 of nvidia.com/gpu of the models asked for, and \
         4 is needed"
    );
}

#[test]
fn a_stateful_set_is_divided_only_where_that_is_said_by_name() {
    let stateful = deployment(6).replace("kind: Deployment", "kind: StatefulSet");
    let joined = clusters(&["a", "b"]);
    let implied = "{replicaScheduling: {replicaDivisionPreference: Weighted}}";
    check(&case(&joined, implied, &stateful), "a\n b");
    check(&case(&joined, HALVES, &stateful), "a 3\n b 3");
}

fn job(spec: &str) -> String {
    format!(
        "
apiVersion: batch/v1
kind: Job
metadata: {{name: web, namespace: default, uid: uid-web}}
spec: {spec}
"
    )
}

#[test]
fn a_job_is_divided_once_and_an_indexed_one_never() {
    let joined = clusters(&["a", "b", "c"]);
    let mut once = case(
        &joined[..2],
        HALVES,
        &job("{completions: 10, parallelism: 3}"),
    );
    let written = |case: &Case| -> Vec<String> {
        let spec = |t: &crate::Target| {
            let object: Value = serde_json::from_slice(&t.content.bytes).unwrap();
            object["spec"].to_string()
        };
        case.place().targets.iter().map(spec).collect()
    };
    assert_eq!(written(&once), [r#"{"completions":5,"parallelism":2}"#; 2]);
    assert_eq!(run(&mut once), "a 5 b 5");
    once.world.push(joined[2].clone());
    check(&once, "a 5\n b 5\n refused 1: NotNeeded (default/c)");
    rewrite(
        &mut once,
        "{replicaScheduling: {replicaSchedulingType: Divided, weightPreference: {staticWeightList: [{targetCluster: {clusterNames: [a]}, weight: 9}, {targetCluster: {clusterNames: [b]}, weight: 1}]}}}",
    );
    assert_eq!(run(&mut once), "a 5 b 5");
    let queue = case(&joined, HALVES, &job("{parallelism: 2}"));
    assert_eq!(written(&queue), [r#"{"parallelism":1}"#; 2]);
    let indexed = job("{completions: 10, parallelism: 3, completionMode: Indexed}");
    check(&case(&joined, HALVES, &indexed), "a\n b\n c");
}

#[test]
fn what_contradicts_itself_is_said_with_the_way_out() {
    let problem = |placement: &str| {
        let world = World::read(
            policy("p", &spec(placement)),
            BTreeSet::new(),
            Limits::default(),
        );
        world.unreadable[0].problem.clone()
    };
    let liked = "preference: [{weight: 1, preference: {operator: Exists}}]";
    let weighted =
        format!("{{replicaScheduling: {{replicaDivisionPreference: Weighted}}, {liked}}}");
    assert!(problem(&weighted).starts_with("spec.placement.preference: Forbidden"));
    let both = "{replicaScheduling: {replicaDivisionPreference: Aggregated, weightPreference: {dynamicWeight: AvailableReplicas}}}";
    assert!(problem(both).contains("weightPreference: Forbidden"));
    let negative = "{replicaScheduling: {weightPreference: {staticWeightList: [{targetCluster: {}, weight: -1}]}}}";
    assert!(
        problem(negative).contains("invalid value"),
        "{}",
        problem(negative)
    );
}

#[test]
fn a_cluster_counts_once_it_joined_and_one_that_comes_back_moves_nothing() {
    let a = clusters(&["a version=v1.36.3"]);
    let joining = clusters(&["b silent"]);
    let away = clusters(&["b silent version=v1.36.3"]);
    let there = clusters(&["b version=v1.36.3"]);
    let mut fleet = case(&[a.clone(), joining].concat(), HALVES, &deployment(10));
    assert_eq!(run(&mut fleet), "a 10");
    fleet.world[1] = there[0].clone();
    assert_eq!(run(&mut fleet), "a 5 b 5");
    let mut fleet = case(&[a, away].concat(), HALVES, &deployment(10));
    assert_eq!(run(&mut fleet), "a 10");
    fleet.world[1] = there[0].clone();
    assert_eq!(run(&mut fleet), "a 10 b 0");
    fleet.template.as_mut().unwrap()["metadata"]["annotations"] =
        json!({"roadstead.dev/rebalance": "1"});
    assert_eq!(run(&mut fleet), "a 5 b 5");
}
