use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::ledger::error::{DisplacedHow, LedgerError, LedgerOperation, LockHolder, Rescue};
use tempfile::TempDir;

fn locked(path: &std::path::Path) -> Result<FileStorage, LedgerError> {
    let mut storage = FileStorage::open(path)?;
    storage.lock().map(|_| storage)
}

#[test]
fn a_file_is_private_and_locked_and_names_its_holder() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("rows.csv.ledger");
    let holder_file = folder.path().join("rows.csv.ledger.lock");
    let first = locked(&path).unwrap();
    for file in [&path, &holder_file] {
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let refused = locked(&path).unwrap_err();
    let LedgerError::Locked { holder: Some(LockHolder { pid, .. }), .. } = &refused else { panic!("{refused:?}") };
    assert_eq!(*pid, std::process::id());
    assert!(refused.to_string().starts_with(&format!("another run (pid {pid}")), "{refused}");
    assert!(holder_file.exists(), "the refused one leaves the holder file alone");
    drop(first);
    assert!(!holder_file.exists());
    assert!(locked(&path).is_ok());
}

#[test]
fn a_holder_file_without_a_process_id_is_ignored() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ledger");
    let _held = locked(&path).unwrap();
    for (text, wanted) in [
        ("", "another run holds "),
        ("nonsense\n", "another run holds "),
        ("12\n", "another run (pid 12) holds "),
        ("12 a\u{1b}[31mb\n", "another run (pid 12 on a[31mb) holds "),
    ] {
        std::fs::write(folder.path().join("ledger.lock"), text).unwrap();
        let refused = locked(&path).unwrap_err().to_string();
        assert!(refused.starts_with(wanted), "{refused}");
    }
}

#[test]
fn a_stale_holder_file_is_replaced_and_never_written_through() {
    let folder = TempDir::new().unwrap();
    let (path, holder_file) = (folder.path().join("ledger"), folder.path().join("ledger.lock"));
    let other = folder.path().join("other");
    std::fs::write(&other, "precious").unwrap();
    std::os::unix::fs::symlink(&other, &holder_file).unwrap();
    let _held = locked(&path).unwrap();
    assert!(std::fs::read_to_string(&holder_file).unwrap().starts_with(&std::process::id().to_string()));
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "precious");
}

#[test]
fn what_is_no_plain_file_is_refused() {
    let folder = TempDir::new().unwrap();
    assert!(matches!(FileStorage::open(folder.path()), Err(LedgerError::NotALedger { .. })));
    assert!(matches!(FileSource::open(folder.path()), Err(LedgerError::NotALedger { .. })));
    let missing = FileSource::open(&folder.path().join("missing")).unwrap_err();
    assert!(matches!(missing, LedgerError::Io { kind: io::ErrorKind::NotFound, .. }), "{missing}");
    let nowhere = FileStorage::open(&folder.path().join("no/such/folder")).unwrap_err();
    assert!(matches!(nowhere, LedgerError::Io { operation: LedgerOperation::Open, .. }), "{nowhere}");
}

/// The same story on both storages.
#[test]
fn bytes_are_added_cut_and_read() {
    let folder = TempDir::new().unwrap();
    let file = FileStorage::open(&folder.path().join("ledger")).unwrap();
    let storages: [Box<dyn LedgerStorage>; 2] = [Box::new(file), Box::new(MemoryStorage::default())];
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
fn memory_crashes_and_fails_on_request() {
    let storage = MemoryStorage::default();
    let mut owner = storage.clone();
    owner.append(b"abc").unwrap();
    owner.sync().unwrap();
    owner.append(b"defg").unwrap();
    let kept = |count| storage.after_crash(count).bytes();
    assert_eq!((kept(0), kept(2), kept(9)), (b"abc".to_vec(), b"abcde".to_vec(), b"abcdefg".to_vec()));
    storage.fail_after_appends(1);
    assert!(owner.append(b"h").is_ok() && owner.append(b"ijkl").is_err() && owner.append(b"m").is_err());
    assert_eq!(storage.bytes(), b"abcdefghij");
    storage.fail_after_syncs(0);
    assert!(owner.append(b"k").is_ok() && owner.sync().is_err() && owner.sync().is_err());
    assert_eq!((kept(0), storage.faults_met()), (b"abc".to_vec(), 4));
}

/// What somebody does to an open ledger, what is reported, and what the copy beside it holds.
#[test]
fn a_ledger_that_is_pulled_away_is_noticed_and_copied() {
    use DisplacedHow::{Deleted, Moved, Replaced, Truncated, WrittenByOthers};
    type PullAway = fn(&std::path::Path);
    let cases: [(DisplacedHow, PullAway); 6] = [
        (Deleted, |path| std::fs::remove_file(path).unwrap()),
        (Moved, |path| std::fs::rename(path, path.with_extension("old")).unwrap()),
        (Replaced, |path| {
            std::fs::rename(path, path.with_extension("old")).unwrap();
            std::fs::write(path, "one two").unwrap();
        }),
        (Deleted, |path| {
            std::fs::remove_file(path).unwrap();
            std::fs::write(path, "one two").unwrap();
        }),
        (Truncated, |path| std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(3).unwrap()),
        (WrittenByOthers, |path| {
            let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
            io::Write::write_all(&mut file, b"!").unwrap();
        }),
    ];
    for (how, pull_away) in cases {
        let folder = TempDir::new().unwrap();
        let (path, copy) = (folder.path().join("l"), folder.path().join("l.rescued"));
        let mut storage = locked(&path).unwrap();
        storage.append(b"one ").unwrap();
        assert_eq!(storage.displacement().unwrap(), None);
        std::fs::hard_link(&path, folder.path().join("backup")).unwrap();
        assert_eq!(storage.displacement().unwrap(), None, "a second name takes nothing away");
        std::fs::remove_file(folder.path().join("backup")).unwrap();
        pull_away(&path);
        storage.append(b"two").unwrap();
        let found = storage.displacement().unwrap().unwrap();
        assert_eq!(found.how, how);
        let copied = |copy: &std::path::Path| Rescue::Copied(copy.display().to_string());
        let expected = if how.is_elsewhere() { copied(&copy) } else { Rescue::NotNeeded };
        assert_eq!(found.rescue, expected, "{how:?}");
        if expected != Rescue::NotNeeded {
            assert_eq!(std::fs::read_to_string(&copy).unwrap(), "one two");
            assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
            let second = storage.displacement().unwrap().unwrap().rescue;
            assert_eq!(second, copied(&folder.path().join("l.rescued-2")), "no copy is overwritten");
        }
    }
}

#[test]
fn a_copy_that_is_not_whole_gets_no_name() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("l");
    let mut storage = locked(&path).unwrap();
    storage.append(b"one two").unwrap();
    let others = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    others.set_len(3).unwrap();
    let found = storage.displacement().unwrap().unwrap();
    assert!(matches!(found.rescue, Rescue::Failed(_)), "{found:?}");
    assert_eq!(names_in(folder.path()), ["l.lock"]);
}

#[test]
fn a_copy_goes_elsewhere_where_the_folder_is_gone() {
    let folder = TempDir::new().unwrap();
    // A name that nobody else has in the folder for temporary files.
    let name = format!("{}.ledger", folder.path().file_name().unwrap().display());
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let mut storage = locked(&inner.join(&name)).unwrap();
    storage.append(b"one").unwrap();
    std::fs::remove_dir_all(&inner).unwrap();
    let found = storage.displacement().unwrap().unwrap();
    let copy = std::env::temp_dir().join(format!("{name}.rescued"));
    assert_eq!(found.rescue, Rescue::CopiedElsewhere(copy.display().to_string()));
    assert_eq!(std::fs::read_to_string(&copy).unwrap(), "one");
    std::fs::remove_file(copy).unwrap();
}

fn names_in(folder: &std::path::Path) -> Vec<String> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Sets the time of the last change to some seconds ago, as if the file had rested.
fn let_rest(path: &std::path::Path, seconds: u64) {
    let past = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000 + seconds);
    std::fs::File::options().write(true).open(path).unwrap().set_modified(past).unwrap();
}

#[test]
fn a_write_of_others_is_noticed_once_by_its_time() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("l");
    drop(locked(&path).unwrap());
    let_rest(&path, 0);
    let mut storage = locked(&path).unwrap();
    let mut taken = || storage.take_touched().unwrap();
    assert!(!taken(), "as it was at the lock");
    let_rest(&path, 1);
    assert_eq!([taken(), taken()], [true, false]);
    storage.append(b"one").unwrap();
    storage.sync().unwrap();
    storage.truncate(2).unwrap();
    assert!(!storage.take_touched().unwrap(), "writes of our own");
    let_rest(&path, 2);
    storage.append(b"two").unwrap();
    assert!(storage.take_touched().unwrap(), "a later write of our own does not hide it");
}

#[test]
fn no_ledger_is_used_beside_a_copy_of_an_earlier_one() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("l");
    for copy in ["l.rescued", "l.rescued-7"] {
        let copy = folder.path().join(copy);
        std::fs::write(&copy, "one").unwrap();
        let refused = FileStorage::open(&path).unwrap_err();
        assert!(matches!(&refused, LedgerError::Rescued { copy: found, .. } if *found == copy.display().to_string()));
        assert!(!path.exists(), "nothing is created");
        std::fs::write(&path, "").unwrap();
        assert!(matches!(FileStorage::open(&path), Err(LedgerError::Rescued { .. })), "an empty file is no ledger");
        std::fs::write(&path, "x").unwrap();
        let refused = FileStorage::open(&path).unwrap_err();
        assert!(matches!(&refused, LedgerError::Rescued { is_new: false, .. }), "{refused}");
        std::fs::remove_file(&copy).unwrap();
        assert!(FileStorage::open(&path).is_ok());
        std::fs::remove_file(&path).unwrap();
    }
    assert!(FileStorage::open(&path).is_ok());
}

#[test]
fn rights_of_others_are_reported() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ledger");
    drop(locked(&path).unwrap());
    for (mode, open_to_others) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true), (0o620, true)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        if let Ok(mut storage) = FileStorage::open(&path) {
            let access = storage.lock().unwrap();
            assert_eq!(access, FileAccess { open_to_others, owned_by_another_user: false }, "{mode:o}");
        }
    }
}
