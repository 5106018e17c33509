//! Whatever happens: no decision takes more than the budget, against a slow model of what it takes.

use proptest::prelude::*;

use super::*;

/// What happens.
#[derive(Clone, Debug)]
enum Step {
    Edit(u8),
    Scale(u32),
    /// Copies on the clusters of these bits.
    Copies(u8),
    Shares(Vec<u32>),
    Drain(usize, bool),
    Report(usize, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0..NAMES.len();
    prop_oneof![
        2 => (0..3_u8).prop_map(Step::Edit),
        1 => (1..20_u32).prop_map(Step::Scale),
        1 => (1..32_u8).prop_map(Step::Copies),
        1 => proptest::collection::vec(0..3_u32, NAMES.len())
            .prop_filter("no weight at all", |all| all.iter().any(|w| *w > 0))
            .prop_map(Step::Shares),
        1 => (who(), any::<bool>()).prop_map(|(who, to)| Step::Drain(who, to)),
        6 => (who(), 0..7_u8).prop_map(|(who, how)| Step::Report(who, how)),
    ]
}

fn named(bits: u8) -> String {
    let named = NAMES.iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1);
    named.map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}

fn happen(fleet: &mut Fleet, step: &Step, most: &str) {
    match step {
        Step::Edit(image) => fleet.edit(&format!("web:{image}")),
        Step::Scale(replicas) => fleet.scale(*replicas),
        Step::Copies(bits) => fleet.obey(&copies(&named(*bits), most)),
        Step::Shares(weights) => fleet.obey(&shares(weights, most)),
        Step::Drain(who, to) => fleet.drain(NAMES[*who], *to),
        Step::Report(who, how) => {
            let is = match how {
                0 => Is::Away,
                1 => Is::Ill,
                2 => Is::Weak,
                _ => Is::Well,
            };
            fleet.report(NAMES[*who], is);
        }
    }
}

/// What was taken of what may run, the slow way: names.
fn taken(
    before: &[Former],
    placement: &Placement,
    fleet: &Fleet,
    lowered: bool,
) -> BTreeSet<String> {
    let mut taken = BTreeSet::new();
    for former in before {
        let target = placement
            .targets
            .iter()
            .find(|t| t.cluster == former.cluster);
        let removal = placement
            .removals
            .iter()
            .find(|r| r.cluster == former.cluster);
        let removed = removal.is_some_and(|r| r.reason != Reason::Confirmed);
        let changed = target.is_some_and(|target| {
            let (Some(digest), new) = (former.digest, target.content.digest) else {
                return false;
            };
            let (mut old, mut now) = (
                fleet.contents[&digest].clone(),
                serde_json::from_slice::<Value>(&target.content.bytes).unwrap(),
            );
            let count = |o: &mut Value| o["spec"].as_object_mut()?.remove("replicas")?.as_u64();
            let (was, is) = (count(&mut old), count(&mut now));
            digest != new && (old != now || (is < was && !lowered))
        });
        if removed || changed {
            taken.insert(former.cluster.clone());
        }
    }
    taken
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// No decision takes more than the budget by what was last observed, nothing that mends is held, and
    /// once all is well everything comes to where it should be.
    #[test]
    fn no_decision_takes_more_than_the_budget(
        most in 1..4_usize,
        percent in any::<bool>(),
        steps in proptest::collection::vec(step(), 1..25),
    ) {
        let text = if percent { format!("{}%", most * 25) } else { most.to_string() };
        let mut fleet = Fleet::new(&copies("a, b, c", &text), 6);
        for step in &steps {
            happen(&mut fleet, step, &text);
            let (standing, before) = (fleet.standing(), fleet.case.former.clone());
            let shares = before.iter().filter(|f| !f.outside).map(|f| f.replicas);
            let was = shares.sum::<Option<u32>>();
            let placement = fleet.decide();
            // How many there are to be, where they are divided.
            let policy = fleet.case.world.iter().find(|o| o["kind"] == "DistributionPolicy");
            let divided = policy.is_some_and(|p| !p["spec"]["placement"]["replicaScheduling"].is_null());
            let all = fleet.case.template.as_ref().and_then(|t| t["spec"]["replicas"].as_u64());
            let is = all.filter(|_| divided).map_or(0, |all| u32::try_from(all).unwrap());
            let lowered = was.is_none_or(|was| is < was);
            let taken = taken(&before, &placement, &fleet, lowered);
            let own = |uid: &String| standing.own.get(uid).copied();
            let risky = taken.iter().filter(|uid| own(uid) != Some(How::Ill));
            let risky: BTreeSet<&String> = risky.collect();
            let holders = standing.holders;
            let bound = if percent { (holders * most * 25 / 100).max(1) } else { most };
            let all = |counts: fn(Unwell) -> bool| {
                let unwell = standing.unwell.iter().filter(|(_, (why, _))| counts(*why));
                unwell.map(|(uid, _)| uid).chain(risky.iter().copied()).collect::<BTreeSet<_>>()
            };
            let (down, moving) = (all(|_| true).len(), all(|why| why == Unwell::Changing).len());
            let said = format!("{step:?} took {taken:?} of {standing:?}\n{}", show(&placement));
            let unwell = |uid: &String| standing.unwell.contains_key(uid);
            let mends = |uid: &String| own(uid) == Some(How::Weak) && unwell(uid);
            prop_assert!(risky.iter().all(|uid| mends(uid)) || down <= bound, "{}", said);
            prop_assert!(risky.is_empty() || moving <= bound, "{}", said);
            for kept in placement.kept.iter().filter(|k| k.cause == Cause::Budget) {
                prop_assert!(own(&kept.cluster) != Some(How::Ill), "{}", said);
                prop_assert!(!mends(&kept.cluster) || moving >= bound, "{}", said);
            }
            prop_assert_eq!(!risky.is_empty(), !placement.spends.is_empty(), "{}", said);
        }
        for name in NAMES {
            fleet.drain(name, false);
        }
        fleet.edit("web:9");
        for _ in 0..24 {
            for name in NAMES {
                fleet.report(name, Is::Well);
            }
            fleet.decide();
        }
        let placement = fleet.think();
        let waits = placement.kept.iter().any(|k| k.cause == Cause::Budget);
        prop_assert!(!waits, "{}", show(&placement));
        prop_assert!(fleet.shown().split(", ").all(|one| one.ends_with("web:9")), "{}", fleet.shown());
    }
}
