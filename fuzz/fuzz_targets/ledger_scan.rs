//! Any bytes as a ledger: it is refused, or what is read of it is what a second opening reads.
#![no_main]

use cognito_link::engine::testing::binding;
use cognito_link::ledger::Ledger;
use cognito_link::ledger::storage::MemoryStorage;
use cognito_link_fuzz::POOL;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Half of them with hashes that fit: the chain stops everything else at the first changed line.
    let bytes = match bytes {
        [b'+', lines @ ..] => cognito_link_fuzz::sealed_ledger(lines),
        _ => bytes.to_vec(),
    };
    let disk = MemoryStorage::holding(bytes);
    let Ok((ledger, _)) = Ledger::on_storage(Box::new(disk.clone()), &binding(POOL), 0) else { return };
    let (counts, head) = (ledger.view().counts(), ledger.head());
    assert_eq!(counts.balance(), Ok(()));
    drop(ledger);
    let again = MemoryStorage::holding(disk.bytes());
    let (ledger, _) = Ledger::on_storage(Box::new(again), &binding(POOL), 0).expect("it was whole");
    assert_eq!((ledger.view().counts(), ledger.head()), (counts, head));
});
