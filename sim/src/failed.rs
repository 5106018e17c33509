//! A cluster of which nothing is heard any more, where policies let what it has fail over: it comes up
//! elsewhere, and goes once it has and the cluster is back.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::act::Act;
use crate::check::{agreement, ready};
use crate::model::{Kind, Policy};
use crate::run::{Broken, CONVERGE_WITHIN, Run};
use crate::trace;
use crate::user::User;
use crate::world::{World, lock};

/// In one run of so many policies let things fail over, and a cluster falls silent.
const FAILS_ONE_IN: u64 = 2;
/// How long it may take until what is on a silent cluster is up elsewhere: 40 s until it is known to be
/// silent, the time that the policy tolerates, and what it takes.
const FAILED_WITHIN: Duration = Duration::from_secs(200);
/// All packets, in a million.
const ALL_PPM: u64 = 1_000_000;

impl User {
    /// What is left to do until everything that is shared out fails over, where that is asked for.
    pub(crate) fn let_fail(&self) -> Option<Act> {
        let all = self.model.policies.iter().filter(|_| self.fails_over);
        let mut left =
            all.filter(|((kind, _), policy)| *kind == Kind::Deployment && !policy.failover);
        let ((kind, group), policy) = left.next()?;
        let policy = Policy {
            failover: true,
            ..policy.clone()
        };
        Some(Act::PutPolicy(*kind, *group, policy))
    }
}

impl Run<'_> {
    /// What is shared out comes up elsewhere when nothing is heard of a cluster, where that is allowed.
    pub(crate) fn failed_over(&mut self) -> Result<(), Broken> {
        let mut rng = self.rng.fork("failed over");
        let world = Arc::clone(&self.world);
        let sites = world.sites.iter().filter(|site| site.hosted.is_none());
        let sites: Vec<_> = sites.collect();
        let drawn = rng.pick(&sites).copied();
        let Some(site) = drawn.filter(|_| rng.one_in(FAILS_ONE_IN)) else {
            return Ok(());
        };
        {
            let mut user = lock(&world.user);
            user.fails_over = true;
            user.idle = false;
        }
        self.until(CONVERGE_WITHIN, "progress", "things may fail over", |w| {
            let idle = lock(&w.user).idle;
            idle.then_some(()).ok_or_else(|| "not yet".to_owned())
        })?;
        let what = "members agree once things may fail over";
        self.until(CONVERGE_WITHIN, "agreement", what, agreement::rest)?;
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
}

/// Whether all replicas are on other clusters than this, where any other is to have some.
fn elsewhere(world: &World, cluster: &str) -> Result<(), String> {
    let model = lock(&world.user).model.clone();
    for (name, object) in &model.objects {
        let chosen = model.clusters(name);
        let any = chosen.iter().any(|other| *other != cluster);
        if name.0 != Kind::Deployment || !chosen.contains(cluster) || !any {
            continue;
        }
        let replicas = |site: &crate::world::Site| {
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
