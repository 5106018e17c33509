//! How a run ends, drawn from the seed: agents that fall silent, a hub restored from an old backup,
//! two hubs from one copy, a hub that is cut off from everyone, or
//! a cluster that is detached and joins again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use roadstead_protocol::api::ConditionStatus;
use roadstead_store::Store;
use roadstead_store::records::LEDGER_PREFIX;

use crate::check::{agreement, ready, restored};
use crate::disk::Tear;
use crate::drift::{Meddling, What};
use crate::mood::Mood;
use crate::run::{Broken, CONVERGE_WITHIN, Run};
use crate::world::{HUB, World, lock};
use crate::{shown, trace};

/// How long members are watched after another hub is in the place of theirs.
const WATCHED: Duration = Duration::from_secs(35);
/// How long an agent may take to hear that its cluster was detached.
const HEARS_WITHIN: Duration = Duration::from_secs(15);
/// How long nobody hears of the hub: longer than anything that is judged by silence.
pub(crate) const ALONE: Duration = Duration::from_secs(150);
/// How long users work at one of two hubs, in milliseconds.
const AT_WORK_MS: (u64, u64) = (2_000, 12_000);

/// The endings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Silence,
    Restored,
    Forked,
    Detached,
    CutOff,
}

impl Run<'_> {
    /// The last part of a run.
    pub(crate) fn ending(&mut self) -> Result<(), Broken> {
        let all = [
            Ending::Silence,
            Ending::Restored,
            Ending::Forked,
            Ending::Forked,
            Ending::Detached,
        ];
        let mut rng = self.rng.fork("ending");
        let drawn = rng.pick(&all).copied();
        // Of those who fall silent, one in three is the hub, and always where that may move something.
        let fails_over = lock(&self.world.user).fails_over;
        let alone = drawn == Some(Ending::Silence) && (rng.one_in(3) || fails_over);
        let drawn = alone.then_some(Ending::CutOff).or(drawn);
        match drawn.unwrap_or(Ending::Silence) {
            Ending::Silence => self.silence(),
            Ending::Restored => self.restore(),
            Ending::Forked => self.fork(),
            Ending::Detached => self.detach(),
            Ending::CutOff => self.cut_off(),
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

    /// Nobody hears of the hub, and it hears of nobody: it moves nothing, however long that lasts.
    fn cut_off(&mut self) -> Result<(), Broken> {
        trace::count("sometimes: the hub was cut off from everyone");
        let what = "agreement before the hub is cut off";
        self.until(CONVERGE_WITHIN, "agreement", what, agreement::rest)?;
        let hosts = self.world.hosts();
        let world = Arc::clone(&self.world);
        for host in &hosts {
            self.sim.partition(HUB, host.as_str());
            self.cut.insert(host.clone(), (true, true));
        }
        let hosted = || world.sites.iter().filter(|site| site.hosted.is_some());
        hosted().for_each(|site| site.moods.begin(Mood::Refuses));
        let before = given(&self.world);
        self.for_a_while(ALONE)?;
        moved_nothing(&self.world, &before, "nobody");
        for host in &hosts {
            self.sim.repair(HUB, host.as_str());
            self.cut.remove(host);
        }
        hosted().for_each(|site| site.moods.end(Mood::Refuses));
        let what = "everything is said to be ready again";
        self.until(CONVERGE_WITHIN, "ready means ready", what, ready::settled)?;
        let what = "agreement after the hub was cut off";
        self.until(CONVERGE_WITHIN, "agreement", what, agreement::agree)
    }

    /// The hub is restored from a backup that was made while there were faults (invariants 1, 3).
    fn restore(&mut self) -> Result<(), Broken> {
        let Some(backup) = self.backup.take().filter(|b| !b.image.is_empty()) else {
            return Ok(());
        };
        trace::count("sometimes: the hub was restored from an old backup");
        let before = restored::now(&self.world);
        self.replace_hub(&backup.image, &backup.user, "restored");
        self.for_a_while(WATCHED)?;
        restored::check(&self.world, &before, &backup.going);
        self.reconcile()
    }

    /// Two hubs from one copy, and agents that hear a part of what the one says, and then the other
    /// (invariants 1, 3). Users work at both.
    fn fork(&mut self) -> Result<(), Broken> {
        trace::count("sometimes: there were two hubs from one copy");
        let what = "agreement before the hub is copied";
        self.until(CONVERGE_WITHIN, "agreement", what, agreement::rest)?;
        lock(&self.world.user).agreed();
        let image = self.world.hub.disk.image();
        let user = lock(&self.world.user).clone();
        self.at_work()?;
        let first = self.world.hub.disk.image();
        let first_user = lock(&self.world.user).clone();
        self.replace_hub(&image, &user, "second");
        self.at_work()?;
        if self.rng.one_in(2) {
            trace::count("sometimes: the first of two hubs came back");
            self.replace_hub(&first, &first_user, "first");
        }
        self.for_a_while(WATCHED)?;
        self.reconcile()
    }

    /// Users end what is held and unclaimed; then all is as they were answered by this hub.
    fn reconcile(&mut self) -> Result<(), Broken> {
        if !attached(&self.world) {
            // A copy from before a cluster came: it has to join again, and nobody does that here.
            return Ok(());
        }
        lock(&self.world.user).reconciles = true;
        let what = "members agree with the hub once everything held was answered";
        self.until(CONVERGE_WITHIN, "agreement", what, |world| {
            lock(&world.user).reconciles = true;
            agreement::agree(world)
        })?;
        let what = "nothing waits for a user once everything was answered";
        self.until(CONVERGE_WITHIN, "nothing is stuck", what, |world| {
            let held = world
                .sites
                .iter()
                .find(|site| !shown::held(world, site).is_empty());
            held.map_or(Ok(()), |site| Err(format!("{} holds something", site.name)))
        })
    }

    /// A cluster is detached: its agent stops, and leaves everything as it is, until it is joined anew.
    fn detach(&mut self) -> Result<(), Broken> {
        trace::count("sometimes: a cluster was detached");
        let site = self.rng.below(self.world.sites.len() as u64);
        let at = usize::try_from(site).unwrap_or_default();
        let name = self
            .world
            .sites
            .get(at)
            .map(|s| s.name.clone())
            .unwrap_or_default();
        lock(&self.world.user).detach = Some(name.clone());
        let what = "a cluster is detached";
        self.until(CONVERGE_WITHIN, "progress", what, |world| {
            let left = lock(&world.user).detach.clone();
            left.map_or(Ok(()), |name| Err(format!("{name} is still there")))
        })?;
        self.for_a_while(HEARS_WITHIN)?;
        let now = self.sim.elapsed();
        let detached = &self.world.checks.frozen;
        lock(detached).detached.insert(name.clone(), now);
        // What was under way has ended then.
        self.for_a_while(Duration::from_secs(2))?;
        for how in [0, 2, 8, 10] {
            let what = What::Drift;
            lock(&self.world.checks.drifts).push(Meddling {
                site: at,
                what,
                how,
            });
        }
        for host in self.world.hosts() {
            let on = self.sites_on(&host);
            self.crash_host(&host, &on);
            self.start(&host);
        }
        // What they take away meanwhile stays where nobody can be told.
        self.at_work()?;
        self.for_a_while(WATCHED / 2)?;
        self.crash_hub();
        self.start(HUB);
        self.for_a_while(WATCHED)?;
        self.join_again(at, &name)
    }

    /// A cluster that was detached is attached under the same name, and its agent given a join string:
    /// what it put there is still its own.
    fn join_again(&mut self, at: usize, name: &str) -> Result<(), Broken> {
        let world = Arc::clone(&self.world);
        let Some(site) = world.sites.get(at) else {
            return Ok(());
        };
        lock(&site.token).take();
        lock(&site.uid).take();
        let what = "there is a join string for a cluster that was detached";
        self.until(CONVERGE_WITHIN, "progress", what, |_| {
            let token = lock(&site.token).is_some();
            token.then_some(()).ok_or_else(|| "none yet".to_owned())
        })?;
        trace::count("sometimes: a detached cluster was joined again");
        lock(&world.checks.frozen).detached.remove(name);
        site.restart.send_modify(|n| *n += 1);
        let what = "a cluster that was joined again is ready";
        self.until(CONVERGE_WITHIN, "ready means ready", what, |world| {
            let said = ready::ready(world, name);
            let is = said == Some(ConditionStatus::True);
            is.then_some(()).ok_or_else(|| format!("{said:?}"))
        })?;
        self.reconcile()
    }

    /// Users work for a while, and are cut off in the middle of it, hub and agents too.
    fn at_work(&mut self) -> Result<(), Broken> {
        {
            let mut user = lock(&self.world.user);
            user.stop = false;
            user.idle = false;
        }
        let (low, high) = AT_WORK_MS;
        let span = self.rng.millis(low, high);
        self.for_a_while(span)?;
        if self.rng.one_in(2) {
            let hosts = self.world.hosts();
            let host = self.rng.pick(&hosts).cloned().unwrap_or_default();
            let on = self.sites_on(&host);
            self.crash_host(&host, &on);
            self.for_a_while(Duration::from_secs(1))?;
            self.start(&host);
        }
        lock(&self.world.user).stop = true;
        Ok(())
    }

    /// Puts a hub in the place of the one that runs, with this on its disk and this known to its user.
    fn replace_hub(&mut self, image: &[u8], user: &crate::user::User, label: &str) {
        self.crash_hub();
        self.world.hub.disk.power_cut(Tear::DropAll);
        lock(&self.world.checks.acks).forget();
        self.world.hub.disk.restore(image);
        {
            let mut now = lock(&self.world.user);
            let mut other = now.beside(user, label);
            other.stop = true;
            other.idle = false;
            *now = other;
        }
        self.start(HUB);
    }
}

/// What clusters are to have, by key, with the revision since which that is so.
pub(crate) fn given(world: &World) -> BTreeMap<String, u64> {
    let snapshot = lock(&world.hub.store).as_ref().map(Store::snapshot);
    let entries = snapshot.iter().flat_map(|snapshot| {
        let all = snapshot.range(LEDGER_PREFIX);
        all.map(|entry| (entry.key.as_str().to_owned(), entry.revision.0))
    });
    entries.collect()
}

/// Looks at whether clusters are to have the same as before, while the hub heard of so few.
pub(crate) fn moved_nothing(world: &World, before: &BTreeMap<String, u64>, heard_of: &str) {
    let after = given(world);
    if let Some((key, _)) = before.iter().chain(&after).find(|(key, revision)| {
        before.get(*key) != Some(revision) || after.get(*key) != Some(revision)
    }) {
        let what = format!("{key} was given or taken by a hub that heard of {heard_of}");
        let checker = "cut off, a hub moves nothing";
        world.checks.violation(checker, &what);
    }
}

/// Whether the hub knows all clusters.
fn attached(world: &World) -> bool {
    world
        .sites
        .iter()
        .all(|site| ready::ready(world, &site.name).is_some())
}
