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

/// Where a member's API is.
#[derive(Clone)]
enum Source {
    Simulated(Simulated),
    Real(PathBuf),
}

/// See the module.
pub(crate) struct Member {
    /// Its API, for people: past the gate.
    pub(crate) api: Api,
    /// What stands between it and its agent.
    pub(crate) gate: Gate,
    source: Source,
}

impl Member {
    /// A new simulated one.
    pub(crate) async fn simulated() -> Result<Self> {
        let member = Simulated::start(system::env(), Options::default()).await?;
        Self::over(Source::Simulated(member)).await
    }

    /// A real one, emptied of what earlier histories left.
    pub(crate) async fn real(kubeconfig: &Path) -> Result<Self> {
        let member = Self::over(Source::Real(kubeconfig.to_owned())).await?;
        member.empty().await?;
        Ok(member)
    }

    async fn over(source: Source) -> Result<Self> {
        Ok(Self {
            api: Api::over(client(&source).await?),
            gate: Gate::default(),
            source,
        })
    }

    /// What makes a client for an agent: one of its own, through the gate.
    pub(crate) fn connector(
        &self,
    ) -> impl Future<Output = Result<kube::Client>> + Send + 'static + use<> {
        let (source, gate) = (self.source.clone(), self.gate.clone());
        async move { Ok(gate.client(client(&source).await?)) }
    }

    /// Lets what the gate delayed arrive.
    pub(crate) async fn deliver(&self) -> Result<Vec<u16>> {
        self.gate.deliver(&client(&self.source).await?).await
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

async fn client(source: &Source) -> Result<kube::Client> {
    match source {
        Source::Simulated(member) => Ok(kube::Client::new(
            member.rest.service(Identity::admin()),
            "default",
        )),
        Source::Real(kubeconfig) => {
            let config = Kubeconfig::read_from(kubeconfig)?;
            let options = KubeConfigOptions::default();
            let config = kube::Config::from_custom_kubeconfig(config, &options).await?;
            Ok(kube::Client::try_from(config)?)
        }
    }
}
