//! Lists whose length is bounded while they are decoded.
//!
//! postcard tells how many elements a list claims to have; an element of one byte on the wire can
//! take a hundred in memory, so the count is checked before the list grows, not afterwards.

use std::fmt;
use std::marker::PhantomData;

use super::limits::AHEAD_MAX;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// Decodes a list of at most `MAX` elements; for `#[serde(deserialize_with = …)]`.
pub(super) fn list<'de, const MAX: usize, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_seq(List::<MAX, T>(PhantomData))
}

struct List<const MAX: usize, T>(PhantomData<T>);

impl<'de, const MAX: usize, T: Deserialize<'de>> Visitor<'de> for List<MAX, T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MAX} elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
        let claimed = elements.size_hint().unwrap_or(0);
        if claimed > MAX {
            return Err(Error::invalid_length(claimed, &self));
        }
        let mut list = Vec::with_capacity(claimed.min(AHEAD_MAX));
        while let Some(element) = elements.next_element()? {
            if list.len() == MAX {
                return Err(Error::invalid_length(list.len() + 1, &self));
            }
            list.push(element);
        }
        Ok(list)
    }
}
