//! A store with a key file: what is on the disk shows nothing, and no key, a wrong one or a former
//! one lose nothing.

use std::path::Path;

use roadstead_protocol::seal::{Key, Keyring};

use super::simdisk::{Fault, SimDisk};
use super::world::{START_MICROS, env, key, put, run, value};
use crate::{Backend, OpenError, Options, Renewal, Store, Txn, file, renew};

const SECRET: &str = "the private key of an authority";

fn ring(seed: u8) -> Keyring {
    Keyring::of(Key::new([seed; 32]))
}

fn rotated() -> Keyring {
    ring(7).behind(Key::new([9; 32])).unwrap()
}

async fn open(path: &Path, keyring: Keyring, life: u64) -> Result<Store, OpenError> {
    let backend = Backend::Sealed {
        open: file(path),
        keyring,
    };
    let env = env(life, START_MICROS + life * 1_000_000);
    Store::open(env, backend, Options::default()).await
}

async fn renewed(path: &Path, keyring: Keyring) -> Result<Renewal, OpenError> {
    renew(&env(50, START_MICROS), path.to_owned(), keyring).await
}

fn shows(path: &Path) -> bool {
    let bytes = std::fs::read(path).unwrap();
    bytes
        .windows(SECRET.len())
        .any(|window| window == SECRET.as_bytes())
}

#[test]
fn what_is_sealed_does_not_show_and_needs_its_key() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.redb");
        let store = open(&path, ring(7), 0).await.unwrap();
        put(&store, "/authority/agents", SECRET).await;
        store.close().await;
        assert!(!shows(&path));
        for wrong in [Keyring::default(), ring(8)] {
            let refused = open(&path, wrong.clone(), 1).await.unwrap_err();
            assert!(matches!(refused, OpenError::Sealed { .. }), "{refused:?}");
            assert!(refused.to_string().contains("--key-file"), "{refused}");
            let refused = renewed(&path, wrong).await;
            assert!(!matches!(refused, Ok(Renewal::Made { .. })), "{refused:?}");
        }
        let store = open(&path, ring(7), 2).await.unwrap();
        assert_eq!(value(&store, "/authority/agents").as_deref(), Some(SECRET));
    });
}

#[test]
fn what_was_plain_is_sealed_at_the_first_start_with_a_key_and_leaves_nothing() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.redb");
        let store = open(&path, Keyring::default(), 0).await.unwrap();
        let first = put(&store, "/authority/agents", SECRET).await.last;
        put(&store, "/a", "1").await;
        let lineage = store.lineage();
        store.close().await;
        assert!(shows(&path));
        let done = renewed(&path, ring(7)).await.unwrap();
        assert!(matches!(done, Renewal::Made { .. }));
        assert!(!shows(&path), "not in free pages either");
        assert_eq!(renewed(&path, ring(7)).await.unwrap(), Renewal::NotNeeded);
        let store = open(&path, ring(7), 1).await.unwrap();
        assert_eq!(value(&store, "/authority/agents").as_deref(), Some(SECRET));
        assert_eq!(store.lineage().epoch_of(first), lineage.epoch_of(first));
        assert_eq!(
            store.snapshot().get("/authority/agents").unwrap().revision,
            first
        );
        store.close().await;
        assert!(matches!(
            open(&path, Keyring::default(), 2).await,
            Err(OpenError::Sealed { .. })
        ));
    });
}

#[test]
fn after_a_rotation_the_former_key_may_go_once_the_hub_has_started() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.redb");
        let store = open(&path, ring(7), 0).await.unwrap();
        put(&store, "/a", "1").await;
        store.close().await;
        assert!(open(&path, ring(9), 1).await.is_err(), "too early");
        let store = open(&path, rotated(), 2).await.unwrap();
        assert_eq!(
            value(&store, "/a").as_deref(),
            Some("1"),
            "the old key reads"
        );
        store.close().await;
        let done = renewed(&path, rotated()).await.unwrap();
        assert!(matches!(done, Renewal::Made { .. }));
        let store = open(&path, ring(9), 3).await.unwrap();
        assert_eq!(value(&store, "/a").as_deref(), Some("1"));
    });
}

#[test]
fn a_file_in_use_is_not_made_anew() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.redb");
        let store = open(&path, Keyring::default(), 0).await.unwrap();
        put(&store, "/a", "1").await;
        let refused = renewed(&path, ring(7)).await;
        assert!(matches!(refused, Err(OpenError::InUse)), "{refused:?}");
        put(&store, "/a", "2").await;
    });
}

#[test]
fn a_file_that_has_become_loose_is_made_shorter() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.redb");
        let store = open(&path, Keyring::default(), 0).await.unwrap();
        let last = put(&store, "/a", "1").await.last;
        let big = |i: usize| key(&format!("/big/{i}"));
        for i in 0..40 {
            let put = Txn::new().put(big(i), vec![7; 3 * 1024 * 1024]);
            store.commit(put).await.unwrap();
        }
        // The last one stays where it is, at the end: redb by itself takes free ends off only.
        let gone = (0..39).fold(Txn::new(), |txn, i| txn.delete(big(i)));
        store.commit(gone).await.unwrap();
        store.close().await;
        let done = renewed(&path, Keyring::default()).await.unwrap();
        let Renewal::Made { before, after } = done else {
            panic!("{done:?} {:?}", std::fs::metadata(&path))
        };
        assert!(before > 100 << 20 && after < 16 << 20, "{before} {after}");
        let store = open(&path, Keyring::default(), 1).await.unwrap();
        assert_eq!(value(&store, "/a").as_deref(), Some("1"));
        assert_eq!(store.snapshot().get("/a").unwrap().revision, last);
    });
}

#[test]
fn a_swapped_record_is_found() {
    run(async {
        let disk = SimDisk::new(1);
        let backend = |disk: &SimDisk| match disk.backend() {
            Backend::Redb(open) => Backend::Sealed {
                open,
                keyring: ring(7),
            },
            Backend::Memory | Backend::Sealed { .. } => panic!("a disk"),
        };
        let at = |life| env(life, START_MICROS + life * 1_000_000);
        let store = Store::open(at(0), backend(&disk), Options::default())
            .await
            .unwrap();
        put(&store, "/swapped/a", SECRET).await;
        store.close().await;
        // The key's text stands in the file as it is: give the record another name.
        let name = disk.find(b"/swapped/a").unwrap();
        disk.flip(name + b"/swapped/".len());
        let refused = Store::open(at(1), backend(&disk), Options::default()).await;
        assert!(refused.is_err());
    });
}

#[test]
fn a_sealed_store_survives_power_cuts_and_failing_io() {
    let backend = |disk: &SimDisk| match disk.backend() {
        Backend::Redb(open) => Backend::Sealed {
            open,
            keyring: ring(7),
        },
        Backend::Memory | Backend::Sealed { .. } => panic!("a disk"),
    };
    for at in 0..40 {
        run(async {
            let disk = SimDisk::new(at);
            let life = |life: u64| env(life + 1, START_MICROS + life * 1_000_000);
            let store = Store::open(life(0), backend(&disk), Options::default())
                .await
                .unwrap();
            put(&store, "/a", "1").await;
            let fault = if at % 2 == 0 {
                Fault::Power
            } else {
                Fault::BrokenLate
            };
            disk.fault(disk.ios() + at / 2, fault);
            let landed = store.commit(Txn::new().put(key("/a"), "2")).await.is_ok();
            drop(store);
            tokio::task::yield_now().await;
            disk.reboot();
            let store = Store::open(life(1), backend(&disk), Options::default())
                .await
                .unwrap();
            let found = value(&store, "/a").unwrap();
            assert!(found == "2" || !landed, "{at}: acknowledged and lost");
        });
    }
}
