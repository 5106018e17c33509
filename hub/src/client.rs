//! A small client of a Kubernetes API: a hub's through a kubeconfig, or one in this process.

use kube::config::{KubeConfigOptions, Kubeconfig};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::config::Target;

/// Longest refusal that is read, in bytes.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no usable kubeconfig.
    #[error(
        "failed to read the hub's kubeconfig; give --kubeconfig or set KUBECONFIG, \
         as in KUBECONFIG=DIR/admin.kubeconfig with the hub's --data-dir"
    )]
    Kubeconfig(#[source] kube::config::KubeconfigError),
    /// What the kubeconfig says cannot be used.
    #[error("failed to set up a connection from the kubeconfig")]
    Connect(#[source] kube::Error),
    /// The hub cannot be reached, or did not answer as a hub does.
    #[error("failed to {0}; is the hub running, and is this its kubeconfig?")]
    Request(String, #[source] kube::Error),
    /// The hub refused; its words say why.
    #[error("{}", refusal(.0))]
    Refused(Box<kube::core::Status>),
    /// A flag cannot be used as it is.
    #[error("{0}")]
    Flag(String),
    /// The hub does not know such an object.
    #[error("{0}")]
    NotFound(String),
    /// A part was done, and is named line by line; then came an error.
    #[error("not everything was done; this was:\n{0}\nThen a request failed")]
    Partly(String, #[source] Box<Self>),
}

impl Error {
    /// Whether the hub refused because of who asked.
    pub(crate) fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused(status) if status.code == 403)
    }
}

/// The words of a refusal; its reason where there are none.
fn refusal(status: &kube::core::Status) -> &str {
    match status.message.trim() {
        "" => &status.reason,
        message => message,
    }
}

/// An API, and the namespace that commands use where none is given.
pub struct Api {
    client: kube::Client,
    /// The kubeconfig's namespace.
    pub namespace: String,
    /// Where the API is, as in `https://hub:6443`; empty for one in this process.
    pub server: String,
}

impl Api {
    /// Reads the kubeconfig that a command names.
    ///
    /// # Errors
    /// When there is none, or it cannot be used.
    pub async fn connect(target: &Target) -> Result<Self, Error> {
        let options = KubeConfigOptions {
            context: target.context.clone(),
            ..Default::default()
        };
        let config = match &target.kubeconfig {
            Some(file) => {
                let kubeconfig = Kubeconfig::read_from(file).map_err(Error::Kubeconfig)?;
                kube::Config::from_custom_kubeconfig(kubeconfig, &options).await
            }
            None => kube::Config::from_kubeconfig(&options).await,
        };
        let config = config.map_err(Error::Kubeconfig)?;
        let namespace = config.default_namespace.clone();
        let server = config.cluster_url.to_string();
        let server = server.trim_end_matches('/').to_owned();
        let client = kube::Client::try_from(config).map_err(Error::Connect)?;
        Ok(Self {
            client,
            namespace,
            server,
        })
    }

    /// An API that is reached through a client made already.
    pub fn over(client: kube::Client) -> Self {
        Self {
            client,
            namespace: "default".to_owned(),
            server: String::new(),
        }
    }

    /// Reads what is at a path.
    ///
    /// # Errors
    /// When the hub does not answer, or refuses.
    pub async fn get(&self, path: &str) -> Result<Value, Error> {
        self.send("GET", path, None).await
    }

    /// Posts an object to a path.
    ///
    /// # Errors
    /// When the hub does not answer, or refuses.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Error> {
        self.send("POST", path, Some((body, "application/json")))
            .await
    }

    /// Posts a question to one of the hub's own pages, and reads the answer. `what` is what the question
    /// is made of, for people.
    ///
    /// # Errors
    /// When the hub does not answer, or refuses, or its answer is another.
    pub(crate) async fn ask<A: DeserializeOwned>(
        &self,
        path: &str,
        ask: &impl Serialize,
        what: &str,
    ) -> Result<A, Error> {
        let ask = serde_json::to_value(ask)
            .map_err(|e| Error::Flag(format!("the {what} cannot be sent: {e}")))?;
        let answer = self.post(path, &ask).await?;
        A::deserialize(&answer)
            .map_err(|e| Error::NotFound(format!("the hub's answer is not understood: {e}")))
    }

    /// Replaces an object.
    ///
    /// # Errors
    /// When the hub does not answer, or refuses.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Value, Error> {
        self.send("PUT", path, Some((body, "application/json")))
            .await
    }

    /// Patches an object by JSON merge patch.
    ///
    /// # Errors
    /// When the hub does not answer, or refuses.
    pub async fn merge(&self, path: &str, patch: &Value) -> Result<Value, Error> {
        self.send("PATCH", path, Some((patch, "application/merge-patch+json")))
            .await
    }

    /// Patches an object by JSON patch.
    ///
    /// # Errors
    /// When the API does not answer, or refuses.
    pub async fn json_patch(&self, path: &str, patch: &Value) -> Result<Value, Error> {
        self.send("PATCH", path, Some((patch, "application/json-patch+json")))
            .await
    }

    /// Applies an object by server-side apply.
    ///
    /// # Errors
    /// When the API does not answer, or refuses.
    pub async fn apply(&self, path: &str, object: &Value) -> Result<Value, Error> {
        let path = format!("{path}?fieldManager=roadstead&force=true");
        self.send(
            "PATCH",
            &path,
            Some((object, "application/apply-patch+yaml")),
        )
        .await
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// When the API does not answer, or refuses.
    pub async fn delete(&self, path: &str) -> Result<Value, Error> {
        self.send("DELETE", path, None).await
    }

    /// Reads what is at a path as it comes.
    ///
    /// # Errors
    /// When the hub does not answer, or refuses.
    pub async fn stream(&self, path: &str) -> Result<kube::client::Body, Error> {
        use http_body_util::{BodyExt as _, Limited};
        let what = format!("GET {path}");
        let request = http::Request::get(path)
            .body(kube::client::Body::from(Vec::new()))
            .map_err(|e| Error::Flag(format!("{path} is no path: {e}")))?;
        let answer = self.client.send(request).await;
        let answer = answer.map_err(|e| Error::Request(what, e))?;
        let code = answer.status();
        if code.is_success() {
            return Ok(answer.into_body());
        }
        let body = Limited::new(answer.into_body(), REFUSAL_BYTES_MAX)
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default();
        match serde_json::from_slice(&body) {
            Ok(status) => Err(Error::Refused(Box::new(status))),
            Err(_) => Err(Error::NotFound(format!(
                "the hub answers {code} to GET {path}; is it an older release?"
            ))),
        }
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<(&Value, &str)>,
    ) -> Result<Value, Error> {
        let what = format!("{method} {path}");
        let (body, media) = body.map_or((Vec::new(), "application/json"), |(body, media)| {
            (body.to_string().into_bytes(), media)
        });
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", media)
            .body(body)
            .map_err(|e| Error::Flag(format!("{path} is no path: {e}")))?;
        match self.client.request(request).await {
            Ok(value) => Ok(value),
            Err(kube::Error::Api(status)) => Err(Error::Refused(status)),
            Err(error) => Err(Error::Request(what, error)),
        }
    }

    /// The items of a list.
    ///
    /// # Errors
    /// When the hub does not answer, or refuses.
    pub async fn list(&self, path: &str) -> Result<Vec<Value>, Error> {
        let mut list = self.get(path).await?;
        let items = list.get_mut("items").map(Value::take);
        Ok(match items {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        })
    }
}
