//! How a budget is read, and how a copy is by what its agent said.

use super::*;
use crate::policy::Policy;

#[test]
fn how_a_copy_is_goes_by_what_of_it_runs() {
    let check = |kind: &str, state: State, health: Health, ready: Option<u64>, how: How| {
        let item = match kind.split_once('/') {
            Some((group, kind)) => (group.to_owned(), kind.to_owned()),
            None => (String::new(), kind.to_owned()),
        };
        let item = ItemKey {
            group: item.0,
            kind: item.1,
            ..web()
        };
        let seen = Observed {
            state,
            health,
            ready,
            ..Observed::default()
        };
        assert_eq!(
            crate::budget::how(&item, &seen),
            how,
            "{kind} {state:?} {health:?}"
        );
    };
    let app = "apps/Deployment";
    check(app, State::Applied, Health::Healthy, Some(3), How::Well);
    check(app, State::Applied, Health::Suspended, None, How::Well);
    check(app, State::Applied, Health::Progressing, Some(9), How::Weak);
    check(app, State::Applied, Health::Degraded, Some(0), How::Ill);
    check(app, State::Applied, Health::Degraded, None, How::Ill);
    check(app, State::Applied, Health::Unknown, None, How::Weak);
    check(app, State::Failed, Health::Unknown, Some(9), How::Weak);
    check(app, State::Failed, Health::Unknown, None, How::Ill);
    check(app, State::Held, Health::Healthy, None, How::Weak);
    check(app, State::Conflict, Health::Healthy, Some(1), How::Ill);
    check(app, State::Pending, Health::Healthy, Some(1), How::Unseen);
    // How these go on is no matter of what is changed.
    for kind in ["batch/Job", "Service", "PersistentVolumeClaim"] {
        check(kind, State::Applied, Health::Degraded, None, How::Well);
        check(kind, State::Pending, Health::Degraded, None, How::Unseen);
    }
}

#[test]
fn a_budget_that_cannot_be_read_is_said() {
    let check = |most: &str, words: &str| {
        let read = Policy::read(&copies("a", most)[0]);
        let problem = read.unwrap_err().problem;
        assert_eq!(
            problem,
            format!("spec.disruptionBudget.maxUnavailable: {words}")
        );
    };
    let must = "must be a number of clusters from 1, or a percentage from 1% to 100%";
    check("0", &format!("Invalid value: \"0\": {must}"));
    check("many", &format!("Invalid value: \"many\": {must}"));
    check("101%", &format!("Invalid value: \"101%\": {must}"));
    check("null", "Required value");
}
