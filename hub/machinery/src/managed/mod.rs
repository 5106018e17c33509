//! `metadata.managedFields`: server-side apply, and the bookkeeping of every other write.
//!
//! [`apply`] merges, [`update`] only records. Both return whole objects; neither fills in
//! defaults nor validates anything but shapes. A server that changes the object afterwards, as
//! defaults do, asks [`settle`] in the end whether anything but times is different.

mod before;
mod cap;
mod conflict;
mod entries;
#[cfg(test)]
mod golden;
mod kubectl;
mod object;
mod options;
#[cfg(test)]
mod tests;
mod versions;
mod written;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::merge::{self, Duplicates, Filter, Managers, Request, Set, Typed, TypedError, equal};
use crate::schema::{Schema, TypeId};

use entries::{Id, Managed, Operation};
use object::Reference;
use versions::SameGroup;

pub use object::settle;
pub use options::{Applied, Conflict, Error, Options, Reset};
pub use written::written;

/// Merges `config` into `live` for one manager, which then owns what is in `config`. What it
/// applied before and leaves out now is removed, unless others own it too.
///
/// The caller has checked that `config` is of the kind and version of the endpoint.
///
/// # Errors
/// [`Error::Conflicts`] when fields would change that others own, unless forced; other variants
/// when `config` does not fit the schema or carries what it must not.
pub fn apply(
    schema: &Schema,
    ty: TypeId,
    live: Option<&Value>,
    config: &Value,
    options: &Options<'_>,
) -> Result<Applied, Error> {
    object::check_config(config, options.api_version)?;
    let write = Write::new(schema, ty, options);
    let stored = object::managed_fields(live);
    let managed = Managed::decode(stored)
        .map_err(|e| Error::Schema(format!("failed to decode managed fields: {e}")))?;
    let bare = live.map(object::without_managed_fields);
    let live_typed = write.typed(bare.as_ref().unwrap_or(&Value::Null));
    let config_typed = write.typed(config);
    let refused = |what: &str, whose: &Value, error: &TypedError| {
        let reference = Reference(whose);
        Error::Schema(format!(
            "failed to create typed {what} object ({reference}): {error}"
        ))
    };
    config_typed
        .validate(Duplicates::Refused)
        .map_err(|e| refused("patch", config, &e))?;
    live_typed
        .validate(Duplicates::Allowed)
        .map_err(|e| refused("live", live.unwrap_or(config), &e))?;
    let managed = write.before_first_apply(&live_typed, managed)?;
    let (merged, managed) = write.apply(&live_typed, &config_typed, managed)?;
    let merged = match merged {
        Some(merged) => options.reset.of(live, merged.into_value()),
        None => live_typed.into_value(),
    };
    let merged = kubectl::refresh_last_applied(options.manager, config, merged);
    let entries = managed.encode();
    let same_entries = live.is_some() && entries::same_but_for_times(stored, &entries);
    let changed = !(same_entries && object::same(bare.as_ref(), &merged));
    let entries = if changed { entries } else { stored.to_vec() };
    Ok(Applied {
        object: object::with_managed_fields(merged, entries),
        changed,
    })
}

/// Records in `new` what `options.manager` changed with respect to `live`; it comes to own that.
///
/// Entries that `new` itself carries take the place of the live ones, and none at all (`[]`)
/// removes them, except on subresources. Where managed fields cannot be worked out, because an
/// object does not fit the schema, the object goes without them.
#[must_use]
pub fn update(
    schema: &Schema,
    ty: TypeId,
    live: Option<&Value>,
    new: Value,
    options: &Options<'_>,
) -> Value {
    let given = (options.subresource.is_empty()).then(|| object::managed_fields_given(&new));
    let managed = Managed::of_update(object::managed_fields(live), given.flatten());
    let new = object::without_managed_fields(&new);
    // An object that exists and is not tracked stays so until somebody applies.
    if live.is_some() && managed.is_empty() {
        return new;
    }
    let write = Write::new(schema, ty, options);
    let bare = live.map(object::without_managed_fields);
    let Ok(managed) = write.update(bare.as_ref(), &new, managed, options.manager) else {
        return new;
    };
    let new = object::with_managed_fields(new, managed.encode());
    match live {
        Some(live) => settle(live, new),
        None => new,
    }
}

/// One write, and what it needs to know.
struct Write<'a> {
    schema: &'a Schema,
    ty: TypeId,
    options: &'a Options<'a>,
    filters: BTreeMap<String, Filter>,
    converter: SameGroup<'a>,
}

impl<'a> Write<'a> {
    fn new(schema: &'a Schema, ty: TypeId, options: &'a Options<'a>) -> Self {
        Self {
            schema,
            ty,
            options,
            filters: BTreeMap::from([(options.api_version.to_owned(), options.reset.filter())]),
            converter: SameGroup(options.api_version),
        }
    }

    fn typed<'v>(&'v self, value: &'v Value) -> Typed<'v> {
        Typed::new(self.schema, self.ty, value)
    }

    fn id(&self, manager: &str, operation: Operation) -> String {
        let id = Id {
            manager: if manager.is_empty() {
                "unknown"
            } else {
                manager
            }
            .to_owned(),
            operation,
            api_version: self.options.api_version.to_owned(),
            subresource: self.options.subresource.to_owned(),
        };
        id.to_key()
    }

    fn request<'r, 's>(&'r self, manager: &'r str, force: bool) -> Request<'r, 's>
    where
        'a: 's,
        's: 'r,
    {
        Request {
            manager,
            version: self.options.api_version,
            force,
            filters: &self.filters,
            converter: &self.converter,
        }
    }

    /// The merged object, or `None` if nothing changes, and who owns what.
    fn apply<'s>(
        &'s self,
        live: &Typed<'s>,
        config: &Typed<'s>,
        mut managed: Managed,
    ) -> Result<(Option<Typed<'s>>, Managed), Error> {
        let id = self.id(self.options.manager, Operation::Apply);
        let attempt = |force| {
            let request = self.request(&id, force);
            merge::apply(live, config, &managed.managers, &request)
        };
        let outcome = match attempt(self.options.force) {
            Err(merge::Error::Conflicts(conflicts)) => {
                let rest = kubectl::not_settled_by_last_applied(self.options, live, conflicts);
                if !rest.is_empty() {
                    return Err(conflict::report(&rest));
                }
                attempt(true)
            }
            other => other,
        };
        let outcome = outcome.map_err(|error| {
            if let merge::Error::Conflicts(conflicts) = &error {
                return conflict::report(conflicts);
            }
            Error::Schema(error.to_string())
        })?;
        managed.managers = strip(outcome.managers, &id);
        if outcome.object.is_some() {
            managed.touch(&id, self.options.now);
        }
        Ok((outcome.object, managed))
    }

    /// Who owns what after `manager` turned `live` into `new`.
    fn update(
        &self,
        live: Option<&Value>,
        new: &Value,
        mut managed: Managed,
        manager: &str,
    ) -> Result<Managed, Error> {
        /// Stands for the write itself, so that what the manager owned before is kept apart.
        const CURRENT: &str = "current-operation";
        let live = self.typed(live.unwrap_or(&Value::Null));
        let new = self.typed(new);
        for object in [&live, &new] {
            let checked = object.validate(Duplicates::Allowed);
            checked.map_err(|e| Error::Schema(e.to_string()))?;
        }
        let request = self.request(CURRENT, true);
        let managers = merge::update(&live, &new, &managed.managers, &request)
            .map_err(|e| Error::Schema(format!("failed to update ManagedFields: {e}")))?;
        managed.managers = strip(managers, CURRENT);
        if let Some(mut current) = managed.managers.0.remove(CURRENT) {
            let id = self.id(manager, Operation::Update);
            if let Some(previous) = managed.managers.0.get(&id) {
                current.set.extend(&previous.set);
            }
            managed.managers.0.insert(id.clone(), current);
            managed.touch(&id, self.options.now);
        }
        cap::cap_updaters(&mut managed);
        Ok(managed)
    }
}

impl Reset {
    fn filter(self) -> Filter {
        let status = Set::of(&[merge::Element::field("status")]);
        match self {
            Self::Nothing => Filter::Nothing,
            Self::Status => Filter::Exclude(status),
            Self::AllButStatus => Filter::Only(status),
        }
    }

    /// `merged` with the ignored fields as they are in `live`.
    fn of(self, live: Option<&Value>, merged: Value) -> Value {
        match (self, live) {
            (Self::Nothing, _) | (Self::AllButStatus, None) => merged,
            (Self::Status, live) => object::take_field(merged, live, "status"),
            (Self::AllButStatus, Some(live)) => object::take_field(
                object::without_managed_fields(live),
                Some(&merged),
                "status",
            ),
        }
    }
}

/// What identifies an object, and what only the server writes, has no owner.
fn strip(mut managers: Managers, id: &str) -> Managers {
    const METADATA: [&str; 9] = [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    ];
    let field = merge::Element::field;
    let mut stripped = Set::new();
    for name in ["apiVersion", "kind", "metadata"] {
        stripped.insert(&[field(name)]);
    }
    for name in METADATA {
        stripped.insert(&[field("metadata"), field(name)]);
    }
    if let Some(owned) = managers.0.get_mut(id) {
        owned.set = owned.set.difference(&stripped);
    }
    managers.0.retain(|_, owned| !owned.set.is_empty());
    managers
}

/// Whether two objects are the same, where either may be missing.
fn same_value(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => equal(a, b),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}
