//! Hub and agents are killed at random points while people write, over a link that comes and goes;
//! in the end nothing that was acknowledged is lost, and nothing was deleted that nobody deleted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use roadstead_tests::api::{Api, JSON, text};
use roadstead_tests::assets::Assets;
use roadstead_tests::cache;
use roadstead_tests::cluster::{Cluster, Clusters};
use roadstead_tests::fleet::Agent;
use roadstead_tests::process::within;
use roadstead_tests::relay::Way;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::stage::{MAPS, Site, Stage, put};

/// How long it goes on where nothing is said; `ROADSTEAD_FAULTS_SECONDS` says.
const SECONDS: u64 = 45;
/// How many write at once.
const WRITERS: usize = 4;
/// How long everything has to agree in the end.
const AGREED_WITHIN: Duration = Duration::from_secs(180);

/// What is known of one object that a writer had for itself.
#[derive(Clone, Debug, Default)]
struct Written {
    /// The last value that was acknowledged.
    acked: Option<u64>,
    /// The last value that was sent.
    sent: u64,
    /// Its deletion was sent.
    deleting: bool,
    /// Its deletion was acknowledged.
    deleted: bool,
}

type Book = Arc<Mutex<BTreeMap<String, Written>>>;

fn note(book: &Book, name: &str, change: impl FnOnce(&mut Written)) {
    let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
    change(book.entry(name.to_owned()).or_default());
}

/// Runs it.
pub(crate) async fn marathon(assets: Assets) -> Result<()> {
    let seconds = cache::variable("ROADSTEAD_FAULTS_SECONDS").map_or(Ok(SECONDS), |s| s.parse())?;
    let folder = tempfile::tempdir()?;
    let clusters = Clusters::start(assets, folder.path())?;
    let real = clusters.add("real", false).await?;
    let mut stage = Stage::start(folder.path()).await?;
    let mut sites = vec![site(&stage, &real).await?, stage.join("simulated").await?];
    let seen = watch_all(&sites).await;

    let book = Book::default();
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|w| tokio::spawn(write(stage.hub.kubeconfig(), w, book.clone(), stop.clone())))
        .collect();
    let kills = kill(&mut stage, &mut sites, Duration::from_secs(seconds)).await?;
    stop.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await??;
    }
    stage.relay.heal();
    stage.api = stage.hub.api().await?;
    let book = book.lock().unwrap_or_else(PoisonError::into_inner).clone();
    agree(&stage, &sites, &book).await?;
    let wrong = seen
        .iter()
        .map(|seen| seen.wrong(&book))
        .collect::<Vec<_>>()
        .concat();
    let acked: u64 = book.values().map(|w| w.acked.map_or(0, |n| n + 1)).sum();
    let deleted = book.values().filter(|w| w.deleted).count();
    println!(
        "{seconds} s: {kills}; {acked} writes of {} objects and {deleted} deletions acknowledged; \
         lost acknowledged writes: 0, wrong deletes: {}",
        book.len(),
        wrong.len()
    );
    ensure!(wrong.is_empty(), "deleted though nobody did: {wrong:?}");
    ensure!(acked > 100, "hardly anything was written");
    Ok(())
}

async fn site(stage: &Stage, cluster: &Cluster) -> Result<Site> {
    let folder = stage.folder.join(&cluster.name);
    let mut agent = Agent::new(&folder, &cluster.kubeconfig);
    agent.begin(Some(&stage.token(&cluster.name)?))?;
    let site = Site {
        name: cluster.name.clone(),
        api: Api::of(&cluster.kubeconfig).await?,
        agent,
        _member: None,
    };
    stage.settled(&site).await?;
    Ok(site)
}

/// A number below `most` that differs from run to run.
fn random(most: u64) -> Result<u64> {
    let uuid = std::fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    let digits = uuid.get(..8).context("an empty uuid")?;
    Ok(u64::from_str_radix(digits, 16)? % most)
}

/// Kills and cuts until `during` is over, and leaves everything running.
async fn kill(stage: &mut Stage, sites: &mut [Site], during: Duration) -> Result<String> {
    let (mut hubs, mut agents, mut cuts) = (0, 0, 0);
    let started = Instant::now();
    while started.elapsed() < during {
        sleep(Duration::from_millis(random(2500)?)).await;
        match random(4)? {
            0 => {
                hubs += 1;
                stage.hub.kill().await?;
                sleep(Duration::from_millis(random(1500)?)).await;
                stage.hub.begin().await?;
            }
            1 | 2 => {
                agents += 1;
                let which = usize::try_from(random(2)?)?;
                let site = sites.get_mut(which).context("no such site")?;
                site.agent.kill().await?;
                sleep(Duration::from_millis(random(1500)?)).await;
                site.agent.begin(None)?;
            }
            _ => {
                cuts += 1;
                let way = |cut| Way {
                    cut,
                    loss: 10,
                    jitter: Duration::from_millis(20),
                    ..Way::default()
                };
                let ways = random(3)?;
                stage.relay.set(way(ways != 0), way(ways != 1));
                sleep(Duration::from_millis(random(4000)?)).await;
                stage.relay.heal();
            }
        }
    }
    Ok(format!(
        "the hub killed {hubs} times, agents {agents} times, the link cut {cuts} times"
    ))
}

/// Writes objects of its own until told: each is made, changed, and perhaps deleted, once.
async fn write(
    kubeconfig: std::path::PathBuf,
    writer: usize,
    book: Book,
    stop: Arc<AtomicBool>,
) -> Result<()> {
    let api = Api::of(&kubeconfig).await?;
    for number in 0.. {
        let name = format!("w{writer}-{number}");
        for value in 0..1 + random(5)? {
            if stop.load(Ordering::SeqCst) {
                return Ok(());
            }
            note(&book, &name, |w| w.sent = value);
            match put(&api, &name, &value.to_string()).await {
                Ok(answer) if answer.code < 300 => note(&book, &name, |w| w.acked = Some(value)),
                // The hub is away: whether it was written nobody knows.
                Ok(_) | Err(_) => sleep(Duration::from_millis(50)).await,
            }
            sleep(Duration::from_millis(random(40)?)).await;
        }
        if random(2)? == 0 {
            note(&book, &name, |w| w.deleting = true);
            let path = format!("{MAPS}/{name}");
            if api
                .delete(&path, None)
                .await
                .is_ok_and(|answer| answer.code < 300)
            {
                note(&book, &name, |w| w.deleted = true);
            }
        }
    }
    Ok(())
}

/// Waits until hub and members have what was acknowledged, or what was sent after that.
async fn agree(stage: &Stage, sites: &[Site], book: &BTreeMap<String, Written>) -> Result<()> {
    let list = format!("{MAPS}?labelSelector=faults%3Dtrue");
    let hub = values(&stage.api, &list).await?;
    for (name, written) in book {
        let there = hub.get(name);
        let lost = match (written.acked, there) {
            _ if written.deleted => there.is_some(),
            (_, None) => written.acked.is_some() && !written.deleting,
            (None, Some(value)) => *value > written.sent,
            (Some(acked), Some(value)) => *value < acked || *value > written.sent,
        };
        ensure!(!lost, "lost: {name}: {written:?}, the hub has {there:?}");
    }
    for site in sites {
        within(
            AGREED_WITHIN,
            &format!("{} agrees with the hub", site.name),
            || async {
                sleep(Duration::from_millis(200)).await;
                let member = values(&site.api, &list).await?;
                let differ = |name: &&String| hub.get(*name) != member.get(*name);
                let different: Vec<&String> = hub
                    .keys()
                    .chain(member.keys())
                    .filter(differ)
                    .take(5)
                    .collect();
                ensure!(different.is_empty(), "it differs in {different:?}");
                Ok(true)
            },
        )
        .await?;
    }
    Ok(())
}

/// The objects of the writers, with their values.
async fn values(api: &Api, list: &str) -> Result<BTreeMap<String, u64>> {
    let list = api.get(list).await?.ok()?;
    let items = list.get("items").and_then(Value::as_array);
    let item = |item: &Value| {
        let name = text(item, "/metadata/name");
        let value = text(item, "/data/value").parse().ok()?;
        name.starts_with('w').then(|| (name.to_owned(), value))
    };
    Ok(items.into_iter().flatten().filter_map(item).collect())
}

/// What was seen to be deleted on a member.
#[derive(Clone, Default)]
struct Deletions(Arc<Mutex<Vec<String>>>);

impl Deletions {
    /// Deletions that nobody asked for.
    fn wrong(&self, book: &BTreeMap<String, Written>) -> Vec<String> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = |name: &&String| book.get(*name).is_some_and(|written| written.deleting);
        seen.iter().filter(|name| !asked(name)).cloned().collect()
    }
}

/// Watches every member for deletions, for as long as it lasts: members are not killed here, so a
/// watch that ends goes on where it was.
async fn watch_all(sites: &[Site]) -> Vec<Deletions> {
    let mut all = Vec::new();
    for site in sites {
        let (api, deletions) = (site.api.clone(), Deletions::default());
        all.push(deletions.clone());
        let list = api
            .get(MAPS)
            .await
            .map(|l| l.text("/metadata/resourceVersion").to_owned());
        let mut version = list.unwrap_or_default();
        tokio::spawn(async move {
            loop {
                let path = format!("{MAPS}?watch=true&resourceVersion={version}");
                let Ok(mut watch) = api.watch(&path, JSON).await else {
                    sleep(Duration::from_millis(100)).await;
                    continue;
                };
                while let Ok(Some(event)) = watch.next(Duration::from_secs(3600)).await {
                    version = text(&event, "/object/metadata/resourceVersion").to_owned();
                    if text(&event, "/type") == "DELETED" {
                        let name = text(&event, "/object/metadata/name").to_owned();
                        deletions
                            .0
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push(name);
                    }
                }
            }
        });
    }
    all
}
