//! A hub that was restored from an old backup removes and overwrites nothing (invariants 1 and 3):
//! what members held before it came back, they hold as it was, but for what its users had done before
//! the backup and was not carried out then.

use std::collections::BTreeSet;

use roadstead_protocol::api::names::STAMP_ANNOTATION;
use roadstead_store::Store;
use roadstead_store::records::{LEDGER_PREFIX, LedgerEntry, LedgerState, decode, parse_ledger_key};
use serde_json::Value;

use crate::check::agreement::{Held, of};
use crate::check::{history, safety};
use crate::model::{Kind, Name};
use crate::world::{World, lock};

/// What a user had done before the backup was made, and the hub had not carried out then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Explained {
    /// It was taken away.
    Gone,
    /// It was written in this version.
    Changed(u64),
}

/// What is on its way out: clusters and names.
pub type Going = BTreeSet<(String, Name)>;

/// What the hub that runs takes away, and was not told is gone.
pub fn going(world: &World) -> Going {
    let snapshot = lock(&world.hub.store).as_ref().map(Store::snapshot);
    let mut going = Going::new();
    for entry in snapshot.iter().flat_map(|s| s.range(LEDGER_PREFIX)) {
        let said = decode::<LedgerEntry>(entry).map(|entry| entry.state);
        let Some((uid, item)) = parse_ledger_key(entry.key.as_str()) else {
            continue;
        };
        let kind = Kind::of(&item.kind, &item.namespace);
        if let (Ok(LedgerState::Tombstone), Some(kind), Some(site)) =
            (said, kind, world.site_of(&uid))
        {
            going.insert((site.name.clone(), (kind, item.name)));
        }
    }
    going
}

/// What a user of the restored hub did to what is on a member, as far as that hub knows what is there:
/// what waited for something when the backup was made is carried out by whoever has it. What it was
/// taking away by then it gave to nobody since: there only what it knows counts.
fn explains(world: &World, at: &(String, Name), there: &Value, going: &Going) -> Option<Explained> {
    let (cluster, name) = at;
    let annotations = there.pointer("/metadata/annotations")?;
    let stamp = history::parse(annotations.get(STAMP_ANNOTATION)?.as_str()?)?;
    let user = lock(&world.user);
    // The same given by both is the one's as much as the other's.
    let version = safety::version(name.0, there)?;
    let gave = user.acts.written.contains(&(name.clone(), version)) && !going.contains(at);
    if !gave && !user.acts.knows(stamp) {
        return None;
    }
    let wanted = user.model.clusters(name).contains(cluster.as_str());
    let object = user.model.objects.get(name);
    let written = object.map(|object| Explained::Changed(object.version));
    written.filter(|_| wanted).or(Some(Explained::Gone))
}

/// What all members hold.
pub fn now(world: &World) -> Vec<Held> {
    world.sites.iter().map(of).collect()
}

/// Compares what members hold with what they held. More than that is no fault.
pub fn check(world: &World, before: &[Held], going: &Going) {
    for (site, before) in world.sites.iter().zip(before) {
        let after = of(site);
        for (name, object) in before {
            let at = (site.name.clone(), name.clone());
            let explained = explains(world, &at, object, going);
            let Some(found) = after.get(name) else {
                if explained == Some(Explained::Gone) {
                    continue;
                }
                let what = format!("a restored hub removed {} from {}", name.1, site.name);
                return world.checks.violation("absence never deletes", &what);
            };
            let same = ["/data", "/spec"]
                .iter()
                .all(|part| found.pointer(part) == object.pointer(part));
            if !same && explained != safety::version(name.0, found).map(Explained::Changed) {
                let what = format!("a restored hub overwrote {} on {}", name.1, site.name);
                return world.checks.violation("never backwards", &what);
            }
        }
    }
}
