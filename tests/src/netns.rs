//! Network namespaces: a host of its own for an agent and its member, with a wire to ours.
//!
//! Needs root and iproute2. Everything is taken away when it is dropped.

use std::process::Command;

use anyhow::{Context as _, Result};

use crate::cache;
use crate::process::Surroundings;

/// A namespace, and the wire between it and the host.
pub struct Namespace {
    name: String,
    /// The first three numbers of the addresses on the wire.
    net: String,
    here: String,
    there: String,
}

fn ip(line: &str) -> Result<()> {
    cache::run(Command::new("ip").args(line.split_whitespace())).map(drop)
}

impl Namespace {
    /// Makes one; `number` tells those of one machine apart (0 to 255).
    ///
    /// # Errors
    /// Where this user may not, or `ip` is missing.
    pub fn new(number: u8) -> Result<Self> {
        let id = std::process::id();
        let namespace = Self {
            name: format!("roadstead-{id}-{number}"),
            net: format!("10.{}.{number}", 64 + id % 64),
            here: format!("rs{}h{number}", id % 100_000),
            there: format!("rs{}n{number}", id % 100_000),
        };
        namespace.make().context("make a network namespace")?;
        Ok(namespace)
    }

    fn make(&self) -> Result<()> {
        let Self {
            name,
            net,
            here,
            there,
        } = self;
        ip(&format!("netns add {name}"))?;
        ip(&format!(
            "link add {here} type veth peer name {there} netns {name}"
        ))?;
        ip(&format!("addr add {net}.1/24 dev {here}"))?;
        ip(&format!("link set {here} up"))?;
        self.inside("ip link set lo up")?;
        self.inside(&format!("ip addr add {net}.2/24 dev {there}"))?;
        self.inside(&format!("ip link set {there} up"))
    }

    /// The host's address on the wire.
    pub fn host(&self) -> String {
        format!("{}.1", self.net)
    }

    /// The namespace's address on the wire, at first.
    pub fn address(&self) -> String {
        format!("{}.2", self.net)
    }

    /// What runs a program in it.
    pub fn surroundings(&self) -> Surroundings {
        let prefix = ["ip", "netns", "exec", &self.name];
        Surroundings {
            prefix: prefix.map(str::to_owned).to_vec(),
            variables: Vec::new(),
        }
    }

    /// Runs a command in it, split at spaces.
    ///
    /// # Errors
    /// When it fails.
    pub fn inside(&self, line: &str) -> Result<()> {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]);
        cache::run(command.args(line.split_whitespace())).map(drop)
    }

    /// Gives it a further address, from which it speaks to the host from now on; the former one
    /// goes on being listened to.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn move_to(&self, last: u8) -> Result<()> {
        let Self { net, there, .. } = self;
        self.inside(&format!("ip addr add {net}.{last}/24 dev {there}"))?;
        self.inside(&format!(
            "ip route replace {net}.0/24 dev {there} src {net}.{last}"
        ))
    }

    /// Pulls the wire out, or puts it in again.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn wire(&self, up: bool) -> Result<()> {
        let state = if up { "up" } else { "down" };
        ip(&format!("link set {} {state}", self.here))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // What was not made cannot be taken away.
        drop(ip(&format!("link del {}", self.here)));
        drop(ip(&format!("netns del {}", self.name)));
    }
}
