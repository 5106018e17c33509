//! What a process takes: memory and processor, as Linux tells it in `/proc`.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::Instant;

/// Clock ticks in a second, as `/proc` counts them (USER_HZ, the same on all of Linux's machines).
const TICKS: f64 = 100.0;

/// What a process has in memory, in kibibytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Resident.
    pub(crate) rss: u64,
    /// Of it, its own and not a file's.
    pub(crate) anon: u64,
    /// The most that ever was resident.
    pub(crate) peak: u64,
}

impl Memory {
    /// Of a process.
    pub(crate) fn of(id: u32) -> Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let field = |name: &str| -> Result<u64> {
            let line = status.lines().find(|line| line.starts_with(name));
            let number = line.and_then(|line| line.split_whitespace().nth(1));
            Ok(number.with_context(|| format!("no {name}"))?.parse()?)
        };
        Ok(Self {
            rss: field("VmRSS:")?,
            anon: field("RssAnon:")?,
            peak: field("VmHWM:")?,
        })
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        format!(
            "RSS {}, RssAnon {}, peak {}",
            mb(self.rss),
            mb(self.anon),
            mb(self.peak)
        )
    }
}

/// Kibibytes as megabytes.
pub(crate) fn mb(kib: u64) -> String {
    format!("{:.1} MB", bytes(kib) / 1e6)
}

/// Kibibytes as bytes.
pub(crate) fn bytes(kib: u64) -> f64 {
    kib as f64 * 1024.0
}

fn ticks(id: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name in parentheses may hold anything.
    let rest = stat.rsplit_once(')').context("an odd stat")?.1;
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || -> Result<f64> { Ok(fields.next().context("a short stat")?.parse()?) };
    Ok(next()? + next()?)
}

/// What share of one processor a process takes while nothing happens, in percent.
pub(crate) async fn processor(id: u32, during: Duration) -> Result<f64> {
    let (started, before) = (Instant::now(), ticks(id)?);
    tokio::time::sleep(during).await;
    Ok((ticks(id)? - before) / TICKS / started.elapsed().as_secs_f64() * 100.0)
}
