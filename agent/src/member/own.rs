//! The agent's own objects on the member: all in one namespace, which is made where it is missing.
//!
//! What they say is the business of whoever writes them.

use serde_json::{Value, json};

use super::client::Member;
use super::discovery::Resource;
use super::error::{Class, Error};

/// The namespace of the agent's own objects.
pub const NAMESPACE: &str = "roadstead-system";

/// Why one of the agent's own objects could not be read or written.
pub(crate) enum Failed {
    /// Nothing that trying again could mend.
    Fatal(crate::Error),
    /// Trying again may help.
    Later(String),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        match error.class {
            Class::Conflict | Class::AlreadyExists => {
                Self::Later("another writer was there first".to_owned())
            }
            Class::NotFound
            | Class::NamespaceMissing
            | Class::Forbidden
            | Class::Invalid
            | Class::Expired
            | Class::Busy
            | Class::Internal
            | Class::KindUnknown
            | Class::Unreachable
            | Class::Answer => Self::Later(error.message),
        }
    }
}

/// A kind of the core group, which every member serves, without asking the member for it.
pub(crate) fn core(kind: &str, plural: &str, namespaced: bool) -> Resource {
    Resource {
        group: String::new(),
        version: "v1".to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        namespaced,
        verbs: Vec::new(),
    }
}

impl Member {
    /// Creates `object` in [`NAMESPACE`], and that first where it is missing.
    ///
    /// # Errors
    /// [`Class::AlreadyExists`] where there is one.
    pub(crate) async fn create_own(
        &self,
        resource: &Resource,
        object: &Value,
    ) -> Result<Value, Error> {
        match self.create(resource, NAMESPACE, object).await {
            Err(error) if error.class == Class::NamespaceMissing => {}
            answer => return answer,
        }
        let namespace =
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } });
        let namespaces = core("Namespace", "namespaces", false);
        match self.create(&namespaces, "", &namespace).await {
            Ok(_) => {}
            Err(error) if error.class == Class::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        self.create(resource, NAMESPACE, object).await
    }
}
