//! Whether a command goes on after its preparation, or its process ends: two threads decide it.

use std::sync::{Arc, OnceLock};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AfterPreparation {
    /// With its run, or with the end of a command that has nothing to run.
    CommandGoesOn,
    ProcessEnds,
}

/// What follows a preparation, decided once: by whoever comes first.
#[derive(Debug, Clone, Default)]
pub(super) struct NextStep(Arc<OnceLock<AfterPreparation>>);

impl NextStep {
    /// Decides for the end of the process, and returns whether that holds.
    pub(super) fn decide_for_end(&self) -> bool {
        self.decide(AfterPreparation::ProcessEnds)
    }

    /// Decides for the command, and returns whether that holds. Otherwise the control thread ends the process.
    pub(super) fn decide_for_command(&self) -> bool {
        self.decide(AfterPreparation::CommandGoesOn)
    }

    /// Returns whether the preparation is over, and the command goes on.
    pub(super) fn is_over(&self) -> bool {
        self.0.get() == Some(&AfterPreparation::CommandGoesOn)
    }

    fn decide(&self, next: AfterPreparation) -> bool {
        *self.0.get_or_init(|| next) == next
    }

    #[cfg(test)]
    pub(super) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_preparation_is_decided_once() {
        let (first, second) = (NextStep::default(), NextStep::default());
        assert!(!first.is_over() && first.decide_for_command() && !first.decide_for_end() && first.is_over());
        assert!(
            second.decide_for_end() && !second.decide_for_command() && second.decide_for_end() && !second.is_over()
        );
    }
}
