//! Power cuts and failing disks, at every I/O of a run: nothing that was acknowledged is lost, no
//! transaction is half there, and watchers were told what is.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use roadstead_protocol::wire::Revision;

use super::simdisk::{Fault, SimDisk};
use super::world::{START_MICROS, env, key, put, run, value};
use crate::{Backend, CommitError, Event, Options, Store, Txn};

/// How long a life of the hub is, on the wall clock.
const LIFE_MICROS: u64 = 1_000_000;
const TXNS: usize = 8;

async fn open(disk: &SimDisk, life: u64) -> Result<Store, crate::OpenError> {
    let env = env(life + 1, START_MICROS + life * LIFE_MICROS);
    Store::open(env, disk.backend(), Options::default()).await
}

/// Transaction `i`: three entries that are only ever written together, of growing size.
fn txn(i: usize) -> Txn {
    let text = format!("{i} {}", "x".repeat(i * 700));
    let each = |txn: Txn, at: &str| txn.put(key(&format!("/{at}/{i}")), text.clone());
    ["a", "b", "c"]
        .iter()
        .fold(Txn::new(), |txn, at| each(txn, at))
        .put(key("/last"), i.to_string())
}

/// Commits transactions, two at a time; which were acknowledged.
async fn work(store: &Store, from: usize) -> BTreeMap<usize, Result<(), CommitError>> {
    let mut answers = BTreeMap::new();
    for i in (from..from + TXNS).step_by(2) {
        let (one, two) = tokio::join!(store.commit(txn(i)), store.commit(txn(i + 1)));
        answers.insert(i, one.map(drop));
        answers.insert(i + 1, two.map(drop));
    }
    answers
}

/// Every transaction is there whole or not at all; which are.
fn whole(store: &Store) -> Vec<usize> {
    let snapshot = store.snapshot();
    let there = |i: usize| ["a", "b", "c"].map(|at| snapshot.get(&format!("/{at}/{i}")).is_some());
    let found = (0..100).filter(|&i| {
        let parts = there(i);
        assert!(
            parts.iter().all(|part| *part == parts[0]),
            "{i} is half there"
        );
        parts[0]
    });
    found.collect()
}

fn check_acked(store: &Store, answers: &BTreeMap<usize, Result<(), CommitError>>) {
    let there = whole(store);
    for (i, answer) in answers {
        assert!(
            answer.is_err() || there.contains(i),
            "{i} was acknowledged and is lost"
        );
    }
}

/// The power goes at the `at`-th I/O of the first life, and again in the second; false when the run
/// was over before.
async fn cut(seed: u64, at: u64) -> bool {
    let disk = SimDisk::new(seed);
    disk.fault(at, Fault::Power);
    let mut answers = BTreeMap::new();
    if let Ok(store) = open(&disk, 0).await {
        answers = work(&store, 0).await;
        check_acked(&store, &answers);
        drop(store);
        tokio::task::yield_now().await;
    }
    let reached = disk.ios() > at;
    for life in 1..3 {
        disk.reboot();
        disk.fault(disk.ios() + at % 17 * life, Fault::Power);
        if let Ok(store) = open(&disk, life).await {
            check_acked(&store, &answers);
            answers.append(&mut work(&store, life as usize * TXNS).await);
            drop(store);
            tokio::task::yield_now().await;
        }
    }
    disk.reboot();
    let store = open(&disk, 9).await.unwrap();
    check_acked(&store, &answers);
    let revisions = store
        .snapshot()
        .range("")
        .map(|entry| entry.revision)
        .collect::<Vec<_>>();
    assert!(
        revisions
            .iter()
            .all(|r| store.lineage().epoch_of(*r).is_some())
    );
    reached
}

#[test]
fn a_power_cut_at_any_io_loses_nothing_that_was_acknowledged() {
    for seed in 0..6 {
        let cuts = (0..).take_while(|at| run(cut(seed, *at))).count();
        assert!(cuts > 20, "the run has I/O to cut");
    }
}

/// Replays what a watcher heard.
fn replay(events: &[Event]) -> BTreeMap<String, Revision> {
    let mut state = BTreeMap::new();
    for event in events {
        match &event.new {
            Some(entry) => state.insert(event.key.to_string(), entry.revision),
            None => state.remove(event.key.as_str()),
        };
    }
    state
}

/// One I/O fails; false when the run was over before.
async fn fail(fault: Fault, at: u64) -> bool {
    let disk = SimDisk::new(at);
    let store = open(&disk, 0).await.unwrap();
    let mut watch = store.watch("", store.revision()).unwrap();
    let begin = disk.ios();
    disk.fault(begin + at, fault);
    let mut answers = work(&store, 0).await;
    let reached = disk.ios() > begin + at;
    check_acked(&store, &answers);
    disk.mend();
    // An outage ends by itself, at the latest after the longest pause.
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    put(&store, "/healed", "yes").await;
    answers.append(&mut work(&store, TXNS).await);
    assert!(answers.range(TXNS..).all(|(_, answer)| answer.is_ok()));
    check_acked(&store, &answers);

    let heard: Vec<_> = std::iter::from_fn(|| watch.try_next().map(Result::unwrap)).collect();
    let current = |store: &Store| -> BTreeMap<_, _> {
        store
            .snapshot()
            .range("")
            .map(|e| (e.key.to_string(), e.revision))
            .collect()
    };
    let state = current(&store);
    assert_eq!(replay(&heard), state, "watchers heard what is there");
    assert!(
        heard
            .windows(2)
            .all(|two| two[0].revision.0 + 1 == two[1].revision.0),
        "no gap"
    );
    store.close().await;
    disk.reboot();
    let store = open(&disk, 1).await.unwrap();
    assert_eq!(current(&store), state, "what is shown is on the disk");
    reached
}

#[test]
fn a_failing_io_heals_without_a_restart() {
    for fault in [
        Fault::Refused,
        Fault::Lied,
        Fault::Broken,
        Fault::BrokenLate,
    ] {
        let faults = (0..).take_while(|at| run(fail(fault, *at))).count();
        assert!(faults > 20, "the run has I/O to fail");
    }
}

#[test]
fn a_broken_disk_refuses_writes_and_serves_reads() {
    run(async {
        let disk = SimDisk::new(1);
        let store = open(&disk, 0).await.unwrap();
        put(&store, "/a", "1").await;
        disk.fault(disk.ios(), Fault::Broken);
        for _ in 0..2 {
            let refused = store.commit(txn(1)).await;
            let Err(CommitError::Unavailable(text)) = refused else {
                panic!("{refused:?}")
            };
            assert!(
                text.contains("I/O error") && text.contains("tried until it works"),
                "{text}"
            );
        }
        assert_eq!(value(&store, "/a").as_deref(), Some("1"));
        assert!(store.watch("", store.revision()).is_ok());
        disk.mend();
        tokio::time::sleep(std::time::Duration::from_secs(6)).await;
        put(&store, "/a", "2").await;
    });
}

#[test]
fn what_arrived_during_an_outage_is_shown_after_it() {
    let landed = (0..40).filter(|at| {
        run(async {
            let disk = SimDisk::new(1);
            let store = open(&disk, 0).await.unwrap();
            let mut watch = store.watch("", store.revision()).unwrap();
            disk.fault(disk.ios() + at, Fault::BrokenLate);
            if store.commit(txn(1)).await.is_ok() {
                return false;
            }
            assert!(store.stats().outage.is_some() && watch.try_next().is_none());
            disk.mend();
            tokio::time::sleep(std::time::Duration::from_secs(6)).await;
            assert_eq!(store.stats().outage, None);
            let heard = watch.try_next().is_some();
            assert_eq!(heard, whole(&store) == [1]);
            heard
        })
    });
    assert!(
        landed.count() > 0,
        "some outage began after the commit was on the disk"
    );
}

#[test]
fn another_database_in_its_place_is_not_written() {
    run(async {
        let (ours, other) = (SimDisk::new(1), SimDisk::new(2));
        open(&other, 0).await.unwrap().close().await;
        let swapped = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (first, second, flag) = (ours.backend(), other.backend(), swapped.clone());
        let opener = move || match (&first, &second) {
            (Backend::Redb(_), Backend::Redb(second)) if flag.load(Ordering::Relaxed) => second(),
            (Backend::Redb(first), _) => first(),
            (Backend::Memory | Backend::Sealed { .. }, _) => panic!("a plain disk"),
        };
        let backend = Backend::Redb(std::sync::Arc::new(opener));
        let store = Store::open(env(9, START_MICROS), backend, Options::default())
            .await
            .unwrap();
        put(&store, "/a", "1").await;
        swapped.store(true, Ordering::Relaxed);
        ours.fault(ours.ios(), Fault::Refused);
        let written = other.ios();
        let Err(CommitError::Unavailable(text)) = store.commit(txn(1)).await else {
            panic!()
        };
        assert!(text.contains("another database is in its place"), "{text}");
        tokio::time::sleep(std::time::Duration::from_secs(6)).await;
        assert!(store.commit(txn(1)).await.is_err());
        assert_eq!(value(&store, "/a").as_deref(), Some("1"));
        drop(store);
        assert!(other.ios() >= written);
        tokio::time::sleep(std::time::Duration::from_secs(6)).await;
        let found = open(&other, 1).await.unwrap();
        assert!(
            found.snapshot().is_empty(),
            "nothing of ours is in the other"
        );
    });
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room() {
    for holes in [false, true] {
        run(async {
            let disk = SimDisk::new(1);
            let store = open(&disk, 0).await.unwrap();
            put(&store, "/a", "1").await;
            if holes {
                disk.holes();
            }
            disk.limit(Some(disk.length()));
            let mut refused = 0;
            for i in 0..60 {
                let big = Txn::new().put(key(&format!("/big/{i}")), vec![7; 512 * 1024]);
                if let Err(CommitError::Unavailable(text)) = store.commit(big).await {
                    assert!(text.contains("no space left"), "{text}");
                    refused += 1;
                }
            }
            assert!(refused > 40, "it stays full: {refused}");
            let said = || store.stats().outage;
            assert!(said().is_some_and(|text| text.contains("no space left")));
            assert_eq!(value(&store, "/a").as_deref(), Some("1"), "reads go on");
            let there = store.snapshot().range("/big/").count();
            assert_eq!(there, 60 - refused, "what was refused is not there");
            disk.limit(None);
            tokio::time::sleep(std::time::Duration::from_secs(6)).await;
            put(&store, "/a", "2").await;
            tokio::time::sleep(std::time::Duration::from_secs(60)).await;
            assert_eq!(store.stats().outage, None);
            store.close().await;
            disk.reboot();
            let store = open(&disk, 1).await.unwrap();
            assert_eq!(value(&store, "/a").as_deref(), Some("2"));
            assert_eq!(store.snapshot().range("/big/").count(), there);
        });
    }
}

#[test]
fn a_hub_that_starts_on_a_full_disk_says_so_and_leaves_everything() {
    run(async {
        let disk = SimDisk::new(1);
        let store = open(&disk, 0).await.unwrap();
        put(&store, "/a", "1").await;
        store.close().await;
        disk.limit(Some(0));
        let refused = open(&disk, 1).await.unwrap_err().to_string();
        assert!(refused.contains("no space left"), "{refused}");
        disk.limit(None);
        let store = open(&disk, 2).await.unwrap();
        assert_eq!(value(&store, "/a").as_deref(), Some("1"));
    });
}

#[test]
fn many_transactions_share_one_sync() {
    run(async {
        let disk = SimDisk::new(1);
        let store = open(&disk, 0).await.unwrap();
        let before = disk.syncs();
        let mut tasks = tokio::task::JoinSet::new();
        for i in 0..64 {
            let store = store.clone();
            tasks.spawn(async move { store.commit(txn(i)).await });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap().unwrap();
        }
        let syncs = disk.syncs() - before;
        assert!(syncs <= 6, "{syncs} syncs for 64 transactions");
    });
}
