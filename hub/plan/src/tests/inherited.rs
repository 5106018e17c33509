//! What decisions take over from those before them: shares, copies that others needed, expired taints.

use serde_json::json;

use super::deps::needed;
use super::*;

const BOTH: &str = "resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}, {apiVersion: apps/v1, kind: StatefulSet}]";
/// Divided, and not by that name.
const IMPLIED: &str = "replicaScheduling: {weightPreference: {staticWeightList: [{targetCluster: {clusterNames: [a]}, weight: 1}, {targetCluster: {clusterNames: [b]}, weight: 1}]}}";

fn placing(placement: &str) -> Vec<Value> {
    policy("p", &format!("{{{BOTH}, placement: {{{placement}}}}}"))
}

fn stateful(replicas: u32) -> String {
    deployment(replicas).replace("kind: Deployment", "kind: StatefulSet")
}

fn carry_out(case: &mut Case) -> String {
    let placement = case.place();
    case.carry_out(&placement);
    show(&placement)
}

#[test]
fn a_copy_that_something_needs_is_no_copy_of_its_own_policy() {
    let own = policy(
        "own",
        "{resourceSelectors: [{apiVersion: v1, kind: ConfigMap}]}",
    );
    let cordoned = clusters(&["a cordoned", "b"]);
    let follow = deps::following("");
    let mut case = needed(&[&cordoned, &follow], &["a"], &["a"]);
    assert_eq!(carry_out(&mut case), "a");
    case.world = [cordoned, follow, own].concat();
    let given = |case: &Case| -> Vec<(String, Vec<String>)> {
        let targets = case.place().targets.into_iter();
        targets.map(|t| (t.path.1, t.policies)).collect()
    };
    let all = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    let expected = [
        ("a".to_owned(), all(&["required"])),
        ("b".to_owned(), all(&["uid-own"])),
    ];
    assert_eq!(given(&case), expected);
    // What its own policy put there stays there.
    case.former[0].policies = all(&["uid-own", "required"]);
    assert_eq!(given(&case)[0].1, all(&["uid-own", "required"]));
}

#[test]
fn what_was_divided_before_that_had_to_be_named_stays_divided() {
    let joined = clusters(&["a", "b"]);
    let named = IMPLIED.replace("{weight", "{replicaSchedulingType: Divided, weight");
    let mut case = Case::new(&[&joined, &placing(&named)], &stateful(6));
    assert_eq!(carry_out(&mut case), "a 3\nb 3");
    case.world = [joined.clone(), placing(IMPLIED)].concat();
    // The former release knew no basis of this kind, if any.
    case.basis = None;
    assert_eq!(carry_out(&mut case), "a 3\nb 3");
    case.template.as_mut().unwrap()["spec"]["replicas"] = json!(8);
    assert_eq!(carry_out(&mut case), "a 4\nb 4");
    // Who says that it is not divided is heard.
    case.world = [
        joined,
        placing("replicaScheduling: {replicaSchedulingType: Duplicated}"),
    ]
    .concat();
    check(&case, "a\n b");
}

#[test]
fn what_is_not_divided_waits_for_its_cluster_and_for_no_other() {
    let joined = clusters(&["a", "b !ready"]);
    let case = Case::new(&[&joined, &placing(IMPLIED)], &stateful(6));
    check(&case, "a\n b");
}

#[test]
fn a_cluster_whose_first_words_are_a_problem_gets_its_share_when_it_joined() {
    let divided = placing("replicaScheduling: {replicaSchedulingType: Divided}");
    let first = clusters(&["a version=v1.36.3", "b !ready"]);
    let mut case = Case::new(&[&first, &divided], &deployment(10));
    let refused = "\nrefused 1: NotReady (default/b)";
    assert_eq!(carry_out(&mut case), format!("a 10{refused}"));
    let there = clusters(&["a version=v1.36.3", "b version=v1.36.3"]);
    case.world = [there, divided].concat();
    assert_eq!(carry_out(&mut case), "a 5\nb 5\n! Replacing");
    assert_eq!(show(&swap::settle(&mut case)), "a 5\nb 5");
}

#[test]
fn a_share_of_nothing_says_what_gives_it_one() {
    let divided = placing("replicaScheduling: {replicaSchedulingType: Divided}");
    let away = clusters(&["a version=v1.36.3", "b !ready version=v1.36.3"]);
    let mut case = Case::new(&[&away, &divided], &deployment(10));
    carry_out(&mut case);
    let there = clusters(&["a version=v1.36.3", "b version=v1.36.3"]);
    case.world = [there, divided].concat();
    let placement = case.place();
    assert_eq!(show(&placement), "a 10\nb 0");
    let figure = placement.figures.get("uid-default-b").unwrap();
    assert!(figure.contains("`roadstead rebalance`"), "{figure}");
    assert_eq!(placement.figures.get("uid-default-a"), None);
}

#[test]
fn a_toleration_that_has_passed_does_not_begin_anew_with_the_hub() {
    let names: Vec<String> = (0..30).map(|i| format!("c{i:02}")).collect();
    let tainted = |n: &String| format!("{n} taint=bad:NoExecute");
    let bad: Vec<String> = names.iter().skip(1).map(tainted).collect();
    let all = |names: &[String]| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        clusters(&names)
    };
    let tolerating = |seconds: u32| {
        placing(&format!(
            "replicaScheduling: {{replicaSchedulingType: Divided}}, clusterTolerations: [{{operator: Exists, effect: NoExecute, tolerationSeconds: {seconds}}}]"
        ))
    };
    let mut case = Case::new(&[&all(&names), &tolerating(5)], &deployment(60));
    carry_out(&mut case);
    case.world = [all(&names[..1]), all(&bad), tolerating(5)].concat();
    case.now = Duration::from_secs(5);
    let placement = case.place();
    let sizes = |p: &Placement| (p.targets.len(), p.kept.len(), p.removals.len());
    assert_eq!(sizes(&placement), (1, 29, 0));
    assert_eq!(placement.targets[0].replicas, Some(60));
    case.carry_out(&placement);
    // The hub starts anew, and sees the taints for the first time.
    case.now = Duration::ZERO;
    let again = case.place();
    assert_eq!(sizes(&again), (1, 29, 0));
    assert_eq!(again.targets[0].replicas, Some(60));
    assert_eq!(again.expired, placement.expired);
    assert_eq!(again.basis, placement.basis);
    // While nothing can be decided it is not forgotten.
    let mut unreadable = case.clone();
    let policy = unreadable.world.iter_mut();
    let policy = policy.filter(|o| o["kind"] == "DistributionPolicy").last();
    policy.unwrap()["spec"]["resourceSelectors"] = json!("everything");
    assert_eq!(unreadable.place().expired, placement.expired);
    // Who tolerates them for longer is heard, and a taint that is gone is forgotten.
    let last = case.world.len() - 1;
    case.world.truncate(last);
    case.world.extend(tolerating(6));
    assert_eq!(sizes(&case.place()), (30, 0, 0));
    assert_eq!(case.place().expired.len(), 0);
}

/// Policies of which the second would go first, were the object nobody's.
fn rivals() -> Vec<Value> {
    let of = |selector: &str| {
        format!(
            "{{resourceSelectors: [{{{selector}}}], placement: {{workloadAffinity: {{affinity: {{groupByLabelKey: app}}}}}}}}"
        )
    };
    let wide = policy("wide", &of("apiVersion: apps/v1, kind: Deployment"));
    let narrow = policy(
        "narrow",
        &of("apiVersion: apps/v1, kind: Deployment, name: web"),
    );
    [wide, narrow].concat()
}

#[test]
fn while_a_policy_cannot_be_read_nobody_is_forgotten_who_holds_something() {
    // It is nowhere: only its decision says who holds it.
    let rivals = rivals();
    let mut case = Case::new(&[&clusters(&["a cordoned"]), &rivals[..1]], &deployment(2));
    let held = case.place();
    case.carry_out(&held);
    assert_eq!((held.targets.len(), held.kept.len()), (0, 0));
    assert_eq!(held.groups.len(), 1);
    case.world.extend(rivals[1..].to_vec());
    assert_eq!(case.place().policy, held.policy, "who holds it keeps it");
    let readable = case.world.clone();
    for broken in ["o", "wide"] {
        case.world.clone_from(&readable);
        match broken {
            "o" => {
                let mut over = overrides::over("o", "{}");
                over[0]["spec"]["overrideRules"] = json!("none");
                case.world.extend(over);
            }
            name => {
                let named = |o: &&mut Value| o["metadata"]["name"] == name;
                let policy = case.world.iter_mut().find(named).unwrap();
                policy["spec"]["priority"] = json!("high");
            }
        }
        let placement = case.place();
        case.carry_out(&placement);
        assert_eq!(placement.findings[0].reason(), "Unreadable", "{broken}");
        assert_eq!(placement.policy, held.policy, "{broken}");
        assert_eq!(placement.groups, held.groups, "{broken}");
        assert_eq!(case.place(), placement, "a second run changes nothing");
    }
    case.world = readable;
    assert_eq!(case.place().policy, held.policy, "and it goes on as before");
    // A policy that was deleted holds nothing, whatever else cannot be read.
    case.world.remove(1);
    let mut over = overrides::over("o", "{}");
    over[0]["spec"]["overrideRules"] = json!("none");
    case.world.extend(over);
    assert_eq!(case.place().policy, None);
}
