//! HTTP/1.1 over TLS by hand: what no well-behaved client would send.
//!
//! One request a connection. It checks the server as kubectl does, and shows the certificate that
//! it is given, whoever issued it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use kube::config::Kubeconfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Longest wait for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// A certificate to show, and its key.
#[derive(Debug)]
pub struct Shown {
    /// The chain, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: PrivateKeyDer<'static>,
}

/// A server, and who one is there.
pub struct Wire {
    address: String,
    config: Arc<ClientConfig>,
}

impl Wire {
    /// The server of a kubeconfig, for somebody who shows `shown`.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read or the certificate is none.
    pub fn new(kubeconfig: &Path, shown: Option<Shown>) -> Result<Self> {
        let text = Fields::read(kubeconfig)?;
        let mut roots = RootCertStore::empty();
        let pem = text.pem("/clusters/0/cluster/certificate-authority-data")?;
        for authority in CertificateDer::pem_slice_iter(&pem) {
            roots.add(authority?)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let config = match shown {
            None => config.with_no_client_auth(),
            Some(Shown { chain, key }) => config.with_client_auth_cert(chain, key)?,
        };
        let server = text.text("/clusters/0/cluster/server")?;
        let address = server.strip_prefix("https://").context("not HTTPS")?;
        Ok(Self {
            address: address.to_owned(),
            config: Arc::new(config),
        })
    }

    /// The administrator of a kubeconfig.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn admin(kubeconfig: &Path) -> Result<Self> {
        let text = Fields::read(kubeconfig)?;
        let pem = text.pem("/users/0/user/client-certificate-data")?;
        let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(&text.pem("/users/0/user/client-key-data")?)?;
        Self::new(kubeconfig, Some(Shown { chain, key }))
    }

    /// Sends `head` (its request line and headers, without the empty line) and `body` as they are,
    /// and gives the status and the body of the answer; what is not JSON comes as a string.
    ///
    /// # Errors
    /// When the connection is refused or broken off before there is an answer.
    pub async fn exchange(&self, head: &str, body: &[u8]) -> Result<(u16, Value)> {
        tokio::time::timeout(ANSWER_WITHIN, self.answer(head, body))
            .await
            .with_context(|| format!("no answer to {head}"))?
    }

    async fn answer(&self, head: &str, body: &[u8]) -> Result<(u16, Value)> {
        let stream = TcpStream::connect(&self.address).await?;
        let name = ServerName::try_from("localhost")?;
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let mut stream = connector.connect(name, stream).await?;
        let head = format!("{head}\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body).await?;
        stream.flush().await?;
        let mut all = Vec::new();
        let read = stream.read_to_end(&mut all).await;
        // A server may end without TLS's farewell once it has answered.
        if all.is_empty() {
            read.context("no answer")?;
        }
        let text = String::from_utf8_lossy(&all);
        let (head, body) = text.split_once("\r\n\r\n").context("no HTTP")?;
        let code = head.split(' ').nth(1).context("no status")?.parse()?;
        let body = serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned()));
        Ok((code, body))
    }
}

/// What a kubeconfig says.
struct Fields(Value);

impl Fields {
    fn read(kubeconfig: &Path) -> Result<Self> {
        let config = Kubeconfig::read_from(kubeconfig)?;
        Ok(Self(serde_json::to_value(config)?))
    }

    fn text(&self, pointer: &str) -> Result<&str> {
        let found = self.0.pointer(pointer).and_then(Value::as_str);
        found.with_context(|| format!("no {pointer} in the kubeconfig"))
    }

    fn pem(&self, pointer: &str) -> Result<Vec<u8>> {
        Ok(base64::engine::general_purpose::STANDARD.decode(self.text(pointer)?)?)
    }
}
