//! What waits: replicas that move from cluster to cluster, changes that go by reports.

use super::deps::SELECT;
use super::*;

#[test]
fn replicas_stay_where_they_are_until_they_can_come_up_elsewhere() {
    let joined = clusters(&["a", "b", "c"]);
    let on = |weights: [u32; 3], suspended: &str| {
        let [a, b, c] = weights;
        let spec = format!(
            "{{{SELECT}, suspension: {{dispatchingOnClusters: {{clusterNames: [{suspended}]}}}}, placement: {{replicaScheduling: {{replicaSchedulingType: Divided, weightPreference: {{staticWeightList: [\
             {{targetCluster: {{clusterNames: [a]}}, weight: {a}}}, {{targetCluster: {{clusterNames: [b]}}, weight: {b}}}, {{targetCluster: {{clusterNames: [c]}}, weight: {c}}}]}}}}}}}}"
        );
        policy("p", &spec)
    };
    let mut case = Case::new(&[&joined, &on([1, 1, 0], "")], &deployment(20));
    let placement = case.place();
    case.carry_out(&placement);
    case.world = [joined.clone(), on([1, 3, 0], "b")].concat();
    for _ in 0..2 {
        let placement = case.place();
        check(
            &case,
            "a 10
             b kept: Suspended
             refused 1: ZeroWeight (default/c)
             ! Suspended",
        );
        assert_eq!(placement.kept[0].replicas, Some(10));
        assert_eq!(placement.basis, case.basis);
        case.carry_out(&placement);
    }
    // One that has none yet, by a rebalancing.
    let mut newcomer = case.clone();
    newcomer.world = [joined.clone(), on([1, 1, 2], "c")].concat();
    newcomer.template.as_mut().unwrap()["metadata"]["annotations"] =
        serde_json::json!({"roadstead.dev/rebalance": "1"});
    let placement = newcomer.place();
    assert_eq!(placement.rebalance, "");
    check(
        &newcomer,
        "a 10
         b 10
         refused 1: Suspended (default/c)
         ! Suspended",
    );
    newcomer.world = [joined.clone(), on([1, 1, 2], "")].concat();
    check(&newcomer, "a 5\n b 5\n c 10\n ! Replacing");
    // A user who scales down waits for nobody.
    let mut down = case.clone();
    down.template = yaml(&deployment(10)).pop();
    check(
        &down,
        "a 2
         b kept: Suspended
         refused 1: ZeroWeight (default/c)
         ! Suspended",
    );
    case.world = [joined, on([1, 3, 0], "")].concat();
    check(
        &case,
        "a 5\n b 15\n refused 1: ZeroWeight (default/c)\n ! Replacing",
    );
}

#[test]
fn what_goes_by_reports_that_are_not_there_yet_is_not_given() {
    let rule = "{targetClusters: {fieldSelector: {matchExpressions: [{key: region, operator: In, values: [eu]}, {key: version, operator: In, values: ['1.31']}]}}, overriders: {imageOverrider: [{component: Tag, operator: replace, value: '2'}]}}";
    let mut case = Case::new(
        &[
            &clusters(&[
                "a topology.kubernetes.io/region=eu version=v1.31.2",
                "b topology.kubernetes.io/region=eu",
                "c topology.kubernetes.io/region=us",
                "d topology.kubernetes.io/region=eu version=v1.30.2",
            ]),
            &overrides::everywhere(),
            &overrides::over("o", rule),
        ],
        &deployment(1),
    );
    check(
        &case,
        "a
         c
         d
         refused 1: OverrideFailed (default/b)
         ! OverrideFailed",
    );
    // What runs there stays.
    case.world.retain(|o| o["kind"] != "OverridePolicy");
    let placement = case.place();
    case.carry_out(&placement);
    case.world.extend(overrides::over("o", rule));
    let placement = case.place();
    assert_eq!(placement.kept[0].cause.reason(), "OverrideFailed");
    assert_eq!(placement.removals, []);
}

/// A policy for the Deployments of an app, on one cluster.
fn on(name: &str, app: &str, cluster: &str) -> Vec<Value> {
    let selects = format!(
        "resourceSelectors: [{{apiVersion: apps/v1, kind: Deployment, labelSelector: {{matchLabels: {{app: {app}}}}}}}]"
    );
    let goes = format!("placement: {{clusterAffinity: {{clusterNames: [{cluster}]}}}}");
    policy(name, &format!("{{{selects}, {goes}}}"))
}

#[test]
fn what_waits_for_a_move_goes_with_the_policy_that_moves_it() {
    let world = [clusters(&["a", "b"]), on("p", "web", "a")].concat();
    let mut case = Case::new(&[&world, &on("q", "other", "b")], &deployment(1));
    let placement = case.place();
    case.carry_out(&placement);
    case.template.as_mut().unwrap()["metadata"]["labels"]["app"] = "other".into();
    check(
        &case,
        "b
         a kept: Replacing
         refused 1: NotNamed (default/a)
         ! Replacing",
    );
    let placement = case.place();
    case.carry_out(&placement);
    case.world = world;
    case.deleted.insert("uid-q".to_owned());
    check(
        &case,
        "a removed: PolicyDeleted
         b removed: PolicyDeleted
         ! NoPolicy",
    );
    case.preserved.insert("uid-q".to_owned());
    check(
        &case,
        "a released: PolicyDeleted
         b released: PolicyDeleted
         ! NoPolicy",
    );
}

#[test]
fn what_has_no_place_goes_with_the_policy_that_has_none_for_it() {
    let world = [clusters(&["a", "b cordoned"]), on("p", "web", "a")].concat();
    let mut case = Case::new(&[&world, &on("q", "other", "b")], &deployment(1));
    let placement = case.place();
    case.carry_out(&placement);
    case.template.as_mut().unwrap()["metadata"]["labels"]["app"] = "other".into();
    let placement = case.place();
    assert_eq!(placement.kept[0].cause.reason(), "RemovalNeedsConfirmation");
    case.carry_out(&placement);
    case.world = world;
    // That it is gone is not enough.
    let placement = case.place();
    assert_eq!(placement.removals, []);
    case.deleted.insert("uid-q".to_owned());
    check(&case, "a removed: PolicyDeleted\n ! NoPolicy");
    // While it is not known whether the one before it wants it there, it stays.
    case.world
        .retain(|o| o.pointer("/metadata/uid") != Some(&"uid-p".into()));
    assert_eq!(case.place().kept[0].cause.reason(), "PolicyMissing");
}
