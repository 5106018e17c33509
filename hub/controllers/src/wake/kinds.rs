//! What an interpreter wakes: everything of the kind that it explains, or explained.

use std::collections::BTreeSet;

use roadstead_plan::interpreter::target;
use roadstead_store::Event;
use roadstead_store::records::{objects_prefix, parse_object_key};

use super::changes::woken;
use super::{GATHER, Wake};
use crate::driver::Woken;
use crate::objects;
use crate::work::Work;
use crate::world;

impl Wake {
    /// Decisions and statuses of the kinds that an interpreter is about.
    pub(super) fn explained(&self, event: &Event, out: &mut Vec<Woken<Work>>) {
        let entries = event.new.iter().chain(&event.previous);
        let objects = entries.filter_map(|entry| objects::object(entry).ok());
        let kinds: BTreeSet<(String, String)> = objects.map(|object| target(&object)).collect();
        let snapshot = self.store.snapshot();
        for (group, kind) in kinds {
            let Some(resource) = self.registry.by_kind(&group, &kind) else {
                continue;
            };
            let (group, plural) = &resource.storage;
            let keys = snapshot.range(&objects_prefix(group, plural));
            let keys = keys.filter_map(|entry| parse_object_key(entry.key.as_str()));
            let items = keys.filter_map(|key| world::item(&self.registry, &key));
            for item in items {
                let work = [Work::Placement(item.clone()), Work::Status(item)];
                out.extend(woken(work, GATHER, "what is told of its kind"));
            }
        }
    }
}
