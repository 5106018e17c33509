//! What somebody wants to do, in the words of authorization, and how it is refused.

use roadstead_machinery::status::Status;

use crate::Identity;

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask<'a> {
    /// The verb, as in `get`, `deletecollection` or `impersonate`; of a path the HTTP method in lower
    /// case.
    pub verb: &'a str,
    /// To what.
    pub about: About<'a>,
}

/// What it is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About<'a> {
    /// An object, or several.
    Object {
        /// API group; empty for the core group.
        group: &'a str,
        /// The plural of the kind.
        resource: &'a str,
        /// As in `status`; empty for the object itself.
        subresource: &'a str,
        /// The namespace; empty for all of them, or where the kind has none.
        namespace: &'a str,
        /// The object's name; empty for several.
        name: &'a str,
    },
    /// What is no object, as in `/metrics`.
    Path(&'a str),
}

impl<'a> Ask<'a> {
    /// To do `verb` to an object as such.
    pub fn object(
        verb: &'a str,
        (group, resource): (&'a str, &'a str),
        (namespace, name): (&'a str, &'a str),
    ) -> Self {
        Self {
            verb,
            about: About::Object {
                group,
                resource,
                subresource: "",
                namespace,
                name,
            },
        }
    }

    /// To do `verb` to a path.
    pub fn path(verb: &'a str, path: &'a str) -> Self {
        Self {
            verb,
            about: About::Path(path),
        }
    }

    /// 403 in Kubernetes' words.
    pub fn refusal(&self, who: &Identity) -> Status {
        let (user, verb) = (&who.user, self.verb);
        let (group, resource, subresource, namespace, name) = match self.about {
            About::Object {
                group,
                resource,
                subresource,
                namespace,
                name,
            } => (group, resource, subresource, namespace, name),
            About::Path(path) => {
                let message = format!("forbidden: User {user:?} cannot {verb} path {path:?}");
                return Status::failure(403, "Forbidden", message).with_details(<_>::default());
            }
        };
        let whole = match subresource {
            "" => resource.to_owned(),
            sub => format!("{resource}/{sub}"),
        };
        let scope = match namespace {
            "" => "at the cluster scope".to_owned(),
            namespace => format!("in the namespace {namespace:?}"),
        };
        let why = format!(
            "User {user:?} cannot {verb} resource {whole:?} in API group {group:?} {scope}"
        );
        Status::forbidden(group, resource, name, &why)
    }
}
