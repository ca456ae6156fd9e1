//! Any bytes as the file of a simulated pool: what is read can be written, and reads as the same.
#![no_main]

use cognito_sim::pool_file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(pool) = pool_file::read(bytes) else { return };
    let mut written = Vec::new();
    pool_file::write(&mut written, &pool).expect("a pool can be written");
    let again = pool_file::read(&*written).expect("what was written can be read");
    let mut rewritten = Vec::new();
    pool_file::write(&mut rewritten, &again).expect("a pool can be written");
    assert_eq!(written, rewritten);
});
