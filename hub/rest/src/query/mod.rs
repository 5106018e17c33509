//! The parameters of a request, read into what the verbs need.

mod list;
mod write;

pub(crate) use list::{ListParams, Match};
pub(crate) use write::{OptionsKind, Validation, WriteParams, dry_run_fault};

use roadstead_machinery::status::Status;

/// Longest query string, in bytes.
const QUERY_BYTES_MAX: usize = 64 * 1024;
/// Most parameters in one query.
const PARAMETERS_MAX: usize = 128;

/// A decoded query string.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes a query string.
    ///
    /// # Errors
    /// 400 above a bound.
    pub(crate) fn parse(text: &str) -> Result<Self, Status> {
        if text.len() > QUERY_BYTES_MAX {
            return Err(Status::bad_request(format!(
                "query is longer than {QUERY_BYTES_MAX} bytes"
            )));
        }
        let pairs: Vec<(String, String)> = form_urlencoded::parse(text.as_bytes())
            .filter(|(name, _)| !name.is_empty())
            .take(PARAMETERS_MAX + 1)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        if pairs.len() > PARAMETERS_MAX {
            return Err(Status::bad_request(format!(
                "query has more than {PARAMETERS_MAX} parameters"
            )));
        }
        Ok(Self(pairs))
    }

    /// The first value of a parameter; an empty one counts as none.
    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        self.all(name).next().filter(|v| !v.is_empty())
    }

    /// All values of a parameter.
    pub(crate) fn all<'q>(&'q self, name: &str) -> impl Iterator<Item = &'q str> + use<'q> {
        let name = name.to_owned();
        self.0
            .iter()
            .filter(move |(n, _)| *n == name)
            .map(|(_, v)| v.as_str())
    }

    /// A switch, as Kubernetes reads it: anything but `false` and `0` is on.
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        let value = self.all(name).next()?;
        Some(!(value == "0" || value.eq_ignore_ascii_case("false")))
    }

    /// Whether the request is a watch.
    pub(crate) fn watch(&self) -> bool {
        self.flag("watch").unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
