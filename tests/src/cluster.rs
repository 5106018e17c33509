//! Real member clusters: etcd and kube-apiserver, with controller-manager and scheduler where a
//! test needs them. Several clusters share one etcd, each under a prefix of its own.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use tokio::process::Command;

use crate::assets::Assets;
use crate::process::{Process, eventually, free_port};

/// Keys and certificates that all clusters of a test share.
struct Pki {
    folder: PathBuf,
    ca_pem: String,
    admin_pem: String,
    admin_key_pem: String,
}

/// One etcd and the clusters on it. Dropped: everything is killed.
pub struct Clusters {
    assets: Assets,
    folder: PathBuf,
    pki: Pki,
    etcd_url: String,
    _etcd: Process,
}

/// One real cluster.
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// A kubeconfig with which one may do everything.
    pub kubeconfig: PathBuf,
    _parts: Vec<Process>,
}

impl Clusters {
    /// Starts an etcd; clusters come with [`Clusters::add`].
    ///
    /// # Errors
    /// When it cannot be started or does not become healthy.
    pub fn start(assets: Assets, folder: &Path) -> Result<Self> {
        Self::start_with(assets, folder, &["--unsafe-no-fsync"])
    }

    /// As [`start`](Self::start), with an etcd that syncs to disk, as a production one does.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_durable(assets: Assets, folder: &Path) -> Result<Self> {
        Self::start_with(assets, folder, &[])
    }

    fn start_with(assets: Assets, folder: &Path, flags: &[&str]) -> Result<Self> {
        let pki = Pki::make(folder)?;
        let (client, peer) = (free_port()?, free_port()?);
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let program = assets.program("etcd").context("no etcd")?;
        let etcd = Process::start(
            "etcd",
            folder,
            Command::new(program)
                .arg("--data-dir")
                .arg(folder.join("etcd"))
                .args(flags)
                .args([
                    "--listen-client-urls",
                    &url(client),
                    "--advertise-client-urls",
                    &url(client),
                ])
                .args([
                    "--listen-peer-urls",
                    &url(peer),
                    "--initial-advertise-peer-urls",
                    &url(peer),
                ])
                .args(["--initial-cluster", &format!("default={}", url(peer))]),
        )?;
        let etcd_url = url(client);
        Ok(Self {
            assets,
            folder: folder.to_owned(),
            pki,
            etcd_url,
            _etcd: etcd,
        })
    }

    /// Starts a cluster. `controllers` adds controller-manager and scheduler, where these assets
    /// have them.
    ///
    /// # Errors
    /// When a part cannot be started, or the API server does not become ready.
    pub async fn add(&self, name: &str, controllers: bool) -> Result<Cluster> {
        self.add_with(name, controllers, &[]).await
    }

    /// As [`add`](Self::add), with further flags of the API server.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub async fn add_with(&self, name: &str, controllers: bool, flags: &[&str]) -> Result<Cluster> {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder)?;
        let port = free_port()?;
        let kubeconfig = folder.join("kubeconfig");
        std::fs::write(&kubeconfig, self.pki.kubeconfig(port))?;
        let mut parts = vec![self.api_server(name, &folder, port, flags)?];
        let probe = Probe::new(port, &self.pki)?;
        eventually(&format!("{name}'s API server is ready"), || probe.ready()).await?;
        for part in ["kube-controller-manager", "kube-scheduler"] {
            let Some(program) = self.assets.program(part).filter(|_| controllers) else {
                continue;
            };
            let mut command = Command::new(program);
            command.arg("--kubeconfig").arg(&kubeconfig);
            command.args(["--secure-port=0", "--leader-elect=false"]);
            if part == "kube-controller-manager" {
                let file = |name: &str| self.pki.folder.join(name);
                command.arg("--root-ca-file").arg(file("ca.crt"));
                command
                    .arg("--service-account-private-key-file")
                    .arg(file("sa.key"));
                command.arg("--use-service-account-credentials");
            }
            parts.push(Process::start(part, &folder, &mut command)?);
        }
        Ok(Cluster {
            name: name.to_owned(),
            kubeconfig,
            _parts: parts,
        })
    }

    fn api_server(&self, name: &str, folder: &Path, port: u16, flags: &[&str]) -> Result<Process> {
        let program = self
            .assets
            .program("kube-apiserver")
            .context("no kube-apiserver")?;
        let file =
            |flag: &str, name: &str| format!("--{flag}={}", self.pki.folder.join(name).display());
        Process::start(
            "kube-apiserver",
            folder,
            Command::new(program)
                .arg(format!("--etcd-servers={}", self.etcd_url))
                .arg(format!("--etcd-prefix=/{name}"))
                .arg(format!("--secure-port={port}"))
                .arg(format!("--cert-dir={}", folder.join("certs").display()))
                .arg("--bind-address=127.0.0.1")
                .arg(file("tls-cert-file", "server.crt"))
                .arg(file("tls-private-key-file", "server.key"))
                .arg(file("client-ca-file", "ca.crt"))
                .arg(file("service-account-key-file", "sa.pub"))
                .arg(file("service-account-signing-key-file", "sa.key"))
                .arg("--service-account-issuer=https://kubernetes.default.svc")
                .arg("--service-cluster-ip-range=10.96.0.0/16")
                .arg("--authorization-mode=RBAC")
                .arg("--allow-privileged")
                .args(flags),
        )
    }
}

impl Cluster {
    /// The process of its API server, for signals.
    pub fn api_server_id(&self) -> Option<u32> {
        self._parts.first().and_then(Process::id)
    }
}

impl Pki {
    fn make(folder: &Path) -> Result<Self> {
        let folder = folder.join("pki");
        std::fs::create_dir_all(&folder)?;
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text);

        let ca_key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "test-ca");
        let ca = params.self_signed(&ca_key)?;
        let ca_pem = ca.pem();
        let issuer = Issuer::new(params, ca_key);
        write("ca.crt", &ca_pem)?;

        let server_key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
        params
            .subject_alt_names
            .push(SanType::IpAddress(Ipv4Addr::LOCALHOST.into()));
        write("server.crt", &params.signed_by(&server_key, &issuer)?.pem())?;
        write("server.key", &server_key.serialize_pem())?;

        let admin_key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "admin");
        params
            .distinguished_name
            .push(DnType::OrganizationName, "system:masters");
        let admin_pem = params.signed_by(&admin_key, &issuer)?.pem();

        let account_key = KeyPair::generate()?;
        write("sa.key", &account_key.serialize_pem())?;
        write("sa.pub", &account_key.public_key_pem())?;
        Ok(Self {
            folder,
            ca_pem,
            admin_pem,
            admin_key_pem: admin_key.serialize_pem(),
        })
    }

    fn kubeconfig(&self, port: u16) -> String {
        use base64::Engine as _;
        let data = |pem: &str| base64::engine::general_purpose::STANDARD.encode(pem);
        serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": format!("https://127.0.0.1:{port}"),
                "certificate-authority-data": data(&self.ca_pem),
            }}],
            "users": [{"name": "admin", "user": {
                "client-certificate-data": data(&self.admin_pem),
                "client-key-data": data(&self.admin_key_pem),
            }}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        })
        .to_string()
    }
}

/// Asks an API server whether it is ready.
struct Probe {
    url: String,
    folder: PathBuf,
}

impl Probe {
    fn new(port: u16, pki: &Pki) -> Result<Self> {
        std::fs::write(pki.folder.join("admin.crt"), &pki.admin_pem)?;
        std::fs::write(pki.folder.join("admin.key"), &pki.admin_key_pem)?;
        Ok(Self {
            url: format!("https://127.0.0.1:{port}/readyz"),
            folder: pki.folder.clone(),
        })
    }

    async fn ready(&self) -> Result<bool> {
        let limit = Duration::from_secs(2).as_secs().to_string();
        let output = Command::new("curl")
            .args(["--silent", "--fail", "--max-time", &limit, "--cacert"])
            .arg(self.folder.join("ca.crt"))
            .arg("--cert")
            .arg(self.folder.join("admin.crt"))
            .arg("--key")
            .arg(self.folder.join("admin.key"))
            .arg(&self.url)
            .output()
            .await?;
        Ok(output.status.success() && output.stdout == b"ok")
    }
}
