//! Starts on a disk that takes no writes.

use redb::{DatabaseError, StorageError};

use super::file::Folder;
use super::tests::{Full, MemoryDisk, env, item, key};
use super::view::{no_room, or_view};
use super::*;

#[tokio::test]
async fn a_start_on_a_full_disk_reads_what_is_there_and_writes_once_there_is_room() {
    for full in [Full::Longer, Full::All] {
        let medium = MemoryDisk::default();
        let (disk, _, writer) = Disk::open(env(), medium.opener()).await.unwrap();
        disk.commit(vec![Write::Item(key("x"), item(1))])
            .await
            .unwrap();
        drop(disk);
        writer.await.unwrap();
        medium.full(full);
        let opened = Disk::open(env(), medium.watched_opener()).await;
        let (disk, loaded, _writer) = opened.unwrap();
        assert!(loaded.items.contains_key(&key("x")), "{full:?}");
        let write = || disk.commit(vec![Write::Item(key("y"), item(2))]);
        if full == Full::All {
            let refused = write().await.unwrap_err();
            assert!(matches!(refused, DiskError::Unavailable(_)), "{refused}");
        }
        medium.full(Full::Not);
        if write().await.is_err() {
            write().await.unwrap();
        }
    }
}

#[tokio::test]
async fn where_nothing_is_there_yet_a_full_disk_makes_no_agent() {
    let medium = MemoryDisk::default();
    medium.full(Full::All);
    assert!(Disk::open(env(), medium.watched_opener()).await.is_err());
}

#[test]
fn a_first_look_is_for_disks_that_take_no_writes_and_not_for_mistakes() {
    let medium = MemoryDisk::default();
    drop(medium.opener()().unwrap());
    let tried = |kind: std::io::ErrorKind| {
        let fails: crate::Opener =
            std::sync::Arc::new(move || Err(DatabaseError::Storage(StorageError::Io(kind.into()))));
        let source = medium.clone();
        or_view(
            fails,
            std::sync::Arc::new(move || Ok(Box::new(source.clone()))),
        )()
    };
    assert!(tried(std::io::ErrorKind::StorageFull).is_ok());
    assert!(tried(std::io::ErrorKind::ReadOnlyFilesystem).is_ok());
    assert!(tried(std::io::ErrorKind::PermissionDenied).is_err());
    assert!(tried(std::io::ErrorKind::NotFound).is_err());
    assert!(no_room(&std::io::Error::from_raw_os_error(5)), "EIO");
    assert!(no_room(&std::io::Error::from_raw_os_error(28)), "ENOSPC");
}

#[test]
fn the_lock_of_a_folder_is_taken_anew() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        drop(Folder::take(folder.path()).unwrap());
    }
}
