//! The parameters of lists and watches.

use roadstead_machinery::selector::{FieldSelector, LabelSelector};
use roadstead_machinery::status::{FieldError, FieldErrorKind, Status};
use roadstead_protocol::wire::Revision;

use super::Query;

/// What a list or a watch is limited to, and when it is of.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListParams {
    /// Which labels objects must have.
    pub(crate) labels: LabelSelector,
    /// Which fields objects must have.
    pub(crate) fields: FieldSelector,
    /// The revision asked for; `None` if nothing or the empty string was.
    pub(crate) revision: Option<Revision>,
    /// How the revision is meant.
    pub(crate) matching: Option<Match>,
    /// Most objects to answer with; 0 is no limit.
    pub(crate) limit: usize,
    /// Where the page before ended.
    pub(crate) page: Option<String>,
    /// How long to watch, in seconds.
    pub(crate) timeout_seconds: Option<u64>,
    /// Whether bookmarks are welcome.
    pub(crate) bookmarks: bool,
    /// Whether a watch begins with what is there.
    pub(crate) initial: Option<bool>,
}

/// How a revision is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    /// This one.
    Exact,
    /// This or a later one.
    NotOlderThan,
}

impl ListParams {
    /// Reads the parameters of a list, or of a watch.
    ///
    /// # Errors
    /// 400 or 422, as Kubernetes says it. A watch from something that is no revision is a 500 there.
    pub(crate) fn parse(query: &Query, watch: bool) -> Result<Self, Status> {
        let bad = |e: roadstead_machinery::selector::Error| Status::bad_request(e.to_string());
        let labels = LabelSelector::parse(query.first("labelSelector").unwrap_or_default());
        let fields = FieldSelector::parse(query.first("fieldSelector").unwrap_or_default());
        let params = Self {
            labels: labels.map_err(bad)?,
            fields: fields.map_err(bad)?,
            revision: None,
            matching: None,
            limit: usize::try_from(number(query, "limit")?.unwrap_or_default()).unwrap_or_default(),
            page: query.first("continue").map(str::to_owned),
            timeout_seconds: number(query, "timeoutSeconds")?.and_then(|n| u64::try_from(n).ok()),
            bookmarks: query.flag("allowWatchBookmarks").unwrap_or_default(),
            initial: query.flag("sendInitialEvents"),
        };
        let errors = params.faults(query, watch);
        if !errors.is_empty() {
            return Err(invalid(&errors));
        }
        let matching = match query.first("resourceVersionMatch") {
            Some("Exact") => Some(Match::Exact),
            Some(_) => Some(Match::NotOlderThan),
            None => None,
        };
        Ok(Self {
            matching,
            revision: revision(query, watch)?,
            ..params
        })
    }

    /// What Kubernetes' validation of list options finds.
    fn faults(&self, query: &Query, watch: bool) -> Vec<FieldError> {
        let rv = query.first("resourceVersion").unwrap_or_default();
        let matching = query.first("resourceVersionMatch");
        let forbidden =
            |field: &str, why: &str| FieldError::new(field, FieldErrorKind::Forbidden, why);
        let mut errors = Vec::new();
        if let Some(given) = matching {
            if self.initial.is_none() && rv.is_empty() {
                let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
                errors.push(forbidden("resourceVersionMatch", why));
            }
            if self.page.is_some() {
                let why = "resourceVersionMatch is forbidden when continue is provided";
                errors.push(forbidden("resourceVersionMatch", why));
            }
            if watch && self.initial.is_none() {
                let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
                errors.push(forbidden("resourceVersionMatch", why));
            }
            match given {
                "Exact" if rv == "0" => errors.push(forbidden(
                    "resourceVersionMatch",
                    "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
                )),
                "Exact" | "NotOlderThan" => {}
                other => {
                    let allowed = ["Exact", "NotOlderThan", ""];
                    errors.push(FieldError::not_supported(
                        "resourceVersionMatch",
                        other,
                        &allowed,
                    ));
                }
            }
        }
        if self.initial.is_some() {
            if !watch {
                errors.push(forbidden(
                    "sendInitialEvents",
                    "sendInitialEvents is forbidden for list",
                ));
            } else if matching != Some("NotOlderThan") {
                let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
                errors.push(forbidden("resourceVersionMatch", why));
            }
        }
        errors
    }
}

fn invalid(errors: &[FieldError]) -> Status {
    Status::invalid("meta.k8s.io", "ListOptions", "", errors)
}

fn number(query: &Query, name: &str) -> Result<Option<i64>, Status> {
    let Some(text) = query.first(name) else {
        return Ok(None);
    };
    let wrong = || {
        let message = format!("strconv.ParseInt: parsing {text:?}: invalid syntax");
        Status::bad_request(message)
    };
    text.parse().map(Some).map_err(|_| wrong())
}

fn revision(query: &Query, watch: bool) -> Result<Option<Revision>, Status> {
    let Some(text) = query.first("resourceVersion") else {
        return Ok(None);
    };
    let wrong = || {
        let fault = format!(
            "resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax"
        );
        if watch {
            Status::failure(500, "", fault)
        } else {
            Status::bad_request(format!("invalid resource version: {fault}"))
        }
    };
    text.parse().map(|n| Some(Revision(n))).map_err(|_| wrong())
}
