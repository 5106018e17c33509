//! What never fails over, and what does not become of what does.

use std::sync::Arc;

use proptest::prelude::*;
use roadstead_protocol::wire::report::Health;

use super::*;
use crate::deps::requirers::{REQUIRED, Requirer};
use crate::failover::is_stopped;
use crate::observed::State;
use crate::rollout::{Given, Rolling, Waves};

const CLAIM: &str = "
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: default, uid: uid-data, labels: {app: web}, generation: 1}
spec: {accessModes: [ReadWriteOnce]}
";

fn of_claims(placement: &str) -> Vec<Value> {
    let mut policy = on("Any", placement, &format!("{STOPS}, {SILENCE}"));
    policy[0]["spec"]["resourceSelectors"] =
        json!([{"apiVersion": "v1", "kind": "PersistentVolumeClaim"}]);
    policy
}

fn claim() -> Case {
    let mut case = Case::new(&[&clusters(&["a", "b"]), &of_claims(ONE)], CLAIM);
    case.failing.known = true;
    decide(&mut case);
    report(&mut case, "a", true, 0);
    case
}

fn say(case: &mut Case, name: &str, field: &str) {
    let named = |o: &&mut Value| o["kind"] == "AttachedCluster" && o["metadata"]["name"] == name;
    case.world.iter_mut().find(named).unwrap()["spec"][field] = json!(true);
}

#[test]
fn a_claim_of_a_volume_is_never_failed_over() {
    let mut stopped_there = claim();
    stopped(&mut stopped_there, "a", 86_400);
    let seen = stopped_there.observed.get_mut(&uid("a")).unwrap();
    (seen.health, seen.ready) = (Health::Degraded, None);
    assert!(stopped_there.place().failing.is_empty());
    let mut silent_there = claim();
    silent(&mut silent_there, "a", 86_400);
    assert!(silent_there.place().failing.is_empty());
}

#[test]
fn a_claim_that_leaves_for_a_move_is_let_go_and_not_deleted() {
    for (field, reason) in [("drain", "Drained"), ("fenced", "Replaced")] {
        let mut case = claim();
        say(&mut case, "a", field);
        decide(&mut case);
        report(&mut case, "b", true, 0);
        let shown = show(&decide(&mut case));
        assert!(shown.contains(&format!("a released: {reason}")), "{shown}");
    }
    // What a user takes away goes.
    let mut case = claim();
    case.template = None;
    case.deleted.insert("uid-data".to_owned());
    assert!(show(&case.place()).contains("a removed: TemplateDeleted"));
}

#[test]
fn a_claim_stays_with_its_data_where_what_needed_it_moved_away() {
    let mut case = Case::new(&[&clusters(&["a", "b"])], CLAIM);
    let requirer = |clusters: &[&str]| {
        let clusters: BTreeSet<String> = clusters.iter().map(|name| uid(name)).collect();
        Requirer {
            key: web(),
            template: "uid-web".to_owned(),
            decided: true,
            policy: None,
            needs: clusters.clone(),
            clusters,
            released: BTreeSet::new(),
        }
    };
    case.around.requirers = vec![requirer(&["a", "b"])];
    decide(&mut case);
    assert_eq!(case.former.len(), 2);
    assert_eq!(case.former[0].policies, [REQUIRED]);
    case.around.requirers = vec![requirer(&["b"])];
    check(&case, "b\n a released: NotNeeded");
    // It names another claim now.
    let mut other = requirer(&["a", "b"]);
    other.needs.clear();
    case.around.requirers = vec![other];
    assert!(!show(&case.place()).contains("released"));
    // It was deleted.
    let mut gone = requirer(&[]);
    gone.decided = false;
    case.deleted.insert("uid-web".to_owned());
    case.around.requirers = vec![gone];
    assert!(show(&case.place()).contains("a removed: NotNeeded"));
}

#[test]
fn what_is_merely_not_well_runs() {
    let key = |group: &str, kind: &str| ItemKey {
        group: group.to_owned(),
        kind: kind.to_owned(),
        ..web()
    };
    let seen = |state, health, status: Value| Observed {
        away: false,
        applied: state == State::Applied,
        state,
        health,
        replicas: status["replicas"].as_u64(),
        ready: status["replicas"]
            .as_u64()
            .map(|_| status["readyReplicas"].as_u64().unwrap_or(0)),
        status,
        ..Observed::default()
    };
    let (workload, database) = (web(), key("db.example", "Cluster"));
    let (all, none) = (
        json!({"replicas": 3}),
        json!({"replicas": 3, "readyReplicas": 0}),
    );
    let some = json!({"replicas": 3, "readyReplicas": 1});
    let quota = json!({"unavailableReplicas": 3});
    let zero = json!({"replicas": 0});
    let null = Value::Null;
    for (key, state, health, status, stops) in [
        (&workload, State::Applied, Health::Progressing, &all, true),
        (&workload, State::Applied, Health::Degraded, &all, true),
        (&workload, State::Applied, Health::Degraded, &quota, true),
        (&workload, State::Applied, Health::Progressing, &some, false),
        (&workload, State::Applied, Health::Progressing, &zero, false),
        (&workload, State::Applied, Health::Progressing, &null, false),
        (&workload, State::Applied, Health::Suspended, &all, false),
        (&workload, State::Applied, Health::Healthy, &all, false),
        (&workload, State::Pending, Health::Degraded, &all, false),
        (&workload, State::Conflict, Health::Degraded, &all, false),
        (&workload, State::Failed, Health::Progressing, &all, true),
        (&workload, State::Failed, Health::Healthy, &some, false),
        (&workload, State::Failed, Health::Unknown, &null, true),
        // Of what people define it is known only if it says so.
        (&database, State::Applied, Health::Progressing, &all, false),
        (&database, State::Applied, Health::Degraded, &all, false),
        (&database, State::Applied, Health::Degraded, &null, false),
        (&database, State::Failed, Health::Progressing, &null, false),
        (&database, State::Failed, Health::Unknown, &null, true),
        (&database, State::Applied, Health::Progressing, &none, true),
        (&database, State::Applied, Health::Degraded, &none, true),
    ] {
        let seen = seen(state, health, status.clone());
        assert_eq!(is_stopped(key, &seen), stops, "{key} {seen:?}");
        let away = Observed { away: true, ..seen };
        assert!(!is_stopped(key, &away));
    }
    // Or where its kind's interpreter does.
    let told = Observed {
        judged: true,
        ..seen(State::Applied, Health::Degraded, null)
    };
    assert!(is_stopped(&database, &told));
    let waits = Observed {
        health: Health::Progressing,
        ..told
    };
    assert!(!is_stopped(&database, &waits));
}

/// First `a`, then `b`.
const GROUPS: &str = "clusterAffinities: [{affinityName: primary, clusterNames: [a]}, {affinityName: backup, clusterNames: [b]}]";

#[test]
fn a_failover_to_another_group_of_clusters_is_one() {
    for failover in [STOPS, SILENCE] {
        let mut case = case(&["a", "b"], GROUPS, failover, 1);
        assert_eq!(shown(&given(&case)), "a 1");
        match failover {
            STOPS => stopped(&mut case, "a", 300),
            _ => silent(&mut case, "a", 300),
        }
        assert_eq!(granted(&mut case).len(), 1);
        let placement = decide(&mut case);
        assert_eq!(placement.failed_over.len(), 1);
        assert_eq!(placement.kept[0].cause.reason(), "FailedOver");
        let why = &placement.figures[&uid("a")];
        assert!(why.starts_with("failed over: "), "{why}");
        case.failing.granted.clear();
        ready(&mut case, "a", "True");
        report(&mut case, "a", false, 0);
        report(&mut case, "b", true, 1);
        let placement = decide(&mut case);
        let removed: Vec<_> = placement.removals.iter().map(|r| r.reason).collect();
        assert_eq!(removed, [crate::removal::Reason::FailedOver]);
        case.former.retain(|f| f.path.1 == "b");
        assert_eq!(
            decide(&mut case).failed_over.len(),
            1,
            "it does not go back"
        );
        assert_eq!(shown(&given(&case)), "b 1");
    }
}

#[test]
fn what_runs_in_no_group_of_clusters_does_not_go_to_and_fro() {
    let mut case = case(&["a", "b"], GROUPS, STOPS, 1);
    stopped(&mut case, "a", 300);
    granted(&mut case);
    decide(&mut case);
    report(&mut case, "b", false, 0);
    decide(&mut case);
    stopped(&mut case, "b", 300);
    let placement = case.place();
    assert!(placement.failing.is_empty());
    let said: Vec<String> = placement.findings.iter().map(ToString::to_string).collect();
    let held = said
        .iter()
        .any(|f| f.contains("it is rather its own fault"));
    assert!(held, "{said:?}");
}

fn release(name: &str, case: &Case) -> Arc<Given> {
    let mut object = case.template.clone().unwrap();
    object["spec"].as_object_mut().unwrap().remove("replicas");
    Arc::new(Given {
        release: name.to_owned(),
        object: Some(object),
        overrides: Vec::new(),
    })
}

#[test]
fn a_cluster_that_is_tried_with_a_release_is_the_rollouts_to_judge() {
    for failover in [STOPS, SILENCE] {
        let mut case = case(&["a", "b", "c"], ONE, failover, 1);
        let mut rolling = Rolling {
            good: Some(release("old", &case)),
            admitted: [(uid("a"), Some(release("new", &case)))].into(),
            coming: true,
            active: true,
            says: String::new(),
        };
        let with = |case: &mut Case, rolling: &Rolling| {
            let policies = [("uid-p".to_owned(), rolling.clone())].into();
            case.rollout = Waves {
                policies,
                ..Waves::default()
            };
        };
        with(&mut case, &rolling);
        match failover {
            STOPS => stopped(&mut case, "a", 86_400),
            _ => silent(&mut case, "a", 86_400),
        }
        let placement = case.place();
        assert!(placement.failing.is_empty());
        assert_eq!(placement.again, Some(seconds(300)));
        let said: Vec<String> = placement.findings.iter().map(ToString::to_string).collect();
        let held = |f: &String| {
            f.contains("not failed over from 1 cluster (default/a)") && f.contains("rollout")
        };
        assert!(said.iter().any(held), "{said:?}");
        // It was not let to it, or it is good.
        for to in [None, Some("old")] {
            rolling.admitted.clear();
            let to = to.map(|to| (uid("a"), Some(release(to, &case))));
            rolling.admitted.extend(to);
            with(&mut case, &rolling);
            assert_eq!(case.place().failing.len(), 1);
        }
    }
}

#[test]
fn nobody_is_asked_to_let_the_last_copy_go_while_what_replaces_it_waits() {
    let mut case = case(&["a", "b"], ONE, SILENCE, 1);
    silent(&mut case, "a", 300);
    granted(&mut case);
    case.world.last_mut().unwrap()["spec"]["suspension"] = json!({"dispatching": true});
    let placement = case.place();
    let said: Vec<String> = placement.findings.iter().map(ToString::to_string).collect();
    assert!(placement.targets.is_empty(), "{said:?}");
    let asks = |f: &String| f.contains("no cluster would be left");
    assert!(!said.iter().any(asks), "{said:?}");
    assert_eq!(placement.kept[0].cause.reason(), "FailedOver");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_share_of_another_cluster_becomes_smaller(
        open in proptest::collection::vec(any::<bool>(), 4), replicas in 1..20_u32, who in 0..4_usize,
    ) {
        let names = ["a", "b", "c", "d"];
        let mut case = Case::new(&[&clusters(&names), &on("Deployment", DIVIDED, SILENCE)], &deployment(replicas));
        case.failing.known = true;
        // Those that are closed at first join later, and get nothing of what runs.
        for (name, open) in names.iter().zip(&open) {
            if !open {
                ready(&mut case, name, "False");
            }
        }
        decide(&mut case);
        for name in names {
            ready(&mut case, name, "True");
        }
        swap::settle(&mut case);
        let before = given(&case);
        silent(&mut case, names[who], 300);
        granted(&mut case);
        decide(&mut case);
        let after = given(&case);
        for (name, had) in before {
            if name != names[who] {
                prop_assert!(after.get(&name).copied().unwrap_or(0) >= had, "{name}: {after:?}");
            }
        }
    }
}

#[test]
fn what_would_come_up_nowhere_is_said_and_asked_again() {
    let mut case = case(&["a", "b"], ONE, STOPS, 4);
    stopped(&mut case, "a", 300);
    let asks = case.place();
    assert_eq!((asks.failing.len(), asks.findings.len()), (1, 0));
    case.failing.nowhere = [uid("a")].into();
    let stays = case.place();
    assert_eq!(stays.failing, asks.failing);
    assert_eq!(stays.findings.len(), 1);
    let said = stays.findings[0].to_string();
    let words = "not failed over from 1 cluster (default/a), since there is no other place for it";
    assert!(said.starts_with(words), "{said}");
    // What is granted after all needs no excuse.
    case.failing.granted = [uid("a")].into();
    assert_eq!(case.place().failed_over.len(), 1);
    let reasons: Vec<&str> = case.place().findings.iter().map(|f| f.reason()).collect();
    assert_eq!(reasons, ["Replacing"]);
}
