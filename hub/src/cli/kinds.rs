//! Which kind a word of the command line means, and where its objects are: as the hub serves them, with
//! those that people defined.

use roadstead_machinery::resource::{Registry, Resource};
use roadstead_protocol::api;

use crate::client::{Api, Error};

/// Where the hub lists what people defined.
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// The kinds that a hub serves.
///
/// # Errors
/// When the hub does not answer, or refuses.
pub(super) async fn served(hub: &Api) -> Result<Registry, Error> {
    let mut registry = Registry::hub(api::CRDS)
        .map_err(|e| Error::Flag(format!("the kinds of this program are damaged: {e}")))?;
    let definitions = match hub.list(DEFINITIONS).await {
        // Who may not read definitions can still name what every hub serves.
        Err(error) if error.is_forbidden() => Vec::new(),
        listed => listed?,
    };
    for definition in definitions {
        // What the hub could not serve either is passed over; it says so in the definition's status.
        if registry.taken(&definition).is_none()
            && let Ok(with) = registry.with_crd(&definition)
        {
            registry = with;
        }
    }
    Ok(registry)
}

/// Kind and name of an object, typed as two words or as KIND/NAME.
///
/// # Errors
/// When one is missing, or there are two names.
pub(super) fn named<'a>(kind: &'a str, name: Option<&'a str>) -> Result<(&'a str, &'a str), Error> {
    match (kind.split_once('/'), name) {
        (Some((kind, name)), None) if !kind.is_empty() && !name.is_empty() => Ok((kind, name)),
        (None, Some(name)) => Ok((kind, name)),
        (Some(_) | None, _) => Err(Error::Flag(format!(
            "{:?}: an object is named as KIND NAME or KIND/NAME, as in `deploy web` or `deploy/web`",
            name.map_or_else(|| kind.to_owned(), |name| format!("{kind} {name}"))
        ))),
    }
}

/// The resource that a word means, as kubectl would find it.
///
/// # Errors
/// When there is none.
pub(super) fn find(registry: &Registry, word: &str) -> Result<Resource, Error> {
    let found = crate::why::find(registry, word).map_err(Error::NotFound)?;
    Ok(found.clone())
}

/// Where an object is in the API.
pub(super) fn path(resource: &Resource, namespace: &str, name: &str) -> String {
    let root = match resource.group.as_str() {
        "" => format!("/api/{}", resource.version),
        group => format!("/apis/{group}/{}", resource.version),
    };
    match namespace {
        "" => format!("{root}/{}/{name}", resource.plural),
        namespace => format!("{root}/namespaces/{namespace}/{}/{name}", resource.plural),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_named_by_two_words_or_by_one() {
        let check = |kind: &str, name: Option<&str>, expected: Option<(&str, &str)>| {
            assert_eq!(named(kind, name).ok(), expected, "{kind} {name:?}");
        };
        check("deploy", Some("web"), Some(("deploy", "web")));
        check("deploy/web", None, Some(("deploy", "web")));
        check("deploy", None, None);
        check("deploy/", None, None);
        check("deploy/web", Some("web"), None);
    }

    #[test]
    fn kinds_are_found_as_kubectl_finds_them() {
        let registry = Registry::hub(api::CRDS).unwrap();
        let check = |word: &str, kind: &str| {
            assert_eq!(find(&registry, word).unwrap().kind, kind, "{word}")
        };
        check("deploy", "Deployment");
        check("Deployment", "Deployment");
        check("deployments.apps", "Deployment");
        check("cm", "ConfigMap");
        let words = find(&registry, "deploymen").unwrap_err().to_string();
        assert_eq!(
            words,
            "kind \"deploymen\": no such kind is served; see kubectl api-resources, such as deployments"
        );
    }
}
