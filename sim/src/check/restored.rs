//! A hub that was restored from an old backup removes and overwrites nothing (invariants 1 and 3):
//! what members held before it came back, they hold as it was.

use crate::check::agreement::{Held, of};
use crate::world::World;

/// What all members hold.
pub fn now(world: &World) -> Vec<Held> {
    world.sites.iter().map(of).collect()
}

/// Compares what members hold with what they held. More than that is no fault.
pub fn check(world: &World, before: &[Held]) {
    for (site, before) in world.sites.iter().zip(before) {
        let after = of(site);
        for (name, object) in before {
            let Some(found) = after.get(name) else {
                let what = format!("a restored hub removed {} from {}", name.1, site.name);
                return world.checks.violation("absence never deletes", &what);
            };
            let same = ["/data", "/spec"]
                .iter()
                .all(|part| found.pointer(part) == object.pointer(part));
            if !same {
                let what = format!("a restored hub overwrote {} on {}", name.1, site.name);
                return world.checks.violation("never backwards", &what);
            }
        }
    }
}
