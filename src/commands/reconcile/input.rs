//! The file of a comparison, and how it is compared.

use std::collections::BTreeSet;

use crate::commands::shared::choices::Choices;
use crate::domain::identity::ProviderName;
use crate::domain::state::RetryChoice;
use crate::foresight::trust::TrustPolicy;
use crate::input::{InputOptions, InputSource};
use crate::ledger::Binding;

#[derive(Debug, Clone)]
pub struct ReconcileInput {
    pub source: InputSource,
    pub options: InputOptions,
    pub binding: Binding,
    /// The providers whose links must all be in the file; empty for those that the file names.
    pub providers: BTreeSet<ProviderName>,
    /// Rows with such a refusal in the ledger, which a scan cannot see, are missing rather than blocked.
    pub retry: RetryChoice,
    /// Which users count where a row names its user by an address.
    pub trust: TrustPolicy,
    pub choices: Choices,
}
