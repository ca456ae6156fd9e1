use super::*;
use crate::ledger::error::{Holder, LedgerError};
use tempfile::TempDir;

#[test]
fn a_file_is_private_locked_and_told_about() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("rows.csv.ledger");
    let notice = folder.path().join("rows.csv.ledger.lock");
    let first = FileStorage::open(&path).unwrap();
    #[cfg(unix)]
    for file in [&path, &notice] {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let refused = FileStorage::open(&path).unwrap_err();
    let LedgerError::Locked { holder: Some(Holder { pid, .. }), .. } = &refused else { panic!("{refused:?}") };
    assert_eq!(*pid, std::process::id());
    assert!(refused.to_string().starts_with(&format!("another run (pid {pid}")), "{refused}");
    assert!(notice.exists(), "the refused one leaves the notice alone");
    drop(first);
    assert!(!notice.exists());
    assert!(FileStorage::open(&path).is_ok());
}

#[test]
fn a_notice_that_says_nothing_useful_is_passed_over() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ledger");
    let _held = FileStorage::open(&path).unwrap();
    for (text, wanted) in [
        ("", "another run holds "),
        ("nonsense\n", "another run holds "),
        ("12\n", "another run (pid 12) holds "),
        ("12 a\u{1b}[31mb\n", "another run (pid 12 on a[31mb) holds "),
    ] {
        std::fs::write(folder.path().join("ledger.lock"), text).unwrap();
        let refused = FileStorage::open(&path).unwrap_err().to_string();
        assert!(refused.starts_with(wanted), "{refused}");
    }
}

#[test]
fn a_stale_notice_is_replaced_and_never_written_through() {
    let folder = TempDir::new().unwrap();
    let (path, notice) = (folder.path().join("ledger"), folder.path().join("ledger.lock"));
    let other = folder.path().join("other");
    std::fs::write(&other, "precious").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(&other, &notice).unwrap();
    let _held = FileStorage::open(&path).unwrap();
    assert!(std::fs::read_to_string(&notice).unwrap().starts_with(&std::process::id().to_string()));
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "precious");
}

#[test]
fn what_is_no_plain_file_is_refused() {
    let folder = TempDir::new().unwrap();
    assert!(matches!(FileStorage::open(folder.path()), Err(LedgerError::NotALedger { .. })));
    assert!(matches!(FileSource::open(folder.path()), Err(LedgerError::NotALedger { .. })));
    let missing = FileSource::open(&folder.path().join("missing")).unwrap_err();
    assert!(matches!(missing, LedgerError::Open { kind: io::ErrorKind::NotFound, .. }), "{missing}");
    let nowhere = FileStorage::open(&folder.path().join("no/such/folder")).unwrap_err();
    assert!(matches!(nowhere, LedgerError::Open { .. }), "{nowhere}");
}

/// The same story on both storages.
#[test]
fn bytes_are_added_cut_and_read() {
    let folder = TempDir::new().unwrap();
    let file = FileStorage::open(&folder.path().join("ledger")).unwrap();
    let storages: [Box<dyn Storage>; 2] = [Box::new(file), Box::new(MemoryStorage::default())];
    for mut storage in storages {
        storage.append(b"one two three").unwrap();
        storage.sync_created().unwrap();
        storage.truncate(7).unwrap();
        storage.append(b" four").unwrap();
        storage.sync().unwrap();
        assert_eq!(storage.size().unwrap(), 12);
        let mut buffer = [0; 5];
        assert_eq!((storage.read_at(4, &mut buffer).unwrap(), &buffer), (5, b"two f"));
        assert_eq!((storage.read_at(9, &mut buffer).unwrap(), &buffer[..3]), (3, &b"our"[..]));
        assert_eq!(storage.read_at(99, &mut buffer).unwrap(), 0);
    }
}

#[test]
fn memory_crashes_and_fails_as_told() {
    let storage = MemoryStorage::default();
    let mut owner = storage.clone();
    owner.append(b"abc").unwrap();
    owner.sync().unwrap();
    owner.append(b"defg").unwrap();
    let kept = |count| storage.after_crash(count).bytes();
    assert_eq!((kept(0), kept(2), kept(9)), (b"abc".to_vec(), b"abcde".to_vec(), b"abcdefg".to_vec()));
    storage.fail_after_appends(1);
    storage.fail_after_syncs(0);
    assert!(owner.append(b"h").is_ok() && owner.append(b"ijkl").is_err() && owner.sync().is_err());
    assert_eq!(storage.bytes(), b"abcdefghij");
}
