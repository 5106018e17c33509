//! Carrying out a fault plan: what begins, what ends, and how the power goes out.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::check::acks;
use crate::disk::Tear;
use crate::fault::{Fault, Sort};
use crate::run::{LATENCY_MS, Run};
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
            Sort::Partition => {
                self.sim.partition(HUB, host.as_str());
                self.cut.insert(host, (true, true));
            }
            Sort::PartitionDown => {
                self.sim.partition_oneway(HUB, host.as_str());
                self.cut.entry(host).or_default().0 = true;
            }
            Sort::PartitionUp => {
                self.sim.partition_oneway(host.as_str(), HUB);
                self.cut.entry(host).or_default().1 = true;
            }
            Sort::HubCrash => self.crash_hub(),
            Sort::HubCrashInCommit => {
                let tear = Tear::draw(&mut self.rng);
                // Half of them wait for the user's next write.
                if fault.how.is_multiple_of(2) {
                    world.hub.disk.arm(fault.how, tear);
                } else {
                    lock(&world.user).arm = Some((fault.how / 2, tear));
                }
            }
            Sort::AgentCrash => self.crash_host(&host, &on),
            Sort::AgentCrashInCommit => site.disk.arm(fault.how, Tear::draw(&mut self.rng)),
            Sort::SlowMember => site.slow_ms.store(fault.how, Ordering::Relaxed),
            Sort::RefusingMember => site.refuses.store(true, Ordering::Relaxed),
            Sort::Drift => lock(&world.checks.drifts).push((at, fault.how)),
            Sort::Vanish => lock(&world.user).vanish = Some(fault.how),
        }
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
            Sort::Partition => {
                self.sim.repair(HUB, host.as_str());
                self.cut.remove(&host);
            }
            Sort::PartitionDown => {
                self.sim.repair_oneway(HUB, host.as_str());
                self.cut.entry(host).or_default().0 = false;
            }
            Sort::PartitionUp => {
                self.sim.repair_oneway(host.as_str(), HUB);
                self.cut.entry(host).or_default().1 = false;
            }
            Sort::HubCrash | Sort::HubCrashInCommit => {
                world.hub.disk.disarm();
                lock(&world.user).arm = None;
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
            Sort::Drift | Sort::Vanish => {}
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
        lock(&self.world.hub.store).take();
        lock(&self.world.checks.acks).hang_up();
        self.world.hub.net.power_cut();
        self.world.hub.disk.power_cut(Tear::draw(&mut self.rng));
        self.sim.crash(HUB);
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
            let on = self.sites_on(&host);
            self.crash_host(&host, &on);
        }
    }

    pub(crate) fn heal(&mut self) {
        self.end_due(true);
        self.start(HUB);
        for host in self.world.hosts() {
            self.start(&host);
        }
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
