//! Many agents at one hub: the real agent's code and store a thousand times in this process, each
//! with a small simulated member; the hub is a process of its own, over real QUIC.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use roadstead_agent::Parts;
use roadstead_protocol::host::{JoinToken, Network, SystemNetwork, system};
use roadstead_tests::api::{Api, text};
use roadstead_tests::hub::Hub;
use roadstead_tests::process::within;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::idle::{Memory, bytes, mb, processor};
use super::light::{Light, Told};
use super::samples::ms;
use super::site::{config_map, prepare, put};
use super::table::Table;

/// Requests under way at once, and agents that enrol at once.
const CONCURRENCY: usize = 16;
/// How long everything is left alone before the hub's memory is read.
const SETTLE: Duration = Duration::from_secs(30);
/// How long all agents have to come.
const COME_WITHIN: Duration = Duration::from_secs(900);
/// The goal for one change at 1 000 agents.
const CHANGE: Duration = Duration::from_secs(1);
/// The goal for the hub's memory, in kilobytes per idle agent.
const PER_AGENT: f64 = 40.0;
/// Changes that are measured.
const CHANGES: usize = 10;

/// Measures a hub with `count` agents.
pub(crate) async fn measure(table: &mut Table, count: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let hub = Hub::start(folder.path()).await?;
    let id = hub.id().context("no hub")?;
    tokio::time::sleep(SETTLE / 3).await;
    let empty = Memory::of(id)?;
    let started = Instant::now();
    let herd = Herd::join(&hub, count).await?;
    table.note(
        &format!("{count} agents enrol and connect"),
        ms(started.elapsed()),
    );
    tokio::time::sleep(SETTLE).await;
    let full = Memory::of(id)?;
    let each = bytes(full.rss.saturating_sub(empty.rss)) / 1000.0 / count as f64;
    table.goal(
        &format!("the hub's memory per idle agent, {count} agents"),
        format!(
            "{each:.1} kB ({} with none, {} with all)",
            mb(empty.rss),
            mb(full.rss)
        ),
        format!("≤ {PER_AGENT} kB"),
        each <= PER_AGENT,
    );
    let share = processor(id, SETTLE).await?;
    table.note(
        &format!("the hub's processor with {count} idle agents"),
        format!("{share:.1} %"),
    );
    let api = hub.api().await?;
    prepare(&api, "").await?;
    put(&api, &config_map("all", "first")).await?;
    herd.until("all", "first").await?;
    let mut longest = Duration::ZERO;
    for i in 0..CHANGES {
        let value = format!("v{i}");
        let accepted = put(&api, &config_map("all", &value)).await?;
        herd.until("all", &value).await?;
        longest = longest.max(accepted.elapsed());
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let what = format!("one change is on all of {count} agents' members, longest of {CHANGES}");
    if count <= 1000 {
        table.goal(
            &what,
            ms(longest),
            format!("< {CHANGE:?}"),
            longest < CHANGE,
        );
    } else {
        table.note(&what, ms(longest));
    }
    herd.end().await;
    Ok(())
}

/// Agents in this process.
pub(crate) struct Herd {
    count: usize,
    seen: Arc<Mutex<BTreeMap<(String, String), usize>>>,
    news: Arc<tokio::sync::Notify>,
    ended: Arc<AtomicUsize>,
    stop: watch::Sender<bool>,
    agents: JoinSet<()>,
    network: Arc<dyn Network>,
}

impl Herd {
    /// Lets `count` agents join, and waits until the hub has a session with each.
    pub(crate) async fn join(hub: &Hub, count: usize) -> Result<Self> {
        Self::join_over(hub, count, Arc::new(SystemNetwork)).await
    }

    /// As [`join`](Self::join), over this network.
    pub(crate) async fn join_over(
        hub: &Hub,
        count: usize,
        network: Arc<dyn Network>,
    ) -> Result<Self> {
        let api = hub.api().await?;
        let (stop, _) = watch::channel(false);
        let mut herd = Self {
            count,
            seen: Arc::default(),
            news: Arc::default(),
            ended: Arc::default(),
            stop,
            agents: JoinSet::new(),
            network,
        };
        let permits = Arc::new(Semaphore::new(CONCURRENCY));
        let mut tokens = JoinSet::new();
        for number in 0..count {
            let permit = Arc::clone(&permits).acquire_owned().await?;
            let api = api.clone();
            tokens.spawn(async move {
                let _permit = permit;
                anyhow::Ok((number, token(&api, number).await?))
            });
            while let Some(done) = tokens.try_join_next() {
                let (number, token) = done??;
                herd.start(number, token)?;
            }
        }
        while let Some(done) = tokens.join_next().await {
            let (number, token) = done??;
            herd.start(number, token)?;
        }
        herd.until_connected(&api).await?;
        Ok(herd)
    }

    fn start(&mut self, number: usize, join: JoinToken) -> Result<()> {
        let (seen, news) = (Arc::clone(&self.seen), Arc::clone(&self.news));
        let told: Told = Arc::new(move |object: &Value| {
            let value = text(object, "/data/value");
            if value.is_empty() {
                return;
            }
            let key = (text(object, "/metadata/name").to_owned(), value.to_owned());
            *seen
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(key)
                .or_default() += 1;
            news.notify_waiters();
        });
        let disk = Disk::default();
        let database = move || {
            let mut builder = redb::Database::builder();
            builder.set_cache_size(64 * 1024);
            builder.create_with_backend(disk.clone())
        };
        let parts = Parts {
            env: system::env(),
            network: Arc::clone(&self.network),
            crypto: Arc::new(rustls::crypto::ring::default_provider()),
            database: Arc::new(database),
            member: Light::new(number, told).client(),
            join: Some(join),
            options: roadstead_agent::Options {
                bind: ([127, 0, 0, 1], 0).into(),
                ..roadstead_agent::Options::default()
            },
        };
        let mut stop = self.stop.subscribe();
        let ended = Arc::clone(&self.ended);
        self.agents.spawn(async move {
            let until = async move { drop(stop.wait_for(|stop| *stop).await) };
            if let Err(error) = Box::pin(roadstead_agent::run(parts, until)).await {
                eprintln!("bench: agent {number} ended: {error:#}");
                ended.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(())
    }

    /// Waits until the hub has a session with each.
    pub(crate) async fn until_connected(&self, api: &Api) -> Result<()> {
        within(COME_WITHIN, "all agents are connected", || async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let sessions = metric(api, "roadstead_agent_sessions").await?;
            anyhow::ensure!(
                sessions >= self.count as f64,
                "{sessions} of {}",
                self.count
            );
            Ok(true)
        })
        .await
    }

    /// Waits until all members have been given `name` with `value`.
    pub(crate) async fn until(&self, name: &str, value: &str) -> Result<()> {
        let key = (name.to_owned(), value.to_owned());
        let wait = async {
            loop {
                let news = self.news.notified();
                if self.given(&key) >= self.count {
                    return;
                }
                news.await;
            }
        };
        let done = tokio::time::timeout(COME_WITHIN, wait).await;
        done.with_context(|| format!("{name} was not {value} everywhere"))
    }

    /// How many members have been given this.
    fn given(&self, key: &(String, String)) -> usize {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(key).copied().unwrap_or_default()
    }

    /// Ends the agents.
    pub(crate) async fn end(mut self) {
        self.stop.send_replace(true);
        while self.agents.join_next().await.is_some() {}
    }
}

/// A number of the hub's metrics.
pub(crate) async fn metric(api: &Api, name: &str) -> Result<f64> {
    let answer = api.text("/metrics").await?;
    let line = answer.lines().find(|line| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(' '))
    });
    let number = line.and_then(|line| line.split_whitespace().last());
    Ok(number
        .with_context(|| format!("no {name} in the metrics"))?
        .parse()?)
}

async fn token(api: &Api, number: usize) -> Result<JoinToken> {
    let path = "/apis/cluster.kurator.dev/v1alpha1/namespaces/default/attachedclusters";
    let name = format!("herd-{number}");
    let cluster = json!({
        "apiVersion": "cluster.kurator.dev/v1alpha1", "kind": "AttachedCluster",
        "metadata": {"name": name}, "spec": {"allowedNamespaces": {"from": "All"}},
    });
    api.create(path, &cluster).await?.ok()?;
    let ask = json!({"apiVersion": "roadstead.dev/v1alpha1", "kind": "JoinToken", "spec": {}});
    let answer = api
        .create(&format!("{path}/{name}/token"), &ask)
        .await?
        .ok()?;
    Ok(text(&answer, "/status/token").parse()?)
}

/// A disk in memory that takes only what is written to it; an agent's own disk is not what is
/// measured here.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<Pages>>);

#[derive(Debug, Default)]
struct Pages {
    pages: BTreeMap<u64, Box<[u8; PAGE]>>,
    len: u64,
}

/// Bytes of a page.
const PAGE: usize = 4096;

impl Disk {
    /// Calls `each` for every part of a page from `offset` on, `len` bytes in all.
    fn parts(
        offset: u64,
        len: usize,
        mut each: impl FnMut(u64, std::ops::Range<usize>, std::ops::Range<usize>),
    ) {
        let mut done = 0;
        while done < len {
            let at = offset + done as u64;
            let (page, begin) = (at / PAGE as u64, (at % PAGE as u64) as usize);
            let take = (PAGE - begin).min(len - done);
            each(page, begin..begin + take, done..done + take);
            done += take;
        }
    }
}

impl redb::StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let disk = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Self::parts(offset, out.len(), |page, within, into| {
            let Some(target) = out.get_mut(into) else {
                return;
            };
            match disk.pages.get(&page).and_then(|p| p.get(within)) {
                Some(bytes) => target.copy_from_slice(bytes),
                None => target.fill(0),
            }
        });
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first_gone = len.div_ceil(PAGE as u64);
        disk.pages.retain(|page, _| *page < first_gone);
        disk.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Self::parts(offset, data.len(), |page, within, from| {
            let page = disk
                .pages
                .entry(page)
                .or_insert_with(|| Box::new([0; PAGE]));
            if let (Some(target), Some(bytes)) = (page.get_mut(within), data.get(from)) {
                target.copy_from_slice(bytes);
            }
        });
        Ok(())
    }
}
