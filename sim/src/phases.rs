//! What is asked of the system once faults are over: quiet and autonomy.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::check::{agreement, quiet, ready};
use crate::drift::{Meddling, What};
use crate::run::{Broken, CONVERGE_WITHIN, Run};
use crate::world::{HUB, World, lock};

/// How long nothing may be written once everything agrees: longer than any period of an agent.
const QUIET: Duration = Duration::from_secs(65);
/// How long things have to come to rest before that: what was failed over comes back a minute after its
/// cluster did, what is free on a member is seen up to a minute after what took it, and where nobody
/// waits for it, it is written up to five minutes after it was written last.
const REST: Duration = Duration::from_secs(430);
/// In one run of so many a cluster is drained while nothing else happens.
const DRAINED_ONE_IN: u64 = 2;
/// How long drift may stand on a member whose hub is away.
const DRIFT_WITHIN: Duration = Duration::from_secs(60);

impl Run<'_> {
    /// Once a user asks for that, replicas are where the slow model has them, whatever clusters were
    /// away or closed when they were placed.
    pub(crate) fn rebalanced(&mut self) -> Result<(), Broken> {
        {
            let mut user = lock(&self.world.user);
            user.rebalances = true;
            user.idle = false;
        }
        let what = "the user has asked for a rebalance";
        self.until(CONVERGE_WITHIN, "progress", what, |world| {
            let idle = lock(&world.user).idle;
            idle.then_some(()).ok_or_else(|| "not yet".to_owned())
        })?;
        // What was asked for is decided by then, and nothing goes where nothing has come up yet.
        self.for_a_while(Duration::from_secs(5))?;
        let what = "replicas are shared out as they are to be";
        self.until(CONVERGE_WITHIN, "agreement", what, agreement::shared_out)?;
        let what = "everything is said to be ready after a rebalance";
        self.until(CONVERGE_WITHIN, "ready means ready", what, ready::settled)
    }

    /// What is shared out leaves a cluster that is drained, as far as there is another place for it; and
    /// once it is open again all is as before.
    pub(crate) fn drained(&mut self) -> Result<(), Broken> {
        let mut rng = self.rng.fork("drained");
        let all: Vec<String> = (self.world.sites.iter().map(|s| s.name.clone())).collect();
        let Some(cluster) = rng
            .pick(&all)
            .cloned()
            .filter(|_| rng.one_in(DRAINED_ONE_IN))
        else {
            return Ok(());
        };
        let asked = |run: &Self, drains: Option<String>| {
            let mut user = lock(&run.world.user);
            user.drains = drains;
            user.idle = false;
        };
        let meddled = &Arc::clone(&self.world).checks.meddled;
        meddled.store(false, Ordering::Relaxed);
        asked(self, Some(cluster.clone()));
        let idle = |w: &World| {
            let idle = lock(&w.user).idle;
            idle.then_some(()).ok_or_else(|| "not yet".to_owned())
        };
        self.until(CONVERGE_WITHIN, "progress", "a cluster is drained", idle)?;
        let what = "what is shared out has left a drained cluster";
        self.until(CONVERGE_WITHIN, "agreement", what, |world| {
            agreement::left(world, &cluster)?;
            agreement::agree(world)
        })?;
        asked(self, None);
        self.until(CONVERGE_WITHIN, "progress", "a cluster is opened", idle)?;
        // It may get back what is its share.
        self.for_a_while(Duration::from_secs(5))?;
        let what = "members agree once a cluster is open again";
        self.until(CONVERGE_WITHIN, "agreement", what, agreement::rest)?;
        lock(&self.world.user).agreed();
        let what = "everything is said to be ready after a drain";
        self.until(CONVERGE_WITHIN, "ready means ready", what, ready::settled)
    }

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
        for (site, place) in self.world.sites.iter().enumerate() {
            if place.hosted.is_some() {
                // Its agent is away together with the hub.
                continue;
            }
            for how in [0, 2, 8, 10] {
                let what = What::Drift;
                lock(&self.world.checks.drifts).push(Meddling { site, what, how });
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
}
