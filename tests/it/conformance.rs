//! The simulator answers our two adapters and the SDK alike: over the ports in this process, and over the SDK on a socket.
//!
//! The table of calls is the simulator's own, which runs it over the pure pool and over JSON too.

mod clients;
mod faults;
mod sdk;
#[path = "../../crates/cognito-sim/src/tests/conformance/table.rs"]
mod table;

use clients::{InProcess, OnSocket};
use table::cases;

#[tokio::test]
async fn every_case_has_its_answer_in_both_ways() {
    for case in cases() {
        let in_process = InProcess::new(case.pool());
        let on_socket = OnSocket::new(case.pool());
        let mut last = None;
        for (operation, body) in &case.calls {
            last = Some([in_process.call(operation, body).await, on_socket.call(operation, body).await]);
        }
        let [in_process, on_socket] = last.unwrap();
        case.check("in process", in_process);
        case.check("SDK on a socket", on_socket);
    }
}
