//! What a definition of a kind wakes, and what an interpreter: everything of the kind.

use std::collections::BTreeSet;

use roadstead_plan::interpreter::target;
use roadstead_protocol::api::policy::ResourceSelector;
use roadstead_store::records::{objects_prefix, parse_object_key};
use roadstead_store::{Entry, Event};

use super::changes::{own, woken};
use super::{GATHER, Wake};
use crate::driver::Woken;
use crate::objects;
use crate::words::{says, words};
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

    /// The objects of a kind whose definition came or changed, and the policies that name the kind.
    pub(super) fn define(&self, event: &Event, out: &mut Vec<Woken<Work>>) {
        let read = |entry: &Option<Entry>| {
            let object = objects::object(entry.as_ref()?).ok()?;
            let text = |at: &str| objects::text(&object, at).to_owned();
            let names = (text("/spec/group"), text("/spec/names/plural"));
            let kind = text("/spec/names/kind");
            Some((names, kind, object.pointer("/spec").cloned()))
        };
        let (new, old) = (read(&event.new), read(&event.previous));
        if new == old {
            return;
        }
        for (_, kind, _) in new.iter().chain(&old) {
            self.naming(kind, out);
        }
        if let Some(((group, plural), _, _)) = new {
            self.all_of(&group, &plural, out);
        }
    }

    /// The conditions of policies that name a kind: they say whether it is served.
    fn naming(&self, kind: &str, out: &mut Vec<Woken<Work>>) {
        let snapshot = self.store.snapshot();
        let selector = ResourceSelector {
            name: kind.to_owned(),
            ..ResourceSelector::default()
        };
        let words = words(&selector);
        for (group, _, plural) in world::POLICIES {
            let entries = snapshot.range(&objects_prefix(group, plural));
            let naming = entries.filter(|entry| says(entry, &words));
            let keys = naming.filter_map(|entry| parse_object_key(entry.key.as_str()));
            let work = keys.filter_map(|key| own(&key));
            out.extend(woken(work, GATHER, "a kind that it names"));
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
