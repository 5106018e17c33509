//! The whole way from policies to clusters, against a slow and obvious reading of the rules.

use proptest::prelude::*;

use super::*;

/// A cluster as it is drawn: label, region, cordoned, taint, Ready, what it serves.
#[derive(Clone, Debug)]
struct Drawn {
    prod: bool,
    region: Option<bool>,
    cordoned: bool,
    taint: Option<bool>,
    ready: bool,
    serves: Option<bool>,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let taint = proptest::option::weighted(0.3, any::<bool>());
    let serves = proptest::option::weighted(0.3, any::<bool>());
    let region = proptest::option::weighted(0.7, any::<bool>());
    let bools = (
        any::<bool>(),
        proptest::bool::weighted(0.2),
        proptest::bool::weighted(0.8),
    );
    (bools, region, taint, serves).prop_map(|((prod, cordoned, ready), region, taint, serves)| {
        Drawn {
            prod,
            region,
            cordoned,
            taint,
            ready,
            serves,
        }
    })
}

/// What a policy asks for.
#[derive(Clone, Debug)]
struct Asked {
    names: Option<Vec<usize>>,
    exclude: Vec<usize>,
    prod: bool,
    eu: bool,
    tolerates: bool,
    divided: bool,
}

fn asked() -> impl Strategy<Value = Asked> {
    let names = proptest::option::of(proptest::collection::vec(0..5_usize, 1..4));
    let exclude = proptest::collection::vec(0..5_usize, 0..2);
    let bools = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (names, exclude, bools).prop_map(|(names, exclude, (prod, eu, tolerates, divided))| Asked {
        names,
        exclude,
        prod,
        eu,
        tolerates,
        divided,
    })
}

fn line(at: usize, drawn: &Drawn) -> String {
    let mut line = format!("c{at}");
    let mut add = |word: &str| line.push_str(&format!(" {word}"));
    if drawn.prod {
        add("env=prod");
    }
    match drawn.region {
        Some(true) => add("topology.kubernetes.io/region=eu"),
        Some(false) => add("topology.kubernetes.io/region=us"),
        None => {}
    }
    if drawn.cordoned {
        add("cordoned");
    }
    match drawn.taint {
        Some(true) => add("taint=x:NoExecute"),
        Some(false) => add("taint=x:NoSchedule"),
        None => {}
    }
    if !drawn.ready {
        add("!ready");
    }
    match drawn.serves {
        Some(true) => add("serves=v1,apps/v1"),
        Some(false) => add("serves=v1"),
        None => {}
    }
    line
}

fn world(clusters_drawn: &[Drawn], asked: &Asked) -> Vec<Value> {
    let lines: Vec<String> = clusters_drawn
        .iter()
        .enumerate()
        .map(|(i, d)| line(i, d))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let list = |names: &[usize]| {
        let known: BTreeSet<usize> = names.iter().copied().filter(|i| *i < lines.len()).collect();
        let names: Vec<String> = known.iter().map(|i| format!("c{i}")).collect();
        names.join(", ")
    };
    let mut affinity = vec![format!("exclude: [{}]", list(&asked.exclude))];
    if let Some(names) = &asked.names {
        affinity.push(format!("clusterNames: [{}]", list(names)));
    }
    if asked.prod {
        affinity.push("labelSelector: {matchLabels: {env: prod}}".to_owned());
    }
    if asked.eu {
        affinity.push(
            "fieldSelector: {matchExpressions: [{key: region, operator: In, values: [eu]}]}"
                .to_owned(),
        );
    }
    let tolerations = if asked.tolerates {
        ", clusterTolerations: [{operator: Exists}]"
    } else {
        ""
    };
    let divided = if asked.divided {
        ", replicaScheduling: {replicaSchedulingType: Divided}"
    } else {
        ""
    };
    let spec = format!(
        "{{resourceSelectors: [{{apiVersion: apps/v1, kind: Deployment}}], \
         placement: {{clusterAffinity: {{{}}}{tolerations}{divided}}}}}",
        affinity.join(", ")
    );
    [clusters(&lines), policy("p", &spec)].concat()
}

/// Whether people choose a cluster, and whether it takes what is new: read off the rules, one by one.
fn obviously(at: usize, all: &[Drawn], asked: &Asked) -> (bool, bool) {
    let drawn = &all[at];
    let named: Option<Vec<usize>> = asked
        .names
        .as_ref()
        .map(|names| names.iter().copied().filter(|i| *i < all.len()).collect())
        .filter(|names: &Vec<usize>| !names.is_empty());
    let wanted = !asked.exclude.contains(&at)
        && named.is_none_or(|names| names.contains(&at))
        && (!asked.prod || drawn.prod)
        && (!asked.eu || drawn.region == Some(true))
        && (asked.tolerates || drawn.taint != Some(true));
    let open = !drawn.cordoned
        && (asked.tolerates || drawn.taint.is_none())
        && drawn.serves != Some(false)
        && (!asked.divided || drawn.ready);
    (wanted, open)
}

fn targets(placement: &Placement) -> BTreeSet<String> {
    placement.targets.iter().map(|t| t.path.1.clone()).collect()
}

proptest! {
    #[test]
    fn new_things_go_exactly_where_the_rules_say(
        all in proptest::collection::vec(drawn(), 1..5),
        asked in asked(),
        turn in 0..5_usize,
    ) {
        let mut case = Case::new(&[&world(&all, &asked)], &deployment(7));
        let expected: BTreeSet<String> = (0..all.len())
            .filter(|i| obviously(*i, &all, &asked) == (true, true))
            .map(|i| format!("c{i}"))
            .collect();
        let placement = case.place();
        prop_assert_eq!(targets(&placement), expected, "{}", show(&placement));
        // Every other cluster is refused, once.
        let refused: u32 = placement.refused.iter().map(|r| r.count).sum();
        prop_assert_eq!(usize::try_from(refused).unwrap() + placement.targets.len(), all.len());
        // The order in which things are read means nothing.
        let mut turned = case.clone();
        turned.world.rotate_left(turn % case.world.len());
        prop_assert_eq!(&turned.place(), &placement);
        // A second look at its own result changes nothing.
        case.carry_out(&placement);
        let again = case.place();
        prop_assert_eq!(&again.targets, &placement.targets);
        prop_assert!(again.removals.is_empty() && again.kept.is_empty());
    }

    #[test]
    fn what_runs_leaves_only_where_people_say(
        before in proptest::collection::vec(drawn(), 4),
        after in proptest::collection::vec(drawn(), 4),
        first in asked(),
        then in asked(),
    ) {
        let mut case = Case::new(&[&world(&before, &first)], &deployment(7));
        let placement = case.place();
        case.carry_out(&placement);
        let had = targets(&placement);
        case.world = world(&after, &then);
        let placement = case.place();
        let has = targets(&placement);
        for (at, name) in (0..4).map(|i| (i, format!("c{i}"))) {
            let (wanted, open) = obviously(at, &after, &then);
            let stays = wanted && (open || had.contains(&name));
            prop_assert_eq!(has.contains(&name), stays, "{}: {}", name, show(&placement));
        }
        // Who had it and is not to is removed or kept for a reason, and nobody else is.
        let gone = placement.removals.iter().map(|r| r.path.1.clone());
        let left: BTreeSet<String> = gone.chain(placement.kept.iter().map(|k| k.path.1.clone())).collect();
        prop_assert_eq!(left, had.difference(&has).cloned().collect::<BTreeSet<String>>());
    }
}
