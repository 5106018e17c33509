//! What a definition of a kind wakes, and what an interpreter: everything of the kind.

use std::collections::BTreeSet;

use roadstead_plan::interpreter::target;
use roadstead_store::records::{objects_prefix, parse_object_key};
use roadstead_store::{Entry, Event};

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
        let registry = self.registry();
        for (group, kind) in kinds {
            if let Some(resource) = registry.by_kind(&group, &kind) {
                let (group, plural) = &resource.storage;
                self.all_of(group, plural, out);
            }
        }
    }

    /// The objects of a kind whose definition came or changed.
    pub(super) fn define(&self, event: &Event, out: &mut Vec<Woken<Work>>) {
        let read = |entry: &Option<Entry>| {
            let object = objects::object(entry.as_ref()?).ok()?;
            let text = |at: &str| objects::text(&object, at).to_owned();
            let names = (text("/spec/group"), text("/spec/names/plural"));
            Some((names, object.pointer("/spec").cloned()))
        };
        let (new, old) = (read(&event.new), read(&event.previous));
        if new == old {
            return;
        }
        if let Some(((group, plural), _)) = new {
            self.all_of(&group, &plural, out);
        }
    }

    fn all_of(&self, group: &str, plural: &str, out: &mut Vec<Woken<Work>>) {
        let (snapshot, registry) = (self.store.snapshot(), self.registry());
        let keys = snapshot.range(&objects_prefix(group, plural));
        let keys = keys.filter_map(|entry| parse_object_key(entry.key.as_str()));
        for item in keys.filter_map(|key| world::item(&registry, &key)) {
            let work = [Work::Placement(item.clone()), Work::Status(item)];
            out.extend(woken(work, GATHER, "what is told of its kind"));
        }
    }
}
