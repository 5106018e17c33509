//! A store on a disk: restarts, other processes, damage.

use roadstead_protocol::wire::Revision;

use super::simdisk::SimDisk;
use super::world::{START_MICROS, env, put, run, value};
use crate::{Backend, OpenError, Options, Store, file};

async fn open_at(backend: Backend, seed: u64, micros: u64) -> Result<Store, OpenError> {
    Store::open(env(seed, micros), backend, Options::default()).await
}

async fn open(backend: Backend, life: u64) -> Result<Store, OpenError> {
    open_at(backend, life, START_MICROS + life * 1_000_000).await
}

#[test]
fn what_was_written_is_there_after_a_restart() {
    run(async {
        let disk = SimDisk::new(1);
        let store = open(disk.backend(), 0).await.unwrap();
        let (one, first) = (put(&store, "/a", "1").await.last, store.epoch());
        store.close().await;

        let store = open(disk.backend(), 1).await.unwrap();
        assert_eq!(value(&store, "/a").as_deref(), Some("1"));
        assert_eq!(store.revision(), one, "opening shows nothing new");
        let two = put(&store, "/a", "2").await.last;
        assert_eq!(two, Revision(START_MICROS + 1_000_000));
        let lineage = store.lineage();
        assert_eq!(lineage.epoch_of(one), Some(first));
        assert_eq!(
            lineage.epoch_of(Revision(one.0 + 1)),
            None,
            "the gap belongs to nobody"
        );
        assert_eq!(lineage.epoch_of(two), Some(store.epoch()));
        assert_ne!(store.epoch(), first);
        assert_eq!(store.snapshot().get("/a").unwrap().created, one);
    });
}

#[test]
fn a_watch_goes_on_over_a_restart_only_from_the_last_revision() {
    run(async {
        let disk = SimDisk::new(1);
        let store = open(disk.backend(), 0).await.unwrap();
        let one = put(&store, "/a", "1").await.last;
        let two = put(&store, "/a", "2").await.last;
        store.close().await;
        let store = open(disk.backend(), 1).await.unwrap();
        let mut watch = store.watch("/a", two).unwrap();
        assert!(store.watch("/a", one).is_err());
        let three = put(&store, "/a", "3").await.last;
        assert_eq!(watch.next().await.unwrap().revision, three);
        assert!(store.watch("/a", two).is_ok());
        assert!(
            store.watch("/a", Revision(two.0 + 1)).is_err(),
            "inside the gap"
        );
        assert!(
            store.snapshot_at(Revision(two.0 + 1)).is_err(),
            "inside the gap"
        );
        assert_eq!(
            store.snapshot_at(two).unwrap().get("/a").unwrap().revision,
            two
        );
    });
}

#[test]
fn a_clock_that_is_behind_never_brings_a_revision_back() {
    run(async {
        let disk = SimDisk::new(1);
        let store = open(disk.backend(), 9).await.unwrap();
        let one = put(&store, "/a", "1").await.last;
        store.close().await;
        let store = open(disk.backend(), 1).await.unwrap();
        let two = put(&store, "/a", "2").await.last;
        assert!(two.0 > one.0 + (1 << 40));
    });
}

/// Some microsecond of a year, roughly.
fn in_year(year: u64) -> u64 {
    (year - 1970) * 31_556_952_000_000
}

#[test]
fn a_clock_that_was_far_ahead_once_brings_nothing_back_afterwards() {
    run(async {
        let disk = SimDisk::new(1);
        let (mut last, mut first, mut epochs) = (Revision(0), Vec::new(), Vec::new());
        // Right, far ahead, right again (three times, for each start jumps), then nearly caught up.
        for (life, year) in [2027, 2150, 2028, 2028, 2029, 2151].into_iter().enumerate() {
            let store = open_at(disk.backend(), life as u64 * 1000 + 1, in_year(year))
                .await
                .unwrap();
            let resumed = store.watch("", last).is_ok();
            assert!(
                resumed || life == 0,
                "a watch goes on from the last revision"
            );
            let one = put(&store, "/a", &life.to_string()).await;
            let two = put(&store, "/b", &life.to_string()).await;
            assert!(one.first > last, "life {life}: {} after {last}", one.first);
            for (revision, epoch) in first.iter().zip(&epochs) {
                assert_eq!(store.lineage().epoch_of(*revision), Some(*epoch));
                assert!(
                    store.watch("", *revision).is_err(),
                    "410 from an earlier life"
                );
            }
            assert!(store.lineage().is_ordered());
            first.push(one.first);
            epochs.push(store.epoch());
            last = two.last;
            store.close().await;
        }
        // JSON readers that know no integers still count exactly.
        assert!(last.0 < 1 << 53);
    });
}

#[test]
fn an_absurd_clock_is_refused_and_the_file_left_alone() {
    run(async {
        let disk = SimDisk::new(1);
        let store = open(disk.backend(), 0).await.unwrap();
        put(&store, "/a", "1").await;
        store.close().await;
        let written = disk.ios();
        for micros in [0, in_year(2025), in_year(2201)] {
            for backend in [Backend::Memory, disk.backend()] {
                let refused = open_at(backend, 1, micros).await.unwrap_err();
                assert!(matches!(refused, OpenError::Clock(_)), "{refused}");
                assert!(refused.to_string().contains("set the clock"), "{refused}");
            }
        }
        assert_eq!(disk.ios(), written);
        assert_eq!(
            value(&open(disk.backend(), 2).await.unwrap(), "/a").as_deref(),
            Some("1")
        );
    });
}

#[test]
fn only_one_process_has_the_file() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.redb");
        let store = open(Backend::Redb(file(&path)), 0).await.unwrap();
        put(&store, "/a", "1").await;
        let second = open(Backend::Redb(file(&path)), 1).await.unwrap_err();
        assert!(matches!(second, OpenError::InUse), "{second:?}");
        assert!(
            second
                .to_string()
                .contains("already in use by another process")
        );
        store.close().await;
        let store = open(Backend::Redb(file(&path)), 2).await.unwrap();
        assert_eq!(value(&store, "/a").as_deref(), Some("1"));
    });
}

#[test]
fn a_creation_that_was_cut_off_is_begun_anew() {
    for left in [&b""[..], &[0; 100_000], b"garbage"] {
        run(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("hub.redb");
            std::fs::write(folder.path().join("hub.redb.new"), left).unwrap();
            std::fs::write(folder.path().join("hub.redb.lock"), b"").unwrap();
            let store = open(Backend::Redb(file(&path)), 0).await.unwrap();
            put(&store, "/a", "1").await;
            assert!(!folder.path().join("hub.redb.new").exists());
        });
    }
}

#[test]
fn a_file_that_is_no_store_is_refused_and_left_alone() {
    for left in [
        &b""[..],
        &[0; 100_000],
        b"garbage of more than nothing, and longer than a header",
    ] {
        run(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("hub.redb");
            std::fs::write(&path, left).unwrap();
            let refused = open(Backend::Redb(file(&path)), 0).await.unwrap_err();
            assert!(matches!(refused, OpenError::Damaged { .. }), "{refused:?}");
            assert!(refused.to_string().contains("from a backup"));
            assert_eq!(std::fs::read(&path).unwrap(), left);
        });
    }
}

#[test]
fn a_database_of_something_else_is_refused() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.redb");
        let database = redb::Database::create(&path).unwrap();
        let txn = database.begin_write().unwrap();
        txn.open_table(redb::TableDefinition::<u64, u64>::new("mine"))
            .unwrap()
            .insert(1, 1)
            .unwrap();
        txn.commit().unwrap();
        drop(database);
        let refused = open(Backend::Redb(file(&path)), 0).await.unwrap_err();
        assert!(refused.to_string().contains("no hub's store"), "{refused}");
    });
}

#[test]
fn a_flipped_bit_in_a_value_is_found() {
    run(async {
        let disk = SimDisk::new(1);
        let store = open(disk.backend(), 0).await.unwrap();
        put(&store, "/a", "a value to be damaged").await;
        store.close().await;
        disk.flip(disk.find(b"a value to be damaged").unwrap());
        let refused = open(disk.backend(), 1).await.unwrap_err();
        assert!(matches!(refused, OpenError::Damaged { .. }), "{refused:?}");
        assert!(refused.to_string().contains("/a"), "{refused}");
    });
}

#[test]
fn a_file_that_vanished_is_not_made_again() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.redb");
        let open = file(&path);
        drop(open().unwrap());
        std::fs::remove_file(&path).unwrap();
        assert!(open().is_err());
        assert!(!path.exists());
    });
}

#[cfg(unix)]
#[test]
fn the_file_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.redb");
        let _store = open(Backend::Redb(file(&path)), 0).await.unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    });
}

#[test]
fn a_missing_folder_is_named() {
    run(async {
        let refused = open(Backend::Redb(file("/nowhere/at/all/hub.redb")), 0)
            .await
            .unwrap_err();
        assert!(matches!(refused, OpenError::Disk(_)), "{refused:?}");
        assert!(
            refused.to_string().contains("/nowhere/at/all/hub.redb"),
            "{refused}"
        );
    });
}

#[test]
fn a_newer_format_is_refused_as_such() {
    run(async {
        let disk = SimDisk::new(1);
        let store = open(disk.backend(), 0).await.unwrap();
        put(&store, "/a", "of a later release").await;
        store.close().await;
        // Version, key id, checksum, created and revision come before the value.
        let value = disk.find(b"of a later release").unwrap();
        disk.flip(value - 26);
        let refused = open(disk.backend(), 1).await.unwrap_err();
        assert!(
            matches!(refused, OpenError::Newer { .. } | OpenError::Damaged { .. }),
            "{refused:?}"
        );
    });
}
