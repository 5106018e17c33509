//! What people let go before what replaces it is healthy, and what does not wait at all.

use roadstead_protocol::wire::report::Health;
use serde_json::json;

use super::swap::{copies, decide, given, report, settle, shown};
use super::*;

const REMOVAL: &str = "roadstead.dev/confirm-removal";
const AT_ONCE: &str = "roadstead.dev/confirm-at-once";

/// The token that a finding names for an annotation.
fn token(placement: &Placement, annotation: &str) -> String {
    let said = placement.findings.iter().map(ToString::to_string);
    let said: Vec<String> = said.collect();
    let named = |said: &String| {
        let (_, rest) = said.split_once(&format!("{annotation}="))?;
        let token = rest.split(|c: char| c != '-' && !c.is_ascii_hexdigit());
        token.map(str::to_owned).next()
    };
    said.iter()
        .find_map(named)
        .unwrap_or_else(|| panic!("{said:?}"))
}

fn annotate(case: &mut Case, annotation: &str, token: &str) {
    case.template.as_mut().unwrap()["metadata"]["annotations"][annotation] = json!(token);
}

fn moved(case: &mut Case, names: &str) -> Placement {
    case.world.retain(|o| o["kind"] != "DistributionPolicy");
    case.world.extend(copies(names));
    decide(case)
}

fn on_a() -> Case {
    let mut case = Case::new(&[&clusters(&["a", "b", "c"]), &copies("a")], &deployment(2));
    decide(&mut case);
    report(&mut case, "a", true, 2);
    case
}

#[test]
fn a_word_that_is_left_over_lets_nothing_go_later() {
    let mut case = on_a();
    let placement = moved(&mut case, "b");
    annotate(&mut case, AT_ONCE, &token(&placement, AT_ONCE));
    assert_eq!(decide(&mut case).removals.len(), 1);
    assert_eq!(shown(&given(&case)), "b 1");
    // It comes back, and leaves again.
    moved(&mut case, "a");
    settle(&mut case);
    assert_eq!(shown(&given(&case)), "a 1");
    case.observed.remove("uid-default-b");
    moved(&mut case, "b");
    decide(&mut case);
    assert_eq!(shown(&given(&case)), "a 1 b 1", "nobody confirmed this one");
    // Nor does a word that was given too late for what it was about.
    let placement = case.place();
    let late = token(&placement, AT_ONCE);
    settle(&mut case);
    annotate(&mut case, AT_ONCE, &late);
    moved(&mut case, "a");
    settle(&mut case);
    case.observed.remove("uid-default-b");
    moved(&mut case, "b");
    decide(&mut case);
    assert_eq!(shown(&given(&case)), "a 1 b 1", "nor this one");
}

#[test]
fn a_word_about_the_removal_stands_beside_one_about_its_time() {
    let mut case = on_a();
    case.limits = Limits {
        removal_percent: 0,
        removal_min: 0,
    };
    let placement = moved(&mut case, "b");
    annotate(&mut case, REMOVAL, &token(&placement, REMOVAL));
    let placement = decide(&mut case);
    assert_eq!(placement.kept[0].cause.reason(), "Replacing");
    annotate(&mut case, AT_ONCE, &token(&placement, AT_ONCE));
    assert_eq!(decide(&mut case).removals.len(), 1);
    assert_eq!(shown(&given(&case)), "b 1");
}

#[test]
fn what_is_suspended_as_given_is_there() {
    let mut case = on_a();
    moved(&mut case, "b");
    report(&mut case, "b", false, 0);
    assert_eq!(case.place().removals, []);
    case.observed.get_mut("uid-default-b").unwrap().health = Health::Suspended;
    decide(&mut case);
    assert_eq!(shown(&given(&case)), "b 1");
}

#[test]
fn a_job_runs_on_one_cluster_at_a_time() {
    let mut case = on_a();
    let job = case.template.as_mut().unwrap();
    job["apiVersion"] = json!("batch/v1");
    job["kind"] = json!("Job");
    let placed = |case: &mut Case, names: &str| {
        let mut policy = copies(names);
        policy[0]["spec"]["resourceSelectors"] = json!([{"apiVersion": "batch/v1", "kind": "Job"}]);
        case.world.retain(|o| o["kind"] != "DistributionPolicy");
        case.world.extend(policy);
        decide(case);
        shown(&given(case))
    };
    assert_eq!(placed(&mut case, "a"), "a 1");
    assert_eq!(placed(&mut case, "b"), "b 1");
}
