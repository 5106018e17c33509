//! The slow model, on examples.

use super::*;

fn policy(clusters: BTreeMap<String, u64>, pool: Option<u64>) -> Policy {
    Policy {
        clusters,
        pool,
        ..Policy::default()
    }
}

#[test]
fn says_where_things_are_to_be() {
    let mut model = Model::default();
    let name = (Kind::Deployment, "web".to_owned());
    model.objects.insert(
        name.clone(),
        Object {
            group: 1,
            version: 1,
            replicas: 20,
        },
    );
    assert!(model.everything().is_empty());
    let clusters = [("a".to_owned(), 90), ("b".to_owned(), 10)].into();
    model
        .policies
        .insert((Kind::Deployment, 1), policy(clusters, None));
    assert_eq!(model.clusters(&name), ["a", "b"].into());
    let sums = |a, b| model.sum_fault(&name, &[("a", a), ("b", b)].into());
    assert_eq!((sums(18, 2), sums(10, 10)), (None, None));
    assert!(sums(18, 1).is_some());
    let fault = |a, b| model.shares_fault(&name, &[("a", a), ("b", b)].into());
    assert_eq!(fault(18, 2), None);
    assert!(fault(17, 3).is_some());
    assert!(fault(19, 1).is_some());
    assert!(fault(10, 10).is_some());
}

#[test]
fn a_tie_may_go_either_way() {
    let mut model = Model::default();
    let name = (Kind::Deployment, "web".to_owned());
    let object = Object {
        group: 1,
        version: 1,
        replicas: 3,
    };
    model.objects.insert(name.clone(), object);
    let clusters = [("a".to_owned(), 1), ("b".to_owned(), 1)].into();
    model
        .policies
        .insert((Kind::Deployment, 1), policy(clusters, None));
    let fault = |a, b| model.shares_fault(&name, &[("a", a), ("b", b)].into());
    assert_eq!((fault(2, 1), fault(1, 2)), (None, None));
    assert!(fault(3, 0).is_some());
}

#[test]
fn a_pool_narrows_the_choice() {
    let mut model = Model::default();
    let clusters = [("a".to_owned(), 1), ("b".to_owned(), 2)].into();
    let policy = policy(clusters, Some(1));
    assert!(model.chosen(&policy).is_empty());
    let one = Standing {
        pool: 1,
        ..Standing::default()
    };
    model.standing.insert("b".to_owned(), one);
    assert_eq!(model.chosen(&policy), [("b", 2)].into());
    let taint = Some(Effect::NoSchedule);
    model
        .standing
        .insert("b".to_owned(), Standing { taint, ..one });
    assert_eq!(model.chosen(&policy), [("b", 2)].into());
    let taint = Some(Effect::NoExecute);
    model
        .standing
        .insert("b".to_owned(), Standing { taint, ..one });
    assert!(model.chosen(&policy).is_empty());
}

#[test]
fn what_a_taint_drove_away_does_not_come_back_by_opening() {
    let standing = Standing {
        pool: 2,
        cordoned: true,
        drained: true,
        fenced: true,
        taint: Some(Effect::NoSchedule),
    };
    assert!(standing.closed());
    assert!(!standing.opened().closed());
    assert_eq!(standing.opened().pool, 2);
    let driven = Standing {
        taint: Some(Effect::NoExecute),
        ..standing
    };
    assert_eq!(driven.opened().taint, driven.taint);
}
