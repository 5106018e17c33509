//! The REST port's certificate and the administrator's, renewed while the process runs.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use roadstead_authority::Authority;
use roadstead_protocol::host::tls::Crypto;
use tokio::sync::watch;

use crate::process::write_secret;

/// A kubeconfig that is kept good.
pub(crate) struct Kubeconfig {
    /// The file.
    pub(crate) path: PathBuf,
    /// Where the API is, as a URL.
    pub(crate) server: String,
}

impl Kubeconfig {
    /// Writes it with the administrator's present certificate.
    pub(crate) fn write(&self, authority: &Authority) -> Result<()> {
        write_secret(&self.path, &authority.admin_kubeconfig(&self.server)?)
    }
}

/// TLS settings of the REST port, good for loopback and `names`, and new ones every
/// [`Authority::SERVER_RENEWAL`] until `stop`. The kubeconfig follows when the administrator's
/// certificate does.
///
/// # Errors
/// Where the first cannot be made, or the kubeconfig not be written.
pub(crate) fn renewed(
    authority: Authority,
    crypto: Crypto,
    names: Vec<String>,
    kubeconfig: Option<Kubeconfig>,
    mut stop: watch::Receiver<bool>,
) -> Result<watch::Receiver<Arc<rustls::ServerConfig>>> {
    let first = authority.rest_server(&crypto, &names)?;
    if let Some(kubeconfig) = &kubeconfig {
        kubeconfig.write(&authority)?;
    }
    // What the file says, but for where the hub is.
    let mut written = authority.admin_kubeconfig("")?;
    let (made, settings) = watch::channel(Arc::new(first));
    let mut changes = authority.changes();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stopped| *stopped) => return,
                Ok(()) = changes.changed() => {}
                () = tokio::time::sleep(Authority::SERVER_RENEWAL) => {}
            }
            let file = (kubeconfig.as_ref(), &mut written);
            if let Err(error) = renew(&authority, &crypto, &names, file, &made).await {
                tracing::error!(
                    error = format!("{error:#}"),
                    "the API's certificate could not be renewed; it will be tried again"
                );
            }
        }
    });
    Ok(settings)
}

async fn renew(
    authority: &Authority,
    crypto: &Crypto,
    names: &[String],
    (kubeconfig, written): (Option<&Kubeconfig>, &mut String),
    made: &watch::Sender<Arc<rustls::ServerConfig>>,
) -> Result<()> {
    authority.tend().await?;
    made.send_replace(Arc::new(authority.rest_server(crypto, names)?));
    let now = authority.admin_kubeconfig("")?;
    if let Some(kubeconfig) = kubeconfig
        && now != *written
    {
        kubeconfig.write(authority)?;
        *written = now;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
