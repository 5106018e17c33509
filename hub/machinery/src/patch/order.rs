//! The order of a list after a strategic merge.
//!
//! Items that the patch speaks of come in the patch's order, the others in the object's; an other
//! item comes first where the object has it before the patched one.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::merge::Datum;

/// What tells items apart: the value of a field, or the item itself.
#[derive(Clone, Copy)]
pub(super) struct By<'k>(pub(super) Option<&'k str>);

impl By<'_> {
    pub(super) fn key(self, item: &Value) -> Option<Datum> {
        match self.0 {
            Some(field) => item.get(field).cloned().map(Datum::new),
            None => Some(Datum::new(item.clone())),
        }
    }

    /// First place of every key.
    pub(super) fn places(self, items: &[Value]) -> BTreeMap<Datum, usize> {
        let mut places = BTreeMap::new();
        for (at, item) in items.iter().enumerate() {
            if let Some(key) = self.key(item) {
                places.entry(key).or_insert(at);
            }
        }
        places
    }
}

/// Sorts `merged`, which came of a list in the order `object` and a patch in the order `patch`.
pub(super) fn normalize(
    merged: Vec<Value>,
    patch: &[Value],
    object: &[Value],
    by: By<'_>,
) -> Vec<Value> {
    let (in_patch, in_object) = (by.places(patch), by.places(object));
    let place = |places: &BTreeMap<Datum, usize>, item: &Value| {
        by.key(item).and_then(|key| places.get(&key).copied())
    };
    let (mut patched, mut others): (Vec<_>, Vec<_>) = merged
        .into_iter()
        .partition(|item| place(&in_patch, item).is_some());
    patched.sort_by_key(|item| place(&in_patch, item));
    others.sort_by_key(|item| place(&in_object, item).unwrap_or(usize::MAX));

    let mut out = Vec::with_capacity(patched.len() + others.len());
    let mut patched = patched.into_iter().peekable();
    let mut others = others.into_iter().peekable();
    loop {
        let other_first = match (others.peek(), patched.peek()) {
            (None, None) => return out,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(other), Some(patched)) => {
                match (place(&in_object, other), place(&in_object, patched)) {
                    (Some(other), Some(patched)) => other < patched,
                    (Some(_) | None, Some(_) | None) => false,
                }
            }
        };
        out.extend(if other_first {
            others.next()
        } else {
            patched.next()
        });
    }
}
