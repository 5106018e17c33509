//! How objects are shown: as they are, as metadata only, as rows of a table.

use jiff::Timestamp;
use roadstead_machinery::print;
use roadstead_machinery::resource::{Origin, Resource};
use roadstead_machinery::status::Status;
use roadstead_protocol::wire::Revision;
use serde_json::{Map, Value, json};

use crate::accept::{self, Shape};
use crate::list::Page;
use crate::meta;
use crate::query::Query;

/// The version that tables and bare metadata are of.
const META: &str = "meta.k8s.io/v1";

/// What a client wants to see of objects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    shape: Shape,
    include: Include,
}

/// What a table's row carries beside its cells.
#[derive(Clone, Copy, Debug)]
enum Include {
    Nothing,
    Metadata,
    Object,
}

impl View {
    /// Objects as they are.
    pub(crate) const PLAIN: Self = Self {
        shape: Shape::Plain,
        include: Include::Metadata,
    };

    /// What a request asks for.
    ///
    /// # Errors
    /// 406 for a representation that does not exist, 400 for a table that cannot be made.
    pub(crate) fn parse(accept: &str, query: &Query) -> Result<Self, Status> {
        let shape = accept::shape(accept)?;
        let include = match query.first("includeObject") {
            None | Some("Metadata") => Include::Metadata,
            Some("Object") => Include::Object,
            Some("None") => Include::Nothing,
            Some(_) if shape != Shape::Table => Include::Metadata,
            Some(other) => {
                let message = format!(
                    "Unable to convert to Table as requested: includeObject: Invalid value: {other:?}: \
                     must be 'Metadata', 'Object', 'None', or empty"
                );
                return Err(Status::bad_request(message));
            }
        };
        Ok(Self { shape, include })
    }

    /// One object.
    pub(crate) fn object(self, resource: &Resource, object: Value, now: Timestamp) -> Value {
        match self.shape {
            Shape::Plain => object,
            Shape::Metadata => metadata(&object),
            Shape::Table => {
                let head = json!({"resourceVersion": meta::text(&object, "resourceVersion")});
                self.table(resource, vec![object], head, now, true)
            }
        }
    }

    /// One object of a watch. Only the first table of a watch names its columns.
    pub(crate) fn event(
        self,
        resource: &Resource,
        object: Value,
        now: Timestamp,
        first: bool,
    ) -> Value {
        match self.shape {
            Shape::Plain | Shape::Metadata => self.object(resource, object, now),
            Shape::Table => {
                let head = json!({"resourceVersion": meta::text(&object, "resourceVersion")});
                self.table(resource, vec![object], head, now, first)
            }
        }
    }

    /// A bookmark of a watch.
    pub(crate) fn bookmark(
        self,
        resource: &Resource,
        revision: Revision,
        end: bool,
        first: bool,
    ) -> Value {
        let mut head = Map::new();
        head.insert("resourceVersion".to_owned(), revision.to_string().into());
        if end {
            head.insert(
                "annotations".to_owned(),
                json!({"k8s.io/initial-events-end": "true"}),
            );
        }
        let object = json!({
            "kind": resource.kind, "apiVersion": resource.api_version(), "metadata": head,
        });
        match self.shape {
            Shape::Plain => object,
            Shape::Metadata => metadata(&object),
            Shape::Table => {
                let columns = print::headings(resource).len();
                let mut cells = vec![Value::Null; columns];
                if let Some(name) = cells.first_mut() {
                    *name = "".into();
                }
                let shown = first.then(|| print::column_definitions(resource));
                json!({
                    "kind": "Table", "apiVersion": META,
                    "metadata": {"resourceVersion": revision.to_string()},
                    "columnDefinitions": shown,
                    "rows": [{"cells": cells, "object": self.row_object(&object)}],
                })
            }
        }
    }

    /// A page of a list.
    pub(crate) fn page(self, resource: &Resource, page: Page, now: Timestamp) -> Value {
        let Page {
            mut items,
            revision,
            next,
            remaining,
        } = page;
        let mut head = Map::new();
        head.insert("resourceVersion".to_owned(), revision.to_string().into());
        let custom = resource.origin != Origin::BuiltIn && self.shape == Shape::Plain;
        if let Some(next) = next.or_else(|| custom.then(String::new)) {
            head.insert("continue".to_owned(), next.into());
        }
        if let Some(remaining) = remaining {
            head.insert("remainingItemCount".to_owned(), remaining.into());
        }
        let head = Value::Object(head);
        match self.shape {
            Shape::Table => self.table(resource, items, head, now, true),
            Shape::Metadata => json!({
                "kind": "PartialObjectMetadataList", "apiVersion": META, "metadata": head,
                "items": items.iter().map(metadata).collect::<Vec<_>>(),
            }),
            Shape::Plain => {
                if !custom {
                    items.iter_mut().for_each(untyped);
                }
                json!({
                    "kind": resource.list_kind, "apiVersion": resource.api_version(),
                    "metadata": head, "items": items,
                })
            }
        }
    }

    fn table(
        self,
        resource: &Resource,
        objects: Vec<Value>,
        head: Value,
        now: Timestamp,
        columns: bool,
    ) -> Value {
        let row = |object: &Value| json!({"cells": print::cells(resource, object, now), "object": self.row_object(object)});
        let rows: Vec<Value> = objects.iter().map(row).collect();
        let shown = columns.then(|| print::column_definitions(resource));
        json!({
            "kind": "Table", "apiVersion": META, "metadata": head,
            "columnDefinitions": shown, "rows": rows,
        })
    }

    fn row_object(self, object: &Value) -> Value {
        match self.include {
            Include::Nothing => Value::Null,
            Include::Metadata => metadata(object),
            Include::Object => object.clone(),
        }
    }
}

/// The metadata of an object, as an object of its own.
fn metadata(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata", "apiVersion": META,
        "metadata": object.get("metadata").cloned().unwrap_or_default(),
    })
}

/// The items of lists of built-in kinds do not say what they are: the list does.
fn untyped(object: &mut Value) {
    let map = meta::root(object);
    map.remove("kind");
    map.remove("apiVersion");
}
