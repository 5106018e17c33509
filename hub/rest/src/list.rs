//! Which objects a list or a watch is about, and lists themselves.

use roadstead_machinery::resource::Resource;
use roadstead_machinery::selector::{FieldSelector, LabelSelector};
use roadstead_machinery::status::{Cause, Details, Status};
use roadstead_protocol::wire::Revision;
use roadstead_store::{Entry, Snapshot, Store};
use serde_json::Value;

use crate::query::{ListParams, Match};
use crate::token::Token;
use crate::{events, storage};

/// Which objects of a kind are wanted.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    labels: LabelSelector,
    fields: FieldSelector,
}

impl Filter {
    /// What `params` select.
    ///
    /// # Errors
    /// 400 for a field that the kind does not select by.
    pub(crate) fn new(resource: &Resource, params: &ListParams) -> Result<Self, Status> {
        for requirement in &params.fields.0 {
            let path = requirement.path.as_str();
            let usual = matches!(path, "metadata.name" | "metadata.namespace");
            let own = resource
                .selectable_fields
                .iter()
                .any(|f| f.trim_start_matches('.') == path);
            let source = path == "source" && events::is_event(resource);
            if !(usual || own || source) {
                let message = format!("field label not supported: {path}");
                return Err(Status::bad_request(message));
            }
        }
        Ok(Self {
            labels: params.labels.clone(),
            fields: params.fields.clone(),
        })
    }

    /// This, and the one object of that name.
    pub(crate) fn named(mut self, name: &str) -> Self {
        self.fields
            .0
            .push(roadstead_machinery::selector::FieldRequirement {
                path: "metadata.name".to_owned(),
                equal: true,
                value: name.to_owned(),
            });
        self
    }

    /// Whether everything is wanted.
    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether `object` is wanted.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.labels.matches_object(object) && self.fields.matches_object(object)
    }

    /// Whether an entry may be wanted, by its key alone: saves decoding.
    pub(crate) fn may_match(&self, entry: &Entry) -> bool {
        match self.fields.exact("metadata.name") {
            Some(name) => entry.key.as_str().rsplit('/').next() == Some(name),
            None => true,
        }
    }
}

/// A page of a list.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// The objects.
    pub(crate) items: Vec<Value>,
    /// Of which revision they are.
    pub(crate) revision: Revision,
    /// How to get the next page, if there is one.
    pub(crate) next: Option<String>,
    /// How many objects the further pages have, where that is known.
    pub(crate) remaining: Option<usize>,
}

/// Lists what `params` ask for.
///
/// # Errors
/// 400 for a bad token, 410 for a revision that is no longer kept, 504 for one that is to come.
pub(crate) fn list(
    store: &Store,
    resource: &Resource,
    namespace: Option<&str>,
    params: &ListParams,
) -> Result<Page, Status> {
    let filter = Filter::new(resource, params)?;
    let token = params.page.as_deref().map(Token::decode).transpose()?;
    let snapshot = match &token {
        Some(token) => store
            .snapshot_at(token.revision())
            .map_err(|_| page_expired())?,
        None => snapshot(store, params)?,
    };
    let prefix = storage::prefix(resource, namespace);
    let after = token.as_ref().map(|t| format!("{prefix}{}", t.last()));
    let mut page = Page {
        revision: snapshot.revision(),
        ..Page::default()
    };
    let mut left = 0;
    let mut last = None;
    for entry in snapshot.range_from(&prefix, after.as_deref()) {
        if params.limit > 0 && page.items.len() == params.limit {
            // The count is only told where it costs nothing to know, as Kubernetes has it.
            if !filter.is_empty() {
                let more = more_after(&snapshot, resource, &filter, &prefix, last);
                left = usize::from(more);
                break;
            }
            left += 1;
            continue;
        }
        if !filter.may_match(entry) {
            continue;
        }
        let object = storage::decode(resource, entry)?;
        if filter.matches(&object) {
            page.items.push(object);
            last = Some(entry.key.as_str());
        }
    }
    if left > 0 {
        let below = last
            .and_then(|l| l.strip_prefix(prefix.as_str()))
            .unwrap_or_default();
        page.next = Some(Token::after(page.revision, below).encode());
        page.remaining = filter.is_empty().then_some(left);
    }
    Ok(page)
}

fn more_after(
    snapshot: &Snapshot,
    resource: &Resource,
    filter: &Filter,
    prefix: &str,
    last: Option<&str>,
) -> bool {
    snapshot
        .range_from(prefix, last)
        .filter(|entry| filter.may_match(entry))
        .any(|entry| storage::decode(resource, entry).is_ok_and(|object| filter.matches(&object)))
}

/// The snapshot that `params` speak of.
///
/// # Errors
/// 410 for a revision that is no longer kept, 504 for one that is to come.
pub(crate) fn snapshot(store: &Store, params: &ListParams) -> Result<Snapshot, Status> {
    let newest = store.snapshot();
    let Some(revision) = params.revision.filter(|r| r.0 > 0) else {
        return Ok(newest);
    };
    if revision > newest.revision() {
        return Err(too_large(revision, newest.revision()));
    }
    let exact =
        params.matching == Some(Match::Exact) || (params.matching.is_none() && params.limit > 0);
    if !exact {
        return Ok(newest);
    }
    let expired = |_| Status::expired("The resourceVersion for the provided list is too old.");
    store.snapshot_at(revision).map_err(expired)
}

fn page_expired() -> Status {
    let message = "The provided continue parameter is too old to display a consistent list result. \
                   Start a new list without the continue parameter.";
    Status::expired(message)
}

/// 504: `asked` is to come.
pub(crate) fn too_large(asked: Revision, current: Revision) -> Status {
    let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
    Status::timeout(message, 1).with_details(Details {
        causes: vec![Cause {
            reason: "ResourceVersionTooLarge".to_owned(),
            message: "Too large resource version".to_owned(),
            field: String::new(),
        }],
        retry_after_seconds: Some(1),
        ..Details::default()
    })
}
