//! Backups: golden samples, every cut and every flipped bit refused, and the way there and back.

use jiff::Timestamp;
use roadstead_protocol::seal::{Key as SealKey, Keyring};
use roadstead_protocol::wire::{Epoch, EpochRange};

use super::*;
use crate::tests::world::{START_MICROS, env, key, memory, put, run, value};
use crate::{Backend, Options, Store, Txn, file, restore};

fn taken() -> Timestamp {
    Timestamp::from_microsecond(i64::try_from(START_MICROS).unwrap()).unwrap()
}

async fn small() -> Vec<u8> {
    let store = memory().await;
    put(&store, "/a/1", "one").await;
    put(&store, "/a/2", "two").await;
    put(&store, "/a/1", "one again").await;
    bytes(&store)
}

fn bytes(store: &Store) -> Vec<u8> {
    let pieces = store.backup(taken(), "0.1.0");
    pieces.flat_map(|piece| piece.to_vec()).collect()
}

fn read(bytes: &[u8], piece: usize) -> Result<Contents, BackupError> {
    let mut reader = Reader::new(true);
    for piece in bytes.chunks(piece) {
        reader.take(piece)?;
    }
    reader.finish()
}

#[test]
fn a_backup_is_as_it_was_released() {
    let bytes = run(small());
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/backup-v1.hex");
    match std::fs::read_to_string(path) {
        Ok(golden) => assert_eq!(hex, golden.trim(), "released formats never change"),
        Err(_) => panic!("{path} is missing; this release writes {hex}"),
    }
}

#[test]
fn a_backup_is_read_in_any_pieces_and_only_whole() {
    let bytes = run(small());
    for piece in [1, 13, 100_000] {
        let contents = read(&bytes, piece).unwrap();
        assert_eq!(contents.entries.len(), 2);
        assert_eq!(contents.head.taken_micros, taken().as_microsecond());
        let one = contents.entries.get("/a/1").unwrap();
        assert_eq!(&one.value[..], b"one again");
        assert!(one.created < one.revision);
    }
    for at in 0..bytes.len() {
        let cut = read(&bytes[..at], 64);
        assert!(matches!(cut, Err(BackupError::Cut)), "cut at {at}: {cut:?}");
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            assert!(read(&changed, 64).is_err(), "changed at {at}");
        }
    }
    let longer = [&bytes[..], b"x"].concat();
    assert!(matches!(read(&longer, 64), Err(BackupError::Order(_))));
    assert!(matches!(read(b"kind: Backup", 64), Err(BackupError::Magic)));
}

/// Pieces with a right end behind them: what only the reader's own rules refuse.
fn forged(pieces: &[Piece]) -> Vec<u8> {
    let mut bytes = [&MAGIC[..], &[VERSION]].concat();
    let add = |bytes: &mut Vec<u8>, piece: &Piece| {
        let body = postcard::to_allocvec(piece).unwrap();
        bytes.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        bytes.extend(body);
    };
    let (mut entries, mut size) = (0, 0);
    for piece in pieces {
        if let Piece::Entries(records) = piece {
            entries += records.len() as u64;
            size += records
                .iter()
                .map(|r| (r.key.len() + r.value.len()) as u64)
                .sum::<u64>();
        }
        add(&mut bytes, piece);
    }
    let digest = *blake3::hash(&bytes).as_bytes();
    let end = End {
        entries,
        bytes: size,
        digest,
    };
    add(&mut bytes, &Piece::End(end));
    bytes
}

fn head(lives: bool) -> Piece {
    let range = EpochRange {
        epoch: Epoch(7),
        first: Revision(10),
        last: (!lives).then_some(Revision(20)),
    };
    Piece::Head(Head {
        release: "0".into(),
        taken_micros: 0,
        revision: Revision(20),
        lineage: Lineage(vec![range]),
    })
}

fn entry(key: &str, created: u64, revision: u64) -> Record {
    Record {
        key: key.into(),
        created: Revision(created),
        revision: Revision(revision),
        value: bytes::Bytes::from_static(b"x"),
    }
}

#[test]
fn what_no_hub_writes_is_refused_whatever_its_digest() {
    let good = forged(&[head(true), Piece::Entries(vec![entry("/a", 11, 12)])]);
    assert!(read(&good, 64).is_ok());
    let refused: Vec<Vec<Piece>> = vec![
        vec![],
        vec![Piece::Entries(vec![entry("/a", 11, 12)])],
        vec![head(true), head(true)],
        vec![head(false)],
        vec![head(true), Piece::Entries(vec![entry("a", 11, 12)])],
        vec![head(true), Piece::Entries(vec![entry("/a", 13, 12)])],
        vec![head(true), Piece::Entries(vec![entry("/a", 11, 21)])],
        vec![
            head(true),
            Piece::Entries(vec![entry("/b", 11, 12), entry("/a", 11, 12)]),
        ],
        vec![
            head(true),
            Piece::Entries(vec![entry("/a", 11, 12)]),
            Piece::Entries(vec![entry("/a", 11, 12)]),
        ],
    ];
    for (at, pieces) in refused.iter().enumerate() {
        assert!(read(&forged(pieces), 64).is_err(), "{at}");
    }
    let newer = [&MAGIC[..], &[2, 0, 0, 0, 0]].concat();
    assert!(matches!(read(&newer, 64), Err(BackupError::Version(2))));
    let long = [&MAGIC[..], &[VERSION, 0xff, 0, 0, 0]].concat();
    assert!(matches!(read(&long, 64), Err(BackupError::Long { .. })));
}

#[test]
fn a_backup_is_of_one_moment_whatever_is_written_meanwhile() {
    run(async {
        let store = memory().await;
        for i in 0..50 {
            let big = Txn::new().put(key(&format!("/big/{i:03}")), vec![7; 60_000]);
            store.commit(big).await.unwrap();
        }
        let before = store.snapshot();
        let mut backup = store.backup(taken(), "0.1.0");
        let mut bytes = backup.next().unwrap().to_vec();
        bytes.extend(backup.next().unwrap());
        put(&store, "/big/049", "changed").await;
        store
            .commit(Txn::new().delete(key("/big/048")))
            .await
            .unwrap();
        let rest: Vec<_> = backup.collect();
        assert!(rest.len() > 5, "in pieces");
        rest.iter().for_each(|piece| bytes.extend(piece));
        let contents = read(&bytes, 64 * 1024).unwrap();
        assert!(contents.entries.values().eq(before.range("")));
        assert_eq!(contents.head.revision, before.revision());
    });
}

#[test]
fn a_restored_store_is_the_one_that_was_backed_up() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        let at = |life| env(life, START_MICROS + life * 1_000_000);
        let open =
            |path, life| Store::open(at(life), Backend::Redb(file(path)), Options::default());
        let store = open(&old, 1).await.unwrap();
        let one = put(&store, "/a", "1").await.last;
        let bytes = bytes(&store);
        let lost = put(&store, "/a", "2").await.last;
        store.close().await;

        let contents = read(&bytes, 64).unwrap();
        let keys = Keyring::of(SealKey::new([7; 32]));
        restore(&at(2), &new, contents.clone(), keys.clone())
            .await
            .unwrap();
        let again = restore(&at(2), &new, contents, keys.clone()).await;
        assert!(again.unwrap_err().to_string().contains("there already"));
        assert!(open(&new, 3).await.is_err(), "it is sealed");
        let sealed = Backend::Sealed {
            open: file(&new),
            keyring: keys,
        };
        let restored = Store::open(at(3), sealed, Options::default())
            .await
            .unwrap();
        assert_eq!(value(&restored, "/a").as_deref(), Some("1"));
        assert_eq!(restored.revision(), one);
        let lineage = restored.lineage();
        assert_eq!(lineage.epoch_of(one), store.lineage().epoch_of(one));
        assert_eq!(lineage.epoch_of(lost), None, "what was lost is foreign");
        assert!(put(&restored, "/a", "3").await.last > lost);
    });
}

#[test]
fn a_restore_that_was_cut_off_is_not_mistaken_for_an_empty_hub() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.redb");
        std::fs::write(folder.path().join("hub.redb.restoring"), b"half").unwrap();
        let open = || {
            Store::open(
                env(1, START_MICROS),
                Backend::Redb(file(&path)),
                Options::default(),
            )
        };
        let refused = open().await.unwrap_err();
        assert!(refused.to_string().contains("cut off"), "{refused}");
        assert!(!path.exists());
        let contents = read(&small().await, 64).unwrap();
        let none = Keyring::default();
        restore(&env(1, START_MICROS), &path, contents, none)
            .await
            .unwrap();
        assert_eq!(
            value(&open().await.unwrap(), "/a/2").as_deref(),
            Some("two")
        );
    });
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        drop(read(&bytes, 11));
        let begun = [&MAGIC[..], &[VERSION, 0, 0, 0], &bytes].concat();
        drop(read(&begun, 11));
    }
}
