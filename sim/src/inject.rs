//! Carrying out a fault plan: what begins, what ends, and how the power goes out.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each function here is about some sorts of faults, and leaves the others to the others"
)]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use roadstead_protocol::wire::frame::features::ALL;

use crate::check::acks;
use crate::disk::{Tear, Trouble};
use crate::drift::{Meddling, What};
use crate::fault::{Fault, Sort};
use crate::mood::Mood;
use crate::run::{LATENCY_MS, Run};
use crate::stop::Stop;
use crate::trace;
use crate::world::{HUB, lock};

impl Run<'_> {
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

    pub(crate) fn begin(&mut self, fault: Fault) {
        trace::count(fault.sort.counter());
        trace::event("fault", &fault.to_string(), &[]);
        self.network(fault, true);
        self.machine(fault, true);
        self.release(fault, true);
        self.member(fault, true);
        self.open.push((self.sim.elapsed() + fault.lasts, fault));
    }

    /// Ends the faults that are due, or all.
    pub(crate) fn end_due(&mut self, all: bool) {
        let now = self.sim.elapsed();
        let (due, open) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|(end, _)| all || *end <= now);
        self.open = open;
        let due: Vec<(Duration, Fault)> = due;
        due.iter().for_each(|(_, fault)| self.end(*fault));
    }

    fn end(&mut self, fault: Fault) {
        self.network(fault, false);
        self.machine(fault, false);
        self.release(fault, false);
        self.member(fault, false);
    }

    /// Begins or ends what is on the way between hub and agents.
    fn network(&mut self, fault: Fault, on: bool) {
        let world = Arc::clone(&self.world);
        let (host, sites) = self.host(fault.who);
        let parts = if on { fault.how } else { 0 };
        let cut = |run: &mut Self, down: bool, up: bool| {
            let entry = run.cut.entry(host.clone()).or_default();
            if down {
                entry.0 = on;
            }
            if up {
                entry.1 = on;
            }
        };
        match (fault.sort, on) {
            (Sort::Loss, _) => sites
                .iter()
                .filter_map(|i| world.sites.get(*i))
                .for_each(|s| s.net.loss_ppm.store(parts, Ordering::Relaxed)),
            (Sort::Duplication, _) => world.hub.net.duplicate_ppm.store(parts, Ordering::Relaxed),
            (Sort::Latency, _) => {
                let millis = if on { fault.how } else { LATENCY_MS };
                let latency = Duration::from_millis(millis);
                self.sim
                    .set_link_max_message_latency(HUB, host.as_str(), latency);
            }
            (Sort::Partition, true) => self.sim.partition(HUB, host.as_str()),
            (Sort::Partition, false) => self.sim.repair(HUB, host.as_str()),
            (Sort::PartitionDown, true) => self.sim.partition_oneway(HUB, host.as_str()),
            (Sort::PartitionDown, false) => self.sim.repair_oneway(HUB, host.as_str()),
            (Sort::PartitionUp, true) => self.sim.partition_oneway(host.as_str(), HUB),
            (Sort::PartitionUp, false) => self.sim.repair_oneway(host.as_str(), HUB),
            _ => {}
        }
        match fault.sort {
            Sort::Partition => cut(self, true, true),
            Sort::PartitionDown => cut(self, true, false),
            Sort::PartitionUp => cut(self, false, true),
            _ => {}
        }
    }

    /// Begins or ends what is about power, disks and clocks.
    fn machine(&mut self, fault: Fault, on: bool) {
        let world = Arc::clone(&self.world);
        let (host, sites) = self.host(fault.who);
        let Some(site) = world.sites.get(self.site(fault.who)) else {
            return;
        };
        match (fault.sort, on) {
            (Sort::HubCrash, true) => self.crash_hub(),
            (Sort::HubCrashInCommit, true) => {
                let tear = Tear::draw(&mut self.rng);
                // Half of them wait for the user's next write.
                if fault.how.is_multiple_of(2) {
                    world.hub.disk.arm(fault.how, tear);
                } else {
                    lock(&world.user).arm = Some((fault.how / 2, tear));
                }
            }
            (Sort::HubCrash | Sort::HubCrashInCommit, false) => {
                world.hub.disk.disarm();
                lock(&world.user).arm = None;
                self.start(HUB);
            }
            (Sort::AgentCrash, true) => self.crash_host(&host, &sites),
            (Sort::AgentCrashInCommit, true) => {
                site.disk.arm(fault.how, Tear::draw(&mut self.rng));
            }
            (Sort::AgentCrash | Sort::AgentCrashInCommit, false) => {
                site.disk.disarm();
                self.start(&host);
                let own = site.host.clone();
                self.start(&own);
            }
            (Sort::Herd, true) => {
                self.crash_hub();
                for host in world.hosts() {
                    let on = self.sites_on(&host);
                    self.crash_host(&host, &on);
                }
            }
            (Sort::Herd, false) => self.start_all(),
            (Sort::HubDiskFull | Sort::HubDiskFails, _) => {
                world.hub.disk.trouble(trouble(fault, on));
            }
            (Sort::AgentDiskFull | Sort::AgentDiskFails, _) => {
                site.disk.trouble(trouble(fault, on));
            }
            (Sort::ClockAhead | Sort::ClockBehind, _) => self.clock(fault, on),
            (Sort::TimePasses, true) => world
                .hub
                .clock
                .pass(i64::try_from(fault.how).unwrap_or_default()),
            _ => {}
        }
    }

    /// Sets the clock of the hub or of an agent, or puts it right.
    fn clock(&self, fault: Fault, on: bool) {
        let off = i64::try_from(fault.how).unwrap_or_default();
        let off = match (fault.sort, on) {
            (Sort::ClockAhead, true) => off,
            (Sort::ClockBehind, true) => -off,
            _ => 0,
        };
        let all = self.world.sites.len() as u64 + 1;
        let at = usize::try_from(fault.who % all).unwrap_or_default();
        let clock = self.world.sites.get(at).map(|site| &site.clock);
        clock.unwrap_or(&self.world.hub.clock).set_off(off);
    }

    /// Begins or ends what is about which software runs, and stops it in an orderly way.
    fn release(&self, fault: Fault, on: bool) {
        let hub = &self.world.hub;
        let Some(site) = self.world.sites.get(self.site(fault.who)) else {
            return;
        };
        let features = if on { 0 } else { ALL };
        match (fault.sort, on) {
            (Sort::OldAgent, _) => {
                site.features.store(features, Ordering::Relaxed);
                site.restart.send_modify(|n| *n += 1);
            }
            (Sort::OldHub, _) => {
                hub.features.store(features, Ordering::Relaxed);
                hub.restart.send_modify(|n| *n += 1);
            }
            (Sort::EverythingDirty, _) => {
                hub.dirty.store(on, Ordering::Relaxed);
                hub.restart.send_modify(|n| *n += 1);
            }
            (Sort::HubRestart, true) => hub.restart.send_modify(|n| *n += 1),
            _ => {}
        }
    }

    /// Begins or ends what members and their users do, and what is done to the hub's store.
    fn member(&self, fault: Fault, on: bool) {
        let world = &self.world;
        let at = self.site(fault.who);
        let Some(site) = world.sites.get(at) else {
            return;
        };
        let mood = match fault.sort {
            Sort::RefusingMember => Some(Mood::Refuses),
            Sort::ConflictingMember => Some(Mood::Conflicts),
            Sort::BusyMember => Some(Mood::Busy),
            Sort::BrokenMember => Some(Mood::Broken),
            Sort::MuteMember => Some(Mood::Mute),
            Sort::LateMember => Some(Mood::Late),
            _ => None,
        };
        match (mood, on) {
            (Some(mood), true) => site.moods.begin(mood),
            (Some(mood), false) => site.moods.end(mood),
            (None, _) => {}
        }
        let what = match (fault.sort, on) {
            (Sort::Drift, true) => Some(What::Drift),
            (Sort::Forgetting, true) => Some(What::Forget),
            (Sort::Compaction, true) => Some(What::Compact),
            (Sort::Namespace, true) => Some(What::Namespace),
            (Sort::Stop, true) => Some(What::Stop(Stop::of(fault.how))),
            (Sort::Stop, false) => Some(What::Mend),
            _ => None,
        };
        if let Some(what) = what {
            let how = fault.how;
            world.checks.meddled.store(true, Ordering::Relaxed);
            lock(&world.checks.drifts).push(Meddling {
                site: at,
                what,
                how,
            });
        }
        match (fault.sort, on) {
            (Sort::SlowMember, true) => site.slow_ms.store(fault.how, Ordering::Relaxed),
            (Sort::SlowMember, false) => site.slow_ms.store(0, Ordering::Relaxed),
            (Sort::Vanish, true) => lock(&world.user).vanish = Some(fault.how),
            _ => {}
        }
    }

    pub(crate) fn start(&mut self, host: &str) {
        if self.sim.is_host_running(host) {
            return;
        }
        // Not before: an acknowledgement may have been on its way when the power went out.
        for site in self.world.sites.iter().filter(|site| site.host == host) {
            acks::check(&self.world, site);
        }
        self.sim.bounce(host);
    }

    /// The power goes first, destructors second.
    pub(crate) fn crash_hub(&mut self) {
        if !self.sim.is_host_running(HUB) {
            return;
        }
        self.world.hub.ended.store(false, Ordering::Relaxed);
        lock(&self.world.hub.store).take();
        lock(&self.world.hub.volatile).take();
        lock(&self.world.checks.acks).hang_up();
        lock(&self.world.checks.budgets).hang_up();
        self.world.hub.net.power_cut();
        self.world.hub.disk.power_cut(Tear::draw(&mut self.rng));
        for site in self.world.sites.iter().filter(|site| site.host == HUB) {
            site.disk.power_cut(Tear::draw(&mut self.rng));
        }
        self.sim.crash(HUB);
    }

    /// The hub's process ended by itself: what it wrote is there, what it had open is not.
    pub(crate) fn ended(&mut self) {
        if !self.world.hub.ended.swap(false, Ordering::Relaxed) || !self.sim.is_host_running(HUB) {
            return;
        }
        self.world.hub.net.power_cut();
        self.world.hub.disk.power_cut(Tear::KeepAll);
        for site in self.world.sites.iter().filter(|site| site.host == HUB) {
            site.disk.power_cut(Tear::KeepAll);
        }
        self.sim.crash(HUB);
        self.start(HUB);
    }

    pub(crate) fn crash_host(&mut self, host: &str, on: &[usize]) {
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
    pub(crate) fn armed_cuts(&mut self) {
        if self.world.hub.disk.take_cut() {
            self.crash_hub();
        }
        for i in 0..self.world.sites.len() {
            let Some(site) = self.world.sites.get(i).filter(|s| s.disk.take_cut()) else {
                continue;
            };
            let host = site.host.clone();
            if host == HUB {
                // One of the hub's own agents.
                self.crash_hub();
                continue;
            }
            let on = self.sites_on(&host);
            self.crash_host(&host, &on);
        }
    }

    fn start_all(&mut self) {
        self.start(HUB);
        for host in self.world.hosts() {
            self.start(&host);
        }
    }

    pub(crate) fn heal(&mut self) {
        self.end_due(true);
        self.start_all();
        lock(&self.world.user).stop = true;
        trace::event("heal", "", &[]);
    }

    pub(crate) fn sites_on(&self, host: &str) -> Vec<usize> {
        self.world
            .sites
            .iter()
            .enumerate()
            .filter(|(_, s)| s.host == host)
            .map(|(i, _)| i)
            .collect()
    }
}

fn trouble(fault: Fault, on: bool) -> Trouble {
    match fault.sort {
        _ if !on => Trouble::None,
        Sort::HubDiskFull | Sort::AgentDiskFull if fault.how.is_multiple_of(2) => Trouble::Full,
        Sort::HubDiskFull | Sort::AgentDiskFull => Trouble::FullForAll,
        _ => Trouble::Failing(fault.how),
    }
}
