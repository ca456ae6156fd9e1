//! The second reading of the file: a standing for each row.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::{FileSide, PoolSide, ReconcileTask};
use crate::clock::UnixMs;
use crate::command::failure::Failure;
use crate::domain::drift::{DriftCounts, DriftLine, ExtraLine, Standing};
use crate::domain::identity::ProviderName;
use crate::domain::outcome::RefusalCode;
use crate::domain::row::{Link, RowKey};
use crate::domain::state::{Resume, RowState};
use crate::foresight::index::Index;
use crate::foresight::preflight::PoolKnowledge;
use crate::foresight::verdict::{Forecaster, Hint, Known, Verdict};
use crate::input::{CrossRowFindings, InputReader};
use crate::ledger::View;
use crate::service::MappedAttributes;

/// One thing that a comparison has to tell.
#[derive(Debug)]
pub enum Compared<'a> {
    /// A row, in the order of the file.
    Row(&'a DriftLine),
    /// A link that only the pool has, after all rows.
    Extra(&'a ExtraLine),
}

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Comparison {
    /// The numbers.
    pub counts: DriftCounts,
    /// Rows whose link can be made, and rows in doubt that a run can settle.
    pub(super) picks: HashSet<RowKey>,
    /// Rows that the ledger calls done and the pool does not show.
    pub(super) undone_by_others: Vec<DriftLine>,
    /// Picked rows that the ledger holds in doubt.
    pub in_doubt: u64,
    /// When the scan began, by our clock.
    pub(super) scan_began: UnixMs,
    across: Arc<CrossRowFindings>,
}

impl Comparison {
    /// What is known of the rows of the file beside one another.
    #[must_use]
    pub fn across(&self) -> Arc<CrossRowFindings> {
        Arc::clone(&self.across)
    }

    /// Rows that a run would work on.
    #[must_use]
    pub fn to_work_on(&self) -> u64 {
        self.picks.len() as u64
    }
}

impl ReconcileTask {
    /// Holds each row against what was seen of the pool, and then tells what only the pool has. `ledger` is that of the
    /// run that is to follow.
    ///
    /// # Errors
    /// [`Failure::Input`] where the file cannot be read, and what `tell` says.
    pub fn compare(
        &self,
        file: &FileSide,
        pool: &mut PoolSide,
        knowledge: &PoolKnowledge,
        mapped: BTreeMap<ProviderName, MappedAttributes>,
        ledger: Option<&View>,
        tell: &mut dyn FnMut(Compared<'_>) -> Result<(), Failure>,
    ) -> Result<Comparison, Failure> {
        let extras = pool.take_extras()?;
        let known = Known { index: &pool.index, pool: knowledge, mapped, case_differs_allowed: false };
        let mut forecaster = Forecaster::new(known);
        let mut comparison =
            Comparison { scan_began: pool.scanned.began, across: file.across(), ..Comparison::default() };
        for record in InputReader::with_cross_row(&self.source, &self.reading, &file.across)? {
            let record = record?;
            let told = match record.link.as_ref().filter(|_| record.is_valid()) {
                None => DriftLine { row: record.number, key: None, standing: Standing::Invalid, hint: None },
                Some(link) => {
                    let key = RowKey::of(&self.binding.pool, link);
                    let forecast = forecaster.next_with(key, link, self.choices.of(key));
                    let state = ledger.map_or(RowState::Unprocessed, |view| view.state(key));
                    let seen = standing(forecast.verdict, link, &pool.index);
                    let standing = if self.retry_refused { seen } else { with_memory(seen, state) };
                    let hint = forecast.hint.map(Hint::as_str);
                    let told = DriftLine { row: record.number, key: Some(key), standing, hint };
                    comparison.pick(&told, key, forecast.verdict, state);
                    told
                }
            };
            comparison.counts.add(told.standing);
            tell(Compared::Row(&told))?;
        }
        for extra in extras {
            comparison.counts.extra += 1;
            tell(Compared::Extra(&extra?))?;
        }
        if comparison.counts.balances() {
            Ok(comparison)
        } else {
            Err(Failure::System("the standings of the rows do not add up; this is a fault of the program".into()))
        }
    }
}

/// What a forecast says of the pool as it is. The forecast knows what earlier rows will have changed; a standing does not.
fn standing(verdict: Verdict, link: &Link, index: &Index) -> Standing {
    let is_held = index.holder(link.source.provider(), link.source.value()).is_some();
    match verdict {
        Verdict::AlreadyLinked if is_held => Standing::Linked,
        Verdict::Link | Verdict::AlreadyLinked => Standing::Missing,
        Verdict::Refused(RefusalCode::LinkedElsewhere) if is_held => Standing::Moved,
        Verdict::Refused(code) => Standing::Blocked(code),
    }
}

/// A scan cannot foretell every refusal: what the service refused before for such a reason is not sent again and again.
fn with_memory(seen: Standing, state: RowState) -> Standing {
    match (seen, state.refusal()) {
        (
            Standing::Missing,
            Some(code @ (RefusalCode::AliasExists | RefusalCode::InvalidParameter | RefusalCode::Unrecognised)),
        ) => Standing::Blocked(code),
        _ => seen,
    }
}

impl Comparison {
    fn pick(&mut self, line: &DriftLine, key: RowKey, verdict: Verdict, state: RowState) {
        let is_doubtful =
            state.on_resume(true) == Resume::Settle && matches!(line.standing, Standing::Linked | Standing::Missing);
        let is_new = verdict == Verdict::Link && line.standing == Standing::Missing && self.picks.insert(key);
        self.counts.changes += u64::from(is_new);
        if is_doubtful && (is_new || self.picks.insert(key)) {
            self.in_doubt += 1;
        }
        if is_new && state.on_resume(true) == Resume::Skip {
            self.undone_by_others.push(line.clone());
        }
    }
}
