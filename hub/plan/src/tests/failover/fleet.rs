//! The fleet's side of it over time, against what must never happen: who is silent, what does not run, and
//! how fast anything may move.

use proptest::prelude::*;
use roadstead_protocol::wire::report::Health;

use super::*;
use crate::cluster::Cluster;
use crate::failover::{COPIES_PER_MINUTE, Pace, RECOVERS, Silence, Slot, Tracks};
use crate::observed::State;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// A hub that decides about one object again and again, by its own uptime.
struct Hub {
    case: Case,
    silence: Silence,
    pace: Pace,
    now: Duration,
    /// Whether each cluster is heard of.
    heard: [bool; 4],
    /// Whether it never suspects itself.
    naive: bool,
}

impl Hub {
    fn new(placement: &str, failover: &str) -> Self {
        let mut hub = Self {
            case: case(&NAMES, placement, failover, 12),
            silence: Silence::default(),
            pace: Pace::default(),
            now: Duration::ZERO,
            heard: [true; 4],
            naive: false,
        };
        hub.decide();
        hub
    }

    /// What the controllers do.
    fn decide(&mut self) {
        for (name, heard) in NAMES.iter().zip(self.heard) {
            ready(&mut self.case, name, if heard { "True" } else { "Unknown" });
            let given = given(&self.case).get(*name).copied().unwrap_or(0);
            match heard {
                true => report(&mut self.case, name, true, given),
                false => {
                    let none = Observed::default();
                    self.case.observed.insert(uid(name), none);
                }
            }
        }
        let world = self.case.world();
        let all: Vec<&Cluster> = world.clusters.iter().map(|c| &**c).collect();
        self.silence.observe(all, self.now);
        let of = |so: &dyn Fn(&str) -> Option<Duration>| {
            let all = NAMES.iter().map(|name| uid(name));
            all.filter_map(|uid| Some((uid.clone(), so(&uid)?)))
                .collect()
        };
        self.case.failing = Failing {
            known: true,
            suspects: self.silence.suspects() && !self.naive,
            silent: of(&|uid| self.silence.silent(uid, self.now)),
            ready: of(&|uid| self.silence.ready(uid, self.now)),
            ..Failing::default()
        };
        for uid in self.case.place().failing.into_keys() {
            let slot = Slot::Cluster(uid.clone());
            if self
                .pace
                .take(slot, self.now, self.silence.joined())
                .is_ok()
            {
                self.case.failing.granted.insert(uid);
            }
        }
        decide(&mut self.case);
    }

    fn step(&mut self, (who, heard, later): (usize, bool, u64)) {
        self.now += seconds(later);
        self.decide();
        self.heard[who] = heard;
        self.decide();
    }
}

fn steps(longest: u64) -> impl Strategy<Value = Vec<(usize, bool, u64)>> {
    proptest::collection::vec((0..4_usize, any::<bool>(), 0..longest), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_hub_that_is_cut_off_from_everyone_moves_nothing(
        before in steps(400), gaps in proptest::collection::vec(0..40_u64, 4), after in steps(4000),
    ) {
        let mut hub = Hub::new(DIVIDED, SILENCE);
        for step in before {
            hub.step(step);
        }
        for who in [0, 1, 2, 3, 0] {
            hub.step((who, true, 1000));
        }
        prop_assert_eq!(&hub.case.decided.failed_over, &[]);
        // They fall silent one after another, within less than what is tolerated.
        for (who, gap) in gaps.into_iter().enumerate() {
            hub.step((who, false, gap));
        }
        let had = given(&hub.case);
        for (_, _, later) in after {
            hub.step((0, false, later));
            prop_assert_eq!(&given(&hub.case), &had);
            prop_assert_eq!(&hub.case.decided.failed_over, &[]);
        }
    }

    #[test]
    fn nothing_runs_twice_unless_it_is_allowed(steps in steps(4000)) {
        for failover in ["", STOPS, "cluster: {allowDuplicates: false}"] {
            let mut hub = Hub::new(DIVIDED, failover);
            let had = given(&hub.case);
            for step in &steps {
                hub.step(*step);
                prop_assert_eq!(&given(&hub.case), &had);
                prop_assert_eq!(&hub.case.decided.failed_over, &[]);
            }
        }
    }

    #[test]
    fn a_cluster_that_comes_and_goes_moves_something_once(
        flaps in proptest::collection::vec((0..300_u64, 0..300_u64), 1..30), fails in any::<bool>(),
    ) {
        let mut hub = Hub::new(ONE, SILENCE);
        let first = given(&hub.case);
        if fails {
            hub.step((0, false, 1000));
            hub.step((0, false, 300));
        }
        let mut last = given(&hub.case);
        prop_assert_eq!(first != last, fails);
        let mut moved = 0;
        for (up, down) in flaps {
            hub.step((0, true, down));
            hub.step((0, false, up));
            // What it had goes when it is back, and that is all.
            let now = given(&hub.case);
            moved += u32::from(now != last);
            last = now;
        }
        prop_assert!(moved <= u32::from(fails));
    }

    #[test]
    fn never_more_begin_within_a_minute_than_are_allowed(
        asks in proptest::collection::vec((0..200_usize, any::<bool>(), 0..20_u64), 1..400), joined in 1..300_usize,
    ) {
        let mut pace = Pace::default();
        let mut began: BTreeMap<Slot, Duration> = BTreeMap::new();
        let mut now = Duration::ZERO;
        let mut all: Vec<(bool, Duration)> = Vec::new();
        for (who, of_cluster, later) in asks {
            now += seconds(later);
            pace.tidy(now, |_| false);
            began.retain(|_, at| *at + seconds(60) > now);
            let slot = match of_cluster {
                true => Slot::Cluster(who.to_string()),
                false => Slot::Copy(who.to_string(), web()),
            };
            match pace.take(slot.clone(), now, joined) {
                Ok(()) if began.contains_key(&slot) => {}
                Ok(()) => {
                    began.insert(slot, now);
                    all.push((of_cluster, now));
                }
                Err(wait) => {
                    prop_assert!(!wait.is_zero() && wait <= seconds(60));
                    // So long, and not longer.
                    let mut then = pace.clone();
                    then.tidy(now + wait, |_| false);
                    prop_assert!(then.take(slot, now + wait, joined).is_ok());
                }
            }
        }
        for (sort, at) in &all {
            let within = |(s, t): &&(bool, Duration)| s == sort && t >= at && *t < *at + seconds(60);
            let most = if *sort { (joined * 5 / 100).max(1) } else { COPIES_PER_MINUTE };
            prop_assert!(all.iter().filter(within).count() <= most);
        }
    }
}

#[test]
fn a_hub_that_never_suspects_itself_would_move_something() {
    let mut hub = Hub::new(DIVIDED, SILENCE);
    hub.naive = true;
    for who in 0..4 {
        hub.step((who, false, 1));
    }
    hub.step((0, false, 300));
    assert!(!hub.case.decided.failed_over.is_empty());
}

fn fleet(lines: &[&str]) -> Vec<Cluster> {
    clusters(lines).iter().map(Cluster::read).collect()
}

#[test]
fn a_hub_suspects_itself_when_many_or_all_are_silent() {
    for (lines, suspects) in [
        (&["a silent"][..], true),
        (&["a silent", "b"], false),
        (&["a silent", "b silent"], true),
        (&["a silent", "b silent", "c", "d", "e", "f"], true),
        (&["a silent", "b silent", "c", "d", "e", "f", "g"], false),
        (&["a !ready", "b"], false),
        // Its own network may be gone though the agents that run in it are heard.
        (&["a !ready", "b !ready", "c !ready", "d silent"], true),
        (
            &[
                "a !ready", "b !ready", "c !ready", "d !ready", "e !ready", "f silent", "g silent",
            ],
            true,
        ),
        (&[], false),
    ] {
        let mut silence = Silence::default();
        silence.observe(&fleet(lines), Duration::ZERO);
        assert_eq!(silence.suspects(), suspects, "{lines:?}");
    }
    // Who never came is none of them, nor who was declared to be stopped.
    let mut lines = clusters(&["a silent", "b silent", "c"]);
    lines[0]["status"]["conditions"][0]["reason"] = json!("NotJoined");
    let all: Vec<Cluster> = lines.iter().map(Cluster::read).collect();
    let mut silence = Silence::default();
    silence.observe(&all, Duration::ZERO);
    assert_eq!((silence.suspects(), silence.joined()), (false, 2));
    assert_eq!(silence.silent("uid-default-a", seconds(9)), None);
    assert_eq!(
        silence.silent("uid-default-b", seconds(9)),
        Some(seconds(9))
    );
}

#[test]
fn who_is_known_to_be_off_is_not_counted() {
    let look = |silence: &mut Silence, off: &[&str], at: u64| {
        let all = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let line = |name: &&str| match off.contains(name) {
            true => format!("{name} silent"),
            false => (*name).to_owned(),
        };
        let lines: Vec<String> = all.iter().map(line).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        silence.observe(&fleet(&lines), seconds(at));
        silence.suspects()
    };
    let mut silence = Silence::default();
    assert!(!look(&mut silence, &["a", "b", "c"], 0));
    assert!(look(&mut silence.clone(), &["a", "b", "c", "d"], 3599));
    assert!(!look(&mut silence, &["a", "b", "c", "d"], 3600));
    assert_eq!(
        silence.silent("uid-default-d", seconds(3660)),
        Some(seconds(60))
    );
    assert!(!look(&mut silence, &["a", "b", "c", "d"], 9000));
    // Of the others it is as before, and who comes back is one of them.
    assert!(look(
        &mut silence.clone(),
        &["a", "b", "c", "d", "e", "f"],
        9001
    ));
    assert!(!look(&mut silence, &["d"], 9001));
    assert!(look(&mut silence, &["a", "b", "c", "d", "e"], 9002));
    // However long all are silent, while the hub suspects itself nobody is known to be off.
    for at in [20_000, 30_000, 40_000] {
        assert!(look(&mut silence, &["a", "b", "c", "d", "e"], at));
    }
}

#[test]
fn time_begins_anew_after_a_suspicion() {
    let mut silence = Silence::default();
    silence.observe(&fleet(&["a silent", "b", "c"]), seconds(10));
    silence.observe(&fleet(&["a silent", "b silent", "c"]), seconds(100));
    assert!(silence.suspects());
    silence.observe(&fleet(&["a silent", "b", "c"]), seconds(1000));
    assert!(!silence.suspects());
    assert_eq!(
        silence.silent("uid-default-a", seconds(1001)),
        Some(seconds(1))
    );
    assert_eq!(
        silence.ready("uid-default-b", seconds(1002)),
        Some(seconds(2))
    );
    assert_eq!(
        silence.ready("uid-default-c", seconds(1002)),
        Some(seconds(1002))
    );
    assert_eq!(silence.ready("uid-default-a", seconds(1002)), None);
}

#[test]
fn a_copy_that_runs_for_a_moment_has_not_recovered() {
    let former = [Former {
        cluster: "x".to_owned(),
        ..Former::default()
    }];
    let seen = |health, ready| {
        let seen = Observed {
            applied: true,
            away: false,
            state: State::Applied,
            health,
            ready: Some(ready),
            ..Observed::default()
        };
        BTreeMap::from([("x".to_owned(), seen)])
    };
    let (down, up) = (seen(Health::Progressing, 0), seen(Health::Healthy, 1));
    let mut tracks = Tracks::default();
    let mut look = |observed: &BTreeMap<String, Observed>, at: u64| {
        tracks.look(&web(), &former, observed, seconds(at));
        tracks.stopped(seconds(at)).get("x").copied()
    };
    assert_eq!(look(&down, 10), Some(seconds(0)));
    assert_eq!(look(&up, 100), None);
    assert_eq!(look(&down, 159), Some(seconds(149)));
    assert_eq!(look(&up, 200), None);
    assert_eq!(look(&down, 200 + RECOVERS.as_secs()), Some(seconds(0)));
    assert_eq!(look(&up, 270), None);
    assert_eq!(look(&up, 280), None);
    assert_eq!(look(&down, 330), Some(seconds(0)));
    // Without news nothing is said.
    assert_eq!(
        look(
            &BTreeMap::from([("x".to_owned(), Observed::default())]),
            400
        ),
        None
    );
    assert_eq!(look(&down, 401), Some(seconds(0)));
    // What is given anew begins anew.
    let anew = [Former {
        digest: Some(roadstead_protocol::wire::Digest::of(b"2")),
        ..former[0].clone()
    }];
    let mut tracks = Tracks::default();
    tracks.look(&web(), &former, &down, seconds(0));
    tracks.look(&web(), &anew, &down, seconds(100));
    assert_eq!(tracks.stopped(seconds(100))["x"], seconds(0));
}
