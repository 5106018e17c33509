//! A member cluster: simulated, or a real API server. The histories cannot tell.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kube::config::{KubeConfigOptions, Kubeconfig};
use roadstead_hub::member::{Member as Simulated, Options};
use roadstead_protocol::host::system;
use roadstead_rest::Identity;
use roadstead_tests::api::{Api, text};
use roadstead_tests::process::within;
use serde_json::Value;

use super::gate::Gate;
use super::objects::{map_path, value_of};

/// How long what has to happen may take; a back-off of the agent may be in between.
pub(crate) const SOON: Duration = Duration::from_secs(45);

/// Where a member's API is, and what stands before it.
#[derive(Clone)]
pub(crate) struct Source {
    place: Place,
    gate: Gate,
}

#[derive(Clone)]
enum Place {
    Simulated(Simulated),
    Real(PathBuf),
}

impl Source {
    /// A client for an agent: one of its own, through the gate.
    pub(crate) async fn connect(self) -> Result<kube::Client> {
        Ok(self.gate.client(self.place.client().await?))
    }
}

/// See the module.
pub(crate) struct Member {
    /// Its API, for people: past the gate.
    pub(crate) api: Api,
    /// What stands between it and its agent.
    pub(crate) gate: Gate,
    place: Place,
}

impl Member {
    /// A new simulated one.
    pub(crate) async fn simulated() -> Result<Self> {
        let member = Simulated::start(system::env(), Options::default()).await?;
        Self::over(Place::Simulated(member)).await
    }

    /// A real one, emptied of what earlier histories left.
    pub(crate) async fn real(kubeconfig: &Path) -> Result<Self> {
        let member = Self::over(Place::Real(kubeconfig.to_owned())).await?;
        member.empty().await?;
        Ok(member)
    }

    async fn over(place: Place) -> Result<Self> {
        Ok(Self {
            api: Api::over(place.client().await?),
            gate: Gate::default(),
            place,
        })
    }

    /// How agents reach it.
    pub(crate) fn source(&self) -> Source {
        Source {
            place: self.place.clone(),
            gate: self.gate.clone(),
        }
    }

    /// Lets what the gate delayed arrive.
    pub(crate) async fn deliver(&self) -> Result<Vec<u16>> {
        self.gate.deliver(&self.place.client().await?).await
    }

    /// What is at a path; `None` where there is nothing.
    pub(crate) async fn get(&self, path: &str) -> Result<Option<Value>> {
        let answer = self.api.get(path).await?;
        if answer.code == 404 {
            return Ok(None);
        }
        Ok(Some(answer.ok()?))
    }

    /// Waits until what is at a path is as `wanted` says.
    pub(crate) async fn until(
        &self,
        path: &str,
        what: &str,
        wanted: impl Fn(Option<&Value>) -> bool,
    ) -> Result<Option<Value>> {
        within(SOON, what, || async {
            let object = self.get(path).await?;
            let shown = || {
                object
                    .as_ref()
                    .map_or_else(|| "absent".to_owned(), Value::to_string)
            };
            ensure!(wanted(object.as_ref()), "it is {}", shown());
            Ok(true)
        })
        .await?;
        self.get(path).await
    }

    /// The value of a ConfigMap, `None` where there is none.
    pub(crate) async fn map(&self, name: &str) -> Result<Option<String>> {
        let object = self.get(&map_path(name)).await?;
        Ok(object.as_ref().map(value_of))
    }

    /// Waits until a ConfigMap has a value, or with `None` until it is gone.
    pub(crate) async fn until_map(&self, name: &str, value: Option<&str>) -> Result<()> {
        let what = match value {
            Some(value) => format!("ConfigMap {name} has {value} on the member"),
            None => format!("ConfigMap {name} is gone from the member"),
        };
        self.until(&map_path(name), &what, |o| {
            o.map(value_of).as_deref() == value
        })
        .await
        .map(drop)
    }

    /// Says that a ConfigMap has a value now, or with `None` that there is none.
    pub(crate) async fn expect_map(&self, name: &str, value: Option<&str>) -> Result<()> {
        let found = self.map(name).await?;
        ensure!(
            found.as_deref() == value,
            "ConfigMap {name} on the member: {found:?} and not {value:?}"
        );
        Ok(())
    }

    /// The uid of what is at a path.
    pub(crate) async fn uid(&self, path: &str) -> Result<String> {
        let object = self.get(path).await?;
        let object = object.with_context(|| format!("nothing is at {path}"))?;
        Ok(text(&object, "/metadata/uid").to_owned())
    }

    /// Removes what earlier histories left: namespaces of theirs, ConfigMaps, definitions.
    async fn empty(&self) -> Result<()> {
        for (list, kept) in [
            (
                "/api/v1/namespaces",
                &["default", "kube-system", "kube-public", "kube-node-lease"][..],
            ),
            (
                "/api/v1/namespaces/default/configmaps",
                &["kube-root-ca.crt"][..],
            ),
            (
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
                &[][..],
            ),
        ] {
            for object in self.items(list).await? {
                let name = text(&object, "/metadata/name");
                if !kept.contains(&name) {
                    self.api.delete(&format!("{list}/{name}"), None).await?;
                }
            }
            within(SOON, &format!("{list} is as at first"), || async {
                let left = self.items(list).await?;
                Ok(left
                    .iter()
                    .all(|o| kept.contains(&text(o, "/metadata/name"))))
            })
            .await?;
        }
        Ok(())
    }

    async fn items(&self, path: &str) -> Result<Vec<Value>> {
        let list = self.api.get(path).await?.ok()?;
        let items = list.get("items").and_then(Value::as_array);
        Ok(items.cloned().unwrap_or_default())
    }
}

impl Place {
    async fn client(&self) -> Result<kube::Client> {
        let kubeconfig = match self {
            Self::Simulated(member) => {
                let service = member.rest.service(Identity::admin());
                return Ok(kube::Client::new(service, "default"));
            }
            Self::Real(kubeconfig) => kubeconfig,
        };
        let config = Kubeconfig::read_from(kubeconfig)?;
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(config, &options).await?;
        Ok(kube::Client::try_from(config)?)
    }
}
