//! One rule of a role, and what it allows.

use serde_json::{Map, Value};

use super::{About, Ask};

/// Everything of its sort.
const ALL: &str = "*";

/// One rule of a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rule {
    /// What may be done.
    pub(crate) verbs: Vec<String>,
    /// In which API groups.
    pub(crate) groups: Vec<String>,
    /// To which kinds, as in `pods`, `pods/log` or `*/scale`.
    pub(crate) resources: Vec<String>,
    /// To objects of which names; empty: of any.
    pub(crate) names: Vec<String>,
    /// To which paths, as in `/metrics` or `/api/*`.
    pub(crate) urls: Vec<String>,
}

impl Rule {
    /// Reads a rule. What is not understood of it allows nothing.
    pub(crate) fn read(value: &Value) -> Self {
        let texts = |field: &str| {
            let list = value.get(field).and_then(Value::as_array);
            let texts = list.into_iter().flatten().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        };
        Self {
            verbs: texts("verbs"),
            groups: texts("apiGroups"),
            resources: texts("resources"),
            names: texts("resourceNames"),
            urls: texts("nonResourceURLs"),
        }
    }

    /// The rules of a role.
    pub(crate) fn all(role: &Value) -> Vec<Self> {
        let rules = role.get("rules").and_then(Value::as_array);
        rules.into_iter().flatten().map(Self::read).collect()
    }

    /// The rule as an access review shows it.
    pub(crate) fn shown(&self) -> Value {
        let mut map = Map::new();
        let fields = [
            ("verbs", &self.verbs),
            ("apiGroups", &self.groups),
            ("resources", &self.resources),
            ("resourceNames", &self.names),
            ("nonResourceURLs", &self.urls),
        ];
        for (field, texts) in fields {
            if !texts.is_empty() {
                map.insert(field.to_owned(), texts.clone().into());
            }
        }
        Value::Object(map)
    }

    /// Whether it allows this.
    pub(crate) fn allows(&self, ask: &Ask<'_>) -> bool {
        if !has(&self.verbs, ask.verb) {
            return false;
        }
        match ask.about {
            About::Object {
                group,
                resource,
                subresource,
                namespace: _,
                name,
            } => {
                has(&self.groups, group)
                    && self.resources.iter().any(|r| is(r, resource, subresource))
                    && (self.names.is_empty() || self.names.iter().any(|n| n == name))
            }
            About::Path(path) => self.urls.iter().any(|url| reaches(url, path)),
        }
    }
}

/// Whether a list names something, or everything.
fn has(list: &[String], text: &str) -> bool {
    list.iter().any(|item| item == ALL || item == text)
}

/// Whether a rule's resource is this one.
fn is(ruled: &str, resource: &str, subresource: &str) -> bool {
    if ruled == ALL {
        return true;
    }
    match ruled.split_once('/') {
        None => subresource.is_empty() && ruled == resource,
        Some((of, sub)) => {
            !subresource.is_empty() && sub == subresource && (of == ALL || of == resource)
        }
    }
}

/// Whether a rule's path reaches this one: the same, or beneath it where it ends with `*`.
pub(super) fn reaches(ruled: &str, path: &str) -> bool {
    match ruled.strip_suffix('*') {
        Some(above) => path.starts_with(above.trim_end_matches('*')),
        None => ruled == path,
    }
}
