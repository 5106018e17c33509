//! Clusters of which nothing is heard any more, where policies let what they have fail over. What one
//! silent cluster has comes up elsewhere, and goes once it has and the cluster is back. Where several fall
//! silent at once it is rather the hub that is cut off: nothing moves, though there is another place.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::act::Act;
use crate::check::{agreement, ready};
use crate::endings::{ALONE, given, moved_nothing};
use crate::model::{Kind, Object, Policy};
use crate::run::{Broken, CONVERGE_WITHIN, Run};
use crate::trace;
use crate::user::{SHARED_OUT, User};
use crate::world::{Site, World, lock};

/// In one run of so many policies let things fail over, and clusters fall silent.
const FAILS_ONE_IN: u64 = 2;
/// Of these, in one of so many as many fall silent as no hub takes for gone.
const MANY_ONE_IN: u64 = 2;
/// How many that are: of four clusters more than a hub takes for gone, and others are left.
const MANY: usize = 2;
/// How many replicas there are of what is to fail over, where nothing is shared out.
const REPLICAS: i64 = 6;
/// How long it may take until what is on a silent cluster is up elsewhere: 40 s until it is known to be
/// silent, the time that the policy tolerates, and what it takes.
const FAILED_WITHIN: Duration = Duration::from_secs(200);
/// How long it takes until what was asked for is decided, and looked at by whoever waits for it.
const DECIDED: Duration = Duration::from_secs(5);
/// How long it takes at most until it is decided what follows from an edit.
const SETTLES: Duration = Duration::from_secs(10);
/// All packets, in a million.
pub(crate) const ALL_PPM: u64 = 1_000_000;

impl User {
    /// What is left to do until there is something that is shared out over all clusters, and fails over,
    /// where that is asked for.
    pub(crate) fn let_fail(&self) -> Option<Act> {
        let (kind, group) = (Kind::Deployment, SHARED_OUT);
        let before = self.model.policies.get(&(kind, group));
        let done = |policy: &&Policy| policy.failover;
        if !self.fails_over {
            return None;
        }
        if before.filter(done).is_none() {
            let mut policy = before.cloned().unwrap_or_default();
            let all = self.clusters.iter().map(|cluster| (cluster.clone(), 1));
            // Who was chosen keeps the weight.
            policy.clusters = all.chain(policy.clusters).collect();
            policy.pool = None;
            policy.failover = true;
            return Some(Act::PutPolicy(kind, group, policy));
        }
        let mut apps = self.model.objects.iter();
        if apps.any(|((of, _), app)| *of == kind && app.replicas > 0) {
            return None;
        }
        let app = Object {
            group,
            version: 1,
            replicas: REPLICAS,
        };
        Some(Act::Put((kind, "app-0".to_owned()), app))
    }
}

impl Run<'_> {
    /// What is shared out comes up elsewhere when nothing is heard of a cluster, where that is allowed.
    pub(crate) fn failed_over(&mut self) -> Result<(), Broken> {
        let mut rng = self.rng.fork("failed over");
        let world = Arc::clone(&self.world);
        let sites = world.sites.iter().filter(|site| site.hosted.is_none());
        let mut sites: Vec<_> = sites.collect();
        let drawn = rng.pick(&sites).copied();
        let Some(site) = drawn.filter(|_| rng.one_in(FAILS_ONE_IN)) else {
            return Ok(());
        };
        let many = rng.one_in(MANY_ONE_IN);
        {
            let mut user = lock(&world.user);
            user.fails_over = true;
            user.idle = false;
        }
        self.until(CONVERGE_WITHIN, "progress", "things may fail over", |w| {
            let idle = lock(&w.user).idle;
            idle.then_some(()).ok_or_else(|| "not yet".to_owned())
        })?;
        // What was asked for is decided by then, though members agreed with it before.
        self.for_a_while(DECIDED)?;
        // What was asked for is decided by then, and what moves for it has come up.
        self.for_a_while(SETTLES)?;
        let what = "members agree once things may fail over";
        self.until(CONVERGE_WITHIN, "agreement", what, agreement::rest)?;
        if many {
            sites.retain(|other| other.name != site.name);
            sites.insert(0, site);
            sites.truncate(MANY);
            return self.hears_of_few(&sites);
        }
        world.checks.meddled.store(false, Ordering::Relaxed);
        lock(&world.user).acts.fails(&site.name);
        *lock(&world.checks.silent) = Some(site.name.clone());
        site.net.loss_ppm.store(ALL_PPM, Ordering::Relaxed);
        let what = "what a silent cluster has is up elsewhere";
        self.until(FAILED_WITHIN, "agreement", what, |w| {
            elsewhere(w, &site.name)
        })?;
        site.net.loss_ppm.store(0, Ordering::Relaxed);
        let what = "members agree once a silent cluster is back";
        self.until(CONVERGE_WITHIN, "agreement", what, agreement::rest)?;
        *lock(&world.checks.silent) = None;
        lock(&world.user).agreed();
        let what = "everything is said to be ready after a cluster was silent";
        self.until(CONVERGE_WITHIN, "ready means ready", what, ready::settled)
    }

    /// Nothing is heard of several clusters at once: however long that lasts, nothing moves, though what
    /// they have may fail over, and others are there.
    fn hears_of_few(&mut self, silent: &[&Site]) -> Result<(), Broken> {
        trace::count("sometimes: the hub heard of few clusters");
        let lose = |parts: u64| {
            let nets = silent.iter().map(|site| &site.net.loss_ppm);
            nets.for_each(|loss| loss.store(parts, Ordering::Relaxed));
        };
        lose(ALL_PPM);
        let before = given(&self.world);
        self.for_a_while(ALONE)?;
        moved_nothing(&self.world, &before, "few");
        lose(0);
        let what = "everything is said to be ready after several clusters were silent";
        self.until(CONVERGE_WITHIN, "ready means ready", what, ready::settled)?;
        let what = "members agree once several silent clusters are back";
        self.until(CONVERGE_WITHIN, "agreement", what, agreement::rest)
    }
}

/// Whether all replicas are on other clusters than this, where any other is to have some.
pub(crate) fn elsewhere(world: &World, cluster: &str) -> Result<(), String> {
    let model = lock(&world.user).model.clone();
    for (name, object) in &model.objects {
        let chosen = model.clusters(name);
        let any = chosen.iter().any(|other| *other != cluster);
        if name.0 != Kind::Deployment || !chosen.contains(cluster) || !any {
            continue;
        }
        let replicas = |site: &Site| {
            let held = agreement::of(site);
            let replicas = held.get(name)?.pointer("/spec/replicas");
            replicas.and_then(serde_json::Value::as_i64)
        };
        let others = world.sites.iter().filter(|site| site.name != cluster);
        let sum: i64 = others.filter_map(replicas).sum();
        if sum < object.replicas {
            let all = object.replicas;
            return Err(format!(
                "{sum} of {all} replicas of {} are on others than {cluster}",
                name.1
            ));
        }
        if object.replicas > 0 {
            trace::count("sometimes: something failed over from a silent cluster");
        }
    }
    Ok(())
}
