//! When runs begin and end.

use roadstead_protocol::api::rollout::{Cause, OnFailure, Phase};

use crate::rollout::state::State;
use crate::rollout::turn::{Facts, Turned, Undo, fail, succeed, turn};

fn see(state: &mut State, live: &str) -> Turned {
    let facts = Facts {
        live,
        ..Facts::default()
    };
    turn(state, &facts)
}

fn ended(turned: &Turned) -> Option<(u64, Phase)> {
    let (run, phase, _) = turned.ended.as_ref()?;
    Some((run.number, *phase))
}

fn target(state: &State) -> Option<(&str, &str, Cause)> {
    let run = state.run.as_ref()?;
    Some((&run.from, &run.target, run.cause))
}

#[test]
fn a_change_goes_out_and_becomes_what_is_good() {
    let mut state = State::begin("a");
    assert_eq!(see(&mut state, "a"), Turned::default());
    assert!(see(&mut state, "b").begun);
    assert_eq!(target(&state), Some(("a", "b", Cause::Change)));
    assert_eq!(see(&mut state, "b"), Turned::default(), "it is under way");
    assert_eq!(ended(&succeed(&mut state)), Some((1, Phase::Succeeded)));
    assert_eq!((state.good.as_str(), state.void), ("b", 1));
    assert_eq!(see(&mut state, "b"), Turned::default());
}

#[test]
fn another_change_begins_again_from_what_is_good() {
    let mut state = State::begin("a");
    see(&mut state, "b");
    if let Some(run) = &mut state.run {
        run.stage = 2;
    }
    let turned = see(&mut state, "c");
    assert_eq!(ended(&turned), Some((1, Phase::Superseded)));
    assert!(turned.begun);
    assert_eq!(target(&state), Some(("a", "c", Cause::Change)));
    assert_eq!(state.run.as_ref().unwrap().stage, 0);
    assert_eq!(state.void, 0, "who has b keeps it until its turn comes");
    let turned = see(&mut state, "a");
    assert_eq!(ended(&turned), Some((2, Phase::Superseded)));
    assert_eq!(target(&state), None);
    assert_eq!(state.void, 2, "all have what is good");
}

#[test]
fn what_failed_is_not_tried_again_until_it_changes() {
    let mut state = State::begin("a");
    see(&mut state, "b");
    let turned = fail(&mut state, OnFailure::Rollback, false, "late");
    assert_eq!(ended(&turned), Some((1, Phase::RolledBack)));
    assert_eq!((state.good.as_str(), state.void), ("a", 1));
    for _ in 0..3 {
        assert_eq!(see(&mut state, "b"), Turned::default());
    }
    assert!(see(&mut state, "c").begun);
}

#[test]
fn where_there_is_nothing_to_go_back_to_it_is_halted() {
    for (on_failure, bare) in [(OnFailure::Halt, false), (OnFailure::Rollback, true)] {
        let mut state = State::begin("a");
        see(&mut state, "b");
        assert_eq!(
            fail(&mut state, on_failure, bare, "late"),
            Turned::default()
        );
        let run = state.run.as_ref().unwrap();
        assert_eq!(run.halted.as_deref(), Some("late"));
        assert_eq!(see(&mut state, "b"), Turned::default(), "it stays so");
    }
}

#[test]
fn who_ends_it_goes_back_to_what_is_good() {
    let mut state = State::begin("a");
    see(&mut state, "b");
    let facts = Facts {
        live: "b",
        aborted: true,
        ..Facts::default()
    };
    let turned = turn(&mut state, &facts);
    assert_eq!(ended(&turned), Some((1, Phase::Aborted)));
    assert!(!turned.begun);
    assert_eq!((state.run.is_some(), state.void), (false, 1));
    assert_eq!(see(&mut state, "b"), Turned::default());
}

#[test]
fn a_former_release_is_pinned_until_the_template_changes() {
    let mut state = State::begin("b");
    let wish = |mark, release, live| Facts {
        live,
        undo: Some(Undo {
            mark,
            release,
            known: release != "gone",
        }),
        ..Facts::default()
    };
    assert!(turn(&mut state, &wish("1", "a", "b")).begun);
    assert_eq!(target(&state), Some(("b", "a", Cause::Undo)));
    succeed(&mut state);
    assert_eq!(turn(&mut state, &wish("1", "a", "b")), Turned::default());
    assert_eq!(state.good, "a");
    assert!(turn(&mut state, &wish("1", "a", "c")).begun);
    assert_eq!(target(&state), Some(("a", "c", Cause::Change)));
    let turned = turn(&mut state, &wish("2", "a", "c"));
    assert_eq!(ended(&turned), Some((3 - 1, Phase::Superseded)));
    assert_eq!(target(&state), None, "what is good is wanted");
    assert_eq!(turn(&mut state, &wish("2", "a", "c")), Turned::default());
    let turned = turn(&mut state, &wish("3", "gone", "c"));
    assert_eq!(turned.refused.as_deref(), Some("gone"));
}

#[test]
fn what_is_merely_left_out_is_no_change_that_waits() {
    let mut state = State::begin("a");
    let facts = Facts {
        live: "a-",
        less: true,
        ..Facts::default()
    };
    assert_eq!(turn(&mut state, &facts), Turned::default());
    assert_eq!(state.good, "a-");
}
