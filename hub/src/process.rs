//! The hub as a process: its folder, its ports, what it prints, how it ends.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use roadstead_authority::Authority;
use roadstead_protocol::env::Env;
use roadstead_protocol::host::tls::Crypto;
use roadstead_protocol::host::{SystemNetwork, system};
use roadstead_protocol::seal::Keyring;
use roadstead_rest::Identity;
use roadstead_store::{Backend, Options, Store};
use tokio::net::TcpListener;

use crate::hooks::Limits;
use crate::https::{self, Identify};
use crate::{Hub, Parts, certificates, config};

/// The store's file in the data folder.
pub(crate) const STORE_FILE: &str = "hub.redb";
/// The administrator's bearer token in the data folder.
const TOKEN_FILE: &str = "admin.token";
/// The administrator's kubeconfig in the data folder.
pub(crate) const KUBECONFIG_FILE: &str = "admin.kubeconfig";

/// How far behind a clock may be before that is said, in seconds.
const CLOCK_BEHIND_SECONDS: i64 = 3600;

/// Runs the hub until SIGTERM or Ctrl-C.
///
/// # Errors
/// When the folder or a port cannot be used; the text says what to do.
pub(crate) async fn hub(args: config::Hub, settings: Settings) -> Result<()> {
    let config::Hub {
        data_dir,
        listen,
        agent_listen,
        agent_advertise,
        config: _,
        key_file,
        forget_clock,
    } = args;
    let keyring = crate::vault::keyring(key_file.as_deref())?;
    std::fs::create_dir_all(&data_dir)
        .with_context(|| format!("failed to make the data folder {}", data_dir.display()))?;
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("failed to listen on TCP {listen}; another hub? choose one with --listen")
    })?;
    let listen = listener
        .local_addr()
        .context("failed to read the listening address")?;
    let env = system::env();
    let crypto = Crypto::ring(&env);
    let backend = backend(&env, &data_dir, &keyring, forget_clock).await?;
    let advertise = advertised(agent_advertise, agent_listen);
    let names = names(&advertise, listen);
    let mut hub = Hub::start(Parts {
        env,
        network: Arc::new(SystemNetwork),
        crypto: crypto.clone(),
        backend,
        agent_listen,
        advertise,
        limits: settings.limits,
        controllers: roadstead_controllers::Options::default(),
    })
    .await?;
    grant_defaults(&hub).await;
    hub.host(crate::hosted::system::sealed(&data_dir, keyring));
    behind(&hub.authority);
    let kubeconfig = data_dir.join(KUBECONFIG_FILE);
    let server = format!("https://{}", reachable(listen));
    let admin = certificates::Kubeconfig {
        path: kubeconfig.clone(),
        server: server.clone(),
    };
    let (authority, stop) = (hub.authority.clone(), hub.stopping());
    let tls = certificates::renewed(authority, crypto, names, Some(admin), stop)?;
    write_secret(&data_dir.join(TOKEN_FILE), &hub.authority.admin_token())?;
    let stop = hub.stopping();
    let serving = tokio::spawn(https::serve(
        listener,
        tls,
        hub.rest.clone(),
        identify(),
        stop,
    ));
    greet(&server, hub.agent_listen, &absolute(&kubeconfig))?;
    system::shutdown()
        .await
        .context("failed to listen to signals")?;
    tracing::info!("stopping");
    hub.stop().await;
    serving.await.context("the API ended badly")?;
    Ok(())
}

/// Writes the roles that users expect where they are missing. Where nothing can be written, the hub does what
/// it can, and the next start tries again.
pub(crate) async fn grant_defaults(hub: &Hub) {
    if let Err(error) = hub.rest.grant_defaults().await {
        tracing::warn!(%error, "the default roles could not be written");
    }
}

/// The store's file, made ready to be opened. With `forget_clock` it no longer knows the latest time
/// that the hub has known: before anything is made or judged by it.
async fn backend(
    env: &Env,
    data_dir: &Path,
    keyring: &Keyring,
    forget_clock: bool,
) -> Result<Backend> {
    let file = data_dir.join(STORE_FILE);
    if forget_clock {
        let backend = crate::vault::backend(env, &file, keyring).await?;
        let store = Store::open(env.clone(), backend, Options::default()).await;
        let store = store.context("failed to open the store")?;
        let forgotten = Authority::forget_time(&store, env).await;
        store.close().await;
        forgotten.context("--forget-clock")?;
    }
    crate::vault::backend(env, &file, keyring).await
}

/// Says where the clock is behind a time that this hub has known.
fn behind(authority: &Authority) {
    let seconds = authority.clock().behind();
    if seconds > CLOCK_BEHIND_SECONDS {
        tracing::warn!(
            behind_seconds = seconds,
            known = authority.clock().floor(),
            "this machine's clock is behind a time that this hub has known already; certificates and tokens are dated \
             by what it has known. Set the clock; if it was the earlier time that was wrong, start once with --forget-clock"
        );
    }
}

/// What the file given with `--config` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct File {
    removal: Removal,
}

/// How much a single change may remove without being confirmed.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Removal {
    /// Share of everything that the fleet runs, in percent.
    percent: Option<u32>,
    /// Removals up to this number are never too many.
    minimum: Option<u32>,
}

/// Settings beyond the flags.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Settings {
    limits: Limits,
}

impl Settings {
    /// Reads the file, if there is one.
    ///
    /// # Errors
    /// When it cannot be read, or says something that is not understood.
    pub(crate) fn read(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let shown = path.display();
        let text =
            std::fs::read_to_string(path).with_context(|| format!("failed to read {shown}"))?;
        let File { removal } = serde_saphyr::from_str(&text)
            .with_context(|| format!("failed to understand {shown}"))?;
        let mut limits = Limits::default();
        if let Some(percent) = removal.percent {
            anyhow::ensure!(
                percent <= 100,
                "{shown}: removal.percent: {percent}: must be from 0 to 100"
            );
            limits.removal_percent = percent;
        }
        limits.removal_min = removal.minimum.unwrap_or(limits.removal_min);
        Ok(Self { limits })
    }
}

/// Whose certificate it is. rustls has verified it against the REST port's own authority, so an
/// agent's never gets here.
pub(crate) fn identify() -> Identify {
    Arc::new(|certificate| match certificate.map(Authority::rest_user) {
        None => Identity::anonymous(),
        Some(Ok((user, groups))) => Identity::new(user, groups),
        Some(Err(error)) => {
            tracing::warn!(
                error = crate::chain(&error),
                "a client certificate names nobody"
            );
            Identity::anonymous()
        }
    })
}

/// Where agents find the hub, if nobody says.
fn advertised(given: Vec<String>, listen: SocketAddr) -> Vec<String> {
    if !given.is_empty() || !listen.ip().is_unspecified() {
        return given;
    }
    let host = gethostname().unwrap_or_else(|| "127.0.0.1".to_owned());
    vec![format!("{host}:{}", listen.port())]
}

fn gethostname() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// The names that the REST port's certificate is good for, beside loopback.
fn names(advertise: &[String], listen: SocketAddr) -> Vec<String> {
    let hosts = advertise
        .iter()
        .filter_map(|a| a.rsplit_once(':'))
        .map(|(host, _)| host.to_owned());
    let own = (!listen.ip().is_unspecified()).then(|| listen.ip().to_string());
    hosts.chain(own).chain(gethostname()).collect()
}

/// An address that a client on this machine reaches.
fn reachable(listen: SocketAddr) -> SocketAddr {
    match listen.ip() {
        ip if !ip.is_unspecified() => listen,
        IpAddr::V4(_) => SocketAddr::new([127, 0, 0, 1].into(), listen.port()),
        IpAddr::V6(_) => SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), listen.port()),
    }
}

/// Writes a file that only its owner may read.
pub(crate) fn write_secret(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options
        .open(path)
        .and_then(|mut f| f.write_all(text.as_bytes()));
    written.with_context(|| format!("failed to write {}", path.display()))
}

/// The path as it is to be typed in another folder.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn greet(server: &str, agents: SocketAddr, kubeconfig: &Path) -> Result<()> {
    let kubeconfig = kubeconfig.display();
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "The hub serves the Kubernetes API at {server} and listens to agents on UDP {agents}.\n\n\
         Next, in another terminal:\n\n  \
         export KUBECONFIG={kubeconfig}\n  \
         kubectl get namespaces\n  \
         roadstead join my-cluster"
    )?;
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_faults_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hub.yaml");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Settings::read(Some(&file))
        };
        assert_eq!(
            read("removal: {percent: 50}")
                .unwrap()
                .limits
                .removal_percent,
            50
        );
        assert!(read("removal: {percent: 150}").is_err());
        assert!(read("remove: 1").is_err());
        assert_eq!(Settings::read(None).unwrap().limits, Limits::default());
    }

    #[tokio::test]
    async fn a_time_is_forgotten_before_anything_is_made_by_it() {
        let folder = tempfile::tempdir().unwrap();
        let (env, keys) = (system::env(), Keyring::default());
        let open = async |forget| {
            let backend = backend(&env, folder.path(), &keys, forget).await.unwrap();
            let opened = Store::open(env.clone(), backend, Options::default()).await;
            opened.unwrap()
        };
        let store = open(false).await;
        Authority::load_or_create(&store, &env).await.unwrap();
        // The clock was nine years ahead: soon the agents' authority would have to be replaced.
        let ahead = env.clock.now().as_second() + 9 * 365 * 24 * 3600;
        let note = serde_json::json!({"version": 1, "seconds": ahead});
        let key = roadstead_store::records::authority_key("clock").unwrap();
        let noted = roadstead_store::Txn::new().put(key, note.to_string());
        store.commit(noted).await.unwrap();
        store.close().await;
        for (forget, behind) in [(true, false), (false, false)] {
            let store = open(forget).await;
            let authority = Authority::load_or_create(&store, &env).await.unwrap();
            assert_eq!(authority.clock().behind() > 0, behind);
            assert_eq!(authority.standing().successor, None);
            store.close().await;
        }
    }

    #[test]
    fn an_open_address_is_advertised_by_name() {
        let open = "0.0.0.0:7443".parse().unwrap();
        assert_eq!(advertised(vec![], open).len(), 1);
        assert_eq!(advertised(vec!["hub:1".into()], open), ["hub:1"]);
        assert!(advertised(vec![], "127.0.0.1:0".parse().unwrap()).is_empty());
    }
}
