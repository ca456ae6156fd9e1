//! The simulator answers the same over the pure pool, over the ports in this process, and over the SDK on a socket.
//!
//! One table of cases, `cases.rs`, is asked in three ways, `ways.rs`; every row of the catalogue of errors has a case.

mod cases;
mod faults;
mod ways;

use std::collections::BTreeSet;

use cases::{Case, cases};
use ways::{Answer, InProcess, OnSocket, Pure};

/// The last answer of a case in each way.
async fn answers(case: &Case) -> [Answer; 3] {
    let mut pure = Pure::new(case.pool());
    let mut in_process = InProcess::new(case.pool());
    let on_socket = OnSocket::new(case.pool());
    let mut last = None;
    for (operation, body) in &case.calls {
        last = Some([
            pure.ask(operation, body),
            in_process.ask(operation, body).await,
            on_socket.ask(operation, body).await,
        ]);
    }
    last.unwrap()
}

#[tokio::test]
async fn every_case_is_answered_as_it_should_in_three_ways() {
    for case in cases() {
        let answers = answers(&case).await;
        for (way, answer) in ["pure pool", "in process", "SDK on a socket"].iter().zip(&answers) {
            match (answer, &case.refusal) {
                (Ok(shown), None) => assert_eq!(Some(shown), answers[0].as_ref().ok(), "{}: {way}", case.name),
                (Err((code, text)), Some((expected_code, expected_text))) => {
                    assert_eq!(code, expected_code, "{}: {way}", case.name);
                    assert!(text.starts_with(expected_text), "{}: {way}: {text}", case.name);
                }
                (Ok(shown), Some(_)) => panic!("{}: {way} answered {shown}", case.name),
                (Err((code, text)), None) => panic!("{}: {way} refused: {code}: {text}", case.name),
            }
        }
        if let (Some(shown), Ok(answer)) = (&case.shown, &answers[0]) {
            assert_eq!(answer, shown, "{}", case.name);
        }
    }
}

/// Rows that no operation over the SDK can give: unsigned, unreadable and misdirected requests and sign-ins, which the
/// server's and the pool's own tests cover; and those of the fault plan, which `faults.rs` does.
const ROWS_ELSEWHERE: [&str; 11] = [
    "access_denied",
    "body_too_large",
    "expired_token",
    "internal",
    "no_such_path",
    "profile_name_taken",
    "sign_in_mismatch",
    "throttled",
    "unknown_operation",
    "unreadable",
    "unsigned",
];

#[test]
fn every_row_of_the_catalogue_has_a_case() {
    let catalogue = include_str!("../../src/service/sim/error.rs");
    let rows: BTreeSet<&str> =
        catalogue.lines().filter_map(|line| line.trim().strip_prefix("pub(super) fn ")?.split('(').next()).collect();
    let of_cases: BTreeSet<&str> = cases().iter().filter_map(|case| case.row).collect();
    let covered: BTreeSet<&str> = of_cases.iter().copied().chain(ROWS_ELSEWHERE).collect();
    assert_eq!(rows, covered);
}
