//! What fits where, and what hardware is.

use std::collections::BTreeMap;

use proptest::prelude::*;
use roadstead_protocol::api::facts::{NodeShape, NodeTaint};
use roadstead_protocol::api::hardware::{
    HardwarePreference, ModelOperator, ModelRequirement, ResourceConstraint,
};
use serde_json::{Value, json};

use crate::hardware::{Constraint, Preference, judge, score, suits};
use crate::resources::{Pod, Resources, Short};

fn amounts(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split_whitespace().filter_map(|p| p.split_once('='));
    pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

fn shape(count: u32, allocatable: &str, free: &str, models: &str) -> NodeShape {
    NodeShape {
        count,
        allocatable: amounts(allocatable),
        free: Some(amounts(free)),
        models: amounts(models),
        taints: Vec::new(),
    }
}

fn pod(spec: Value) -> Pod {
    Pod::of(&json!({"kind": "Deployment", "spec": {"template": {"spec": spec}}}))
}

fn asking(text: &str) -> Pod {
    pod(json!({"containers": [{"resources": {"requests": amounts(text)}}]}))
}

const A100: &str = "nvidia.com/gpu.product=NVIDIA-A100-SXM4-80GB";

#[test]
fn a_pod_asks_for_what_kubernetes_counts() {
    let check = |spec: Value, expected: &str| {
        let mut requests = pod(spec).requests;
        assert_eq!(requests.remove("pods"), Some(1000));
        let shown: Vec<String> = requests.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(shown.join(" "), expected);
    };
    let asks = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu}}});
    check(json!({"containers": [asks("1"), asks("500m")]}), "cpu=1500");
    check(
        json!({"containers": [asks("1")], "initContainers": [asks("3"), asks("2")]}),
        "cpu=3000",
    );
    let mut sidecar = asks("2");
    sidecar["restartPolicy"] = json!("Always");
    check(
        json!({"containers": [asks("1")], "initContainers": [sidecar, asks("2")]}),
        "cpu=4000",
    );
    check(
        json!({
            "containers": [{"resources": {"limits": {"nvidia.com/gpu": 4, "cpu": "2"}, "requests": {"cpu": 1}}}],
            "overhead": {"cpu": "100m"},
        }),
        "cpu=1100 nvidia.com/gpu=4000",
    );
    check(json!({}), "");
    assert_eq!(Pod::of(&json!({"kind": "Boat"})).requests.len(), 1);
}

#[test]
fn nodes_with_one_device_take_no_pod_of_four() {
    let eighths = shape(
        8,
        "nvidia.com/gpu=1 pods=110",
        "nvidia.com/gpu=1 pods=110",
        A100,
    );
    let room = Resources::read(&[eighths]).room(&asking("nvidia.com/gpu=4"), |_| true);
    assert_eq!(room.pods, 0);
    let short = room.short.unwrap();
    assert_eq!(
        short.to_string(),
        "no node has 4 of nvidia.com/gpu free, the most is 1"
    );
    let whole = shape(
        2,
        "nvidia.com/gpu=8 pods=110",
        "nvidia.com/gpu=7 pods=110",
        A100,
    );
    let room = Resources::read(&[whole]).room(&asking("nvidia.com/gpu=3"), |_| true);
    assert_eq!((room.pods, room.short), (4, None));
}

#[test]
fn taints_labels_and_silence_keep_pods_away() {
    let mut tainted = shape(1, "cpu=8 pods=110", "cpu=8 pods=110", A100);
    tainted.taints = vec![NodeTaint {
        key: "nvidia.com/gpu".to_owned(),
        value: "present".to_owned(),
        effect: "NoSchedule".to_owned(),
    }];
    let nodes = Resources::read(&[tainted]);
    let check = |spec: Value, pods: u32| {
        let mut spec = spec;
        spec["containers"] = json!([{"resources": {"requests": {"cpu": "1"}}}]);
        assert_eq!(
            nodes.room(&pod(spec.clone()), |_| true).pods,
            pods,
            "{spec}"
        );
    };
    check(json!({}), 0);
    let tolerates = |toleration: Value| json!({"tolerations": [toleration]});
    check(tolerates(json!({"operator": "Exists"})), 8);
    check(
        tolerates(json!({"key": "nvidia.com/gpu", "operator": "Exists"})),
        8,
    );
    check(
        tolerates(json!({"key": "nvidia.com/gpu", "value": "present"})),
        8,
    );
    check(
        tolerates(json!({"key": "nvidia.com/gpu", "value": "absent"})),
        0,
    );
    let exists = json!({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoExecute"});
    check(tolerates(exists), 0);
    let selecting = |value: &str| json!({"tolerations": [{"operator": "Exists"}], "nodeSelector": {"nvidia.com/gpu.product": value, "disk": "ssd"}});
    check(selecting("NVIDIA-A100-SXM4-80GB"), 8);
    check(selecting("Tesla-T4"), 0);
    let mut silent = shape(1, "cpu=8", "", "");
    silent.free = None;
    let room = Resources::read(&[silent]).room(&asking("cpu=1"), |_| true);
    assert_eq!((room.pods, room.short), (0, Some(Short::Unknown)));
}

#[test]
fn what_was_promised_is_taken_off_node_by_node() {
    let mut nodes = Resources::read(&[shape(4, "cpu=4 pods=110", "cpu=4 pods=110", "")]);
    let one = asking("cpu=1500m");
    assert_eq!(nodes.room(&one, |_| true).pods, 8);
    nodes.reserve(&one, 3, |_| true);
    assert_eq!(nodes.room(&one, |_| true).pods, 5);
    assert_eq!(nodes.shapes.iter().map(|s| s.count).sum::<u32>(), 4);
    nodes.reserve(&one, 99, |_| true);
    assert_eq!(nodes.room(&one, |_| true).pods, 0);
    assert_eq!(nodes.room(&asking("cpu=1"), |_| true).pods, 4);
}

fn constraint(operator: ModelOperator, values: &[&str], least: Value) -> Constraint {
    let said = ResourceConstraint {
        name: "nvidia.com/gpu".to_owned(),
        requirements: vec![requirement(operator, values)],
        min_quantity: Some(least),
    };
    Constraint::read(&said, "spec").unwrap()
}

fn requirement(operator: ModelOperator, values: &[&str]) -> ModelRequirement {
    ModelRequirement {
        operator,
        values: values.iter().map(|&v| v.to_owned()).collect(),
    }
}

#[test]
fn a_model_is_a_word_of_a_product_label() {
    let has = |label: &str, operator, values: &[&str]| {
        let models = format!("nvidia.com/gpu.product={label}");
        let nodes = Resources::read(&[shape(1, "nvidia.com/gpu=8", "nvidia.com/gpu=8", &models)]);
        let constraint = constraint(operator, values, json!(4));
        judge(&[constraint], &nodes, &Pod::default(), 0).is_ok()
    };
    use ModelOperator::{Exists, In, NotIn};
    assert!(has("NVIDIA-A100-SXM4-80GB", In, &["a100", "h100"]));
    assert!(has("NVIDIA-H100-80GB-HBM3", In, &["a100", "H100"]));
    assert!(has("nvidia-tesla-a100", In, &["a100"]));
    assert!(has("NVIDIA-A100-SXM4-80GB", In, &["A100-SXM4"]));
    assert!(!has("NVIDIA-A100-SXM4-80GB", In, &["SXM4-A100"]));
    assert!(!has("NVIDIA-A1000", In, &["a100"]));
    assert!(!has("Tesla-T4", In, &["a100"]));
    assert!(has("Tesla-T4", NotIn, &["a100"]));
    assert!(!has("nvidia-tesla-a100", NotIn, &["a100"]));
    assert!(has("Tesla-T4", Exists, &[]));
}

#[test]
fn quantities_are_of_what_there_is_and_of_what_is_free_beside_ones_own() {
    let nodes = |free: &str| {
        Resources::read(&[
            shape(1, "nvidia.com/gpu=8", free, A100),
            shape(9, "nvidia.com/gpu=8", "nvidia.com/gpu=8", "p=Tesla-T4"),
        ])
    };
    let said = |least: u32, free: &str, own: u32| {
        let constraint = constraint(ModelOperator::In, &["a100"], json!(least));
        let judged = judge(
            &[constraint],
            &nodes(free),
            &asking("nvidia.com/gpu=2"),
            own,
        );
        judged.map_err(|lack| lack.to_string())
    };
    assert_eq!(said(8, "nvidia.com/gpu=8", 0), Ok(()));
    assert_eq!(
        said(9, "nvidia.com/gpu=8", 0).unwrap_err(),
        "it has 8 of nvidia.com/gpu of the models asked for, and 9 is needed"
    );
    assert_eq!(
        said(4, "nvidia.com/gpu=2", 0).unwrap_err(),
        "it has 2 free of nvidia.com/gpu of the models asked for, and 4 is needed"
    );
    assert_eq!(said(4, "nvidia.com/gpu=2", 1), Ok(()));
}

#[test]
fn what_is_liked_adds_up_and_counts_only_where_it_is_asked_for() {
    let preference = |weight, values: &[&str]| {
        let said = HardwarePreference {
            weight,
            preference: requirement(ModelOperator::In, values),
        };
        Preference::read(&said, "spec").unwrap()
    };
    let nodes = Resources::read(&[
        shape(1, "nvidia.com/gpu=8", "", A100),
        shape(1, "nvidia.com/gpu=8", "", "p=Tesla-T4"),
        shape(1, "cpu=8", "", "p=H100"),
    ]);
    let liked = [
        preference(100, &["a100"]),
        preference(10, &["t4"]),
        preference(1, &["h100"]),
    ];
    assert_eq!(score(&[], &liked, &nodes), 111);
    let t4 = constraint(ModelOperator::In, &["t4"], json!(1));
    assert_eq!(score(std::slice::from_ref(&t4), &liked, &nodes), 10);
    let suit = |spec: &str| {
        let pod = asking(spec);
        let shapes = nodes.shapes.iter();
        shapes
            .filter(|s| suits(std::slice::from_ref(&t4), &pod, s))
            .count()
    };
    assert_eq!((suit("nvidia.com/gpu=1"), suit("cpu=1")), (1, 3));
}

#[test]
fn what_means_nothing_is_refused_with_the_field() {
    let said = |edit: &dyn Fn(&mut ResourceConstraint)| {
        let mut said = ResourceConstraint {
            name: "x".to_owned(),
            ..ResourceConstraint::default()
        };
        edit(&mut said);
        Constraint::read(&said, "c[0]").unwrap_err()
    };
    assert!(said(&|c| c.name.clear()).starts_with("c[0].name: Required value"));
    assert!(said(&|c| c.min_quantity = Some(json!(-4))).starts_with("c[0].minQuantity: Invalid"));
    let none = requirement(ModelOperator::In, &[]);
    assert!(
        said(&|c| c.requirements = vec![none.clone()]).starts_with("c[0].requirements[0].values")
    );
    let dashes = requirement(ModelOperator::NotIn, &["a", "--"]);
    assert!(
        said(&|c| c.requirements = vec![dashes.clone()])
            .starts_with("c[0].requirements[0].values[1]")
    );
    let weightless = HardwarePreference::default();
    assert!(
        Preference::read(&weightless, "p")
            .unwrap_err()
            .starts_with("p.weight: Invalid")
    );
}

fn any_shape() -> impl Strategy<Value = NodeShape> {
    (1_u32..5, 0_u32..9, 0_u32..5).prop_map(|(count, cpu, gpu)| {
        let free = format!("cpu={cpu} x/gpu={gpu} pods=5");
        shape(count, "cpu=8 x/gpu=4 pods=5", &free, "")
    })
}

proptest! {
    /// One pod after another onto the first node with room: the slow way.
    #[test]
    fn room_is_what_can_be_placed_one_by_one(
        shapes in proptest::collection::vec(any_shape(), 0..4),
        cpu in 0_u32..5,
        gpu in 0_u32..3,
        first in 0_u32..9,
    ) {
        let one = asking(&format!("cpu={cpu} x/gpu={gpu}"));
        let mut nodes: Vec<[u32; 3]> = shapes
            .iter()
            .flat_map(|s| {
                let free = s.free.as_ref().unwrap();
                let of = |name: &str| free[name].parse::<u32>().unwrap();
                std::iter::repeat_n([of("cpu"), of("x/gpu"), of("pods")], s.count as usize)
            })
            .collect();
        let mut placed = 0;
        while let Some(node) = nodes.iter_mut().find(|n| n[0] >= cpu && n[1] >= gpu && n[2] >= 1) {
            node[0] -= cpu;
            node[1] -= gpu;
            node[2] -= 1;
            placed += 1;
        }
        let mut resources = Resources::read(&shapes);
        prop_assert_eq!(resources.room(&one, |_| true).pods, placed);
        resources.reserve(&one, first, |_| true);
        prop_assert_eq!(resources.room(&one, |_| true).pods, placed.saturating_sub(first));
    }
}
