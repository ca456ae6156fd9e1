//! `--verify`: after the run, the ledger against the pool, by the comparison of `reconcile`: the rows of the input, and
//! then every other link that the ledger has as made, written as an input of its own.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{BufWriter, Seek, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::sleep_until;
use crate::commands::reconcile::{ComparedItem, ReconcileInput};
use crate::commands::shared::choices::Choices;
use crate::commands::shared::{CommandContext, Failure, temporary_file_error};
use crate::domain::drift::{DriftRow, DriftStatus};
use crate::domain::event::IgnoreEvents;
use crate::domain::finding::FindingCode;
use crate::domain::identity::ProviderName;
use crate::domain::outcome::RefusalCode;
use crate::domain::row::{RowKey, RowNumber};
use crate::domain::run::RunReport;
use crate::domain::state::RowState;
use crate::foresight::preflight::{PoolKnowledge, mapped_attributes};
use crate::foresight::scan::ScanOptions;
use crate::input::{Column, InputOptions, InputSource};
use crate::ledger::record::{Announcement, LedgerRecord};
use crate::ledger::{Ledger, LedgerView, read_records};
use crate::limits::{LIST_LAG_MS_MAX, REPORT_FAILURES_MAX};
use crate::seed::Rng;
use crate::service::UserDirectory;
use crate::ui::format::{count, counted};
use crate::ui::{MessageCode, Ui};

/// A row of which ledger and pool say different things.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RowDifference {
    row: DriftRow,
    state: RowState,
}

/// What the comparison of a ledger with the pool came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PoolVerification {
    /// Rows that the ledger has as linked, or as not linked for a reason.
    rows: u64,
    differences: u64,
    /// The first of them.
    listed: Vec<RowDifference>,
    /// Links by an attribute, which the pool may not show.
    unverifiable: u64,
    in_doubt: u64,
    /// Links of rows that were corrected or are gone, which the pool still has.
    superseded: u64,
    users: u64,
    reads: u64,
}

impl PoolVerification {
    fn add(&mut self, row: &DriftRow, state: RowState) {
        let is_in_pool = row.standing == DriftStatus::Linked;
        let differs = match state {
            RowState::Linked | RowState::AlreadyLinked if row.standing == DriftStatus::Unverifiable => {
                self.unverifiable += 1;
                return;
            }
            RowState::Linked | RowState::AlreadyLinked => !is_in_pool,
            RowState::Refused(_) | RowState::Failed | RowState::Undone => is_in_pool,
            RowState::InDoubt | RowState::Unlinking => {
                self.in_doubt += 1;
                return;
            }
            // The ledger says nothing of it, or that it left a link which is not its own.
            RowState::Unprocessed | RowState::Kept(_) => return,
        };
        self.rows += 1;
        self.differences += u64::from(differs);
        if differs && self.listed.len() < REPORT_FAILURES_MAX {
            self.listed.push(RowDifference { row: row.clone(), state });
        }
    }

    pub(super) fn has_differences(&self) -> bool {
        self.differences > 0
    }

    pub(super) fn to_json(&self) -> Value {
        let differences = self.listed.iter().map(|RowDifference { row, state }| {
            json!({
                "row": row.row.0,
                "key": row.key.map(|key| key.to_string()),
                "ledger_state": state.as_str(),
                "standing": row.standing.as_str(),
                "refusal_code": row.standing.code().map(RefusalCode::as_str),
            })
        });
        json!({
            "row_count": self.rows,
            "difference_count": self.differences,
            "unverifiable_rows": self.unverifiable,
            "in_doubt_rows": self.in_doubt,
            "superseded_links": self.superseded,
            "users_read": self.users,
            "reads": self.reads,
            "differing_rows": differences.collect::<Vec<_>>(),
        })
    }

    /// Prints the differences, and what the comparison came to.
    pub(super) fn print(&self, ui: &Ui) {
        for RowDifference { row, state } in &self.listed {
            let key = row.key.map_or(String::new(), |key| format!(" key {key}"));
            let code = row.standing.code().map_or(String::new(), |code| format!(" ({})", code.as_str()));
            let (ledger, pool) = (state.words(), row.standing.as_str());
            ui.warn(
                MessageCode::VerifyDifference,
                &format!("verify: row {}{key}: {ledger} in the ledger, {pool} in the pool{code}", row.row),
            );
        }
        let left_out = self.differences - self.listed.len() as u64;
        if left_out > 0 {
            ui.warn(MessageCode::ListCut, &format!("verify: {} more rows differ", count(left_out)));
        }
        let mut parts = vec![format!(
            "verify: {} compared with a scan of {}: {}",
            counted(self.rows, "row"),
            counted(self.users, "user"),
            counted(self.differences, "difference")
        )];
        if self.unverifiable > 0 {
            parts.push(format!("{} by an attribute cannot be seen", counted(self.unverifiable, "link")));
        }
        if self.in_doubt > 0 {
            parts.push(format!("{} in doubt", counted(self.in_doubt, "row")));
        }
        if self.superseded > 0 {
            parts.push(format!("{} still in the pool", counted(self.superseded, "superseded link")));
        }
        let text = parts.join("; ");
        if self.has_differences() {
            ui.warn(MessageCode::Verified, &text);
        } else {
            ui.outcome(MessageCode::Verified, &text);
        }
    }
}

/// Compares the ledger with the pool. Differences right after a write are looked at again once no list lags any more.
pub(super) async fn verify(
    input: &ReconcileInput,
    directory: Arc<dyn UserDirectory>,
    knowledge: &PoolKnowledge,
    (ledger, ledger_path): (&Ledger, &Path),
    report: &RunReport,
    scan: ScanOptions,
    context: &CommandContext<'_>,
) -> Result<PoolVerification, Failure> {
    let settled = context.clock.now() + Duration::from_millis(LIST_LAG_MS_MAX.unsigned_abs());
    let first = compare(input, directory.clone(), knowledge, (ledger, ledger_path), scan, context).await?;
    if !first.has_differences() || report.writes == 0 {
        return Ok(first);
    }
    context.ui.note(
        MessageCode::TooRecent,
        &format!(
            "verify: {}; a list may lag behind the newest links, so the pool is read again in a minute",
            counted(first.differences, "difference")
        ),
    );
    context.ui.status("waiting a minute for the pool's lists");
    sleep_until(settled).await;
    compare(input, directory, knowledge, (ledger, ledger_path), scan, context).await
}

async fn compare(
    input: &ReconcileInput,
    directory: Arc<dyn UserDirectory>,
    knowledge: &PoolKnowledge,
    (ledger, ledger_path): (&Ledger, &Path),
    options: ScanOptions,
    context: &CommandContext<'_>,
) -> Result<PoolVerification, Failure> {
    let view = ledger.view();
    let mut verification = PoolVerification::default();
    let mut seen = HashSet::new();
    let scan = PoolComparison { directory, knowledge, view, options, context };
    scan.run(input, &mut verification, &mut |verification, row| {
        if let Some(key) = row.key {
            seen.insert(key);
            verification.add(row, view.state(key));
        }
    })
    .await?;
    // A second reading of the pool, where the ledger has links that this input does not have.
    let others = OtherLinks::find(view, ledger_path, &seen)?;
    if !others.rows.is_empty() {
        let input = ReconcileInput {
            source: others.source,
            // The values were accepted once.
            options: InputOptions { allow: FindingCode::SUSPICIONS.to_vec(), ..InputOptions::default() },
            providers: BTreeSet::new(),
            choices: Choices::default(),
            ..input.clone()
        };
        let place_of = |number: RowNumber| {
            usize::try_from(number.0).ok().and_then(|number| others.rows.get(number.checked_sub(1)?).copied())
        };
        scan.run(&input, &mut verification, &mut |verification, row| {
            let Some((key, number)) = place_of(row.row) else { return };
            let row = DriftRow { row: number, key: Some(key), ..row.clone() };
            let stands = row.standing == DriftStatus::Linked;
            verification.superseded += u64::from(stands && view.is_superseded(key));
            verification.add(&row, view.state(key));
        })
        .await?;
    }
    Ok(verification)
}

/// What an input is compared with.
struct PoolComparison<'a> {
    directory: Arc<dyn UserDirectory>,
    knowledge: &'a PoolKnowledge,
    view: &'a LedgerView,
    options: ScanOptions,
    context: &'a CommandContext<'a>,
}

impl PoolComparison<'_> {
    /// Scans the pool for an input, and shows the standing of each row.
    async fn run(
        &self,
        input: &ReconcileInput,
        verification: &mut PoolVerification,
        see: &mut dyn FnMut(&mut PoolVerification, &DriftRow),
    ) -> Result<(), Failure> {
        let (ui, clock) = (self.context.ui, self.context.clock);
        // What is wrong with the rows was printed before the run.
        let mut needs = input.read_file(&mut IgnoreEvents)?;
        let mut rng = Rng::new(self.options.seed).fork("mappings");
        let known = needs.by_attribute.iter().filter(|name| self.knowledge.providers.contains_key(*name)).cloned();
        let mapped = mapped_attributes(self.directory.as_ref(), clock, &mut rng, &known.collect()).await?;
        let mut observer = ui.observer();
        let directory = self.directory.clone();
        let mut scan =
            input.scan_pool(&mut needs, directory, self.knowledge, self.options, clock, observer.as_mut()).await?;
        drop(observer);
        verification.users = scan.scanned.users;
        verification.reads += scan.scanned.reads;
        input.compare(&needs, &mut scan, self.knowledge, mapped, Some(self.view), &mut |item| {
            if let ComparedItem::Row(row) = item {
                see(verification, row);
            }
            Ok(())
        })?;
        Ok(())
    }
}

/// The links that a ledger has as made and that an input does not have, as another input.
struct OtherLinks {
    source: InputSource,
    /// The row of the ledger, for each row of the input.
    rows: Vec<(RowKey, RowNumber)>,
}

impl OtherLinks {
    fn find(view: &LedgerView, ledger: &Path, seen: &HashSet<RowKey>) -> Result<Self, Failure> {
        // The newest announcement of a link names the user that has it.
        let mut newest: HashMap<RowKey, u64> = HashMap::new();
        read_announcements(ledger, &mut |at, call| {
            if view.state(call.key) == RowState::Linked && !seen.contains(&call.key) {
                newest.insert(call.key, at);
            }
            Ok(())
        })?;
        let mut rows = Vec::with_capacity(newest.len());
        let mut file = BufWriter::new(tempfile::tempfile().map_err(|error| temporary_file_error(&error))?);
        read_announcements(ledger, &mut |at, call| {
            if newest.get(&call.key) == Some(&at) {
                rows.push((call.key, call.row));
                writeln!(file, "{}", line_of(call))?;
            }
            Ok(())
        })?;
        let mut file = file.into_inner().map_err(|error| temporary_file_error(error.error()))?;
        file.rewind().map_err(|error| temporary_file_error(&error))?;
        Ok(Self { source: InputSource::spool("the links of the ledger", file)?, rows })
    }
}

/// A link as a row of JSON lines.
fn line_of(call: &Announcement<'_>) -> Value {
    let provider = (call.destination_provider != ProviderName::native().as_str()).then_some(&call.destination_provider);
    json!({
        Column::DestinationUsername.name(): call.destination_value.expose(),
        Column::DestinationProvider.name(): provider,
        Column::SourceProvider.name(): call.source_provider,
        Column::SourceAttribute.name(): call.source_attribute,
        Column::SourceValue.name(): call.source_value.expose(),
    })
}

/// Shows every announcement of a link, with its place among them.
fn read_announcements(
    ledger: &Path,
    see: &mut dyn FnMut(u64, &Announcement<'_>) -> std::io::Result<()>,
) -> Result<(), Failure> {
    let (mut at, mut result) = (0, Ok(()));
    read_records(ledger, &mut |record| {
        if let LedgerRecord::Announced(call) = record {
            result = see(at, &call);
            at += 1;
        }
        if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    result.map_err(|error| temporary_file_error(&error))
}

/// Says why there is no comparison in spite of `--verify`.
pub(super) fn warn_that_it_was_left_out(ui: &Ui) {
    ui.warn(
        MessageCode::NotVerified,
        "the run did not reach the end of the input, so the ledger was not compared with the pool",
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::testing::Screen;

    fn row(number: u64, standing: DriftStatus) -> DriftRow {
        DriftRow { row: RowNumber(number), key: None, standing, hint: None }
    }

    #[test]
    fn a_difference_is_what_ledger_and_pool_contradict_each_other_in() {
        use DriftStatus::{Blocked, Linked, Missing, Moved, Unverifiable};
        let refused = RowState::Refused(RefusalCode::UserNotFound);
        let elsewhere = Blocked(RefusalCode::UserNotFound);
        for (state, standing, [rows, differences, unverifiable, in_doubt]) in [
            (RowState::Linked, Linked, [1, 0, 0, 0]),
            (RowState::Linked, Missing, [1, 1, 0, 0]),
            (RowState::AlreadyLinked, Moved, [1, 1, 0, 0]),
            (RowState::Linked, elsewhere, [1, 1, 0, 0]),
            (RowState::Linked, Unverifiable, [0, 0, 1, 0]),
            (refused, elsewhere, [1, 0, 0, 0]),
            (refused, Linked, [1, 1, 0, 0]),
            (RowState::Failed, Linked, [1, 1, 0, 0]),
            (RowState::Undone, Missing, [1, 0, 0, 0]),
            (RowState::InDoubt, Linked, [0, 0, 0, 1]),
            (RowState::Unprocessed, Missing, [0, 0, 0, 0]),
            (RowState::Kept(RefusalCode::Gone), Missing, [0, 0, 0, 0]),
        ] {
            let mut verification = PoolVerification::default();
            verification.add(&row(1, standing), state);
            let PoolVerification { rows: r, differences: d, unverifiable: u, in_doubt: i, .. } = verification;
            assert_eq!([r, d, u, i], [rows, differences, unverifiable, in_doubt], "{state:?} {standing:?}");
        }
    }

    #[test]
    fn every_difference_is_printed() {
        let screen = Screen::new();
        let mut verification = PoolVerification { users: 5, ..PoolVerification::default() };
        verification.add(&row(7, DriftStatus::Moved), RowState::Linked);
        verification.add(&row(8, DriftStatus::Linked), RowState::Linked);
        verification.add(&row(9, DriftStatus::Unverifiable), RowState::Linked);
        verification.print(&screen.ui());
        assert_eq!(
            screen.stderr(),
            "warning: verify: row 7: linked in the ledger, moved in the pool\nwarning: verify: 2 rows compared with a scan \
             of 5 users: 1 difference; 1 link by an attribute cannot be seen\n"
        );
    }
}
