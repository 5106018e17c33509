//! Transactions, snapshots and watches, on a store in memory.

use proptest::prelude::*;
use roadstead_protocol::wire::Revision;

use super::world::{START_MICROS, create, key, memory, memory_with, put, run, value};
use crate::{
    Check, CommitError, Event, MAX_VALUE_BYTES, Op, Options, Snapshot, Store, Txn, WatchEnd,
};

#[test]
fn revisions_begin_at_the_clock_and_are_consecutive() {
    run(async {
        let store = memory().await;
        assert_eq!(store.revision(), Revision(START_MICROS - 1));
        let one = put(&store, "/a", "1").await;
        assert_eq!(
            (one.first, one.last),
            (Revision(START_MICROS), Revision(START_MICROS))
        );
        let txn = Txn::new()
            .put(key("/a"), "2")
            .put(key("/b"), "3")
            .delete(key("/a"));
        let two = store.commit(txn).await.unwrap();
        assert_eq!(
            (two.first, two.last),
            (Revision(START_MICROS + 1), Revision(START_MICROS + 3))
        );
        assert_eq!(store.revision(), two.last);
        assert_eq!(
            (value(&store, "/a"), value(&store, "/b")),
            (None, Some("3".to_owned()))
        );
        assert_eq!(store.lineage().epoch_of(two.last), Some(store.epoch()));
    });
}

#[test]
fn a_fork_begins_as_the_store_is_and_goes_its_own_way() {
    run(async {
        let store = memory().await;
        put(&store, "/a", "1").await;
        let fork = store.fork(super::world::env(7, START_MICROS));
        assert_eq!(fork.revision(), store.revision());
        assert_eq!(fork.epoch(), store.epoch());
        let mut watch = fork.watch("/", fork.revision()).unwrap();
        put(&store, "/b", "2").await;
        let there = put(&fork, "/a", "tried").await;
        assert_eq!(value(&store, "/a").as_deref(), Some("1"));
        assert_eq!(value(&fork, "/a").as_deref(), Some("tried"));
        assert_eq!(value(&fork, "/b"), None);
        let heard = watch.try_next().unwrap().unwrap();
        assert_eq!(heard.revision, there.last);
        assert_eq!(heard.previous.unwrap().value, "1");
    });
}

#[test]
fn checks_refuse() {
    run(async {
        let store = memory().await;
        let at = create(&store, "/a").await.unwrap().last;
        let refused = |actual| CommitError::Conflict {
            key: key("/a"),
            actual,
        };
        assert_eq!(create(&store, "/a").await, Err(refused(Some(at))));
        for check in [Check::At(key("/a"), Revision(1)), Check::Absent(key("/a"))] {
            let txn = Txn::new().check(check).put(key("/b"), "x");
            assert_eq!(store.commit(txn).await, Err(refused(Some(at))));
        }
        let txn = Txn::new()
            .check(Check::At(key("/a"), at))
            .check(Check::Exists(key("/a")))
            .delete(key("/a"));
        store.commit(txn.clone()).await.unwrap();
        assert_eq!(store.commit(txn).await, Err(refused(None)));
        assert_eq!(
            store
                .commit(Txn::new().put(key("/b"), "x").delete(key("/a")))
                .await,
            Err(refused(None))
        );
        assert_eq!(value(&store, "/b"), None);
    });
}

#[test]
fn created_is_kept_until_deletion() {
    run(async {
        let store = memory().await;
        let created = put(&store, "/a", "1").await.last;
        let revision = put(&store, "/a", "2").await.last;
        let entry = store.snapshot().get("/a").cloned().unwrap();
        assert_eq!((entry.created, entry.revision), (created, revision));
        store.commit(Txn::new().delete(key("/a"))).await.unwrap();
        let created = put(&store, "/a", "3").await.last;
        assert_eq!(store.snapshot().get("/a").unwrap().created, created);
    });
}

#[test]
fn of_many_that_count_at_once_none_is_lost() {
    run(async {
        let store = memory().await;
        put(&store, "/count", "0").await;
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let store = store.clone();
            tasks.spawn(async move {
                let mut conflicts = 0;
                loop {
                    let entry = store.snapshot().get("/count").cloned().unwrap();
                    let count: u64 = std::str::from_utf8(&entry.value).unwrap().parse().unwrap();
                    let txn = Txn::new()
                        .check(Check::At(entry.key.clone(), entry.revision))
                        .put(entry.key, (count + 1).to_string());
                    match store.commit(txn).await {
                        Ok(_) => return conflicts,
                        Err(CommitError::Conflict { .. }) => conflicts += 1,
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
        let mut conflicts = 0;
        while let Some(done) = tasks.join_next().await {
            conflicts += done.unwrap();
        }
        assert_eq!(value(&store, "/count").as_deref(), Some("20"));
        assert!(conflicts > 0, "they did meet");
    });
}

#[test]
fn a_watch_loses_nothing_when_its_reader_gives_up_waiting() {
    run(async {
        let store = memory().await;
        let mut watch = store.watch("/a", store.revision()).unwrap();
        let mut heard = 0;
        for round in 0..50 {
            let step = std::time::Duration::from_millis(1);
            if let Ok(event) = tokio::time::timeout(step, watch.next()).await {
                event.unwrap();
                heard += 1;
            }
            if round % 3 == 0 {
                put(&store, "/a", "x").await;
                put(&store, "/b", "x").await;
            }
        }
        while let Some(event) = watch.try_next() {
            event.unwrap();
            heard += 1;
        }
        assert_eq!(heard, 17);
    });
}

#[test]
fn bounds_are_kept() {
    run(async {
        let store = memory().await;
        let refused = store
            .commit(Txn::new().put(key("/a"), vec![0; MAX_VALUE_BYTES + 1]))
            .await;
        assert!(
            matches!(refused, Err(CommitError::TooLarge { .. })),
            "{refused:?}"
        );
    });
}

#[test]
fn a_full_store_takes_only_what_makes_it_smaller() {
    run(async {
        let options = Options {
            bytes_max: 100,
            ..Options::default()
        };
        let store = memory_with(options).await;
        put(&store, "/a", &"x".repeat(50)).await;
        let refused = store.commit(Txn::new().put(key("/b"), vec![0; 60])).await;
        assert!(
            matches!(refused, Err(CommitError::TooLarge { limit: 100, .. })),
            "{refused:?}"
        );
        put(&store, "/b", &"x".repeat(40)).await;
        assert_eq!(store.stats().bytes, 94);
        put(&store, "/a", "x").await;
        put(&store, "/b", &"x".repeat(80)).await;
        let stats = store.stats();
        assert_eq!((stats.entries, stats.bytes, stats.transactions), (2, 85, 4));
    });
}

#[test]
fn ranges_are_by_prefix_and_from_a_key() {
    run(async {
        let store = memory().await;
        for at in ["/a/1", "/a/2", "/a/3", "/a0", "/b/1"] {
            put(&store, at, "x").await;
        }
        let snapshot = store.snapshot();
        let keys = |prefix, after| {
            snapshot
                .range_from(prefix, after)
                .map(|e| e.key.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(keys("/a/", None), ["/a/1", "/a/2", "/a/3"]);
        assert_eq!(keys("/a/", Some("/a/1")), ["/a/2", "/a/3"]);
        assert_eq!(keys("/a/", Some("/a/15")), ["/a/2", "/a/3"]);
        assert_eq!(keys("/a/", Some("/a/3")), [""; 0]);
        assert_eq!(keys("/a/", Some("/A")), ["/a/1", "/a/2", "/a/3"]);
        assert_eq!(keys("", None).len(), 5);
    });
}

#[test]
fn a_dropped_caller_does_not_take_its_commit_back() {
    run(async {
        let store = memory().await;
        {
            let commit = store.commit(Txn::new().put(key("/a"), "1"));
            let mut commit = std::pin::pin!(commit);
            let waker = &mut std::task::Context::from_waker(std::task::Waker::noop());
            assert!(commit.as_mut().poll(waker).is_pending());
        }
        put(&store, "/b", "2").await;
        assert_eq!(value(&store, "/a").as_deref(), Some("1"));
    });
}

#[test]
fn the_future_and_the_gap_are_refused() {
    run(async {
        let store = memory().await;
        let opened = store.revision();
        assert!(store.watch("/", opened).is_ok());
        assert!(store.watch("/", Revision(opened.0 - 1)).is_err());
        assert!(store.watch("/", Revision(0)).is_err());
        assert!(store.watch("/", Revision(opened.0 + 1)).is_err());
        assert!(store.snapshot_at(Revision(opened.0 + 1)).is_err());
        put(&store, "/a", "1").await;
        assert!(store.watch("/", Revision(opened.0 + 1)).is_ok());
        assert!(store.snapshot_at(opened).unwrap().is_empty());
    });
}

#[test]
fn a_slow_reader_expires_and_delays_nobody() {
    run(async {
        let options = Options {
            events_max: 10,
            ..Options::default()
        };
        let store = memory_with(options).await;
        let mut slow = store.watch("/a", store.revision()).unwrap();
        let mut quiet = store.watch("/none", store.revision()).unwrap();
        assert!(slow.try_next().is_none() && quiet.try_next().is_none());
        for i in 0..3000 {
            put(&store, "/a", &i.to_string()).await;
        }
        assert_eq!(slow.next().await, Err(WatchEnd::Expired));
        assert!(
            quiet.try_next().is_none(),
            "one that has nothing to read is not slow"
        );
        assert_eq!(quiet.progress(), store.revision());
        assert!(
            store
                .snapshot_at(Revision(store.revision().0 - 11))
                .is_err()
        );
        assert!(store.snapshot_at(Revision(store.revision().0 - 10)).is_ok());
    });
}

#[test]
fn closing_ends_watches_after_their_last_event() {
    run(async {
        let store = memory().await;
        let mut watch = store.watch("/", store.revision()).unwrap();
        let mut idle = store.watch("/none", store.revision()).unwrap();
        let waiting = tokio::spawn(async move { idle.next().await });
        put(&store, "/a", "1").await;
        store.close().await;
        store.close().await;
        assert!(watch.next().await.is_ok());
        assert_eq!(watch.next().await, Err(WatchEnd::Closed));
        assert_eq!(waiting.await.unwrap(), Err(WatchEnd::Closed));
        assert_eq!(create(&store, "/b").await, Err(CommitError::Closed));
        let mut late = store.watch("/", store.revision()).unwrap();
        assert_eq!(late.next().await, Err(WatchEnd::Closed));
        assert_eq!(value(&store, "/a").as_deref(), Some("1"), "reads go on");
    });
}

#[test]
fn a_watch_that_is_dropped_is_forgotten() {
    run(async {
        let store = memory().await;
        let watches = [(); 3].map(|()| store.watch("/a", store.revision()).unwrap());
        assert_eq!(store.stats().watches, 3);
        drop(watches);
        assert_eq!(store.stats().watches, 0);
    });
}

const KEYS: [&str; 6] = ["/a/1", "/a/2", "/a/22", "/b/1", "/b/2", "/c"];
const PREFIXES: [&str; 5] = ["", "/a/", "/a/2", "/b/", "/none"];

fn txns() -> impl Strategy<Value = Vec<Vec<(usize, bool)>>> {
    prop::collection::vec(
        prop::collection::vec((0..KEYS.len(), any::<bool>()), 1..5),
        1..60,
    )
}

/// Commits each transaction (deletions only of what is there); the snapshots after each.
async fn play(store: &Store, txns: &[Vec<(usize, bool)>]) -> Vec<Snapshot> {
    let mut snapshots = vec![store.snapshot()];
    for (i, ops) in txns.iter().enumerate() {
        let mut txn = Txn::new();
        let snapshot = store.snapshot();
        for &(at, put) in ops {
            let touched = txn.ops.iter().any(|op| op.key().as_str() == KEYS[at]);
            if put || touched || snapshot.get(KEYS[at]).is_none() {
                txn.ops.push(Op::Put {
                    key: key(KEYS[at]),
                    value: i.to_string().into(),
                });
            } else {
                txn.ops.push(Op::Delete { key: key(KEYS[at]) });
            }
        }
        store.commit(txn).await.unwrap();
        snapshots.push(store.snapshot());
    }
    snapshots
}

/// The events of a whole history, read off from its start.
fn history(store: &Store, from: Revision) -> Vec<Event> {
    let mut watch = store.watch("", from).unwrap();
    std::iter::from_fn(|| watch.try_next().map(Result::unwrap)).collect()
}

proptest! {
    #[test]
    fn a_watch_is_gapless_and_ordered_from_anywhere(txns in txns(), resume in any::<prop::sample::Index>()) {
        run(async {
            let store = memory().await;
            let start = store.revision();
            let mut live: Vec<_> = PREFIXES.map(|p| store.watch(p, start).unwrap()).into();
            let mut heard: Vec<Vec<Event>> = vec![Vec::new(); PREFIXES.len()];
            for txn in &txns {
                play(&store, std::slice::from_ref(txn)).await;
                for (watch, heard) in live.iter_mut().zip(&mut heard) {
                    heard.extend(watch.try_next().map(Result::unwrap));
                }
            }
            let all = history(&store, start);
            let expected = start.0 + 1..=store.revision().0;
            assert_eq!(all.iter().map(|e| e.revision.0).collect::<Vec<_>>(), expected.collect::<Vec<_>>());
            let from = resume.index(all.len());
            for ((prefix, watch), heard) in PREFIXES.iter().zip(&mut live).zip(&mut heard) {
                heard.extend(std::iter::from_fn(|| watch.try_next().map(Result::unwrap)));
                let wanted = |e: &&Event| e.key.as_str().starts_with(prefix);
                assert_eq!(*heard, all.iter().filter(wanted).cloned().collect::<Vec<_>>());
                assert_eq!(watch.progress(), store.revision());
                let mut resumed = store.watch(prefix, all[from].revision).unwrap();
                let rest: Vec<_> = std::iter::from_fn(|| resumed.try_next().map(Result::unwrap)).collect();
                assert_eq!(rest, all[from + 1..].iter().filter(wanted).cloned().collect::<Vec<_>>());
            }
        });
    }

    #[test]
    fn an_older_snapshot_is_what_it_was(txns in txns()) {
        run(async {
            let store = memory().await;
            let snapshots = play(&store, &txns).await;
            for (i, then) in snapshots.iter().enumerate() {
                let before = i.checked_sub(1).map_or_else(|| then.revision().0, |i| snapshots[i].revision().0 + 1);
                for revision in before..=then.revision().0 {
                    let now = store.snapshot_at(Revision(revision)).unwrap();
                    assert_eq!(now.revision(), then.revision(), "whole transactions only");
                    assert!(now.range("").eq(then.range("")));
                    assert_eq!(now.bytes(), then.bytes());
                }
            }
        });
    }

    #[test]
    fn events_lead_from_any_snapshot_to_the_next(txns in txns()) {
        run(async {
            let store = memory().await;
            let start = store.snapshot();
            play(&store, &txns).await;
            let mut state = start.entries.clone();
            for event in history(&store, start.revision()) {
                assert_eq!(state.get(event.key.as_str()), event.previous.as_ref());
                match event.new {
                    Some(entry) => state.insert(event.key, entry),
                    None => state.remove(event.key.as_str()),
                };
            }
            assert!(state.values().eq(store.snapshot().range("")));
        });
    }
}
