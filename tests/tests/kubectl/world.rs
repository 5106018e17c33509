//! A hub, a member, and somebody who types commands.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use roadstead_tests::hub::Hub;
use roadstead_tests::kubectl::Kubectl;
use roadstead_tests::member::Member;

/// Longest that a command which waits or watches may go on.
const PATIENCE: &str = "20s";

/// The servers of one test. Dropped: killed.
pub(crate) struct World {
    pub(crate) hub: Hub,
    pub(crate) member: Member,
    folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hub = Hub::start(folder.path()).await.unwrap();
        let member = Member::start(folder.path()).await.unwrap();
        Self {
            hub,
            member,
            folder,
        }
    }

    /// Somebody at the hub.
    pub(crate) fn hub(&self, release: &str) -> Session {
        Session::new(release, "hub", &self.hub.kubeconfig(), self.folder.path())
    }

    /// Another user of the hub, by a certificate made now.
    pub(crate) fn user(&self, release: &str, name: &'static str, group: &str) -> Session {
        let made = ["user", "create", name, "--group", group, "--ttl", "10m"];
        let text = self.hub.roadstead(&made).unwrap();
        let kubeconfig = self.kubeconfig_of(name);
        std::fs::write(&kubeconfig, text).unwrap();
        Session::new(release, name, &kubeconfig, self.folder.path())
    }

    /// What one of these users gets from our own command line.
    pub(crate) fn roadstead(&self, name: &str, args: &[&str]) -> anyhow::Result<String> {
        self.hub.roadstead_by(&self.kubeconfig_of(name), args)
    }

    fn kubeconfig_of(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.kubeconfig"))
    }

    /// Somebody at the member.
    pub(crate) fn member(&self, release: &str) -> Session {
        let kubeconfig = self.member.kubeconfig();
        Session::new(release, "member", kubeconfig, self.folder.path())
    }
}

/// Somebody with a kubectl, at a server, in a folder.
pub(crate) struct Session {
    kubectl: Kubectl,
    release: String,
    at: &'static str,
    folder: PathBuf,
}

impl Session {
    fn new(release: &str, at: &'static str, kubeconfig: &Path, folder: &Path) -> Self {
        let folder = folder.join(format!("at-{at}"));
        std::fs::create_dir_all(&folder).unwrap();
        Self {
            kubectl: Kubectl::new(release, kubeconfig, &folder).unwrap(),
            release: release.to_owned(),
            at,
            folder,
        }
    }

    /// Whether the server is a cluster, where things run.
    pub(crate) fn is_member(&self) -> bool {
        self.at == "member"
    }

    /// Puts a manifest into the folder.
    pub(crate) fn file(&self, name: &str, text: &str) {
        // Without the line, older releases take what begins with a brace for JSON.
        std::fs::write(self.folder.join(name), format!("---\n{text}")).unwrap();
    }

    /// A command that must succeed and print all of `says`; gives what it printed. Words are
    /// separated by spaces, but for what stands between single quotes.
    #[track_caller]
    pub(crate) fn ok(&self, line: &str, says: &[&str]) -> String {
        self.ends(self.command(line), line, Some(0), says)
    }

    /// A command that must fail with code 1 and print all of `says`.
    #[track_caller]
    pub(crate) fn no(&self, line: &str, says: &[&str]) -> String {
        self.ends(self.command(line), line, Some(1), says)
    }

    /// `kubectl edit` with a `sed` script for an editor; it must say all of `says`.
    #[track_caller]
    pub(crate) fn edit(&self, line: &str, script: &str, code: i32, says: &[&str]) {
        let mut command = self.command(line);
        command.env("KUBE_EDITOR", format!("sed -i -e {script}"));
        self.ends(command, line, Some(code), says);
    }

    /// Starts a command that goes on until something happens.
    pub(crate) fn begin(&self, line: &str) -> Begun {
        let line = line.replace("PATIENCE", PATIENCE);
        let mut command = self.command(&line);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.stdin(Stdio::null()).spawn().unwrap();
        let who = self.who(&line);
        Begun { child, who }
    }

    fn command(&self, line: &str) -> Command {
        let words = words(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = self.kubectl.command(&words);
        command.current_dir(&self.folder);
        command
    }

    #[track_caller]
    fn ends(&self, mut command: Command, line: &str, code: Option<i32>, says: &[&str]) -> String {
        let output = command.output().unwrap();
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        let who = self.who(line);
        assert_eq!(output.status.code(), code, "{who}\n{text}");
        for said in says {
            assert!(
                text.contains(said),
                "{who}\nexpected: {said}\nfound:\n{text}"
            );
        }
        text
    }

    fn who(&self, line: &str) -> String {
        format!("kubectl {} at the {}: {line}", self.release, self.at)
    }
}

/// A command that goes on. Dropped: killed.
pub(crate) struct Begun {
    child: Child,
    who: String,
}

impl Begun {
    /// Reads what it prints up to a line with `said`, spaces between columns taken for one; the command's own patience bounds that.
    #[track_caller]
    pub(crate) fn until(&mut self, said: &str) {
        let out = self.child.stdout.as_mut().unwrap();
        let mut seen = String::new();
        for line in BufReader::with_capacity(1, out).lines() {
            let line = line.unwrap();
            if line
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .contains(said)
            {
                return;
            }
            seen.push_str(&line);
            seen.push('\n');
        }
        panic!("{}\nexpected: {said}\nfound:\n{seen}", self.who);
    }

    /// Waits for its end, which must be a good one.
    #[track_caller]
    pub(crate) fn ends(&mut self) {
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{}: {status}", self.who);
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The words of a command line.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            words.last_mut().unwrap().push_str(part);
            continue;
        }
        for (index, piece) in part.split(' ').enumerate() {
            if index > 0 {
                words.push(String::new());
            }
            words.last_mut().unwrap().push_str(piece);
        }
    }
    words.retain(|w| !w.is_empty());
    words
}
