//! Sets of paths, as tries.
//!
//! A set may hold a field without what is inside it, and what is inside without the field.

use std::collections::{BTreeMap, BTreeSet};

use crate::schema::{Schema, TypeId};

use super::{Element, Path};

/// A set of paths. Equal sets compare equal: there are never empty branches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    pub(super) members: BTreeSet<Element>,
    pub(super) children: BTreeMap<Element, Self>,
}

impl Set {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            members: BTreeSet::new(),
            children: BTreeMap::new(),
        }
    }

    /// The set of one path; empty for the empty path, because nobody owns a whole object.
    #[must_use]
    pub fn of(path: &[Element]) -> Self {
        let mut set = Self::new();
        set.insert(path);
        set
    }

    /// Adds a path, not its parents. The empty path is left out.
    pub fn insert(&mut self, path: &[Element]) {
        let Some((last, parents)) = path.split_last() else {
            return;
        };
        let mut set = self;
        for element in parents {
            set = set.children.entry(element.clone()).or_default();
        }
        set.members.insert(last.clone());
    }

    /// Whether there is no path.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.values().all(Self::is_empty)
    }

    /// How many paths there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len() + self.children.values().map(Self::len).sum::<usize>()
    }

    /// Whether `path` itself is in the set.
    #[must_use]
    pub fn has(&self, path: &[Element]) -> bool {
        let Some((last, parents)) = path.split_last() else {
            return false;
        };
        let mut set = self;
        for element in parents {
            match set.children.get(element) {
                Some(child) => set = child,
                None => return false,
            }
        }
        set.members.contains(last)
    }

    /// The paths inside `element`, without it.
    #[must_use]
    pub fn inside(&self, element: &Element) -> Option<&Self> {
        self.children.get(element)
    }

    /// All paths, those of a level before those inside.
    #[must_use]
    pub fn paths(&self) -> Vec<Path> {
        let mut paths = Vec::new();
        self.collect(&mut Vec::new(), &mut paths);
        paths
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut out = self.clone();
        out.extend(other);
        out
    }

    /// Adds what is in `other`.
    pub fn extend(&mut self, other: &Self) {
        self.members.extend(other.members.iter().cloned());
        for (element, child) in &other.children {
            match self.children.get_mut(element) {
                Some(mine) => mine.extend(child),
                None => {
                    self.children.insert(element.clone(), child.clone());
                }
            }
        }
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let shared = |(element, child): (&Element, &Self)| {
            let both = child.intersection(other.children.get(element)?);
            (!both.is_empty()).then(|| (element.clone(), both))
        };
        Self {
            members: self.members.intersection(&other.members).cloned().collect(),
            children: self.children.iter().filter_map(shared).collect(),
        }
    }

    /// What is in this one only. A field's absence says nothing about what is inside it.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let rest = |(element, child): (&Element, &Self)| {
            let rest = match other.children.get(element) {
                Some(theirs) => child.difference(theirs),
                None => child.clone(),
            };
            (!rest.is_empty()).then(|| (element.clone(), rest))
        };
        Self {
            members: self.members.difference(&other.members).cloned().collect(),
            children: self.children.iter().filter_map(rest).collect(),
        }
    }

    /// What is neither in `other` nor inside a field that is.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let rest = |(element, child): (&Element, &Self)| {
            if other.members.contains(element) {
                return None;
            }
            let rest = match other.children.get(element) {
                Some(theirs) => child.without(theirs),
                None => child.clone(),
            };
            (!rest.is_empty()).then(|| (element.clone(), rest))
        };
        Self {
            members: self.members.difference(&other.members).cloned().collect(),
            children: self.children.iter().filter_map(rest).collect(),
        }
    }

    /// What is in `prefixes` or inside a field that is, and the fields on the way there.
    #[must_use]
    pub fn within(&self, prefixes: &Self) -> Self {
        let mut out = Self::new();
        for element in &self.members {
            if prefixes.members.contains(element) || prefixes.children.contains_key(element) {
                out.members.insert(element.clone());
            }
        }
        for (element, child) in &self.children {
            let kept = if prefixes.members.contains(element) {
                child.clone()
            } else if let Some(prefixes) = prefixes.children.get(element) {
                child.within(prefixes)
            } else {
                continue;
            };
            if !kept.is_empty() {
                out.children.insert(element.clone(), kept);
            }
        }
        out
    }

    /// The paths without a longer path in the set.
    #[must_use]
    pub fn leaves(&self) -> Self {
        let leaf = |element: &&Element| !self.children.contains_key(*element);
        let inside = self.children.iter();
        Self {
            members: self.members.iter().filter(leaf).cloned().collect(),
            children: inside
                .map(|(e, child)| (e.clone(), child.leaves()))
                .collect(),
        }
    }

    /// With the declared fields that paths lead through.
    #[must_use]
    pub fn with_named_fields(&self, schema: &Schema, ty: Option<TypeId>) -> Self {
        let mut out = Self {
            members: self.members.clone(),
            children: BTreeMap::new(),
        };
        let atom = ty.map(|ty| schema.get(ty));
        for (element, child) in &self.children {
            let inner = match element {
                Element::Field(name) => atom.and_then(|a| a.map.as_ref()).and_then(|map| {
                    if map.field(name).is_some() {
                        out.members.insert(element.clone());
                    }
                    map.field_type(name)
                }),
                Element::Key(_) => atom.and_then(|a| a.list.as_ref()).map(|list| list.element),
                Element::Value(_) | Element::Index(_) => None,
            };
            let named = child.with_named_fields(schema, inner);
            out.children.insert(element.clone(), named);
        }
        out
    }

    fn collect(&self, prefix: &mut Vec<Element>, paths: &mut Vec<Path>) {
        for element in &self.members {
            let path = prefix.iter().chain([element]).cloned();
            paths.push(path.collect());
        }
        for (element, child) in &self.children {
            prefix.push(element.clone());
            child.collect(prefix, paths);
            prefix.pop();
        }
    }
}

impl FromIterator<Path> for Set {
    fn from_iter<I: IntoIterator<Item = Path>>(paths: I) -> Self {
        let mut set = Self::new();
        for path in paths {
            set.insert(&path.0);
        }
        set
    }
}
