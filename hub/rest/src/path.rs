//! From a request's path to what it asks for.
//!
//! Parses only: whether the group, kind or object exists is decided later.

use percent_encoding::percent_decode_str;

/// Longest path, in bytes.
pub(crate) const PATH_BYTES_MAX: usize = 4096;

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `/version`
    Version,
    /// `/livez`, `/readyz`, `/healthz` and what is below them.
    Health {
        /// `livez`, `readyz` or `healthz`.
        endpoint: String,
        /// One check, as in `/livez/ping`.
        check: Option<String>,
    },
    /// `/metrics`
    Metrics,
    /// `/`
    Root,
    /// `/api`
    Core,
    /// `/apis`
    Groups,
    /// `/apis/GROUP`
    Group(String),
    /// `/api/v1`, `/apis/GROUP/VERSION`
    GroupVersion(String, String),
    /// `/openapi/v3`
    OpenapiIndex,
    /// `/openapi/v3/api/v1`, `/openapi/v3/apis/GROUP/VERSION`
    Openapi(String, String),
    /// `/openapi/v2`
    OpenapiV2,
    /// Objects.
    Objects(Objects),
    /// Nothing that this API has.
    Unknown,
}

/// A path below a group and version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Objects {
    /// API group; empty for the core group.
    pub(crate) group: String,
    /// Version.
    pub(crate) version: String,
    /// The plural of the kind.
    pub(crate) plural: String,
    /// The namespace, if the path names one.
    pub(crate) namespace: Option<String>,
    /// The object's name, if the path names one.
    pub(crate) name: Option<String>,
    /// What comes after the name.
    pub(crate) subresource: Option<String>,
    /// Whether the path is of the old form `/api/v1/watch/…`.
    pub(crate) watch: bool,
}

impl Target {
    /// Reads a path.
    pub(crate) fn parse(path: &str) -> Self {
        if path.len() > PATH_BYTES_MAX {
            return Self::Unknown;
        }
        let mut segments = Vec::new();
        for raw in path.trim_matches('/').split('/') {
            match percent_decode_str(raw).decode_utf8() {
                Ok(text) => segments.push(text.into_owned()),
                Err(_) => return Self::Unknown,
            }
        }
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        match parts.as_slice() {
            [""] => Self::Root,
            ["version"] => Self::Version,
            ["metrics"] => Self::Metrics,
            [health @ ("livez" | "readyz" | "healthz"), rest @ ..] => health_check(health, rest),
            ["api"] => Self::Core,
            ["apis"] => Self::Groups,
            ["openapi", "v2"] => Self::OpenapiV2,
            ["openapi", "v3"] => Self::OpenapiIndex,
            ["openapi", "v3", "api", v] => Self::Openapi(String::new(), (*v).to_owned()),
            ["openapi", "v3", "apis", g, v] => Self::Openapi((*g).to_owned(), (*v).to_owned()),
            ["api", version] => Self::GroupVersion(String::new(), (*version).to_owned()),
            ["api", version, rest @ ..] => objects("", version, rest),
            ["apis", group] => Self::Group((*group).to_owned()),
            ["apis", group, version] => {
                Self::GroupVersion((*group).to_owned(), (*version).to_owned())
            }
            ["apis", group, version, rest @ ..] => objects(group, version, rest),
            _ => Self::Unknown,
        }
    }
}

fn health_check(endpoint: &str, rest: &[&str]) -> Target {
    let check = match rest {
        [] => None,
        [one] => Some((*one).to_owned()),
        _ => return Target::Unknown,
    };
    Target::Health {
        endpoint: endpoint.to_owned(),
        check,
    }
}

fn objects(group: &str, version: &str, rest: &[&str]) -> Target {
    let (watch, rest) = match rest {
        ["watch", below @ ..] if !below.is_empty() => (true, below),
        _ => (false, rest),
    };
    let base = Objects {
        group: group.to_owned(),
        version: version.to_owned(),
        watch,
        ..Objects::default()
    };
    let own = |s: &str| Some(s.to_owned());
    let found = match rest {
        // A namespace is an object itself; what is below it lives inside, but for its own parts.
        ["namespaces", name, sub @ ("status" | "finalize")] if group.is_empty() => Objects {
            plural: "namespaces".to_owned(),
            namespace: own(name),
            name: own(name),
            subresource: own(sub),
            ..base
        },
        ["namespaces", name] if group.is_empty() => Objects {
            plural: "namespaces".to_owned(),
            namespace: own(name),
            name: own(name),
            ..base
        },
        ["namespaces", namespace, plural, more @ ..] => Objects {
            namespace: own(namespace),
            plural: (*plural).to_owned(),
            ..base
        }
        .below(more),
        [plural, more @ ..] => Objects {
            plural: (*plural).to_owned(),
            ..base
        }
        .below(more),
        [] => return Target::Unknown,
    };
    Target::Objects(found)
}

impl Objects {
    fn below(mut self, more: &[&str]) -> Self {
        let mut more = more.iter();
        self.name = more.next().map(|s| (*s).to_owned());
        let rest: Vec<&str> = more.copied().collect();
        self.subresource = (!rest.is_empty()).then(|| rest.join("/"));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, group: &str, ns: Option<&str>, rest: (&str, Option<&str>, Option<&str>)) {
        let Target::Objects(objects) = Target::parse(path) else {
            panic!("{path} names no objects");
        };
        assert_eq!(objects.group, group, "{path}");
        assert_eq!(objects.namespace.as_deref(), ns, "{path}");
        let found = (
            objects.plural.as_str(),
            objects.name.as_deref(),
            objects.subresource.as_deref(),
        );
        assert_eq!(found, rest, "{path}");
    }

    #[test]
    fn objects_are_found_in_every_form_of_path() {
        check("/api/v1/namespaces", "", None, ("namespaces", None, None));
        check(
            "/api/v1/namespaces/a",
            "",
            Some("a"),
            ("namespaces", Some("a"), None),
        );
        let finalize = ("namespaces", Some("a"), Some("finalize"));
        check("/api/v1/namespaces/a/finalize", "", Some("a"), finalize);
        check(
            "/api/v1/namespaces/a/pods",
            "",
            Some("a"),
            ("pods", None, None),
        );
        check(
            "/api/v1/namespaces/a/pods/b",
            "",
            Some("a"),
            ("pods", Some("b"), None),
        );
        check(
            "/api/v1/watch/namespaces/a/pods",
            "",
            Some("a"),
            ("pods", None, None),
        );
        check(
            "/api/v1/nodes/n/status",
            "",
            None,
            ("nodes", Some("n"), Some("status")),
        );
        let scale = ("deployments", Some("d"), Some("scale"));
        check(
            "/apis/apps/v1/namespaces/a/deployments/d/scale",
            "apps",
            Some("a"),
            scale,
        );
        let odd = ("deployments", Some("a:b"), Some("x/y"));
        check("/apis/apps/v1/deployments/a%3Ab/x/y", "apps", None, odd);
    }

    #[test]
    fn paths_that_are_no_objects() {
        let check = |path: &str, expected: Target| assert_eq!(Target::parse(path), expected);
        check("/", Target::Root);
        check("/version/", Target::Version);
        check("/apis", Target::Groups);
        check(
            "/apis/apps/v1",
            Target::GroupVersion("apps".into(), "v1".into()),
        );
        check(
            "/openapi/v3/apis/apps/v1",
            Target::Openapi("apps".into(), "v1".into()),
        );
        check("/nosuch", Target::Unknown);
        check(
            "/livez/ping",
            Target::Health {
                endpoint: "livez".into(),
                check: Some("ping".into()),
            },
        );
        check("/apis/%ff", Target::Unknown);
    }
}
