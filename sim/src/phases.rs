//! What is asked of the system once faults are over: quiet, autonomy, and one of two endings.

use std::sync::atomic::Ordering;
use std::time::Duration;

use roadstead_protocol::api::ConditionStatus;

use crate::check::{agreement, quiet, ready, restored};
use crate::run::{Broken, CONVERGE_WITHIN, Run};
use crate::trace;
use crate::world::{HUB, World, lock};

/// How long nothing may be written once everything agrees: longer than any period of an agent.
const QUIET: Duration = Duration::from_secs(65);
/// How long things have to come to rest before that.
const REST: Duration = Duration::from_secs(40);
/// How long drift may stand on a member whose hub is away.
const DRIFT_WITHIN: Duration = Duration::from_secs(60);
/// How long members are watched after the hub was restored from a backup.
const RESTORED: Duration = Duration::from_secs(35);
/// One run in so many ends with agents that fall silent, the others with a restored hub.
const SILENCE_ONE_IN: u64 = 4;

impl Run<'_> {
    /// With nothing to change, nothing is written (invariant 9).
    pub(crate) fn quiet(&mut self) -> Result<(), Broken> {
        self.for_a_while(REST)?;
        let revision = |w: &World| {
            lock(&w.hub.store)
                .as_ref()
                .map(roadstead_store::Store::revision)
        };
        let before = quiet::now(&self.world, revision(&self.world));
        self.for_a_while(QUIET)?;
        let after = quiet::now(&self.world, revision(&self.world));
        quiet::check(&self.world, &before, &after);
        Ok(())
    }

    /// With the hub away, restarted agents put drift right from their own disks (invariant 4).
    pub(crate) fn autonomy(&mut self) -> Result<(), Broken> {
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
        let what = "drift is put right with the hub away";
        self.until(DRIFT_WITHIN, "autonomy", what, agreement::agree)?;
        self.start(HUB);
        self.for_a_while(Duration::from_secs(5))?;
        let what = "agreement after the hub came back";
        self.until(CONVERGE_WITHIN, "agreement", what, agreement::agree)
    }

    /// The last part of a run, drawn from the seed.
    pub(crate) fn ending(&mut self) -> Result<(), Broken> {
        if self.rng.fork("ending").one_in(SILENCE_ONE_IN) {
            self.silence()
        } else {
            self.restore()
        }
    }

    /// Agents fall silent for good: after the grace period nobody calls their clusters ready, nor
    /// broken (invariant 7).
    fn silence(&mut self) -> Result<(), Broken> {
        trace::count("sometimes: agents fell silent for longer than the grace period");
        let what = "everything is said to be ready again";
        self.until(CONVERGE_WITHIN, "ready means ready", what, ready::settled)?;
        let host = self.world.hosts().into_iter().next().unwrap_or_default();
        let on = self.sites_on(&host);
        self.crash_host(&host, &on);
        self.for_a_while(ready::patience() + Duration::from_secs(2))?;
        for (i, site) in self.world.sites.iter().enumerate() {
            let expected = match on.contains(&i) {
                true => ConditionStatus::Unknown,
                false => ConditionStatus::True,
            };
            let said = ready::ready(&self.world, &site.name);
            if said != Some(expected) {
                let what = format!("{} is said to be {said:?}, not {expected:?}", site.name);
                self.world.checks.violation("ready means ready", &what);
            }
        }
        self.start(&host);
        let what = "agents that were silent are ready again";
        self.until(CONVERGE_WITHIN, "ready means ready", what, ready::settled)
    }

    /// The hub is restored from a backup that was made while there were faults (invariants 1, 3).
    fn restore(&mut self) -> Result<(), Broken> {
        let Some(backup) = self.backup.take().filter(|b| !b.is_empty()) else {
            return Ok(());
        };
        trace::count("sometimes: the hub was restored from an old backup");
        let before = restored::now(&self.world);
        self.crash_hub();
        self.world.hub.disk.restore(&backup);
        self.world.hub.restored.store(true, Ordering::Relaxed);
        self.start(HUB);
        self.for_a_while(RESTORED)?;
        restored::check(&self.world, &before);
        Ok(())
    }
}
