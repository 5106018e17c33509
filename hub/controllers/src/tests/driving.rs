//! The driver: bounded, never one key twice at once, tried again after failures, quiet at rest.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;

use roadstead_store::CommitError;
use tokio::sync::watch;

use super::*;
use crate::driver::{Driver, Reconcile, Source, Woken};
use crate::error::Error;

/// What was seen of the work on keys.
#[derive(Default)]
struct Seen {
    runs: BTreeMap<u32, u32>,
    running: BTreeMap<u32, u32>,
    most: usize,
}

/// Takes a second for each key; the first look at key 7 fails.
#[derive(Default)]
struct Slow(Mutex<Seen>);

impl Reconcile for Slow {
    type Key = u32;

    fn reconcile(
        self: Arc<Self>,
        key: u32,
    ) -> Pin<Box<dyn Future<Output = Result<Option<Duration>, Error>> + Send>> {
        Box::pin(async move {
            let first = {
                let mut seen = self.0.lock().unwrap();
                *seen.running.entry(key).or_default() += 1;
                assert_eq!(seen.running[&key], 1);
                seen.most = seen
                    .most
                    .max(seen.running.values().filter(|n| **n > 0).count());
                *seen.runs.entry(key).or_default() += 1;
                seen.runs[&key] == 1
            };
            tokio::time::sleep(Duration::from_secs(1)).await;
            *self.0.lock().unwrap().running.get_mut(&key).unwrap() -= 1;
            if key == 7 && first {
                Err(Error::Overtaken(1))
            } else {
                Ok(None)
            }
        })
    }
}

struct Script(VecDeque<Vec<u32>>);

impl Source<u32> for Script {
    async fn next(&mut self) -> Vec<Woken<u32>> {
        if self.0.is_empty() {
            return std::future::pending().await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let keys = self.0.pop_front().unwrap_or_default();
        let woken = |key| Woken {
            key,
            delay: Duration::ZERO,
            reason: "test",
        };
        keys.into_iter().map(woken).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn keys_run_side_by_side_within_the_bound_and_never_twice_at_once() {
    let slow = Arc::new(Slow::default());
    let script = Script(VecDeque::from([
        vec![1, 2, 3, 4, 5, 7],
        vec![1, 1, 2],
        vec![1],
    ]));
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(Driver::new(Arc::clone(&slow), script, 3).run(stopped));
    tokio::time::sleep(Duration::from_secs(20)).await;
    stop.send(true).unwrap();
    task.await.unwrap();
    let seen = slow.0.lock().unwrap();
    assert_eq!(seen.most, 3);
    let runs: Vec<(u32, u32)> = seen.runs.iter().map(|(key, n)| (*key, *n)).collect();
    assert_eq!(runs, [(1, 2), (2, 2), (3, 1), (4, 1), (5, 1), (7, 2)]);
}

/// Is refused nine times; counts.
#[derive(Default)]
struct Refused(AtomicU64);

impl Reconcile for Refused {
    type Key = u32;

    fn reconcile(
        self: Arc<Self>,
        _key: u32,
    ) -> Pin<Box<dyn Future<Output = Result<Option<Duration>, Error>> + Send>> {
        let looks = self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            match looks < 9 {
                true => Err(CommitError::Unavailable("full".to_owned()).into()),
                false => Ok(None),
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_disk_did_not_take_is_tried_as_soon_as_it_takes_something() {
    let refused = Arc::new(Refused::default());
    let looks = || refused.0.load(Ordering::Relaxed);
    let (stop, stopped) = watch::channel(false);
    let (writes, heard) = watch::channel(0);
    let driver = Driver::new(Arc::clone(&refused), Script(VecDeque::from([vec![1]])), 3);
    let task = tokio::spawn(driver.hearing(heard).run(stopped));
    tokio::time::sleep(Duration::from_secs(70)).await;
    assert_eq!(looks(), 9, "it waits longer and longer");
    writes.send_modify(|n| *n += 1);
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(looks(), 10);
    writes.send_modify(|n| *n += 1);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(looks(), 10, "nothing is left to try");
    stop.send(true).unwrap();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn looking_at_everything_all_the_time_writes_nothing() {
    let mut hub = Hub::new(&["prod", "dr"]).await;
    hub.apply(deployment(20, "web:1")).await;
    hub.apply(weighted("p", &[("prod", 90), ("dr", 10), ("nowhere", 1)]))
        .await;
    hub.settle().await;
    hub.handle.take().unwrap().stop().await;
    hub.options.resync = Duration::from_millis(50);
    hub.start();
    hub.settle().await;
    let before = hub.store.revision();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(hub.store.revision(), before);
    assert_eq!(hub.ledger("prod"), "18 web:1");
}
