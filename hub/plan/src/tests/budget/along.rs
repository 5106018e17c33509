//! What merely goes along with what a policy holds: a change of it is one of what needs it.

use proptest::prelude::*;

use super::super::deps::{following, needed};
use super::super::swap::report;
use super::*;
use crate::affinity::Chosen;

const WHERE: [&str; 4] = ["a", "b", "c", "d"];

/// `files`, which an app needs on all clusters under a policy with a budget, was given and is edited.
fn edited(more: &str) -> Case {
    let mut case = needed(&[&clusters(&WHERE), &following(more)], &WHERE, &WHERE);
    let placement = case.place();
    assert!(!placement.asks && placement.targets.len() == WHERE.len());
    assert!(
        placement
            .targets
            .iter()
            .all(|t| t.chosen == Chosen::Required)
    );
    case.carry_out(&placement);
    for name in WHERE {
        report(&mut case, name, true, 0);
    }
    case.template.as_mut().unwrap()["data"] = serde_json::json!({"a": "2"});
    case
}

fn bounded(most: &str) -> String {
    format!(", disruptionBudget: {{maxUnavailable: {most}}}")
}

/// How the app is on each cluster; what does not run in whole is not well.
fn standing(how: &[How]) -> Standing {
    let each = || WHERE.iter().zip(how);
    let unwell = each().filter_map(|(name, how)| {
        let why = match how {
            How::Well => return None,
            How::Weak | How::Ill => Unwell::Ill,
            How::Unseen => Unwell::Changing,
        };
        Some((uid(name), (why, "Deployment.apps default/web".to_owned())))
    });
    let along = Standing {
        holders: WHERE.len(),
        unwell: unwell.collect(),
        own: each().map(|(name, how)| (uid(name), *how)).collect(),
        ..Standing::default()
    };
    Standing {
        along: [("uid-p".to_owned(), along)].into(),
        ..Standing::default()
    }
}

fn given(placement: &Placement) -> String {
    let names = placement.targets.iter().map(|t| t.path.1.as_str());
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn it_is_changed_where_the_budget_of_what_needs_it_allows() {
    let mut case = edited(&bounded("1"));
    assert!(case.place().asks);
    case.budget = Some(standing(&[How::Well; 4]));
    let placement = case.place();
    assert_eq!(given(&placement), "a");
    assert_eq!(placement.spends, ["uid-p".to_owned()].into());
    assert!(
        placement
            .kept
            .iter()
            .all(|k| k.cause == Cause::Budget && !k.outside)
    );
    assert_eq!(
        said(&placement),
        [
            "waits on 3 clusters (default/b, default/c, default/d): the disruption budget of what needs it is 1 of 4 \
          clusters, and not all is well on 1 cluster (default/a: ConfigMap default/files is being changed); it goes \
          on once it is, or with a larger maxUnavailable, and a cluster that is lost counts no more once it is fenced \
          (roadstead fence)"
        ]
    );
    case.carry_out(&placement);
    // It is on its way there.
    let seen = case.observed.get_mut(&uid("a")).unwrap();
    (seen.applied, seen.state) = (false, State::Pending);
    let placement = case.place();
    assert_eq!(
        (given(&placement).as_str(), placement.spends.len()),
        ("a", 0)
    );
    // It is there, and what needs it is not well.
    report(&mut case, "a", true, 0);
    let well = How::Well;
    case.budget = Some(standing(&[How::Weak, well, well, well]));
    assert_eq!(given(&case.place()), "a");
    // What mends it reaches that one, and no other.
    case.template.as_mut().unwrap()["data"]["a"] = "3".into();
    let placement = case.place();
    assert_eq!((given(&placement).as_str(), placement.kept.len()), ("a", 3));
    case.budget = Some(standing(&[well; 4]));
    case.carry_out(&placement);
    assert_eq!(given(&case.place()), "a b");
}

#[test]
fn what_runs_nowhere_holds_up_nobody_who_mends_it() {
    let mut case = edited(&bounded("1"));
    case.budget = Some(standing(&[How::Ill; 4]));
    let placement = case.place();
    assert_eq!(given(&placement), "a b c d");
    assert!(placement.spends.is_empty());
    // What is new disturbs nobody, and neither does what nobody bounds.
    case.former.clear();
    case.budget = Some(standing(&[How::Well; 4]));
    assert_eq!(given(&case.place()), "a b c d");
    let free = edited("");
    assert_eq!(given(&free.place()), "a b c d");
    assert!(!free.place().asks);
}

#[test]
fn every_policy_that_needs_it_there_has_a_say() {
    let mut case = edited(&bounded("2"));
    let other = policy(
        "q",
        &format!("{{{SELECTS}, propagateDeps: true{}}}", bounded("1")),
    );
    case.world.extend(other);
    let mut second = case.around.requirers[0].clone();
    second.key.name = "other".to_owned();
    second.policy = Some("uid-q".to_owned());
    second.needs = ["b", "c"].map(uid).into();
    case.around.requirers.push(second);
    let mut both = standing(&[How::Well; 4]);
    both.along
        .insert("uid-q".to_owned(), both.along["uid-p"].clone());
    case.budget = Some(both.clone());
    let placement = case.place();
    assert_eq!(given(&placement), "a b");
    let spent = ["uid-p", "uid-q"].map(str::to_owned);
    assert_eq!(placement.spends, spent.into());
    // Where one of them has none left the others give nothing of theirs.
    let q = both.along.get_mut("uid-q").unwrap();
    let why = (Unwell::Away, String::new());
    q.unwell.insert(uid("d"), why);
    case.budget = Some(both);
    let placement = case.place();
    assert_eq!(given(&placement), "a d");
    assert_eq!(placement.spends, ["uid-p".to_owned()].into());
}

fn any_how() -> impl Strategy<Value = How> {
    prop_oneof![
        Just(How::Well),
        Just(How::Weak),
        Just(How::Ill),
        Just(How::Unseen)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Against counting by hand, cluster by cluster in their order.
    #[test]
    fn no_change_is_beyond_the_budget(
        most in 1..4_usize,
        how in proptest::collection::vec(any_how(), WHERE.len()),
    ) {
        let mut case = edited(&bounded(&most.to_string()));
        case.budget = Some(standing(&how));
        let (mut down, mut moving): (BTreeSet<usize>, BTreeSet<usize>) = Default::default();
        for (at, how) in how.iter().enumerate().filter(|(_, how)| **how != How::Well) {
            down.insert(at);
            if *how == How::Unseen {
                moving.insert(at);
            }
        }
        let mut expected = Vec::new();
        for (at, how) in how.iter().enumerate() {
            let others = |set: &BTreeSet<usize>| set.iter().filter(|other| **other != at).count();
            let goes = match how {
                How::Ill => true,
                How::Weak => others(&moving) < most,
                How::Well | How::Unseen => others(&down) < most,
            };
            if goes {
                expected.push(WHERE[at]);
                if *how != How::Ill {
                    down.insert(at);
                    moving.insert(at);
                }
            }
        }
        prop_assert_eq!(given(&case.place()), expected.join(" "));
    }
}
