//! Nodes in groups: what is alike counts together, what is free is never more than there is.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn node(name: &str, cpu: &str, memory: &str, gpus: u32) -> Value {
    json!({
        "metadata": {"name": name, "labels": {"nvidia.com/gpu.product": "Tesla-T4", "x": "y"}},
        "status": {"allocatable": {
            "cpu": cpu, "memory": memory, "pods": "110", "hugepages-1Gi": "0",
            "nvidia.com/gpu": gpus.to_string(),
        }},
    })
}

fn pod(node: &str, cpu: &str, gpus: u32, phase: &str) -> Value {
    let limits = json!({"cpu": cpu, "nvidia.com/gpu": gpus.to_string()});
    json!({
        "spec": {"nodeName": node, "containers": [{"resources": {"limits": limits}}]},
        "status": {"phase": phase},
    })
}

fn shown(nodes: &Nodes, usage: Option<&Usage>) -> Vec<String> {
    let text = |amounts: &BTreeMap<String, String>| -> String {
        let pairs: Vec<String> = amounts.iter().map(|(k, v)| format!("{k}={v}")).collect();
        pairs.join(" ")
    };
    let shapes = nodes.shapes(usage);
    shapes
        .iter()
        .map(|s| match &s.free {
            Some(free) => format!("{} of {}; {}", s.count, text(&s.allocatable), text(free)),
            None => format!("{} of {}", s.count, text(&s.allocatable)),
        })
        .collect()
}

#[test]
fn nodes_of_one_type_are_one_shape_and_the_busy_ones_another() {
    let mut nodes = Nodes::default();
    nodes.add(
        &node("a", "4", "16393244Ki", 2),
        true,
        &model_labels(Vec::new()),
    );
    nodes.add(
        &node("b", "4", "16393240Ki", 2),
        true,
        &model_labels(Vec::new()),
    );
    nodes.add(
        &node("c", "4", "16393248Ki", 2),
        true,
        &model_labels(Vec::new()),
    );
    let all = "cpu=4 memory=16000Mi nvidia.com/gpu=2 pods=110";
    assert_eq!(shown(&nodes, None), [format!("3 of {all}")]);
    let mut usage = nodes.unused();
    use_up(&mut usage, &pod("a", "1100m", 1, "Running"));
    use_up(&mut usage, &pod("b", "1", 1, "Succeeded"));
    use_up(&mut usage, &pod("", "1", 1, "Pending"));
    assert_eq!(
        shown(&nodes, Some(&usage)),
        [
            format!("1 of {all}; cpu=2880m memory=16000Mi nvidia.com/gpu=1 pods=108"),
            format!("2 of {all}; {all}"),
        ]
    );
}

#[test]
fn models_are_told_by_the_usual_labels_and_by_those_that_people_name() {
    let mut node = node("a", "4", "1Gi", 2);
    node["metadata"]["labels"]["example.com/card"] = json!("Vega");
    let told = |more: &[&str]| {
        let more = more.iter().map(|&label| label.to_owned()).collect();
        let mut nodes = Nodes::default();
        nodes.add(&node, true, &model_labels(more));
        let models = nodes.shapes(None).remove(0).models;
        models
            .into_iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect::<Vec<_>>()
    };
    let usual = "nvidia.com/gpu.product=Tesla-T4";
    assert_eq!(told(&[]), [usual]);
    assert_eq!(
        told(&["example.com/card", ""]),
        ["example.com/card=Vega", usual]
    );
}

#[test]
fn a_node_that_came_after_the_pods_were_seen_is_not_said_to_be_free() {
    let mut nodes = Nodes::default();
    nodes.add(&node("a", "4", "64Mi", 0), true, &[]);
    let usage = nodes.unused();
    nodes.add(&node("b", "4", "64Mi", 0), true, &[]);
    let all = "cpu=4 memory=64Mi pods=110";
    assert_eq!(
        shown(&nodes, Some(&usage)),
        [format!("1 of {all}; "), format!("1 of {all}; {all}")]
    );
}

#[test]
fn nodes_that_take_no_pods_have_nothing_free() {
    let mut nodes = Nodes::default();
    let labels = model_labels(vec!["x".to_owned()]);
    let mut tainted = node("a", "4", "1Gi", 0);
    tainted["spec"] = json!({"taints": [
        {"key": "gpu", "value": "yes", "effect": "NoSchedule"},
        {"key": "soft", "effect": "PreferNoSchedule"},
    ]});
    nodes.add(&tainted, true, &labels);
    let shapes = nodes.shapes(Some(&Usage::default()));
    assert_eq!(shapes[0].taints.len(), 1);
    assert_eq!(shapes[0].models.len(), 2);
    let states = [
        (json!({"unschedulable": true}), true),
        (
            json!({"taints": [{"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}]}),
            true,
        ),
        (json!({}), false),
    ];
    for (spec, ready) in states {
        let mut nodes = Nodes::default();
        let mut out = node("a", "4", "1Gi", 0);
        out["spec"] = spec;
        nodes.add(&out, ready, &[]);
        let free = nodes.shapes(Some(&Usage::default())).remove(0).free;
        assert_eq!(free, Some(BTreeMap::new()));
    }
}

#[test]
fn there_are_never_more_shapes_than_a_hub_is_told_of() {
    let mut nodes = Nodes::default();
    let mut usage = Usage::default();
    for i in 0..1000_u32 {
        let name = format!("n{i}");
        nodes.add(
            &node(&name, "64", "256Gi", 8),
            true,
            &model_labels(Vec::new()),
        );
        use_up(
            &mut usage,
            &pod(&name, &format!("{}m", i * 63), i % 3, "Running"),
        );
    }
    let shapes = nodes.shapes(Some(&usage));
    assert!(shapes.len() <= SHAPES_MAX, "{}", shapes.len());
    assert_eq!(shapes.iter().map(|s| s.count).sum::<u32>(), 1000);
    let mut motley = Nodes::default();
    for i in 0..1000_u32 {
        motley.add(
            &node(&format!("n{i}"), "64", "256Gi", i),
            true,
            &model_labels(Vec::new()),
        );
    }
    assert_eq!(motley.shapes(None).len(), SHAPES_MAX);
}

proptest! {
    #[test]
    fn what_is_said_to_be_free_is_free(
        cpu in 1_u64..100_000,
        gpus in 0_u32..9,
        pods in proptest::collection::vec((0_u64..30_000, 0_u32..3), 0..20),
    ) {
        let mut nodes = Nodes::default();
        nodes.add(&node("a", &format!("{cpu}m"), "64Gi", gpus), true, &model_labels(Vec::new()));
        let mut usage = nodes.unused();
        for (cpu, gpus) in &pods {
            use_up(&mut usage, &pod("a", &format!("{cpu}m"), *gpus, "Running"));
        }
        let used: u64 = pods.iter().map(|(cpu, _)| cpu).sum();
        let taken: u32 = pods.iter().map(|(_, gpus)| gpus).sum();
        let shape = nodes.shapes(Some(&usage)).remove(0);
        let free = shape.free.unwrap();
        let of = |name: &str| free.get(name).and_then(|text| quantity::parse(text)).unwrap_or(0);
        prop_assert!(of("cpu") <= cpu.saturating_sub(used));
        prop_assert!(of("cpu") + cpu / 32 + 2 * CPU_GRAIN >= cpu.saturating_sub(used));
        prop_assert_eq!(of("nvidia.com/gpu"), u64::from(gpus.saturating_sub(taken)) * 1000);
    }
}
