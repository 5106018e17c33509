//! Many seeds, and the check that one seed is one run.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};

use crate::run::{Options, Outcome, run};
use crate::world::lock;

/// What happened over many seeds.
#[derive(Debug, Default)]
pub struct Total {
    /// Seeds that ran.
    pub seeds: u64,
    /// Simulated seconds.
    pub simulated: u64,
    /// How often each fault and each thing that must happen sometimes happened.
    pub counters: BTreeMap<&'static str, u64>,
    /// The seeds that failed, with what was broken.
    pub failures: Vec<(u64, String)>,
}

/// What must happen sometimes, or the swarm has not tested what it says.
pub const SOMETIMES: &[&str] = &[
    "fault: packet lost",
    "fault: packet duplicated",
    "fault: power cut",
    "sometimes: power cut inside a commit",
    "sometimes: an answer was swallowed by a crash",
    "sometimes: a user of a member deleted one of our objects",
    "sometimes: a user of a member changed one of our objects",
    "sometimes: an agent's disk was read after a power cut",
    "sometimes: something vanished from the hub's store",
    "sometimes: agents fell silent for longer than the grace period",
    "sometimes: the hub was restored from an old backup",
    "sometimes: the hub was cut off from everyone",
    "sometimes: the hub heard of few clusters",
    "sometimes: there were two hubs from one copy",
    "sometimes: the first of two hubs came back",
    "sometimes: a member answered 409",
    "sometimes: a member answered 410 to a watch",
    "sometimes: a member answered 429",
    "sometimes: a member did what it called failed",
    "sometimes: a member never answered",
    "sometimes: a write landed long after it was sent",
    "sometimes: a member forgot objects of ours",
    "sometimes: a user of a member deleted a namespace of ours",
    "sometimes: a disk failed an operation",
    "sometimes: a disk was full",
    "sometimes: a write was torn inside a sector",
    "sometimes: a user was left in doubt",
    "sometimes: the hub was stopped in an orderly way",
    "sometimes: a user labelled a cluster",
    "sometimes: a user cordoned a cluster",
    "sometimes: something left a drained or fenced cluster",
    "sometimes: a user drained a cluster",
    "sometimes: a user fenced a cluster",
    "sometimes: a user tainted a cluster",
    "sometimes: a user scaled a Deployment",
    "sometimes: a user overrode something",
    "sometimes: a user wrote what goes along",
    "sometimes: a policy took along what is named",
    "sometimes: a policy tolerated taints",
    "sometimes: a policy rolled out in stages",
    "sometimes: a change went out stage by stage",
    "sometimes: a policy spread",
    "sometimes: something failed over from a silent cluster",
    "sometimes: a member could not run what it was given",
    "sometimes: something failed over that did not run",
    "sometimes: something ran in part",
    "sometimes: something did not run on several clusters",
    "sometimes: what had failed over went back in its time",
    "sometimes: a policy waited for something",
    "sometimes: a policy had a disruption budget",
    "sometimes: something was taken of a disruption budget",
    "sometimes: something came after what it waited for",
    "sometimes: a policy went by room",
    "sometimes: a user adopted what was on a member",
    "sometimes: a detached cluster was joined again",
    "sometimes: a hub looked after a cluster by its kubeconfig",
    "sometimes: what a detached cluster kept was shown once it was joined again",
    "sometimes: a decision was said to be applied everywhere",
];

/// Seeds that failed once, each with what was found by it.
const BUG_BASE: &str = include_str!("../bugs.txt");

/// The seeds of the bug base.
pub fn bug_base() -> Vec<u64> {
    BUG_BASE
        .lines()
        .filter_map(|line| line.split_whitespace().next()?.parse().ok())
        .collect()
}

/// Runs seeds on `jobs` threads; `each` hears of every outcome.
pub fn swarm(
    seeds: &[u64],
    jobs: usize,
    each: impl Fn(u64, &Result<Outcome, String>) + Sync,
) -> Total {
    let total = Mutex::new(Total::default());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)).copied()
                    else {
                        return;
                    };
                    let outcome = run(Options::seed(seed));
                    each(seed, &outcome);
                    lock(&total).add(seed, outcome);
                }
            });
        }
    });
    total
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Total {
    fn add(&mut self, seed: u64, outcome: Result<Outcome, String>) {
        self.seeds += 1;
        match outcome {
            Err(panic) => self.failures.push((seed, panic)),
            Ok(outcome) => {
                self.simulated += outcome.simulated.as_secs();
                for (name, n) in outcome.summary.counters {
                    *self.counters.entry(name).or_default() += n;
                }
                if let Some(first) = outcome.violations.into_iter().next() {
                    self.failures.push((seed, first));
                }
            }
        }
    }

    /// The faults and the things of [`SOMETIMES`] that never happened.
    pub fn never(&self) -> Vec<&'static str> {
        let faults = crate::fault::Sort::all().map(crate::fault::Sort::counter);
        let all = faults.chain(SOMETIMES.iter().copied());
        all.filter(|name| self.counters.get(name).copied().unwrap_or(0) == 0)
            .collect()
    }
}

/// Runs a seed in two processes, with a planted bug where one is named, and compares their traces.
///
/// # Errors
/// The first line in which they differ.
pub fn meta(seed: u64, planted: Option<&str>) -> Result<String> {
    let program = std::env::current_exe().context("failed to find this program")?;
    let folder = std::env::temp_dir().join(format!("roadstead-sim-meta-{}", std::process::id()));
    std::fs::create_dir_all(&folder).context("failed to make a folder")?;
    let logs = [folder.join("one.trace"), folder.join("two.trace")];
    let mut children = Vec::new();
    for log in &logs {
        let mut command = Command::new(&program);
        command
            .args(["run", "--seed", &seed.to_string(), "--trace"])
            .arg(log);
        if let Some(bug) = planted {
            command.args(["--planted", bug]);
        }
        children.push(
            command
                .stdout(Stdio::piped())
                .spawn()
                .context("failed to start this program")?,
        );
    }
    let mut ends = Vec::new();
    for child in children {
        let output = child.wait_with_output().context("failed to wait")?;
        ends.push(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let compared = compare(&logs, &ends);
    std::fs::remove_dir_all(&folder).context("failed to remove the folder")?;
    compared
}

fn compare(logs: &[std::path::PathBuf; 2], ends: &[String]) -> Result<String> {
    let read =
        |path: &std::path::Path| std::fs::read_to_string(path).context("failed to read a trace");
    let (one, two) = (read(&logs[0])?, read(&logs[1])?);
    let mut lines = one.lines().zip(two.lines()).enumerate();
    if let Some((n, (a, b))) = lines.find(|(_, (a, b))| a != b) {
        bail!("the two runs differ from event {n}:\n  {a}\n  {b}");
    }
    if one.len() != two.len() || ends.first() != ends.get(1) {
        bail!("the two runs differ in length or in their last words:\n  {ends:?}");
    }
    anyhow::ensure!(!one.is_empty(), "the traces are empty");
    Ok(format!(
        "{} events, the same in two processes",
        one.lines().count()
    ))
}

/// Shared by the threads of a swarm: says how far it is.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// One more; gives how many.
    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}
