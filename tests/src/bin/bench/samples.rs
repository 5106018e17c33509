//! Durations measured many times, and what the disk takes by itself.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

/// How often the disk is asked to sync.
const SYNCS: usize = 200;
/// What is written before each, in bytes: a page.
const PAGE: usize = 4096;

/// Durations of the same thing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    /// Adds one.
    pub(crate) fn add(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The duration that `percent` of the samples do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort();
        let at = (sorted.len().saturating_sub(1) * percent).div_ceil(100);
        sorted.get(at).copied().unwrap_or_default()
    }

    /// For people: median, 99th percentile, the longest.
    pub(crate) fn text(&self) -> String {
        format!(
            "p50 {}, p99 {}, max {} (n = {})",
            ms(self.percentile(50)),
            ms(self.percentile(99)),
            ms(self.percentile(100)),
            self.len()
        )
    }
}

/// A duration in milliseconds, or in seconds where it is long.
pub(crate) fn ms(duration: Duration) -> String {
    if duration < Duration::from_secs(10) {
        format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

/// What the disk under `folder` takes for one write of a page and its sync.
pub(crate) fn sync_time(folder: &Path) -> Result<Samples> {
    let mut file = File::create(folder.join("sync-time"))?;
    let mut samples = Samples::default();
    for _ in 0..SYNCS {
        let started = Instant::now();
        file.write_all(&[7; PAGE])?;
        file.sync_data()?;
        samples.add(started.elapsed());
    }
    Ok(samples)
}
