//! One run: faults, healing, agreement, quiet, autonomy.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::check::{agreement, quiet};
use crate::disk::Tear;
use crate::fault::{Fault, Sort};
use crate::rng::Rng;
use crate::trace::{self, Summary};
use crate::world::{HUB, MEMBERS, World, lock};
use crate::{env, fault, hosts, tls};

/// Length of a tick; no message is faster.
const TICK: Duration = Duration::from_millis(5);
/// How long there are faults.
const CHAOS: Duration = Duration::from_secs(60);
/// How long the fleet has to agree after everything healed.
const CONVERGE_WITHIN: Duration = Duration::from_secs(180);
/// How long nothing may be written once everything agrees.
const QUIET: Duration = Duration::from_secs(30);
/// How long things have to come to rest before that.
const REST: Duration = Duration::from_secs(15);
/// How long drift may stand on a member whose hub is away.
const DRIFT_WITHIN: Duration = Duration::from_secs(60);
/// The latency of a link, in milliseconds, where there is no fault.
const LATENCY_MS: u64 = 20;

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
struct Run<'a> {
    sim: turmoil::Sim<'a>,
    world: Arc<World>,
    rng: Rng,
    /// Faults that go on, and when they end.
    open: Vec<(Duration, Fault)>,
}

#[expect(
    clippy::disallowed_types,
    reason = "turmoil takes its epoch as a SystemTime"
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
        + Duration::from_secs(u64::try_from(env::EPOCH_SECONDS).unwrap_or_default());
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
    };
    if let Err(error) = run.play(&faults) {
        run.world.checks.violation("progress", &error);
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
    fn play(&mut self, faults: &[Fault]) -> Result<(), String> {
        self.chaos(faults)?;
        self.heal();
        self.until(CONVERGE_WITHIN, "the user's last act", |w| {
            lock(&w.user)
                .idle
                .then_some(())
                .ok_or_else(|| "busy".to_owned())
        })?;
        self.until(
            CONVERGE_WITHIN,
            "members agree with what users were answered",
            agreement::agree,
        )?;
        self.quiet()?;
        self.autonomy()
    }

    fn chaos(&mut self, faults: &[Fault]) -> Result<(), String> {
        let mut next = faults.iter().peekable();
        while self.sim.elapsed() < CHAOS {
            while let Some(fault) = next.next_if(|f| f.at <= self.sim.elapsed()) {
                self.begin(*fault);
            }
            self.end_due(false);
            self.step()?;
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), String> {
        self.sim
            .step()
            .map_err(|e| format!("a simulated host failed: {e}"))?;
        self.armed_cuts();
        match self.world.checks.violations().is_empty() {
            true => Ok(()),
            false => Err("stopped at the first violation".to_owned()),
        }
    }

    fn for_a_while(&mut self, span: Duration) -> Result<(), String> {
        let end = self.sim.elapsed() + span;
        while self.sim.elapsed() < end {
            self.step()?;
        }
        Ok(())
    }

    fn until(
        &mut self,
        within: Duration,
        what: &str,
        reached: impl Fn(&World) -> Result<(), String>,
    ) -> Result<(), String> {
        let end = self.sim.elapsed() + within;
        loop {
            let last = match reached(&self.world) {
                Ok(()) => return Ok(()),
                Err(last) => last,
            };
            if self.sim.elapsed() > end {
                return Err(format!("not within {within:?}: {what}; at last: {last}"));
            }
            self.for_a_while(TICK * 20)?;
        }
    }

    /// The host that a fault is about, and the sites on it.
    fn host(&self, who: u64) -> (String, Vec<usize>) {
        let hosts = self.world.hosts();
        let at = usize::try_from(who).unwrap_or_default() % hosts.len().max(1);
        let host = hosts.get(at).cloned().unwrap_or_default();
        let on = self.sites_on(&host);
        (host, on)
    }

    fn site(&self, who: u64) -> usize {
        usize::try_from(who).unwrap_or_default() % self.world.sites.len().max(1)
    }

    fn begin(&mut self, fault: Fault) {
        trace::count(fault.sort.counter());
        trace::event("fault", &fault.to_string(), &[]);
        let world = Arc::clone(&self.world);
        let (host, on) = self.host(fault.who);
        let at = self.site(fault.who);
        let Some(site) = world.sites.get(at) else {
            return;
        };
        match fault.sort {
            Sort::Loss => on
                .iter()
                .filter_map(|i| world.sites.get(*i))
                .for_each(|s| s.net.loss_ppm.store(fault.how, Ordering::Relaxed)),
            Sort::Duplication => world
                .hub
                .net
                .duplicate_ppm
                .store(fault.how, Ordering::Relaxed),
            Sort::Latency => self.sim.set_link_max_message_latency(
                HUB,
                host.as_str(),
                Duration::from_millis(fault.how),
            ),
            Sort::Partition => self.sim.partition(HUB, host.as_str()),
            Sort::PartitionDown => self.sim.partition_oneway(HUB, host.as_str()),
            Sort::PartitionUp => self.sim.partition_oneway(host.as_str(), HUB),
            Sort::HubCrash => self.crash_hub(),
            Sort::HubCrashInCommit => world.hub.disk.arm(fault.how, Tear::draw(&mut self.rng)),
            Sort::AgentCrash => self.crash_host(&host, &on),
            Sort::AgentCrashInCommit => site.disk.arm(fault.how, Tear::draw(&mut self.rng)),
            Sort::SlowMember => site.slow_ms.store(fault.how, Ordering::Relaxed),
            Sort::RefusingMember => site.refuses.store(true, Ordering::Relaxed),
            Sort::Drift => lock(&world.checks.drifts).push((at, fault.how)),
        }
        self.open.push((self.sim.elapsed() + fault.lasts, fault));
    }

    /// Ends the faults that are due, or all.
    fn end_due(&mut self, all: bool) {
        let now = self.sim.elapsed();
        let (due, open) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|(end, _)| all || *end <= now);
        self.open = open;
        let due: Vec<(Duration, Fault)> = due;
        due.iter().for_each(|(_, fault)| self.end(*fault));
    }

    fn end(&mut self, fault: Fault) {
        let world = Arc::clone(&self.world);
        let (host, on) = self.host(fault.who);
        let Some(site) = world.sites.get(self.site(fault.who)) else {
            return;
        };
        match fault.sort {
            Sort::Loss => on
                .iter()
                .filter_map(|i| world.sites.get(*i))
                .for_each(|s| s.net.loss_ppm.store(0, Ordering::Relaxed)),
            Sort::Duplication => world.hub.net.duplicate_ppm.store(0, Ordering::Relaxed),
            Sort::Latency => self.sim.set_link_max_message_latency(
                HUB,
                host.as_str(),
                Duration::from_millis(LATENCY_MS),
            ),
            Sort::Partition => self.sim.repair(HUB, host.as_str()),
            Sort::PartitionDown => self.sim.repair_oneway(HUB, host.as_str()),
            Sort::PartitionUp => self.sim.repair_oneway(host.as_str(), HUB),
            Sort::HubCrash | Sort::HubCrashInCommit => {
                world.hub.disk.disarm();
                self.start(HUB);
            }
            Sort::AgentCrash | Sort::AgentCrashInCommit => {
                site.disk.disarm();
                self.start(&host);
                let own = site.host.clone();
                self.start(&own);
            }
            Sort::SlowMember => site.slow_ms.store(0, Ordering::Relaxed),
            Sort::RefusingMember => site.refuses.store(false, Ordering::Relaxed),
            Sort::Drift => {}
        }
    }

    fn start(&mut self, host: &str) {
        if !self.sim.is_host_running(host) {
            self.sim.bounce(host);
        }
    }

    /// The power goes first, destructors second.
    fn crash_hub(&mut self) {
        if !self.sim.is_host_running(HUB) {
            return;
        }
        lock(&self.world.hub.store).take();
        self.world.hub.net.power_cut();
        self.world.hub.disk.power_cut(Tear::draw(&mut self.rng));
        self.sim.crash(HUB);
    }

    fn crash_host(&mut self, host: &str, on: &[usize]) {
        if !self.sim.is_host_running(host) {
            return;
        }
        for site in on.iter().filter_map(|i| self.world.sites.get(*i)) {
            site.net.power_cut();
            site.disk.power_cut(Tear::draw(&mut self.rng));
        }
        self.sim.crash(host);
    }

    /// A disk whose armed power cut has happened takes its host down with it.
    fn armed_cuts(&mut self) {
        if self.world.hub.disk.take_cut() {
            self.crash_hub();
        }
        for i in 0..self.world.sites.len() {
            let Some(site) = self.world.sites.get(i).filter(|s| s.disk.take_cut()) else {
                continue;
            };
            let host = site.host.clone();
            let on = self.sites_on(&host);
            self.crash_host(&host, &on);
        }
    }

    fn heal(&mut self) {
        self.end_due(true);
        self.start(HUB);
        for host in self.world.hosts() {
            self.start(&host);
        }
        lock(&self.world.user).stop = true;
        trace::event("heal", "", &[]);
    }

    fn quiet(&mut self) -> Result<(), String> {
        self.for_a_while(REST)?;
        let revision = |w: &World| {
            lock(&w.hub.store)
                .as_ref()
                .map(roadstead_store::Store::revision)
        };
        let before = quiet::now(&self.world, revision(&self.world));
        self.for_a_while(QUIET)?;
        quiet::check(
            &self.world,
            &before,
            &quiet::now(&self.world, revision(&self.world)),
        );
        Ok(())
    }

    /// With the hub away, restarted agents put drift right from their own disks (invariant 4).
    fn autonomy(&mut self) -> Result<(), String> {
        self.crash_hub();
        for host in self.world.hosts() {
            let on = self.sites_on(&host);
            self.crash_host(&host, &on);
            self.start(&host);
        }
        for site in 0..self.world.sites.len() {
            for how in [0, 2, 8, 10] {
                lock(&self.world.checks.drifts).push((site, how));
            }
        }
        self.for_a_while(Duration::from_secs(2))?;
        self.until(
            DRIFT_WITHIN,
            "drift is put right with the hub away",
            agreement::agree,
        )?;
        self.start(HUB);
        self.for_a_while(Duration::from_secs(5))?;
        self.until(
            CONVERGE_WITHIN,
            "agreement after the hub came back",
            agreement::agree,
        )
    }

    fn sites_on(&self, host: &str) -> Vec<usize> {
        self.world
            .sites
            .iter()
            .enumerate()
            .filter(|(_, s)| s.host == host)
            .map(|(i, _)| i)
            .collect()
    }
}
