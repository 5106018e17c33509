//! Which hub knows what: the lives of all hubs that there were, so that a checker can say whether
//! one may act over what another gave (invariant 3), without asking anybody.

use std::collections::BTreeMap;

use roadstead_protocol::wire::{Epoch, Lineage, Revision, Stamp};
use serde_json::Value;

/// The lineage of each life, as it was when that began.
#[derive(Clone, Debug, Default)]
pub struct Histories(BTreeMap<u64, Lineage>);

/// What was applied last at one place.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// Its stamp.
    pub stamp: Stamp,
    /// What users wrote of it.
    pub content: Vec<Value>,
}

impl Histories {
    /// A life of a hub began.
    pub fn begin(&mut self, lineage: &Lineage) {
        if let Some(living) = lineage.0.last() {
            self.0.insert(living.epoch.0, lineage.clone());
        }
    }

    /// What is wrong with applying `next` over `before`, if anything is. Of a hub that nobody has
    /// heard of yet nothing is known, and nothing said.
    pub fn fault(&self, before: &Applied, next: &Applied) -> Option<String> {
        let (old, new) = (before.stamp, next.stamp);
        if before.content == next.content {
            return None;
        }
        if old == new {
            return Some(format!("two contents under the stamp {new}"));
        }
        let lineage = self.0.get(&new.epoch.0)?;
        if !lineage.contains(old) {
            return Some(format!(
                "{new} over {old}, of which the hub that gave it does not know"
            ));
        }
        (new.revision < old.revision).then(|| format!("{new} after {old}"))
    }
}

/// The stamp in an annotation's text.
pub fn parse(text: &str) -> Option<Stamp> {
    let (epoch, revision) = text.rsplit_once('/')?;
    Some(Stamp {
        epoch: Epoch(u64::from_str_radix(epoch, 16).ok()?),
        revision: Revision(revision.parse().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use roadstead_protocol::wire::EpochRange;

    fn life(epoch: u64, first: u64, last: Option<u64>) -> EpochRange {
        EpochRange {
            epoch: Epoch(epoch),
            first: Revision(first),
            last: last.map(Revision),
        }
    }

    fn applied(epoch: u64, revision: u64, content: u64) -> Applied {
        Applied {
            stamp: Stamp {
                epoch: Epoch(epoch),
                revision: Revision(revision),
            },
            content: vec![content.into()],
        }
    }

    #[test]
    fn a_hub_may_act_over_what_it_knows_and_what_is_older() {
        let mut all = Histories::default();
        all.begin(&Lineage(vec![life(1, 10, None)]));
        // Two from one copy, taken at 20.
        all.begin(&Lineage(vec![life(1, 10, Some(20)), life(2, 30, None)]));
        all.begin(&Lineage(vec![life(1, 10, Some(20)), life(3, 30, None)]));
        let fault = |a, b| all.fault(&a, &b).is_some();
        assert!(!fault(applied(1, 15, 0), applied(2, 31, 1)));
        assert!(!fault(applied(2, 31, 0), applied(2, 32, 1)));
        assert!(fault(applied(2, 32, 0), applied(2, 31, 1)), "backwards");
        assert!(fault(applied(2, 31, 0), applied(3, 40, 1)), "a fork");
        assert!(
            fault(applied(1, 25, 0), applied(2, 31, 1)),
            "after the copy"
        );
        assert!(fault(applied(2, 31, 0), applied(2, 31, 1)), "one stamp");
        assert!(!fault(applied(2, 31, 7), applied(3, 40, 7)), "the same");
        assert!(!fault(applied(2, 31, 0), applied(9, 40, 1)), "who is that");
    }

    #[test]
    fn reads_what_stamps_say() {
        let stamp = applied(0xab, 77, 0).stamp;
        assert_eq!(parse(&stamp.to_string()), Some(stamp));
        assert_eq!(parse("nonsense"), None);
    }
}
