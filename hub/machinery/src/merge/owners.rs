//! Who owns which fields, and how applying and updating move ownership.
//!
//! An applier owns what it says; an updater owns what it changes. Whoever changes a field takes
//! it, an applier only if nobody else owns it or it is told to.

use std::collections::BTreeMap;

use super::prune::prune;
use super::{Comparison, Path, Set, Typed, TypedError, equal};

/// What one manager owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// The fields.
    pub set: Set,
    /// The API version in which they are named.
    pub version: String,
    /// Whether the manager applies, so that what it leaves out the next time is removed.
    pub applied: bool,
}

/// The managers of an object, by an id that is unique among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Managers(
    /// Without entries that own nothing.
    pub BTreeMap<String, Owned>,
);

/// A field that an apply would change although another manager owns it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// Id of the owner.
    pub manager: String,
    /// The field.
    pub path: Path,
}

/// Why ownership could not be worked out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Others own what would change.
    #[error("conflicts with other managers")]
    Conflicts(Vec<Conflict>),
    /// The objects cannot be merged.
    #[error("failed to merge config: {0}")]
    Merge(TypedError),
    /// The objects cannot be compared.
    #[error("failed to compare objects: {0}")]
    Compare(TypedError),
    /// The fields of an object cannot be listed.
    #[error("failed to get field set: {0}")]
    Fields(TypedError),
    /// Managed fields do not fit the schema any more.
    #[error("errors reconciling field set with schema: {0}")]
    Reconcile(TypedError),
    /// An object cannot be converted to another version.
    #[error("failed to convert object to version {version}: {reason}")]
    Convert {
        /// The wanted version.
        version: String,
        /// What the converter said.
        reason: String,
    },
}

/// Why a conversion failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConvertError {
    /// There is no such version any more: what is owned in it is forgotten.
    NoSuchVersion,
    /// Anything else.
    Failed(String),
}

/// Conversion of objects between the versions of a kind.
pub trait Convert<'s> {
    /// `object` in `version`.
    ///
    /// # Errors
    /// When the version does not exist, or the object cannot be expressed in it.
    fn convert(&self, object: &Typed<'s>, version: &str) -> Result<Typed<'s>, ConvertError>;
}

/// Fields that an endpoint ignores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Filter {
    /// None.
    #[default]
    Nothing,
    /// These, and what is inside them.
    Exclude(Set),
    /// All but these, what is inside them, and what leads to them.
    Only(Set),
}

impl Filter {
    /// The fields that are not ignored.
    #[must_use]
    pub fn keep(&self, set: Set) -> Set {
        match self {
            Self::Nothing => set,
            Self::Exclude(fields) => set.without(fields),
            Self::Only(fields) => set.within(fields),
        }
    }
}

/// One write.
#[derive(Clone, Copy)]
pub struct Request<'r, 's> {
    /// Id of the manager that writes.
    pub manager: &'r str,
    /// The version of its object.
    pub version: &'r str,
    /// Whether fields of others may be taken; an update always may.
    pub force: bool,
    /// The ignored fields by version; a version that is not there ignores none.
    pub filters: &'r BTreeMap<String, Filter>,
    /// How to get from version to version.
    pub converter: &'r dyn Convert<'s>,
}

/// What came of a write.
#[derive(Clone, Debug)]
pub struct Outcome<'s> {
    /// The object to store; `None` if it is the live one, unchanged.
    pub object: Option<Typed<'s>>,
    /// Who owns what now.
    pub managers: Managers,
}

/// Merges `config` into `live`, and removes what the manager applied before and does no more.
///
/// # Errors
/// With the conflicts, unless forced; or when an object does not fit its schema.
pub fn apply<'s>(
    live: &Typed<'s>,
    config: &Typed<'s>,
    managers: &Managers,
    request: &Request<'_, 's>,
) -> Result<Outcome<'s>, Error> {
    let mut managers = request.reconcile(live, managers)?;
    let merged = live.merge(config).map_err(Error::Merge)?;
    let set = request.keep(request.version, config.to_set().map_err(Error::Fields)?);
    let mine = Owned {
        set,
        version: request.version.to_owned(),
        applied: true,
    };
    let last = managers.0.insert(request.manager.to_owned(), mine);
    let merged = prune(merged, &managers, last.as_ref(), request)?;
    request.take_over(live, &merged, &mut managers)?;
    let changed = !equal(live.value(), merged.value());
    Ok(Outcome {
        object: changed.then_some(merged),
        managers,
    })
}

/// Records that the manager turned `live` into `new`.
///
/// # Errors
/// When an object does not fit its schema.
pub fn update<'s>(
    live: &Typed<'s>,
    new: &Typed<'s>,
    managers: &Managers,
    request: &Request<'_, 's>,
) -> Result<Managers, Error> {
    let forced = Request {
        force: true,
        ..*request
    };
    let mut managers = request.reconcile(live, managers)?;
    let changes = forced.take_over(live, new, &mut managers)?;
    let before = managers.0.remove(request.manager).map(|owned| owned.set);
    let mut set = before.unwrap_or_default().difference(&changes.removed);
    set.extend(&changes.modified);
    set.extend(&changes.added);
    let set = request.keep(request.version, set);
    if !set.is_empty() {
        let mine = Owned {
            set,
            version: request.version.to_owned(),
            applied: false,
        };
        managers.0.insert(request.manager.to_owned(), mine);
    }
    Ok(managers)
}

impl<'s> Request<'_, 's> {
    /// `None` if the version does not exist.
    pub(super) fn convert(
        &self,
        object: &Typed<'s>,
        version: &str,
    ) -> Result<Option<Typed<'s>>, Error> {
        match self.converter.convert(object, version) {
            Ok(converted) => Ok(Some(converted)),
            Err(ConvertError::NoSuchVersion) => Ok(None),
            Err(ConvertError::Failed(reason)) => Err(Error::Convert {
                version: version.to_owned(),
                reason,
            }),
        }
    }

    fn keep(&self, version: &str, set: Set) -> Set {
        match self.filters.get(version) {
            Some(filter) => filter.keep(set),
            None => set,
        }
    }

    /// The managers as the schema of today has them, without those of versions that are gone.
    fn reconcile(&self, live: &Typed<'s>, managers: &Managers) -> Result<Managers, Error> {
        let mut out = Managers::default();
        for (manager, owned) in &managers.0 {
            let Some(live) = self.convert(live, &owned.version)? else {
                continue;
            };
            let set = live.reconcile(&owned.set).map_err(Error::Reconcile)?;
            let set = set.unwrap_or_else(|| owned.set.clone());
            let owned = Owned {
                set,
                ..owned.clone()
            };
            out.0.insert(manager.clone(), owned);
        }
        Ok(out)
    }

    /// Takes from the other managers what changed between the objects.
    fn take_over(
        &self,
        old: &Typed<'s>,
        new: &Typed<'s>,
        managers: &mut Managers,
    ) -> Result<Comparison, Error> {
        let mut versions = BTreeMap::new();
        versions.insert(
            self.version.to_owned(),
            self.compare(old, new, self.version)?,
        );
        let others: Vec<_> = managers
            .0
            .keys()
            .filter(|m| *m != self.manager)
            .cloned()
            .collect();
        let (mut conflicts, mut losses) = (Vec::new(), Vec::new());
        for manager in others {
            let Some(owned) = managers.0.get(&manager) else {
                continue;
            };
            if !versions.contains_key(&owned.version) {
                let old = self.convert(old, &owned.version)?;
                let new = self.convert(new, &owned.version)?;
                let (Some(old), Some(new)) = (old, new) else {
                    managers.0.remove(&manager);
                    continue;
                };
                let changes = self.compare(&old, &new, &owned.version)?;
                versions.insert(owned.version.clone(), changes);
            }
            let Some(changes) = versions.get(&owned.version) else {
                continue;
            };
            let mut contested = owned.set.intersection(&changes.modified);
            contested.extend(&owned.set.intersection(&changes.added));
            conflicts.extend(contested.paths().into_iter().map(|path| Conflict {
                manager: manager.clone(),
                path,
            }));
            losses.push((manager, contested.union(&changes.removed)));
        }
        if !self.force && !conflicts.is_empty() {
            return Err(Error::Conflicts(conflicts));
        }
        for (manager, lost) in losses {
            if let Some(owned) = managers.0.get_mut(&manager) {
                owned.set = owned.set.difference(&lost);
            }
        }
        managers.0.retain(|_, owned| !owned.set.is_empty());
        Ok(versions.remove(self.version).unwrap_or_default())
    }

    fn compare(
        &self,
        old: &Typed<'s>,
        new: &Typed<'s>,
        version: &str,
    ) -> Result<Comparison, Error> {
        let changes = old.compare(new).map_err(Error::Compare)?;
        Ok(Comparison {
            removed: self.keep(version, changes.removed),
            modified: self.keep(version, changes.modified),
            added: self.keep(version, changes.added),
        })
    }
}
