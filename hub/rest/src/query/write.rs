//! The parameters of writes.

use roadstead_machinery::status::{FieldError, FieldErrorKind, Status};
use serde_json::json;

use super::Query;

/// Longest name of a field manager, in bytes.
const MANAGER_BYTES_MAX: usize = 128;

/// Which options a request carries: the name is part of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OptionsKind {
    /// Of a POST.
    Create,
    /// Of a PUT.
    Update,
    /// Of a PATCH; whether it is an apply.
    Patch {
        /// Whether the patch is server-side apply.
        apply: bool,
    },
    /// Of a DELETE.
    Delete,
}

impl OptionsKind {
    /// The kind, as in `CreateOptions`.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Create => "CreateOptions",
            Self::Update => "UpdateOptions",
            Self::Patch { .. } => "PatchOptions",
            Self::Delete => "DeleteOptions",
        }
    }

    /// 422 about these options.
    pub(crate) fn invalid(self, errors: &[FieldError]) -> Status {
        Status::invalid("meta.k8s.io", self.kind(), "", errors)
    }
}

/// What to do about fields that a kind does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validation {
    /// Refuse.
    Strict,
    /// Drop them and say so.
    Warn,
    /// Drop them.
    Ignore,
}

/// How to write.
#[derive(Clone, Debug)]
pub(crate) struct WriteParams {
    /// Whether to do everything but the write.
    pub(crate) dry_run: bool,
    /// Who owns the fields that are written.
    pub(crate) manager: String,
    /// What to do about unknown fields.
    pub(crate) validation: Validation,
    /// Whether an apply takes fields from their owners.
    pub(crate) force: bool,
}

impl WriteParams {
    /// Reads the parameters of a write; `agent` is the client's `User-Agent`.
    ///
    /// # Errors
    /// 422 as Kubernetes says it.
    pub(crate) fn parse(query: &Query, kind: OptionsKind, agent: &str) -> Result<Self, Status> {
        let mut errors = Vec::new();
        let dry: Vec<&str> = query.all("dryRun").filter(|v| !v.is_empty()).collect();
        dry_run_fault(&dry).into_iter().for_each(|e| errors.push(e));
        let named = query.first("fieldManager");
        let apply = kind == OptionsKind::Patch { apply: true };
        if apply && named.is_none() {
            errors.push(FieldError::required(
                "fieldManager",
                "is required for apply patch",
            ));
        }
        let force = query.flag("force");
        if matches!(kind, OptionsKind::Patch { apply: false }) && force.is_some() {
            let why = "may not be specified for non-apply patch";
            errors.push(FieldError::new("force", FieldErrorKind::Forbidden, why));
        }
        manager_fault(named.unwrap_or_default())
            .into_iter()
            .for_each(|e| errors.push(e));
        let validation = match query.first("fieldValidation") {
            None | Some("Warn") => Validation::Warn,
            Some("Strict") => Validation::Strict,
            Some("Ignore") => Validation::Ignore,
            Some(other) => {
                let allowed = ["", "Ignore", "Strict", "Warn"];
                errors.push(FieldError::not_supported(
                    "fieldValidation",
                    other,
                    &allowed,
                ));
                Validation::Warn
            }
        };
        if !errors.is_empty() {
            return Err(kind.invalid(&errors));
        }
        let manager = named.map_or_else(|| default_manager(agent), str::to_owned);
        Ok(Self {
            dry_run: !dry.is_empty(),
            manager,
            validation,
            force: force.unwrap_or_default(),
        })
    }
}

/// What is wrong with the values of `dryRun`.
pub(crate) fn dry_run_fault(values: &[&str]) -> Option<FieldError> {
    let wrong = values.iter().any(|v| *v != "All");
    wrong.then(|| {
        let detail = format!("{}: supported values: \"All\"", json!(values));
        FieldError::new("dryRun", FieldErrorKind::NotSupported, detail)
    })
}

fn manager_fault(name: &str) -> Option<FieldError> {
    if name.len() > MANAGER_BYTES_MAX {
        let detail = format!("may not be more than {MANAGER_BYTES_MAX} bytes");
        return Some(FieldError::new(
            "fieldManager",
            FieldErrorKind::TooLong,
            detail,
        ));
    }
    let odd = name.chars().any(char::is_control);
    odd.then(|| {
        FieldError::invalid(
            "fieldManager",
            &json!(name),
            "should only contain printable characters",
        )
    })
}

/// The program's name in a `User-Agent`.
fn default_manager(agent: &str) -> String {
    let name = agent.split('/').next().unwrap_or_default();
    let end = name.floor_char_boundary(MANAGER_BYTES_MAX);
    match name.get(..end) {
        None | Some("") => "unknown".to_owned(),
        Some(name) => name.to_owned(),
    }
}
