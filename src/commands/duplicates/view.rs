//! How a search for duplicates is printed.

use std::io;
use std::path::Path;

use serde_json::{Value, json};

use super::address_groups::{Duplicate, DuplicateKind, PairObstacle};
use super::report::DuplicatesReport;
use crate::commands::shared::result::result_json;
use crate::commands::shared::run_view::{TableLine, by_code_json, joined, numbers_json, simulated_mark, table};
use crate::domain::finding::FindingCode;
use crate::domain::identity::{Personal, masked};
use crate::exit::Exit;
use crate::limits::{CANDIDATES_SHOWN_MAX, FAILURES_SHOWN_MAX};
use crate::service::PoolUser;
use crate::ui::format::{count, counted, duration, timestamp};
use crate::ui::{MessageCode, OutputFormat, Style, Ui, escape};

pub(super) fn print_report(report: &DuplicatesReport, ui: &Ui) -> io::Result<()> {
    match ui.output() {
        OutputFormat::Text => ui.print(&report_text(report, ui.shows_values(), ui.stdout_style()))?,
        OutputFormat::Json => ui.json(&report_json(report, ui.shows_values()))?,
    }
    print_notes(report, ui);
    Ok(())
}

fn print_notes(report: &DuplicatesReport, ui: &Ui) {
    if let Some(path) = &report.work_list {
        let findings: u64 = report.by_kind.values().sum();
        ui.note(MessageCode::OutputWritten, &format!("{}: {}", path.display(), counted(findings, "finding")));
    }
    if let Some(path) = &report.pairs_file {
        ui.note(MessageCode::OutputWritten, &format!("{}: {}", path.display(), counted(report.pairs, "pair")));
    }
    if report.unverified > 0 {
        ui.note(MessageCode::AddressUnverified, &format!(
            "{} the address of a native user, and one of the two has not verified it; they do not count as one person",
            if report.unverified == 1 {
                "1 profile has".into()
            } else {
                format!("{} profiles have", count(report.unverified))
            }
        ));
        ui.hint("if a provider's addresses are verified and the pool does not show it: --trust-email PROVIDER");
    }
    if report.pairs > 0 {
        ui.hint("the pairs can be linked only after their profiles are deleted; --work-list FILE writes the commands for that");
    }
}

fn report_text(report: &DuplicatesReport, show_values: bool, style: Style) -> String {
    let line = |kind, label, note| TableLine::new(label, report.count(kind), note, Style::yellow);
    let kinds = [
        line(DuplicateKind::NativeAndProfile, "native+profile", "a native user and profiles with one verified address"),
        line(DuplicateKind::SeveralNatives, "natives", "native users with one address"),
        line(DuplicateKind::SeveralProfiles, "profiles", "profiles with one verified address, and no native user"),
        TableLine::plain("stand-alone", report.count(DuplicateKind::StandaloneProfile), "profiles of their own"),
    ];
    let sums = [
        TableLine::plain("users read", report.users, ""),
        TableLine::plain("pairs", report.pairs, "can be linked once their profiles are deleted"),
    ];
    let mut lines = table(&kinds, &sums, style);
    lines.push(format!(
        "pool {}{}, {}, in {}",
        escape(&report.pool),
        simulated_mark(report.simulated),
        counted(report.reads, "read"),
        duration(report.elapsed)
    ));
    // A pool may have very many profiles of their own, and there is nothing to do about most of them.
    let listed = report.findings.iter().filter(|found| found.kind != DuplicateKind::StandaloneProfile);
    let details: Vec<String> =
        listed.take(FAILURES_SHOWN_MAX).map(|found| finding_text(found, show_values, style)).collect();
    if !details.is_empty() {
        let all: u64 = report.by_kind.values().sum::<u64>() - report.count(DuplicateKind::StandaloneProfile);
        let left_out = all - details.len() as u64;
        lines.push(String::new());
        lines.extend(details);
        if left_out > 0 {
            lines.push(format!("and {}", counted(left_out, "more finding")));
        }
    }
    joined(&lines)
}

fn finding_text(found: &Duplicate, show_values: bool, style: Style) -> String {
    let users = found.users.iter().take(CANDIDATES_SHOWN_MAX);
    let users: Vec<String> = users.map(|user| user_text(user, show_values)).collect();
    let left_out = found.users_left_out + (found.users.len() - users.len()) as u64;
    let more = if left_out > 0 { format!(", and {} more", count(left_out)) } else { String::new() };
    let outcome = match found.linkable {
        Ok(()) => counted(found.pairs().count() as u64, "pair"),
        Err(obstacle) => format!("no pairs: {}", obstacle.as_str()),
    };
    format!("{}: {}{more}; {outcome}", style.yellow(found.kind.as_str()), users.join(", "))
}

fn user_text(user: &PoolUser, show_values: bool) -> String {
    let own = user.identities.iter().find(|held| held.primary);
    let kind = own.map_or("native".to_owned(), |own| format!("profile of {}", escape(&own.provider_name)));
    let disabled = if user.enabled { "" } else { ", disabled" };
    let created = user.created_unix_ms.map_or(String::new(), |date| format!(", created {}", day_of(date)));
    let name = shown(&user.username, show_values);
    format!("{} ({kind}, {}{disabled}{created})", escape(&name), escape(&user.status))
}

fn day_of(date: i64) -> String {
    timestamp(date).split('T').next().unwrap_or_default().to_owned()
}

fn shown(value: &Personal, show_values: bool) -> String {
    if show_values { value.expose().to_owned() } else { masked(value.expose()) }
}

fn report_json(report: &DuplicatesReport, show_values: bool) -> Value {
    let path = |path: Option<&Path>| path.map(|path| path.display().to_string());
    let findings = report.findings.iter().map(|found| {
        json!({
            "kind": found.kind.as_str(),
            "pairs": found.pairs().count(),
            "obstacle": found.linkable.err().map(PairObstacle::as_str),
            "unverified_match": found.unverified,
            "users": found.users.iter().map(|user| user_json(user, show_values)).collect::<Vec<_>>(),
            "users_left_out": found.users_left_out,
        })
    });
    let body = json!({
        "pool": report.pool,
        "simulated": report.simulated,
        "counts": numbers_json(DuplicateKind::ALL.map(|kind| (kind.as_str(), report.count(kind)))),
        "unverified_matches": report.unverified,
        "pairs": report.pairs,
        "pairs_file": path(report.pairs_file.as_deref()),
        "work_list": path(report.work_list.as_deref()),
        "rows_that_need_allow": report.unreadable.with_allow,
        "suspicions_by_code": by_code_json(&report.unreadable.suspicions, FindingCode::as_str),
        "rows_that_cannot_be_read": report.unreadable.never,
        "errors_by_code": by_code_json(&report.unreadable.errors, FindingCode::as_str),
        "duplicates": findings.collect::<Vec<_>>(),
        "duplicates_left_out": report.findings_left_out,
        "users_read": report.users,
        "reads": report.reads,
        "elapsed_ms": u64::try_from(report.elapsed.as_millis()).unwrap_or(u64::MAX),
    });
    result_json("duplicates_report", Exit::Success, body)
}

fn user_json(user: &PoolUser, show_values: bool) -> Value {
    let providers: Vec<&str> = user.identities.iter().map(|held| held.provider_name.as_str()).collect();
    json!({
        "username": shown(&user.username, show_values),
        "native": !user.is_federated(),
        "status": user.status,
        "enabled": user.enabled,
        "email_verified": user.email_verified,
        "created_at": user.created_unix_ms.map(timestamp),
        "changed_at": user.modified_unix_ms.map(timestamp),
        "providers": providers,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use insta::assert_snapshot;

    use super::*;
    use crate::service::LinkedIdentity;
    use crate::ui::testing::Screen;

    fn user(username: &str, profile_of: Option<&str>) -> PoolUser {
        let own = profile_of.map(|provider| LinkedIdentity {
            user_id: Personal::from_service("00uAbcdef"),
            provider_name: provider.into(),
            provider_type: String::new(),
            issuer: None,
            primary: true,
            created_unix_ms: None,
        });
        PoolUser {
            email: Some(Personal::from_service("a@example.com")),
            email_verified: true,
            enabled: profile_of.is_none(),
            created_unix_ms: Some(1_700_000_000_000),
            identities: own.into_iter().collect(),
            ..PoolUser::named(username)
        }
    }

    fn example() -> DuplicatesReport {
        let found = |kind, users, linkable| Duplicate { kind, users, users_left_out: 3, linkable, unverified: false };
        let (native, profile) = (|| user("alice\u{1b}-the-first", None), || user("Okta_00uAbcdef", Some("Okta")));
        let mut report = DuplicatesReport {
            pool: "us-east-1_A".into(),
            pairs_file: Some("pairs.csv".into()),
            work_list: Some("work.jsonl".into()),
            users: 1_234,
            pairs: 1,
            reads: 21,
            elapsed: Duration::from_millis(1_500),
            ..DuplicatesReport::default()
        };
        for finding in [
            Duplicate {
                users_left_out: 0,
                ..found(DuplicateKind::NativeAndProfile, vec![native(), profile()], Ok(()))
            },
            found(DuplicateKind::SeveralNatives, vec![native(), native()], Err(PairObstacle::SeveralNatives)),
            Duplicate {
                unverified: true,
                users_left_out: 0,
                ..found(DuplicateKind::StandaloneProfile, vec![profile()], Err(PairObstacle::NoNative))
            },
        ] {
            report.add(finding);
        }
        report
    }

    fn printed(screen: &Screen) -> String {
        print_report(&example(), &screen.ui()).unwrap();
        screen.both()
    }

    #[test]
    fn a_search() {
        assert_snapshot!("text", printed(&Screen::new()));
        assert_snapshot!("text_with_values", printed(&Screen::new().showing_values()));
        assert_snapshot!("json", printed(&Screen::new().json()));
    }

    #[test]
    fn long_lists_are_cut_with_a_number() {
        let mut report = example();
        let finding = report.findings[1].clone();
        for _ in 0..FAILURES_SHOWN_MAX {
            report.add(finding.clone());
        }
        assert!(report_text(&report, false, Style::default()).contains("\nand 2 more findings\n"));
    }
}
