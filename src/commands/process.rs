//! What one execution of the program has from its start.

use crate::clock::Clock;
use crate::ledger::record::RunId;
use crate::seed::Rng;
use crate::ui::{EventSource, Ui, UiOptions};

pub(super) struct Process {
    pub(super) clock: Clock,
    /// The seed of random waits. It differs from run to run.
    pub(super) seed: u64,
    pub(super) run: RunId,
}

impl Process {
    pub(super) fn new() -> Self {
        let clock = Clock::system();
        let seed = clock.unix_ms().unsigned_abs() ^ u64::from(std::process::id()).rotate_left(40);
        let mut rng = Rng::new(seed);
        let seed = rng.next_u64();
        Self { clock, seed, run: RunId(rng.fork("run").next_u64()) }
    }

    pub(super) fn ui(&self, options: UiOptions) -> Ui {
        Ui::new(options, EventSource::new(self.run.to_string(), self.clock))
    }
}
