use super::*;

#[test]
fn a_plan_is_the_same_as_lines_and_as_json() {
    let lines = "# what goes wrong\n\
                 lost-after@1%:AdminLinkProviderForUser\n\
                 storm=5s@100\n\
                 slow=1500ms@7..9:ListUsers   # a few\n\n\
                 expired-credentials@2000..\n\
                 list-lag=800ms\n\
                 background=UserUpdate:5,20@60s\n";
    let json = r#"{
        "faults": [
            {"kind": "lost-after", "rate": 0.01, "operation": "AdminLinkProviderForUser"},
            {"kind": "storm", "for": "5s", "calls": "100"},
            {"kind": "slow", "for": "1500ms", "calls": "7..9", "operation": "ListUsers"},
            {"kind": "expired-credentials", "calls": "2000.."}
        ],
        "list_lag": "800ms",
        "background": {"UserUpdate": "5,20@60s"}
    }"#;
    let mut expected = FaultPlan::none()
        .with(FaultRule::new(FaultKind::LostAfter, When::Chance(0.01)).on(Operation::LinkProvider))
        .with(FaultRule::new(FaultKind::Storm { ms: 5_000 }, When::Calls(100..=100)))
        .with(FaultRule::new(FaultKind::Slow { ms: 1_500 }, When::Calls(7..=9)).on(Operation::ListUsers))
        .with(FaultRule::new(FaultKind::ExpiredCredentials, When::From(2_000)));
    expected.list_lag_ms = Some(800);
    expected.background.push((Category::UserUpdate, "5,20@60s".parse().unwrap()));
    assert_eq!(FaultPlan::parse(lines), Ok(expected.clone()));
    assert_eq!(FaultPlan::parse(json), Ok(expected));
}

#[test]
fn every_kind_has_a_name_that_is_read() {
    for (name, kind) in KINDS {
        let timed = matches!(kind, FaultKind::Storm { .. } | FaultKind::Slow { .. });
        let line = if timed { format!("{name}=1s@0.5") } else { format!("{name}@0.5") };
        let kind = match kind {
            FaultKind::Storm { .. } => FaultKind::Storm { ms: 1_000 },
            FaultKind::Slow { .. } => FaultKind::Slow { ms: 1_000 },
            kind => kind,
        };
        assert_eq!(rule(&line), Ok(FaultRule::new(kind, When::Chance(0.5))), "{name}");
    }
}

#[test]
fn what_is_no_plan_is_told_with_its_line() {
    for (text, told) in [
        ("lost-after", "line 1: 'lost-after': say with which calls"),
        ("\nlost@1%", "line 2: 'lost': expected one of throttled, storm"),
        ("lost-after@120%", "'120%': expected a share of the calls"),
        ("lost-after@0", "'0': expected a share"),
        ("lost-after@9..7", "'9..7': expected a share"),
        ("lost-after=3s@1", "'lost-after': it takes no time"),
        ("storm@1", "'storm': say for how long, as in storm=3s"),
        ("slow=1h@1", "'slow': say for how long"),
        ("lost-after@1:Link", "'Link': expected an operation of the service"),
        ("list-lag=1h", "'list-lag': expected a time"),
        ("background=Users:5", "'background': 'Users' is no quota category; expected one of UserUpdate"),
        ("background=fast", "'background': expected calls a second"),
        (r#"{"faults":[{"kind":"slow","for":"1s"}]}"#, "'slow': give it either rate"),
        (r#"{"fault":[]}"#, "unknown field `fault`"),
    ] {
        let error = FaultPlan::parse(text).unwrap_err().to_string();
        assert!(error.contains(told), "{text}: {error}");
    }
}
