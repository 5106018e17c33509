//! Clusters whose agents are heard of, and say that what they have does not run: it fails over where
//! policies allow that, stays away for its time, and is in the end where the slow model has it.
//!
//! Meanwhile processes end and begin anew, and links are lost. What follows from it is looked at all the
//! time by a checker of its own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::act::Act;
use crate::check::agreement;
use crate::check::moves::{self, STAYS_AWAY, Stopped, TOLERATED, given};
use crate::drift::{Meddling, What};
use crate::failed::{ALL_PPM, elsewhere};
use crate::lone::{self, Lone};
use crate::model::Kind;
use crate::rng::Rng;
use crate::run::{Broken, CONVERGE_WITHIN, Run};
use crate::stop::Stop;
use crate::trace;
use crate::world::{HUB, World, lock};

/// In one run of so many a cluster does not run what it has.
const STOPS_ONE_IN: u64 = 6;
/// Of these, in one of so many two clusters do not.
const TWO_ONE_IN: u64 = 4;
/// In one of so many it runs a part of it.
const IN_PART_ONE_IN: u64 = 5;
/// In one of so many nobody lets it go back, and it goes back in its time.
const WAITS_ONE_IN: u64 = 4;
/// In one of so many more fails over than may do so within a minute.
const CROWD_ONE_IN: u64 = 4;
/// How many that are.
const CROWD: u64 = 22;
/// How long what does not run is waited for in any case.
const WAITED: Duration = Duration::from_secs(57);
/// How long it may take until what does not run is up elsewhere: what the policy tolerates, once more
/// where a process began anew meanwhile, a minute for what the pace lets wait, and what it takes.
const MOVED_WITHIN: Duration = Duration::from_secs(240);
/// How long what came up has to run until it is no longer taken for what did not: a minute.
const RUNS: Duration = Duration::from_secs(65);
/// How long two clusters are watched on which nothing runs, or one that runs a part.
const WATCHED: Duration = Duration::from_secs(80);
/// How long it is watched whether anything goes back before its time.
const AWAY: Duration = Duration::from_secs(15);

/// What happens beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beside {
    Nothing,
    HubCrash,
    HubRestart,
    AgentCrash,
    LinkLost,
}

/// What happens in this part of a run.
struct Plan {
    /// The places of the clusters that do not run what they have.
    sites: Vec<usize>,
    how: Stop,
    lone: Lone,
    beside: Beside,
    /// When that is, after it was stopped.
    beside_at: Duration,
    waits: bool,
}

impl Plan {
    fn draw(mut rng: Rng, world: &World) -> Option<Self> {
        if !rng.one_in(STOPS_ONE_IN) {
            return None;
        }
        let standing = lock(&world.user).model.standing.clone();
        let open = |at: &usize| {
            let site = world.sites.get(*at);
            let standing = site.and_then(|site| standing.get(&site.name));
            standing.is_none_or(|standing| !standing.closed())
        };
        let mut open: Vec<usize> = (0..world.sites.len()).filter(open).collect();
        let mut take = |rng: &mut Rng| {
            let at = rng.pick(&open).copied()?;
            open.retain(|other| *other != at);
            Some(at)
        };
        let (first, other) = (take(&mut rng)?, take(&mut rng)?);
        let second = take(&mut rng).filter(|_| rng.one_in(TWO_ONE_IN));
        let name = |at: usize| world.sites.get(at).map(|site| site.name.clone());
        let lone = Lone {
            on: name(first)?,
            other: name(other)?,
            wholes: if rng.one_in(CROWD_ONE_IN) { CROWD } else { 1 },
        };
        let in_part = rng.one_in(IN_PART_ONE_IN);
        let wholly = Stop::of(rng.below(2));
        let all = [
            Beside::Nothing,
            Beside::HubCrash,
            Beside::HubRestart,
            Beside::AgentCrash,
            Beside::LinkLost,
        ];
        Some(Self {
            sites: [first].into_iter().chain(second).collect(),
            how: if in_part { Stop::InPart } else { wholly },
            lone,
            beside: rng.pick(&all).copied().unwrap_or(Beside::Nothing),
            beside_at: rng.millis(1_000, 45_000),
            waits: rng.one_in(WAITS_ONE_IN),
        })
    }

    /// Whether what is there has to fail over.
    fn moves(&self) -> bool {
        self.how != Stop::InPart && self.sites.len() == 1
    }
}

impl Run<'_> {
    /// What does not run fails over, and only that.
    pub(crate) fn stopped(&mut self) -> Result<(), Broken> {
        let Some(plan) = Plan::draw(self.rng.fork("stopped"), &self.world) else {
            return Ok(());
        };
        self.prepare(&plan)?;
        let before = given(&self.world);
        self.stop(&plan);
        self.beside(&plan)?;
        if given(&self.world) != before {
            let what = "something moved before what does not run was waited for";
            let checker = "what does not run fails over, and nothing else";
            self.world.checks.violation(checker, what);
        }
        if plan.moves() {
            self.moved(&plan.lone)?;
        } else {
            self.for_a_while(WATCHED)?;
            if plan.how == Stop::InPart && given(&self.world) != before {
                let what = "something moved that runs in part";
                let checker = "what does not run fails over, and nothing else";
                self.world.checks.violation(checker, what);
            }
        }
        self.mend(&plan);
        self.for_a_while(AWAY)?;
        self.go_back(&plan)?;
        *lock(&self.world.checks.stopped) = None;
        self.ask(|user| user.lone = None, "what is there alone is deleted")?;
        let what = "members agree once everything runs again";
        self.until(CONVERGE_WITHIN, "agreement", what, |world| {
            lone::is_gone(world)?;
            agreement::rest(world)
        })?;
        lock(&self.world.user).agreed();
        self.rebalanced()
    }

    /// Asks the user for something, and waits until it is done.
    fn ask(&mut self, what: impl FnOnce(&mut crate::user::User), said: &str) -> Result<(), Broken> {
        {
            let mut user = lock(&self.world.user);
            what(&mut user);
            user.idle = false;
        }
        self.until(CONVERGE_WITHIN, "progress", said, |world| {
            let idle = lock(&world.user).idle;
            idle.then_some(()).ok_or_else(|| "not yet".to_owned())
        })
    }

    /// Users let things fail over, and write what is on one cluster alone.
    fn prepare(&mut self, plan: &Plan) -> Result<(), Broken> {
        let lone = plan.lone.clone();
        let asked = |user: &mut crate::user::User| {
            user.fails_over = true;
            user.lone = Some(lone);
        };
        self.ask(asked, "things may fail over that do not run")?;
        let what = "members agree, and have what is there alone";
        self.until(CONVERGE_WITHIN, "agreement", what, |world| {
            lone::is_there(world, &plan.lone, false)?;
            agreement::rest(world)
        })?;
        // Whatever came up just now counts as what runs by then.
        self.for_a_while(RUNS)
    }

    fn stop(&mut self, plan: &Plan) {
        let world = Arc::clone(&self.world);
        world.checks.meddled.store(false, Ordering::Relaxed);
        let sites = plan.sites.iter().filter_map(|at| world.sites.get(*at));
        let names: BTreeSet<String> = sites.map(|site| site.name.clone()).collect();
        for name in &names {
            lock(&world.user).acts.fails(name);
        }
        let now = self.sim.elapsed();
        let stopped = Stopped::begin(&world, names, plan.lone.clone(), now);
        *lock(&world.checks.stopped) = Some(stopped);
        trace::count(match (plan.how, plan.sites.len()) {
            (Stop::InPart, _) => "sometimes: something ran in part",
            (_, 1) => "sometimes: something did not run on a cluster",
            (_, _) => "sometimes: something did not run on several clusters",
        });
        self.tell(plan, What::Stop(plan.how));
    }

    fn mend(&mut self, plan: &Plan) {
        self.tell(plan, What::Mend);
    }

    fn tell(&self, plan: &Plan, what: What) {
        let mut asked = lock(&self.world.checks.drifts);
        asked.extend(plan.sites.iter().map(|site| Meddling {
            site: *site,
            what,
            how: 0,
        }));
    }

    /// Lets the time pass that is waited in any case, and something happen in it.
    fn beside(&mut self, plan: &Plan) -> Result<(), Broken> {
        let world = Arc::clone(&self.world);
        let began = self.sim.elapsed();
        self.for_a_while(plan.beside_at)?;
        let site = plan.sites.first().and_then(|at| world.sites.get(*at));
        let short = Duration::from_secs(3);
        match (plan.beside, site) {
            (Beside::Nothing, _) | (_, None) => {}
            (Beside::HubCrash, Some(_)) => {
                self.crash_hub();
                self.for_a_while(short)?;
                self.start(HUB);
            }
            (Beside::HubRestart, Some(_)) => world.hub.restart.send_modify(|n| *n += 1),
            (Beside::AgentCrash, Some(site)) if site.hosted.is_none() => {
                let on = self.sites_on(&site.host);
                self.crash_host(&site.host, &on);
                self.for_a_while(short)?;
                self.start(&site.host);
            }
            (Beside::LinkLost, Some(site)) if site.hosted.is_none() => {
                site.net.loss_ppm.store(ALL_PPM, Ordering::Relaxed);
                self.for_a_while(short * 4)?;
                site.net.loss_ppm.store(0, Ordering::Relaxed);
            }
            // It is the hub's own agent.
            (Beside::AgentCrash | Beside::LinkLost, Some(_)) => {}
        }
        let passed = self.sim.elapsed().saturating_sub(began);
        self.for_a_while(WAITED.saturating_sub(passed))
    }

    /// All that a cluster has, and does not run, is up elsewhere, and has left it.
    fn moved(&mut self, lone: &Lone) -> Result<(), Broken> {
        let cluster = lone.on.clone();
        let what = "what does not run is up elsewhere, and has left";
        self.until(MOVED_WITHIN, "agreement", what, |world| {
            elsewhere(world, &cluster)?;
            lone::is_there(world, lone, true)?;
            moves::has_left(world, &cluster)
        })
    }

    /// What is failed over goes back: because it is another, or some time later.
    fn go_back(&mut self, plan: &Plan) -> Result<(), Broken> {
        let world = Arc::clone(&self.world);
        let at = lock(&world.checks.stopped)
            .as_ref()
            .and_then(Stopped::may_go_back);
        if plan.waits
            && let Some(at) = at
        {
            // By then nothing has: the checker looks at that.
            let now = self.sim.elapsed();
            let spare = TOLERATED * 2;
            let left = at.saturating_sub(now).saturating_sub(spare);
            self.for_a_while(left)?;
            self.let_go_back();
            trace::count("sometimes: what had failed over went back in its time");
        } else {
            self.let_go_back();
            let edits: Vec<Act> = {
                let user = lock(&world.user);
                let apps = user.model.objects.iter();
                let apps = apps.filter(|(name, _)| name.0 == Kind::Deployment);
                let edit = |(name, app): (&crate::model::Name, &crate::model::Object)| {
                    let mut app = app.clone();
                    app.version += 1_000_000;
                    Act::Put(name.clone(), app)
                };
                apps.map(edit).collect()
            };
            self.ask(|user| user.asked = edits, "what failed over is another")?;
            lock(&world.user).asked.clear();
        }
        let what = "what failed over is back";
        let within = CONVERGE_WITHIN.saturating_add(if plan.waits {
            STAYS_AWAY
        } else {
            Duration::ZERO
        });
        self.until(within, "agreement", what, |world| {
            for at in &plan.sites {
                let site = world.sites.get(*at);
                let stopped = lock(&world.checks.stopped);
                if let (Some(site), Some(stopped)) = (site, stopped.as_ref()) {
                    moves::is_back(world, stopped, &site.name)?;
                }
            }
            agreement::rest(world)
        })
    }

    fn let_go_back(&self) {
        if let Some(stopped) = lock(&self.world.checks.stopped).as_mut() {
            stopped.let_go_back();
        }
    }
}
