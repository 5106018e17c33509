//! Which kinds a member serves, under which paths.
//!
//! Asked for when a kind is not known yet, and again, at most every [`REFRESH_EVERY`], while it stays
//! unknown; kept for the life of the agent. The aggregated form is used where the member has it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;
use tokio::time::Instant;

use super::client::Member;
use super::error::{Class, Error};
use super::list;

/// Discovery is not asked again sooner than this, however many kinds are unknown.
pub const REFRESH_EVERY: Duration = Duration::from_secs(2);
/// Most resources that are remembered.
pub const RESOURCES_MAX: usize = 20_000;

const ROOTS: [&str; 2] = ["/api", "/apis"];
const AGGREGATED_KIND: &str = "APIGroupDiscoveryList";
const AGGREGATED: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'?')
    .add(b'<')
    .add(b'>')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// One served version of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// API group; empty for the core group.
    pub group: String,
    /// Version, as in `v1`.
    pub version: String,
    /// Kind, as in `Deployment`.
    pub kind: String,
    /// Path segment, as in `deployments`.
    pub plural: String,
    /// Whether its objects stand in namespaces.
    pub namespaced: bool,
    /// What can be done with it.
    pub verbs: Vec<String>,
}

impl Resource {
    /// `v1` or `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Whether `verb` is served.
    pub fn can(&self, verb: &str) -> bool {
        self.verbs.iter().any(|v| v == verb)
    }

    /// The path of the objects in `namespace`; of all objects where it is empty.
    pub fn list_path(&self, namespace: &str) -> String {
        let base = if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        };
        if self.namespaced && !namespace.is_empty() {
            format!(
                "{base}/namespaces/{}/{}",
                utf8_percent_encode(namespace, SEGMENT),
                self.plural
            )
        } else {
            format!("{base}/{}", self.plural)
        }
    }

    /// The path of one object.
    pub fn object_path(&self, namespace: &str, name: &str) -> String {
        format!(
            "{}/{}",
            self.list_path(namespace),
            utf8_percent_encode(name, SEGMENT)
        )
    }
}

/// What is known of the member's kinds. Cheap to clone; clones share it.
#[derive(Clone, Default)]
pub struct Catalogue {
    inner: Arc<Mutex<Known>>,
    refreshing: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Known {
    /// By group and kind; the member's preferred version first.
    kinds: BTreeMap<(String, String), Vec<Resource>>,
    group_versions: Vec<String>,
    asked: Option<Instant>,
    /// The tags of the two roots, as they were answered.
    tags: [Option<String>; 2],
    /// How often the kinds were found to be others.
    changes: u64,
}

impl Catalogue {
    /// Group versions served, sorted; empty before the first discovery.
    pub fn group_versions(&self) -> Vec<String> {
        self.lock().group_versions.clone()
    }

    /// A number that moves when the kinds do.
    pub fn changes(&self) -> u64 {
        self.lock().changes
    }

    /// The versions in which a kind is served, the preferred one first.
    fn versions(&self, group: &str, kind: &str) -> Vec<String> {
        let known = self.lock();
        let found = known.kinds.get(&(group.to_owned(), kind.to_owned()));
        let versions = found.into_iter().flatten().map(|r| r.version.clone());
        versions.collect()
    }

    /// Every kind known, its preferred version only.
    pub fn preferred(&self) -> Vec<Resource> {
        self.lock()
            .kinds
            .values()
            .filter_map(|versions| versions.first().cloned())
            .collect()
    }

    fn find(&self, group: &str, kind: &str, version: Option<&str>) -> Option<Resource> {
        let known = self.lock();
        let versions = known.kinds.get(&(group.to_owned(), kind.to_owned()))?;
        match version {
            None => versions.first().cloned(),
            Some(version) => versions.iter().find(|r| r.version == version).cloned(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    /// The resource of a kind: at `version`, or at the member's preferred one.
    ///
    /// # Errors
    /// [`Class::KindUnknown`] where the member does not serve it.
    pub async fn resource(
        &self,
        group: &str,
        kind: &str,
        version: Option<&str>,
    ) -> Result<Resource, Error> {
        if let Some(found) = self.catalogue().find(group, kind, version) {
            return Ok(found);
        }
        self.refresh(REFRESH_EVERY).await?;
        if let Some(found) = self.catalogue().find(group, kind, version) {
            return Ok(found);
        }
        let versions = self.catalogue().versions(group, kind);
        Err(match version {
            Some(version) if !versions.is_empty() => {
                Error::version_unknown(group, kind, version, &versions)
            }
            Some(_) | None => Error::kind_unknown(group, kind),
        })
    }

    /// Asks the member which kinds it serves, unless it was asked within `every`.
    ///
    /// # Errors
    /// Whatever keeps the API from answering; what was known stays known.
    pub async fn refresh(&self, every: Duration) -> Result<(), Error> {
        let _one_at_a_time = self.catalogue().refreshing.lock().await;
        let asked = self.catalogue().lock().asked;
        if asked.is_some_and(|at| at.elapsed() < every) {
            return Ok(());
        }
        let before = self.catalogue().lock().tags.clone();
        let Some(roots) = self.roots(&before).await? else {
            self.catalogue().lock().asked = Some(Instant::now());
            return Ok(());
        };
        let mut found = Vec::new();
        let mut group_versions = Vec::new();
        let mut tags = [None, None];
        for ((bytes, tag), kept) in roots.into_iter().zip(&mut tags) {
            let mut group = |item| aggregated(&item, &mut found, &mut group_versions);
            let page = list::read(&bytes, &mut group).map_err(|e| not_understood(&e))?;
            if page.kind == AGGREGATED_KIND {
                *kept = tag;
                continue;
            }
            let root = serde_json::from_slice(&bytes).map_err(|e| not_understood(&e))?;
            self.legacy(&root, &mut found, &mut group_versions).await?;
        }
        found.truncate(RESOURCES_MAX);
        group_versions.sort();
        group_versions.dedup();
        let mut kinds: BTreeMap<(String, String), Vec<Resource>> = BTreeMap::new();
        for resource in found {
            kinds
                .entry((resource.group.clone(), resource.kind.clone()))
                .or_default()
                .push(resource);
        }
        let mut known = self.catalogue().lock();
        known.changes += u64::from(known.kinds != kinds);
        known.kinds = kinds;
        known.group_versions = group_versions;
        known.tags = tags;
        known.asked = Some(Instant::now());
        Ok(())
    }

    /// What is at both roots; `None` where both are as their tags say.
    async fn roots(
        &self,
        tags: &[Option<String>; 2],
    ) -> Result<Option<Vec<(Bytes, Option<String>)>>, Error> {
        let mut answers = Vec::new();
        for (root, tag) in ROOTS.iter().zip(tags) {
            let known = tags.iter().all(Option::is_some);
            let tag = tag.as_deref().filter(|_| known);
            answers.push(self.changed(root, AGGREGATED, tag).await?);
        }
        if answers.iter().all(Option::is_none) {
            return Ok(None);
        }
        let mut roots = Vec::new();
        for (root, answer) in ROOTS.iter().zip(answers) {
            let answer = match answer {
                Some(answer) => Some(answer),
                None => self.changed(root, AGGREGATED, None).await?,
            };
            roots.extend(answer);
        }
        Ok(Some(roots))
    }

    /// One request per group version, for members without the aggregated form.
    async fn legacy(
        &self,
        root: &Value,
        found: &mut Vec<Resource>,
        group_versions: &mut Vec<String>,
    ) -> Result<(), Error> {
        for group_version in listed_versions(root) {
            let path = if group_version.contains('/') {
                format!("/apis/{group_version}")
            } else {
                format!("/api/{group_version}")
            };
            match self.fetch(&path, "application/json").await {
                Ok(answer) => {
                    resource_list(&group_version, &answer, found);
                    group_versions.push(group_version);
                }
                // A group of an aggregated API server that is away must not hide all others.
                Err(error) if error.class == Class::Unreachable => return Err(error),
                Err(error) => tracing::debug!(%group_version, %error, "group version left out"),
            }
        }
        Ok(())
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn array<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value
        .get(field)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

fn verbs(value: &Value) -> Vec<String> {
    array(value, "verbs")
        .iter()
        .filter_map(|v| v.as_str().map(str::to_owned))
        .collect()
}

/// Reads one group of an `APIGroupDiscoveryList`.
fn aggregated(item: &Value, found: &mut Vec<Resource>, group_versions: &mut Vec<String>) {
    let group = item
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    for version in array(item, "versions") {
        let name = text(version, "version");
        group_versions.push(if group.is_empty() {
            name.to_owned()
        } else {
            format!("{group}/{name}")
        });
        for resource in array(version, "resources") {
            let kind = resource
                .pointer("/responseKind/kind")
                .and_then(Value::as_str)
                .unwrap_or_default();
            found.push(Resource {
                group: group.to_owned(),
                version: name.to_owned(),
                kind: kind.to_owned(),
                plural: text(resource, "resource").to_owned(),
                namespaced: text(resource, "scope") == "Namespaced",
                verbs: verbs(resource),
            });
        }
    }
}

fn not_understood(error: &serde_json::Error) -> Error {
    let message = format!("what the member's API says of its kinds is not understood: {error}");
    Error::new(Class::Answer, "BadAnswer", message)
}

/// The group versions that an `APIVersions` or `APIGroupList` names, preferred ones first.
fn listed_versions(root: &Value) -> Vec<String> {
    let mut listed: Vec<String> = array(root, "versions")
        .iter()
        .filter_map(|v| v.as_str().map(str::to_owned))
        .collect();
    for group in array(root, "groups") {
        let preferred = group
            .pointer("/preferredVersion/groupVersion")
            .and_then(Value::as_str);
        let all = array(group, "versions")
            .iter()
            .map(|v| text(v, "groupVersion"));
        let rest = all.filter(|v| Some(*v) != preferred);
        listed.extend(preferred.into_iter().chain(rest).map(str::to_owned));
    }
    listed
}

/// Reads an `APIResourceList`; subresources are passed over.
fn resource_list(group_version: &str, list: &Value, found: &mut Vec<Resource>) {
    let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
    for resource in array(list, "resources") {
        let plural = text(resource, "name");
        if plural.contains('/') {
            continue;
        }
        found.push(Resource {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: text(resource, "kind").to_owned(),
            plural: plural.to_owned(),
            namespaced: resource
                .get("namespaced")
                .and_then(Value::as_bool)
                .unwrap_or_default(),
            verbs: verbs(resource),
        });
    }
}

#[cfg(test)]
mod tests;
