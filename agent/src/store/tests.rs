//! The disk: what is written is there again, whatever happens in between.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use redb::{Database, StorageBackend};
use roadstead_protocol::env::{BoxFuture, Env};
use roadstead_protocol::wire::item::{Digest, ItemKey};
use roadstead_protocol::wire::{Epoch, Revision, Stamp};

use super::record::{Boot, Item};
use super::view::{Source, or_view};
use super::*;
use crate::Opener;

struct Fixed;
impl roadstead_protocol::env::WallClock for Fixed {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }
}
impl roadstead_protocol::env::Entropy for Fixed {
    fn fill(&self, buf: &mut [u8]) {
        buf.fill(7);
    }
}
impl roadstead_protocol::env::Blocking for Fixed {
    fn run(&self, job: Box<dyn FnOnce() + Send>) -> BoxFuture<()> {
        Box::pin(async move { job() })
    }
}

/// No two draws alike.
#[derive(Default)]
pub(crate) struct CountedEntropy(std::sync::atomic::AtomicU8);
impl roadstead_protocol::env::Entropy for CountedEntropy {
    fn fill(&self, buf: &mut [u8]) {
        buf.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    }
}

pub(crate) fn env() -> Env {
    Env {
        clock: Arc::new(Fixed),
        entropy: Arc::new(Fixed),
        blocking: Arc::new(Fixed),
    }
}

/// As [`env`], with entropy that counts.
pub(super) fn counted() -> Env {
    Env {
        entropy: Arc::new(CountedEntropy::default()),
        ..env()
    }
}

#[derive(Debug, Default)]
struct Medium {
    /// What reads see.
    view: Vec<u8>,
    /// What survives a power cut.
    durable: Vec<u8>,
    /// I/O operations until the power goes, or until one fails.
    cut_in: Option<usize>,
    fail_in: Option<usize>,
    dead: bool,
    power: u64,
    full: Full,
}

/// What a disk without room refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Full {
    /// Nothing: it has room.
    #[default]
    Not,
    /// To make the file longer.
    Longer,
    /// To write anything, also over what is there, as where every write takes a new block.
    All,
}

/// A disk in memory whose power can fail, and which can report errors.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryDisk(Arc<Mutex<Medium>>);

impl MemoryDisk {
    pub(crate) fn opener(&self) -> Opener {
        let disk = self.clone();
        Arc::new(move || {
            let power = disk.0.lock().unwrap().power;
            Database::builder().create_with_backend(Handle {
                disk: disk.clone(),
                power,
            })
        })
    }

    /// As [`opener`](Self::opener), for a disk that can still be read while it takes no writes.
    pub(crate) fn watched_opener(&self) -> Opener {
        let disk = self.clone();
        or_view(self.opener(), Arc::new(move || Ok(Box::new(disk.clone()))))
    }

    /// From now on there is so little room.
    pub(crate) fn full(&self, full: Full) {
        self.0.lock().unwrap().full = full;
    }

    /// The power goes, and comes back: what was not synced is lost, or, torn, half of it.
    fn power_cut(&self, torn: bool) {
        let mut medium = self.0.lock().unwrap();
        if torn && medium.view.len() == medium.durable.len() {
            let half = medium.view.len() / 2;
            let (view, durable) = (medium.view.clone(), &mut medium.durable);
            durable
                .iter_mut()
                .zip(&view)
                .take(half)
                .for_each(|(to, from)| *to = *from);
        }
        medium.view = medium.durable.clone();
        medium.power += 1;
        medium.dead = false;
        medium.cut_in = None;
    }
}

#[expect(clippy::unwrap_in_result, reason = "a test's own lock")]
impl Source for MemoryDisk {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().view.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let medium = self.0.lock().unwrap();
        let from = medium.view.get(index(offset)..index(offset) + out.len());
        out.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

#[derive(Debug)]
struct Handle {
    disk: MemoryDisk,
    power: u64,
}

impl Handle {
    #[expect(clippy::unwrap_in_result, reason = "a test's own lock")]
    fn io<R>(&self, work: impl FnOnce(&mut Medium) -> R) -> io::Result<R> {
        let mut medium = self.disk.0.lock().unwrap();
        if medium.dead || medium.power != self.power {
            return Err(io::Error::other("no power"));
        }
        if let Some(left) = medium.cut_in.as_mut() {
            if *left == 0 {
                medium.dead = true;
                return Err(io::Error::other("the power went"));
            }
            *left -= 1;
        }
        if let Some(left) = medium.fail_in.as_mut() {
            if *left == 0 {
                medium.fail_in = None;
                return Err(io::ErrorKind::StorageFull.into());
            }
            *left -= 1;
        }
        Ok(work(&mut medium))
    }
}

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        self.io(|m| m.view.len() as u64)
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = index(offset);
        self.io(|m| {
            m.view
                .get(offset..offset + out.len())
                .map(|from| out.copy_from_slice(from))
        })?
        .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.io(|m| {
            if m.full != Full::Not && index(len) > m.view.len() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            m.view.resize(index(len), 0);
            Ok(())
        })?
    }
    fn sync_data(&self) -> io::Result<()> {
        self.io(|m| m.durable = m.view.clone())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = index(offset);
        let full = self.io(|m| m.full)?;
        if full == Full::All {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.io(|m| {
            m.view
                .get_mut(offset..offset + data.len())
                .map(|to| to.copy_from_slice(data))
        })?
        .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

pub(super) fn key(name: &str) -> ItemKey {
    ItemKey {
        group: "apps".into(),
        kind: "Deployment".into(),
        namespace: "a".into(),
        name: name.into(),
    }
}

pub(super) fn item(revision: u64) -> Item {
    let stamp = Stamp {
        epoch: Epoch(1),
        revision: Revision(revision),
    };
    Item {
        stamp,
        digest: None,
        meta: vec![],
        listed: true,
        held: None,
    }
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let medium = MemoryDisk::default();
    let (disk, loaded, writer) = Disk::open(env(), medium.opener()).await.unwrap();
    assert_eq!(loaded, Loaded::default());
    let bytes = Bytes::from_static(b"{}");
    let digest = Digest::of(&bytes);
    let boot = Boot {
        counter: 3,
        nonce: 9,
        member_uid: "u".into(),
    };
    let writes = vec![
        Write::Boot(boot.clone()),
        Write::Item(key("x"), item(4)),
        Write::Item(key("y"), item(5)),
        Write::DropItem(key("y")),
        Write::Content(digest, bytes.clone()),
    ];
    disk.commit(writes).await.unwrap();
    assert_eq!(disk.content(digest).await.unwrap(), Some(bytes));
    assert_eq!(disk.content(Digest::of(b"other")).await.unwrap(), None);
    drop(disk);
    writer.await.unwrap();
    let (_disk, loaded, _) = Disk::open(env(), medium.opener()).await.unwrap();
    assert_eq!(
        (loaded.boot, loaded.items),
        (boot, BTreeMap::from([(key("x"), item(4))]))
    );
    assert!(loaded.contents.contains(&digest));
}

/// Power fails inside the n-th operation, for every n: what was answered for is there.
#[tokio::test]
async fn an_acknowledged_write_survives_a_power_cut_anywhere() {
    let (mut cuts, mut reached) = (0_u32, true);
    for (torn, step) in [(false, 1), (true, 1)] {
        for n in (0..400).step_by(step) {
            let medium = MemoryDisk::default();
            drop(Disk::open(env(), medium.opener()).await.unwrap());
            tokio::task::yield_now().await;
            let (disk, _, writer) = Disk::open(env(), medium.opener()).await.unwrap();
            medium.0.lock().unwrap().cut_in = Some(n);
            let mut acked = 0;
            for revision in 1..=4 {
                if disk
                    .commit(vec![Write::Item(key("x"), item(revision))])
                    .await
                    .is_ok()
                {
                    acked = revision;
                }
            }
            reached = medium.0.lock().unwrap().dead;
            drop(disk);
            writer.await.unwrap();
            medium.power_cut(torn);
            let (_disk, loaded, _) = Disk::open(env(), medium.opener()).await.unwrap();
            let found = loaded
                .items
                .get(&key("x"))
                .map_or(0, |item| item.stamp.revision.0);
            assert!(
                found >= acked && found <= 4,
                "cut in {n}: {acked} was acknowledged, {found} is there"
            );
            cuts += 1;
            if !reached {
                break;
            }
        }
    }
    assert!(
        cuts > 20 && !reached,
        "the cuts did not reach the end of the run ({cuts})"
    );
}

#[tokio::test]
async fn a_failing_disk_heals_without_a_restart() {
    let medium = MemoryDisk::default();
    let (disk, _, _) = Disk::open(env(), medium.opener()).await.unwrap();
    disk.commit(vec![Write::Item(key("x"), item(1))])
        .await
        .unwrap();
    medium.0.lock().unwrap().fail_in = Some(0);
    let error = disk
        .commit(vec![Write::Item(key("x"), item(2))])
        .await
        .unwrap_err();
    assert!(matches!(error, DiskError::Unavailable(_)), "{error}");
    disk.commit(vec![Write::Item(key("x"), item(3))])
        .await
        .unwrap();
}

/// What is on the disk is what the agent keeps the member by: it has to be there also while nothing
/// can be written.
#[tokio::test]
async fn a_full_disk_is_read_and_takes_writes_again_when_there_is_room() {
    for full in [Full::Longer, Full::All] {
        let medium = MemoryDisk::default();
        let opened = Disk::open(env(), medium.watched_opener()).await;
        let (disk, _, writer) = opened.unwrap();
        let bytes = Bytes::from_static(b"{}");
        let digest = Digest::of(&bytes);
        disk.commit(vec![Write::Content(digest, bytes.clone())])
            .await
            .unwrap();
        medium.full(full);
        let mut refused = 0;
        for n in 0..40_u8 {
            let big = Bytes::from(vec![n; 256 * 1024]);
            let written = disk
                .commit(vec![Write::Content(Digest::of(&big), big)])
                .await;
            refused += u32::from(written.is_err());
            let read = disk.content(digest).await;
            assert_eq!(read, Ok(Some(bytes.clone())), "{full:?}, after {n}");
        }
        assert!(refused > 20, "{full:?}: {refused}");
        medium.full(Full::Not);
        let write = || disk.commit(vec![Write::Item(key("x"), item(1))]);
        if write().await.is_err() {
            // What could only be looked at is opened anew for the next one.
            write().await.unwrap();
        }
        drop(disk);
        writer.await.unwrap();
        let (_disk, loaded, _) = Disk::open(env(), medium.opener()).await.unwrap();
        assert!(loaded.items.contains_key(&key("x")) && loaded.contents.contains(&digest));
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_named_and_left() {
    let medium = MemoryDisk::default();
    let database = medium.opener()().unwrap();
    let transaction = database.begin_write().unwrap();
    transaction
        .open_table(disk::ITEMS)
        .unwrap()
        .insert(&b"a\0b\0c\0d"[..], &[9, 0, 1][..])
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = Disk::open(env(), medium.opener())
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("table items, record a/b/c/d") && error.contains("version 9"),
        "{error}"
    );
}
