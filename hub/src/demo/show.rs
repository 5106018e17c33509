//! What the demo draws: steps as they happen, then a table that follows the fleet.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::Result;
use comfy_table::Table;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use tokio::time::Instant;

use super::stage::{Site, Stage};
use crate::cli::{plain, trimmed};

/// How often the table is drawn anew.
const DRAW_EVERY: Duration = Duration::from_millis(500);
/// How often the spinner turns.
const TURN_EVERY: Duration = Duration::from_millis(80);

/// Where the demo is shown.
pub(super) struct Show {
    terminal: bool,
    began: Instant,
}

impl Show {
    pub(super) fn new() -> Self {
        Self {
            terminal: std::io::stdout().is_terminal(),
            began: Instant::now(),
        }
    }

    /// Prints a line.
    pub(super) fn say(&self, text: &str) -> Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}")?;
        Ok(out.flush()?)
    }

    /// Shows a step while it happens, and then what it saw and how long it took.
    pub(super) async fn step(
        &mut self,
        what: &str,
        step: impl Future<Output = Result<String>>,
    ) -> Result<()> {
        let bar = self.terminal.then(|| spinner(what));
        let before = self.began.elapsed();
        let result = step.await;
        let took = self.began.elapsed().saturating_sub(before);
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        match result {
            Ok(saw) => self.say(&format!(
                "  ok    {what} ({} ms)\n        {saw}",
                took.as_millis()
            )),
            Err(error) => {
                self.say(&format!(
                    "  FAIL  {what} ({} ms)\n        {error:#}",
                    took.as_millis()
                ))?;
                Err(error.context(format!("the demo failed at: {what}")))
            }
        }
    }

    /// Follows the fleet: a table that is drawn anew on a terminal, and on change elsewhere.
    pub(super) async fn watch(&self, stage: &Stage) -> Result<()> {
        let (mut drawn, mut lines) = (String::new(), 0);
        loop {
            let text = trimmed(&fleet(stage).await);
            if text != drawn {
                if self.terminal && lines > 0 {
                    self.say(&format!("\x1b[{lines}A\x1b[J{text}"))?;
                } else {
                    self.say(&format!("\n{text}"))?;
                }
                lines = text.lines().count();
                drawn = text;
            }
            tokio::time::sleep(DRAW_EVERY).await;
        }
    }
}

fn spinner(what: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(what.to_owned());
    bar.set_style(ProgressStyle::default_spinner());
    bar.enable_steady_tick(TURN_EVERY);
    bar
}

/// Replicas and health of every Deployment, per cluster.
pub(super) async fn fleet(stage: &Stage) -> Table {
    let mut table = plain(&["CLUSTER", "DEPLOYMENT", "REPLICAS", "READY", "IMAGE"]);
    for site in &stage.sites {
        let found = site
            .api
            .list("/apis/apps/v1/namespaces/default/deployments")
            .await;
        let found = found.unwrap_or_default();
        if found.is_empty() {
            table.add_row(vec![&*site.name, "-", "", "", ""]);
        }
        for d in &found {
            table.add_row(row(site, d));
        }
    }
    table
}

fn row(site: &Site, d: &Value) -> Vec<String> {
    let number = |pointer: &str| {
        d.pointer(pointer)
            .and_then(Value::as_i64)
            .unwrap_or(0)
            .to_string()
    };
    let text = |pointer: &str| {
        d.pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    vec![
        site.name.clone(),
        text("/metadata/name"),
        number("/spec/replicas"),
        number("/status/readyReplicas"),
        text("/spec/template/spec/containers/0/image"),
    ]
}
