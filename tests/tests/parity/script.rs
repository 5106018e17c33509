//! A script of requests, and the transcript of what was answered.

use std::time::Duration;

use anyhow::{Result, ensure};
use roadstead_tests::api::{Answer, Api, text};
use roadstead_tests::process::eventually;
use serde_json::{Value, json};

/// Longest wait for an event of a watch.
pub(crate) const EVENT_WITHIN: Duration = Duration::from_secs(20);
/// Where the scripts keep their ConfigMaps.
pub(crate) const MAPS: &str = "/api/v1/namespaces/parity/configmaps";

/// A script in the middle of its run.
pub(crate) struct Script {
    /// Where it asks.
    pub(crate) api: Api,
    /// What was answered: the same everywhere, or it is a difference.
    pub(crate) lines: Vec<String>,
    /// What was not as expected.
    pub(crate) faults: Vec<String>,
    /// What differs from cluster to cluster by its nature (uids), and its name here.
    names: Vec<(String, String)>,
}

impl Script {
    pub(crate) fn new(api: Api) -> Self {
        let (lines, faults, names) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            api,
            lines,
            faults,
            names,
        }
    }

    /// Makes a namespace, ready for what a real cluster puts into it by itself.
    pub(crate) async fn namespace(&mut self, name: &str) -> Result<()> {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.api.create("/api/v1/namespaces", &object).await?.ok()?;
        Ok(())
    }

    /// Gives an object's uid a name in the transcript.
    pub(crate) fn name(&mut self, object: &Value, name: &str) {
        let uid = text(object, "/metadata/uid").to_owned();
        self.names.push((uid, format!("<uid of {name}>")));
    }

    /// Writes an answer down: its code; of a refusal all that a client acts on, of an object what
    /// is at `pointers`. Another code than the one expected is a fault.
    pub(crate) fn note(
        &mut self,
        what: &str,
        answer: &Answer,
        (code, pointers): (u16, &[&str]),
    ) -> Result<()> {
        if answer.code != code {
            self.faults
                .push(format!("{what}: {code} was expected: {answer:?}"));
        }
        let code = answer.code;
        let refusal = [
            "/kind",
            "/status",
            "/reason",
            "/message",
            "/details/name",
            "/details/kind",
            "/details/group",
            "/details/causes",
            "/code",
        ];
        let pointers = if code < 300 { pointers } else { &refusal };
        let mut body = answer.body.clone();
        // A real API server says some of them twice, and orders them as it happens.
        if let Some(Value::Array(causes)) = body.pointer_mut("/details/causes") {
            causes.sort_by_key(Value::to_string);
            causes.dedup();
        }
        self.write(what, code, &body, pointers);
        Ok(())
    }

    /// Writes down what is at `pointers` of a value.
    pub(crate) fn write(&mut self, what: &str, code: u16, value: &Value, pointers: &[&str]) {
        let seen: Vec<String> = pointers
            .iter()
            .filter_map(|p| Some(format!("{p}={}", value.pointer(p)?)))
            .collect();
        let mut line = format!("{what}: {code} {}", seen.join(" "));
        for (value, name) in &self.names {
            line = line.replace(value.as_str(), name);
        }
        self.lines.push(line);
    }

    /// Waits until what is at a path is as `wanted` says; `None` is nothing.
    pub(crate) async fn until(
        &self,
        path: &str,
        what: &str,
        wanted: impl Fn(Option<&Value>) -> bool,
    ) -> Result<()> {
        eventually(what, || async {
            let answer = self.api.get(path).await?;
            let there = (answer.code != 404).then_some(&answer.body);
            ensure!(wanted(there), "{answer:?}");
            Ok(true)
        })
        .await
    }
}

/// A ConfigMap.
pub(crate) fn map(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

/// Where a ConfigMap is.
pub(crate) fn at(name: &str) -> String {
    format!("{MAPS}/{name}")
}
