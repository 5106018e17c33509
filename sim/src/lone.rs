//! What is on one cluster of two for a while, beside all that the model knows: a StatefulSet and a Job,
//! which never fail over by themselves, and Deployments, which do, as a whole.
//!
//! It is in a namespace of its own kind of policy, where nothing else here is of these kinds.

use std::collections::BTreeMap;

use roadstead_protocol::api::names::OWNER_LABEL;
use roadstead_rest::Rest;
use roadstead_store::records::objects_prefix;
use serde_json::{Value, json};

use crate::http::call;
use crate::model::Kind;
use crate::world::{Site, World, lock};
use crate::written::failover_json;

/// The policy of all of it.
const POLICY: &str = "/apis/policy.kurator.dev/v1alpha1/clusterdistributionpolicies/lone";
/// Where the hub keeps it, by group and plural.
const PLACES: [(&str, &str); 3] = [
    ("apps", "statefulsets"),
    ("apps", "deployments"),
    ("batch", "jobs"),
];
/// What never fails over: its kind's group and plural, and its name.
pub(crate) const NEVER: [(&str, &str, &str); 2] =
    [("apps", "statefulsets", "set"), ("batch", "jobs", "job")];

/// On which clusters what is there alone may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lone {
    /// Where it is.
    pub on: String,
    /// Where it may be instead.
    pub other: String,
    /// How many Deployments there are.
    pub wholes: u64,
}

/// The name of a Deployment.
fn whole(number: u64) -> String {
    format!("whole-{number}")
}

impl Lone {
    /// The names of what fails over.
    pub(crate) fn wholes(&self) -> impl Iterator<Item = String> {
        (0..self.wholes).map(whole)
    }

    /// All objects, by their collection's path.
    fn objects(&self) -> Vec<(&'static str, String, Value)> {
        let metadata = |name: &str| json!({"name": name, "namespace": Kind::Shop.place().2, "labels": {"lone": "true"}});
        let pods = |name: &str, image: &str| {
            json!({
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "c", "image": image}]},
            })
        };
        let set = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata("set"),
            "spec": {
                "replicas": 1, "serviceName": "set",
                "selector": {"matchLabels": {"app": "set"}}, "template": pods("set", "image:1"),
            },
        });
        // It would be done before anything happened.
        let mut run = pods("job", "image:missing");
        run["spec"]["restartPolicy"] = "Never".into();
        let job = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata("job"),
            "spec": {"template": run},
        });
        let mut all = vec![
            (
                "/apis/apps/v1/namespaces/shop/statefulsets",
                "set".to_owned(),
                set,
            ),
            ("/apis/batch/v1/namespaces/shop/jobs", "job".to_owned(), job),
        ];
        all.extend(self.wholes().map(|name| {
            let object = json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(&name),
                "spec": {
                    "replicas": 1,
                    "selector": {"matchLabels": {"app": name}}, "template": pods(&name, "image:1"),
                },
            });
            ("/apis/apps/v1/namespaces/shop/deployments", name, object)
        }));
        all
    }

    fn policy(&self) -> Value {
        let selector = |version: &str, kind: &str| {
            json!({
                "apiVersion": version, "kind": kind, "namespace": Kind::Shop.place().2,
                "labelSelector": {"matchLabels": {"lone": "true"}},
            })
        };
        let group = |cluster: &str| json!({"affinityName": cluster, "clusterNames": [cluster]});
        json!({
            "apiVersion": "policy.kurator.dev/v1alpha1",
            "kind": "ClusterDistributionPolicy",
            "metadata": {"name": "lone"},
            "spec": {
                "resourceSelectors": [
                    selector("apps/v1", "StatefulSet"), selector("apps/v1", "Deployment"),
                    selector("batch/v1", "Job"),
                ],
                "placement": {"clusterAffinities": [group(&self.on), group(&self.other)]},
                "failover": failover_json(),
            },
        })
    }

    async fn write(&self, rest: &Rest) -> bool {
        const APPLY: &str = "application/apply-patch+yaml";
        let apply = |path: String| format!("{path}?fieldManager=user&force=true");
        let mut done = true;
        for (path, name, object) in self.objects() {
            let path = apply(format!("{path}/{name}"));
            done &= matches!(
                call(rest, "PATCH", &path, APPLY, &object).await.0,
                200 | 201
            );
        }
        let policy = apply(POLICY.to_owned());
        done && matches!(
            call(rest, "PATCH", &policy, APPLY, &self.policy()).await.0,
            200 | 201
        )
    }

    async fn delete(&self, rest: &Rest) -> bool {
        const JSON: &str = "application/json";
        let paths = self.objects().into_iter();
        let paths = paths.map(|(path, name, _)| format!("{path}/{name}"));
        let mut done = true;
        for path in paths.chain([POLICY.to_owned()]) {
            let (status, _) = call(rest, "DELETE", &path, JSON, &Value::Null).await;
            done &= matches!(status, 200 | 202 | 404);
        }
        done
    }
}

/// Writes or deletes it, as its user is asked to; what was not answered is done again.
pub async fn tend(world: &World, rest: &Rest) {
    let (wanted, is) = {
        let user = lock(&world.user);
        (user.lone.clone(), user.lone_is.clone())
    };
    let done = match (&wanted, &is) {
        (Some(lone), is) if is.as_ref() != Some(lone) => lone.write(rest).await,
        (None, Some(lone)) => lone.delete(rest).await,
        (Some(_) | None, _) => return,
    };
    if done {
        lock(&world.user).lone_is = wanted;
    }
}

/// What a site's member holds of it, by group, plural and name.
pub(crate) fn held(site: &Site) -> BTreeMap<(&'static str, &'static str, String), Value> {
    let member = lock(&site.member).clone();
    let Some(snapshot) = member.map(|member| member.store.snapshot()) else {
        return BTreeMap::new();
    };
    let mut held = BTreeMap::new();
    for (group, plural) in PLACES {
        for entry in snapshot.range(&objects_prefix(group, plural)) {
            let object: Value = serde_json::from_slice(&entry.value).unwrap_or_default();
            let text = |at: &str| {
                object
                    .pointer(at)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            let labels = object.pointer("/metadata/labels");
            let ours = labels.is_some_and(|labels| labels.get(OWNER_LABEL).is_some());
            if ours && text("/metadata/namespace") == Kind::Shop.place().2 {
                held.insert((group, plural, text("/metadata/name").to_owned()), object);
            }
        }
    }
    held
}

/// Whether all of it is on the cluster where it is to be, or has failed over from there as far as it ever
/// does, and what can run runs.
///
/// # Errors
/// The first that is elsewhere, or does not run.
pub(crate) fn is_there(world: &World, lone: &Lone, failed_over: bool) -> Result<(), String> {
    for site in &world.sites {
        let held = held(site);
        let first = site.name == lone.on;
        let runs = if failed_over { &lone.other } else { &lone.on };
        for (group, plural, name) in NEVER {
            if held.contains_key(&(group, plural, name.to_owned())) != first {
                return Err(format!("{} has {name}, or lacks it", site.name));
            }
        }
        for name in lone.wholes() {
            let there = held.get(&("apps", "deployments", name.clone()));
            let ready = there.and_then(|there| there.pointer("/status/readyReplicas"));
            let is = site.name == *runs;
            if there.is_some() != is || (is && ready.and_then(Value::as_i64) != Some(1)) {
                return Err(format!("{name} is not as it is to be on {}", site.name));
            }
        }
    }
    Ok(())
}

/// Whether no member has any of it.
///
/// # Errors
/// The first that has.
pub(crate) fn is_gone(world: &World) -> Result<(), String> {
    let has = world.sites.iter().find(|site| !held(site).is_empty());
    has.map_or(Ok(()), |site| {
        Err(format!("{} has what was there alone", site.name))
    })
}
