//! What an order to freeze, or to thaw, changes here: judged by its stamp, as an item is.

use roadstead_protocol::session::stamps::{Held, Verdict, verdict};
use roadstead_protocol::wire::Lineage;
use roadstead_protocol::wire::frame::Freeze as Order;

use crate::store::record::Freeze;

/// What is recorded after `order` of a hub of the history `lineage` came over what `known` says.
pub(crate) fn freeze(lineage: &Lineage, order: &Order, known: Option<&Freeze>) -> Freeze {
    let taken = Freeze {
        stamp: order.stamp,
        frozen: order.frozen,
        reason: order.reason.clone(),
        held: None,
    };
    let Some(known) = known else {
        return taken;
    };
    let held = Held {
        stamp: known.stamp,
        digest: as_order(known).as_change().digest(),
    };
    match verdict(lineage, &order.as_change(), Some(&held)) {
        Verdict::Act | Verdict::Restamp => taken,
        Verdict::Same | Verdict::Older => Freeze {
            held: None,
            ..known.clone()
        },
        Verdict::Hold | Verdict::SameStampDiffers => Freeze {
            held: Some(order.stamp),
            ..known.clone()
        },
    }
}

fn as_order(known: &Freeze) -> Order {
    Order {
        stamp: known.stamp,
        frozen: known.frozen,
        reason: String::new(),
        meta: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use roadstead_protocol::wire::item::Meta;
    use roadstead_protocol::wire::stamp::EpochRange;
    use roadstead_protocol::wire::{Epoch, Revision, Stamp};

    use super::*;

    fn stamp(epoch: u64, revision: u64) -> Stamp {
        Stamp {
            epoch: Epoch(epoch),
            revision: Revision(revision),
        }
    }

    fn order(stamp: Stamp, frozen: bool) -> Order {
        Order {
            stamp,
            frozen,
            reason: "works".into(),
            meta: vec![],
        }
    }

    fn lineage(epochs: &[u64]) -> Lineage {
        let range = |epoch: &u64| EpochRange {
            epoch: Epoch(*epoch),
            first: Revision(epoch * 100),
            last: Some(Revision(epoch * 100 + 99)),
        };
        Lineage(epochs.iter().map(range).collect())
    }

    #[test]
    fn the_newest_word_of_one_history_counts() {
        let history = lineage(&[1]);
        let frozen = freeze(&history, &order(stamp(1, 110), true), None);
        assert!(frozen.frozen);
        let late = freeze(&history, &order(stamp(1, 105), false), Some(&frozen));
        assert_eq!(late, frozen);
        let thawed = freeze(&history, &order(stamp(1, 120), false), Some(&frozen));
        assert!(!thawed.frozen && thawed.held.is_none());
    }

    #[test]
    fn another_history_neither_lifts_nor_sets_it_until_it_names_what_it_replaces() {
        let frozen = freeze(&lineage(&[1, 2]), &order(stamp(2, 210), true), None);
        let restored = lineage(&[1, 3]);
        let mut lift = order(stamp(3, 310), false);
        let held = freeze(&restored, &lift, Some(&frozen));
        assert!(held.frozen);
        assert_eq!(
            (held.stamp, held.held),
            (stamp(2, 210), Some(stamp(3, 310)))
        );
        lift.meta = vec![Meta::Replaces(stamp(2, 210))];
        let lifted = freeze(&restored, &lift, Some(&held));
        assert!(!lifted.frozen && lifted.held.is_none());
        // The same said again is no fork.
        let again = freeze(&restored, &order(stamp(3, 311), true), Some(&frozen));
        assert_eq!((again.stamp, again.held), (stamp(3, 311), None));
    }
}
