//! Zones and providers: clusters are chosen by them and spread over them, wherever they are said.

use serde_json::json;

use super::*;

fn case(placement: &str) -> Case {
    let joined = clusters(&[
        "a topology.kubernetes.io/zone=z1 provider=own",
        "b topology.kubernetes.io/zone=z1 provider=other",
        "c topology.kubernetes.io/zone=z2 provider=own",
    ]);
    let select = "resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]";
    let policy = policy("p", &format!("{{{select}, placement: {{{placement}}}}}"));
    Case::new(&[&joined, &policy], &deployment(6))
}

#[test]
fn zones_and_providers_are_groups() {
    let one =
        |field: &str| format!("spreadConstraints: [{{spreadByField: {field}, maxGroups: 1}}]");
    check(
        &case(&one("zone")),
        "a\n b\n refused 1: NotInSpread (default/c)",
    );
    check(
        &case(&one("provider")),
        "a\n c\n refused 1: NotInSpread (default/b)",
    );
}

#[test]
fn zones_and_providers_choose() {
    let field = |key: &str, value: &str| {
        let of = format!("{{key: {key}, operator: In, values: [{value}]}}");
        format!("clusterAffinity: {{fieldSelector: {{matchExpressions: [{of}]}}}}")
    };
    check(
        &case(&field("zone", "z1")),
        "a\n b\n refused 1: FieldsDiffer (default/c)",
    );
    check(
        &case(&field("provider", "own")),
        "a\n c\n refused 1: FieldsDiffer (default/b)",
    );
    // What the spec says comes before what the label says.
    let mut said = case(&field("zone", "z2"));
    said.world[0]["spec"]["zone"] = json!("z2");
    check(&said, "a\n c\n refused 1: FieldsDiffer (default/b)");
}
