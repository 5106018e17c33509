//! Structured merge: which fields an object has, how two objects merge, and what that does to
//! those who own the fields.
//!
//! The pieces, from the bottom up: [`Element`] and [`Set`] name fields, [`Typed`] pairs a value
//! with its type and does the merging and comparing, [`apply`] and [`update`] move ownership
//! between [`Managers`]. Nothing here knows `metadata`; that is `managed`'s work.

mod compare;
mod fields_v1;
mod list;
mod merging;
mod owners;
mod path;
mod prune;
mod reconcile;
mod remove;
mod set;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;
mod to_set;
mod typed;
mod validate;
mod value;

pub use compare::Comparison;
pub use fields_v1::Error as FieldsError;
pub use owners::{
    Conflict, Convert, ConvertError, Error, Filter, Managers, Outcome, Owned, Request, apply,
    update,
};
pub use path::{Element, Path};
pub use set::Set;
pub use typed::{Duplicates, Issue, Typed, TypedError};
pub use value::{Datum, equal};
