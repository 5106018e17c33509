//! How a session begins: what a hub answers to a hello, and what an agent believes of a welcome.
//!
//! Who may come in at all (identity, boot counters, detached clusters) is the hub's shell's matter.

use std::sync::Arc;

use crate::wire::frame::{Hello, Mode, Welcome};
use crate::wire::limits::{ADDRESSES_MAX, AUTHORITIES_MAX, LINEAGE_MAX};
use crate::wire::{Lineage, Revision};

use super::Violation;
use super::hub::HubConfig;

/// Cuts what a hub says to its bounds: of epochs the newest stay, of lists the first.
pub(super) fn bounded(mut config: HubConfig) -> HubConfig {
    let surplus = config.lineage.0.len().saturating_sub(LINEAGE_MAX);
    if surplus > 0 {
        Arc::make_mut(&mut config.lineage).0.drain(..surplus);
    }
    config.addresses.truncate(ADDRESSES_MAX);
    config.authorities.truncate(AUTHORITIES_MAX);
    config
}

/// Where the hub begins: after the agent's position where that is a place in the hub's own history
/// from which nothing is missing, else with everything.
pub(super) fn mode(lineage: &Lineage, floor: Revision, hello: &Hello) -> Mode {
    let resumes = hello
        .position
        .is_some_and(|stamp| lineage.contains(stamp) && stamp.revision >= floor && !hello.rewound);
    if resumes { Mode::Resume } else { Mode::Compare }
}

/// The revision after which the hub sends.
pub(super) fn start(mode: Mode, hello: &Hello) -> Revision {
    match (mode, hello.position) {
        (Mode::Resume, Some(stamp)) => stamp.revision,
        (Mode::Resume, None) | (Mode::Compare, _) => Revision(0),
    }
}

/// The hub's answer. What only it needs is moved into it: a session may last for months.
pub(super) fn welcome(config: &mut HubConfig, hello: &Hello, mode: Mode) -> Welcome {
    Welcome {
        features: config.features & hello.features,
        release: std::mem::take(&mut config.release),
        hub: std::mem::take(&mut config.hub),
        cluster: std::mem::take(&mut config.cluster),
        epoch: config.epoch,
        lineage: Lineage::clone(&config.lineage),
        mode,
        addresses: std::mem::take(&mut config.addresses),
        authorities: std::mem::take(&mut config.authorities),
    }
}

/// Whether an agent that said `hello` can live with `welcome`.
pub(super) fn check(hello: &Hello, welcome: &Welcome) -> Result<(), Violation> {
    if welcome.features & !hello.features != 0 {
        return Err(Violation::Welcome("names features that were not offered"));
    }
    if !welcome.lineage.is_ordered() {
        return Err(Violation::Welcome("has a lineage out of order"));
    }
    let lives = welcome.lineage.0.last();
    if lives.is_none_or(|range| range.epoch != welcome.epoch || range.last.is_some()) {
        return Err(Violation::Welcome("names an epoch that does not live"));
    }
    // The hub's floor is not known here; all else has to agree with what was said.
    if welcome.mode == Mode::Resume && mode(&welcome.lineage, Revision(0), hello) != Mode::Resume {
        return Err(Violation::Welcome(
            "resumes from a place that is not in its lineage",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::testing::{hello, hub_config, lineage, stamp};
    use crate::wire::stamp::EpochRange;
    use crate::wire::{Epoch, Stamp};

    #[test]
    fn a_hub_resumes_only_from_a_place_that_is_its_own_and_whole() {
        let check = |position, rewound, floor, expected| {
            let hello = Hello {
                rewound,
                ..hello(position)
            };
            assert_eq!(mode(&lineage(), Revision(floor), &hello), expected);
        };
        let foreign = Stamp {
            epoch: Epoch(9),
            revision: Revision(10),
        };
        check(Some(stamp(10)), false, 0, Mode::Resume);
        check(Some(stamp(10)), false, 10, Mode::Resume);
        check(Some(stamp(10)), false, 11, Mode::Compare);
        check(Some(stamp(10)), true, 0, Mode::Compare);
        check(Some(foreign), false, 0, Mode::Compare);
        check(None, false, 0, Mode::Compare);
    }

    #[test]
    fn of_a_lineage_that_is_too_long_the_newest_epochs_stay() {
        let range = |n| EpochRange {
            epoch: Epoch(n),
            first: Revision(n),
            last: Some(Revision(n)),
        };
        let mut config = hub_config();
        config.lineage = Arc::new(Lineage((0..5_000).map(range).collect()));
        let kept = bounded(config).lineage;
        assert_eq!(kept.0.len(), LINEAGE_MAX);
        assert_eq!(kept.0.last().map(|range| range.epoch), Some(Epoch(4_999)));
    }
}
