//! One run: faults, healing, agreement, quiet, autonomy.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::check::{agreement, budget, frozen, moves, ready, restored, truth};
use crate::disk::Tear;
use crate::fault::Fault;
use crate::rng::Rng;
use crate::trace::{self, Summary};
use crate::user::User;
use crate::world::{HUB, MEMBERS, World, lock};
use crate::{clock, fault, hosts, tls};

/// Length of a tick; no message is faster.
pub(crate) const TICK: Duration = Duration::from_millis(10);
/// How long there are faults.
pub(crate) const CHAOS: Duration = Duration::from_secs(60);
/// How long the fleet has to agree after everything healed.
pub(crate) const CONVERGE_WITHIN: Duration = Duration::from_secs(180);
/// When the hub's disk is copied, for a restore at the end: at least, and how much later at most, in
/// milliseconds.
const BACKUP_MS: (u64, u64) = (12_000, 45_000);
/// One run in so many is watched while nothing happens.
const QUIET_ONE_IN: u64 = 2;
/// How often conditions are looked at, in ticks.
const LOOK_EVERY: u64 = 100;
/// The latency of a link, in milliseconds, where there is no fault.
pub(crate) const LATENCY_MS: u64 = 25;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The seed.
    pub seed: u64,
    /// How many clusters.
    pub clusters: usize,
    /// How many hosts carry their agents.
    pub hosts: usize,
    /// Where to write the trace.
    pub log: Option<std::path::PathBuf>,
    /// The faults, where they are not to be drawn from the seed.
    pub faults: Option<Vec<Fault>>,
}

impl Options {
    /// A seed with everything else as usual.
    pub fn seed(seed: u64) -> Self {
        Self {
            seed,
            clusters: 4,
            hosts: 2,
            log: None,
            faults: None,
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What was broken; empty if nothing was.
    pub violations: Vec<String>,
    /// The faults that there were.
    pub faults: Vec<Fault>,
    /// The trace.
    pub summary: Summary,
    /// How much time was simulated.
    pub simulated: Duration,
}

/// Runs a seed in a thread of its own, so that no thread-local of an earlier run is seen.
///
/// # Errors
/// When the thread cannot be had, or panicked; the text says with what.
#[expect(
    clippy::disallowed_methods,
    reason = "a run has a fresh thread; inside, there are none"
)]
pub fn run(options: Options) -> Result<Outcome, String> {
    let seed = options.seed;
    std::thread::spawn(move || inside(&options))
        .join()
        .map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            format!("seed {seed} panicked: {}", text.unwrap_or("?"))
        })
}

/// A running simulation.
pub(crate) struct Run<'a> {
    pub(crate) sim: turmoil::Sim<'a>,
    pub(crate) world: Arc<World>,
    pub(crate) rng: Rng,
    /// Faults that go on, and when they end.
    pub(crate) open: Vec<(Duration, Fault)>,
    /// Hosts that are cut off: from the hub, and to it.
    pub(crate) cut: BTreeMap<String, (bool, bool)>,
    /// What was on the hub's disk during the faults.
    pub(crate) backup: Option<Backup>,
    backup_at: Duration,
    ticks: u64,
}

/// A copy of the hub's disk.
pub(crate) struct Backup {
    pub(crate) image: Vec<u8>,
    /// What its user knew then.
    pub(crate) user: User,
    /// What was on its way out of clusters then.
    pub(crate) going: restored::Going,
}

/// Why a run ended before its end.
pub(crate) struct Broken {
    /// The checker that says so.
    pub(crate) checker: &'static str,
    /// What is wrong.
    pub(crate) what: String,
}

#[expect(
    clippy::disallowed_types,
    reason = "turmoil takes its epoch as a SystemTime"
)]
#[expect(
    clippy::assertions_on_constants,
    reason = "a wrong build is told when it runs, for that is when seeds would lie"
)]
fn inside(options: &Options) -> Outcome {
    assert!(
        cfg!(tokio_unstable),
        "without --cfg tokio_unstable no seed repeats"
    );
    let rng = Rng::new(options.seed);
    trace::begin(
        options
            .log
            .as_ref()
            .and_then(|path| std::fs::File::create(path).ok()),
    );
    tls::begin(&rng);
    let world = World::new(rng.clone(), options.clusters, options.hosts);
    let faults = options
        .faults
        .clone()
        .unwrap_or_else(|| fault::plan(&rng, CHAOS));
    let epoch = std::time::SystemTime::UNIX_EPOCH
        + Duration::from_secs(u64::try_from(clock::EPOCH_SECONDS).unwrap_or_default());
    let mut sim = turmoil::Builder::new()
        .rng_seed(rng.fork("turmoil").next())
        .epoch(epoch)
        .tick_duration(TICK)
        .min_message_latency(TICK)
        .max_message_latency(Duration::from_millis(LATENCY_MS))
        .udp_capacity(65_536)
        .simulation_duration(Duration::from_secs(86_400))
        .build();
    let w = Arc::clone(&world);
    sim.host(MEMBERS, move || hosts::members(Arc::clone(&w)));
    let w = Arc::clone(&world);
    sim.host(HUB, move || hosts::hub(Arc::clone(&w)));
    for host in world.hosts() {
        let (w, name) = (Arc::clone(&world), host.clone());
        sim.host(host, move || hosts::agents(Arc::clone(&w), name.clone()));
    }
    let mut run = Run {
        sim,
        world,
        rng: rng.fork("run"),
        open: Vec::new(),
        cut: BTreeMap::new(),
        backup: None,
        backup_at: rng.fork("backup").millis(BACKUP_MS.0, BACKUP_MS.1),
        ticks: 0,
    };
    if let Err(Broken { checker, what }) = run.play(&faults) {
        run.world.checks.violation(checker, &what);
    }
    let Run { sim, world, .. } = run;
    let simulated = sim.elapsed();
    // What is dropped now must not write any more.
    power_off(&world);
    drop(sim);
    Outcome {
        seed: options.seed,
        violations: world.checks.violations(),
        faults,
        summary: trace::end(),
        simulated,
    }
}

fn power_off(world: &World) {
    lock(&world.hub.store).take();
    world.hub.net.power_cut();
    world.hub.disk.power_cut(Tear::DropAll);
    for site in &world.sites {
        site.net.power_cut();
        site.disk.power_cut(Tear::DropAll);
    }
}

impl Run<'_> {
    fn play(&mut self, faults: &[Fault]) -> Result<(), Broken> {
        self.chaos(faults)?;
        self.heal();
        let idle = |w: &World| {
            let idle = lock(&w.user).idle;
            idle.then_some(()).ok_or_else(|| "busy".to_owned())
        };
        self.until(CONVERGE_WITHIN, "progress", "the user's last act", idle)?;
        let what = "members agree with what users were answered";
        self.until(CONVERGE_WITHIN, "agreement", what, agreement::rest)?;
        lock(&self.world.user).agreed();
        let what = "everything is said to be ready";
        self.until(CONVERGE_WITHIN, "ready means ready", what, ready::settled)?;
        self.rebalanced()?;
        self.drained()?;
        self.stopped()?;
        self.failed_over()?;
        if self.rng.fork("quiet").one_in(QUIET_ONE_IN) {
            self.quiet()?;
        }
        self.autonomy()?;
        self.ending()
    }

    fn chaos(&mut self, faults: &[Fault]) -> Result<(), Broken> {
        let mut next = faults.iter().peekable();
        while self.sim.elapsed() < CHAOS {
            while let Some(fault) = next.next_if(|f| f.at <= self.sim.elapsed()) {
                self.begin(*fault);
            }
            self.end_due(false);
            if self.backup.is_none() && self.sim.elapsed() >= self.backup_at {
                self.backup = Some(Backup {
                    image: self.world.hub.disk.image(),
                    user: lock(&self.world.user).clone(),
                    going: restored::going(&self.world),
                });
            }
            self.step()?;
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), Broken> {
        self.sim.step().map_err(|e| Broken {
            checker: "progress",
            what: format!("a simulated host failed: {e}"),
        })?;
        lock(&self.world.checks.acks).listen();
        budget::watch(&self.world, self.sim.elapsed());
        moves::watch(&self.world, self.sim.elapsed());
        self.armed_cuts();
        self.ended();
        self.ticks += 1;
        if self.ticks.is_multiple_of(LOOK_EVERY) {
            self.look();
        }
        match self.world.checks.violations().is_empty() {
            true => Ok(()),
            false => Err(Broken {
                checker: "stopped",
                what: format!("at the first violation, after {:?}", self.sim.elapsed()),
            }),
        }
    }

    /// Compares the clusters' conditions with who can be heard of.
    fn look(&mut self) {
        let hub = self.sim.is_host_running(HUB) && lock(&self.world.hub.store).is_some();
        let mut reachable = Vec::new();
        for site in &self.world.sites {
            let cut = self.cut.get(&site.host).copied().unwrap_or_default();
            let up = self.sim.is_host_running(site.host.as_str());
            reachable.push(hub && up && !cut.1);
        }
        let now = self.sim.elapsed();
        let clusters = ready::all(&self.world);
        ready::watch(&self.world, &clusters, now, hub, &reachable);
        truth::watch(&self.world, now);
        frozen::watch(&self.world, &clusters, now);
    }

    pub(crate) fn for_a_while(&mut self, span: Duration) -> Result<(), Broken> {
        let end = self.sim.elapsed() + span;
        while self.sim.elapsed() < end {
            self.step()?;
        }
        Ok(())
    }

    pub(crate) fn until(
        &mut self,
        within: Duration,
        checker: &'static str,
        what: &str,
        reached: impl Fn(&World) -> Result<(), String>,
    ) -> Result<(), Broken> {
        let end = self.sim.elapsed() + within;
        loop {
            let last = match reached(&self.world) {
                Ok(()) => return Ok(()),
                Err(last) => last,
            };
            if self.sim.elapsed() > end {
                let what = format!("not within {within:?}: {what}; at last: {last}");
                return Err(Broken { checker, what });
            }
            self.for_a_while(TICK * 10)?;
        }
    }
}
