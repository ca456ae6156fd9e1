//! Tests of the metrics without a run.

use super::*;
use crate::commands::testing::context;
use crate::domain::state::RowState;
use crate::ui::testing::Screen;

fn metrics_in(folder: &Path, screen: &Screen, file: &str) -> Result<Option<RunMetrics>, Failure> {
    let (ui, pool) = (screen.ui(), PoolId::parse("sim-local-1_Example01").unwrap());
    let (ledger, input) = (folder.join("pairs.csv.ledger"), folder.join("pairs.csv"));
    let run = MonitoredRun { command: "link", pool: &pool, ledger: &ledger, input: &input };
    let args = MetricsArgs { metrics_file: Some(folder.join(file)), metrics_listen: None };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let context = context(&ui);
    let metrics = RunMetrics::prepare(&args, run, &context)?;
    if let Some(metrics) = &metrics {
        runtime.block_on(metrics.start(&args, &context))?;
    }
    Ok(metrics)
}

fn number(text: &str, start: &str) -> String {
    let line = text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no {start} in {text}"));
    line.rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn the_file_follows_the_run_at_its_pace() {
    let folder = tempfile::tempdir().unwrap();
    let screen = Screen::new();
    let metrics = metrics_in(folder.path(), &screen, "link.prom").unwrap().unwrap();
    let read = || std::fs::read_to_string(folder.path().join("link.prom")).unwrap();
    assert_eq!(number(&read(), "cognito_link_since_accepted_call_seconds{"), "NaN");
    let ui = screen.ui();
    let mut observer = metrics.observer(ui.observer());
    for (seconds, linked) in [(0, 0), (14, 10), (16, 11)] {
        let counts = Counts { read: linked, linked, ..Counts::default() };
        let elapsed = Duration::from_secs(seconds);
        let since_accepted = Some(Duration::from_secs(3));
        let snapshot = RunSnapshot { counts, elapsed, since_accepted, writes: linked, ..RunSnapshot::default() };
        observer.on(&RunEvent::Tick(Box::new(snapshot)));
        let written = if seconds < 15 { "0" } else { "11" };
        let line = read().lines().find(|line| line.contains("state=\"linked\"")).unwrap().to_owned();
        assert!(line.ends_with(&format!(" {written}")), "{line}");
    }
    assert_eq!(number(&read(), "cognito_link_since_accepted_call_seconds{"), "3.0");
    assert_eq!(number(&read(), "cognito_link_exit_status{"), "-1");
}

#[test]
fn a_success_is_remembered_by_later_runs_that_fail() {
    let folder = tempfile::tempdir().unwrap();
    let screen = Screen::new();
    let mut report = crate::commands::shared::run_view::examples::run_report();
    let read = || std::fs::read_to_string(folder.path().join("link.prom")).unwrap();
    metrics_in(folder.path(), &screen, "link.prom").unwrap().unwrap().finish(&report, Exit::Success);
    let success = number(&read(), "cognito_link_last_success_timestamp_seconds{");
    assert!(success.starts_with("1795000000"), "{success}");
    report.counts.add(RowState::Failed);
    metrics_in(folder.path(), &screen, "link.prom").unwrap().unwrap().finish(&report, Exit::Incomplete);
    assert_eq!(number(&read(), "cognito_link_last_success_timestamp_seconds{"), success);
    assert_eq!(number(&read(), "cognito_link_exit_status{"), "3");
    assert_eq!(number(&read(), "cognito_link_running{"), "0");
}

/// A run that fails before its first call has a status as well, and one that has ended keeps its own.
#[test]
fn a_run_that_fails_before_its_first_call_writes_its_status() {
    let folder = tempfile::tempdir().unwrap();
    let screen = Screen::new();
    let report = crate::commands::shared::run_view::examples::run_report();
    let read = || std::fs::read_to_string(folder.path().join("link.prom")).unwrap();
    metrics_in(folder.path(), &screen, "link.prom").unwrap().unwrap().finish(&report, Exit::Success);
    let success = number(&read(), "cognito_link_last_success_timestamp_seconds{");
    let (ui, pool) = (screen.ui(), PoolId::parse("sim-local-1_Example01").unwrap());
    let (ledger, input) = (folder.path().join("pairs.csv.ledger"), folder.path().join("pairs.csv"));
    let run = MonitoredRun { command: "link", pool: &pool, ledger: &ledger, input: &input };
    let args = MetricsArgs { metrics_file: Some(folder.path().join("link.prom")), metrics_listen: None };
    let metrics = RunMetrics::prepare(&args, run, &context(&ui)).unwrap().unwrap();
    assert_eq!(number(&read(), "cognito_link_exit_status{"), "0", "nothing is written yet");
    for exit in [Exit::Access, Exit::Fault] {
        metrics.finish_without_report(exit);
        assert_eq!(number(&read(), "cognito_link_exit_status{"), "7");
    }
    assert_eq!(number(&read(), "cognito_link_running{"), "0");
    assert_eq!(number(&read(), "cognito_link_last_success_timestamp_seconds{"), success);
}

#[test]
fn the_success_of_another_pool_is_not_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let screen = Screen::new();
    let report = crate::commands::shared::run_view::examples::run_report();
    let path = folder.path().join("link.prom");
    metrics_in(folder.path(), &screen, "link.prom").unwrap().unwrap().finish(&report, Exit::Success);
    let written = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, written.replace("sim-local-1_Example01", "sim-local-1_Example02")).unwrap();
    let _metrics = metrics_in(folder.path(), &screen, "link.prom").unwrap().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(number(&text, "cognito_link_last_success_timestamp_seconds{"), "0.0");
}

#[test]
fn the_file_replaces_nothing_of_other_use() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pairs.csv"), "").unwrap();
    std::fs::write(folder.path().join("notes.txt"), "keep").unwrap();
    std::fs::write(folder.path().join("alerts.yml"), "- alert: cognito_link_exit_status{job=\"x\"} > 0\n").unwrap();
    for name in ["pairs.csv", "pairs.csv.ledger", "notes.txt", "alerts.yml", "none/x.prom", "."] {
        assert!(
            matches!(metrics_in(folder.path(), &Screen::new(), name), Err(failure) if failure.exit() == Exit::Usage)
        );
    }
}
