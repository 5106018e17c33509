//! Real member clusters: etcd and kube-apiserver, with controller-manager and scheduler where a
//! test needs them, and with nodes on which pods seem to run. Several clusters share one etcd, each
//! under a prefix of its own.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use tokio::process::Command;

use crate::api::Api;
use crate::assets::{Assets, stages};
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
    folder: PathBuf,
    parts: Vec<Process>,
}

/// What runs beside a cluster's API server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// Controller-manager and scheduler, where the assets have them.
    pub controllers: bool,
    /// kwok, in place of the kubelets of all nodes.
    pub kubelets: bool,
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
        let mut cluster = self.begin(name, &[])?;
        let beside = Beside {
            controllers,
            ..Beside::default()
        };
        self.complete(&mut cluster, beside).await?;
        Ok(cluster)
    }

    /// Starts a cluster's API server with further flags, and does not wait for it: so that several
    /// start at a time. To be [completed](Self::complete).
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn begin(&self, name: &str, flags: &[&str]) -> Result<Cluster> {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder)?;
        let port = free_port()?;
        let kubeconfig = folder.join("kubeconfig");
        std::fs::write(&kubeconfig, self.pki.kubeconfig(port))?;
        let parts = vec![self.api_server(name, &folder, port, flags)?];
        Ok(Cluster {
            name: name.to_owned(),
            kubeconfig,
            folder,
            parts,
        })
    }

    /// Waits for the API server of a cluster, and starts what runs beside it.
    ///
    /// # Errors
    /// When a part cannot be started, or the API server does not become ready.
    pub async fn complete(&self, cluster: &mut Cluster, beside: Beside) -> Result<()> {
        let api = Api::of(&cluster.kubeconfig).await?;
        let what = format!("{}'s API server is ready", cluster.name);
        eventually(&what, || async { Ok(api.text("/readyz").await? == "ok") }).await?;
        let controllers = ["kube-controller-manager", "kube-scheduler"];
        for part in controllers.into_iter().filter(|_| beside.controllers) {
            if let Some(program) = self.assets.program(part) {
                let mut command = self.controller(part, &program, &cluster.kubeconfig);
                let process = Process::start(part, &cluster.folder, &mut command)?;
                cluster.parts.push(process);
            }
        }
        if beside.kubelets {
            let program = self.assets.program("kwok").context("no kwok")?;
            let mut command = Command::new(program);
            command
                .arg("--kubeconfig")
                .arg(&cluster.kubeconfig)
                .arg("--config")
                .arg(stages())
                .arg(format!("--server-address=127.0.0.1:{}", free_port()?))
                .args([
                    "--manage-all-nodes=true",
                    "--node-lease-duration-seconds=40",
                ])
                // A configuration of whoever runs the tests is not this one.
                .env("HOME", &cluster.folder);
            let process = Process::start("kwok", &cluster.folder, &mut command)?;
            cluster.parts.push(process);
        }
        Ok(())
    }

    fn controller(&self, part: &str, program: &Path, kubeconfig: &Path) -> Command {
        let mut command = Command::new(program);
        command.arg("--kubeconfig").arg(kubeconfig);
        command.args(["--secure-port=0", "--leader-elect=false"]);
        command.args(["--kube-api-qps=200", "--kube-api-burst=400"]);
        if part == "kube-controller-manager" {
            let file = |name: &str| self.pki.folder.join(name);
            command.arg("--root-ca-file").arg(file("ca.crt"));
            command
                .arg("--service-account-private-key-file")
                .arg(file("sa.key"));
            command.arg("--use-service-account-credentials");
            // Autoscalers look every second, not every fifteen.
            command.arg("--horizontal-pod-autoscaler-sync-period=1s");
        }
        command
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
        self.parts.first().and_then(Process::id)
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
