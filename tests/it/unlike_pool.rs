//! Exports whose identities are unlike those of the pool, and exports that are like them.

use serde_json::{Value, json};

use crate::harness::{Home, Running, Simulator, give_credentials};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/exports");

/// An export, its provider, its options, and the column of its identities; then columns that are wrong.
type Export = (&'static str, &'static str, &'static str, &'static str, &'static [&'static str]);

const EXPORTS: [Export; 5] = [
    ("auth0.csv", "auth0", "Auth0", "user_id", &["email", "name", "identities[0].connection", "created_at"]),
    ("okta.csv", "okta", "Okta", "id", &["profile.login", "profile.email", "profile.firstName", "status"]),
    ("entra-saml.csv", "entra", "Corp", "nameId", &["userPrincipalName", "mail", "objectId", "displayName"]),
    ("google.csv", "google", "Google", "id", &["primaryEmail", "name.fullName", "orgUnitPath", "creationTime"]),
    ("keycloak.jsonl", "keycloak", "Corp", "id", &["username", "email", "firstName", "createdTimestamp"]),
];

fn options(export: &Export, column: &str) -> Vec<String> {
    let (_, preset, provider, ..) = export;
    let [map, set] = [format!("source_value={column}"), format!("source_provider={provider}")];
    ["--preset", preset, "--map", &map, "--set", &set].map(str::to_owned).into()
}

/// The identities that an export has.
fn identities(export: &Export) -> Vec<String> {
    let (file, _, _, column, _) = export;
    let text = std::fs::read_to_string(format!("{FIXTURES}/{file}")).unwrap();
    if text.starts_with('{') {
        let value = |line: &str| serde_json::from_str::<Value>(line).unwrap()[column].as_str().unwrap().to_owned();
        return text.lines().map(value).collect();
    }
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let at = reader.headers().unwrap().iter().position(|name| name == *column).unwrap();
    reader.records().map(|record| record.unwrap()[at].to_owned()).collect()
}

/// A pool whose users signed in with identities like those of the export: the same characters in another order.
fn pool(export: &Export) -> String {
    let provider = export.2;
    let kind = if provider == "Google" { "Google" } else { "OIDC" };
    let ids = identities(export);
    let shuffled = |id: &str, by: usize| {
        // Digits and letters move within their runs of equal make, so that the form stays.
        let mut chars: Vec<char> = id.chars().collect();
        let tail = chars.len().saturating_sub(8);
        let (end, start) = (chars.len(), tail);
        chars[start..end].rotate_left(by % 7 + 1);
        chars.into_iter().collect::<String>()
    };
    let mut seen = std::collections::BTreeSet::new();
    let users: Vec<Value> = (0..3)
        .flat_map(|by| ids.iter().map(move |id| shuffled(id, by)))
        .filter(|id| !ids.contains(id) && seen.insert(id.clone()))
        .map(|id| {
            let own = json!({ "providerName": provider, "userId": id, "primary": true });
            json!({ "username": format!("{provider}_{id}"), "status": "EXTERNAL_PROVIDER", "identities": [own] })
        })
        .collect();
    assert!(users.len() >= 100, "{}: {}", export.0, users.len());
    let people = (0..ids.len()).map(|number| json!({ "username": format!("person-{number}") }));
    let users: Vec<Value> = people.chain(users).collect();
    json!({
        "version": 1, "pool": { "id": "sim-local-1_Profiled1" },
        "providers": [{ "name": provider, "type": kind }], "users": users,
    })
    .to_string()
}

type Damage = fn(&str) -> String;

struct Checked {
    status: i32,
    findings: Vec<Value>,
}

fn validate(home: &Home, export: &Export, column: &str, more: &[&str]) -> Checked {
    home.write("pool.json", pool(export));
    let file = format!("{FIXTURES}/{}", export.0);
    let options = options(export, column);
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let simulated =
        ["--simulate", "--pool-file", "pool.json", "--simulate-latency", "off", "--lookup", "scan", "--output", "json"];
    let finished = home.run(&[&["validate", &file], &options[..], &simulated, more].concat());
    let report: Value = serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{}", finished.stderr));
    let status = i32::try_from(report["exit_status"].as_i64().unwrap()).unwrap();
    Checked { status, findings: report["findings"].as_array().unwrap().clone() }
}

#[test]
fn clean_exports_are_like_the_pool_and_wrong_columns_are_not() {
    let home = Home::new();
    for export in &EXPORTS {
        let (file, .., column, wrong) = export;
        let clean = validate(&home, export, column, &[]);
        assert_eq!(clean.findings, Vec::<Value>::new(), "{file}");
        for column in *wrong {
            let checked = validate(&home, export, column, &[]);
            let errors = checked.findings.iter().filter(|finding| finding["severity"] == "error");
            let codes: Vec<_> = errors.map(|finding| finding["code"].as_str().unwrap()).collect();
            assert_eq!(checked.status, 4, "{file} {column}: {codes:?}");
            assert!(!codes.is_empty(), "{file} {column}");
        }
    }
}

#[test]
fn what_differs_is_said_with_numbers_and_can_be_allowed() {
    let home = Home::new();
    let okta = &EXPORTS[1];
    let found = validate(&home, okta, "profile.login", &["--save-plan", "plan"]);
    let message = found.findings[0]["message"].as_str().unwrap();
    let expected = "60 Okta values look like e-mail addresses; the ";
    assert!(message.starts_with(expected) && message.contains(" in the pool do not"), "{message}");
    assert!(!home.path("plan").exists(), "no plan for a wrong column");
    let allowed = validate(&home, okta, "profile.login", &["--save-plan", "plan", "--allow", "unlike_pool"]);
    assert_eq!((allowed.findings.len(), &allowed.findings[0]["severity"]), (1, &json!("warning")));
    assert_ne!(allowed.status, 4);
    assert!(home.path("plan").exists());
}

#[test]
fn a_damaged_export_is_caught_by_itself_or_against_the_pool() {
    let home = Home::new();
    for export in &EXPORTS {
        let (file, preset, provider, column, _) = export;
        let damages: [(&str, Damage); 6] = [
            ("cut", |id| id[..id.len() - 3].to_owned()),
            ("apostrophe", |id| format!("'{id}")),
            ("equals", |id| format!("={id}")),
            ("space", |id| format!("{id} ")),
            ("number", |id| format!("{}E+20", &id[..1])),
            ("address", |id| format!("{}@example.com", id.replace('|', ""))),
        ];
        for (name, damage) in damages {
            let row = |(number, id): (usize, &String)| format!("person-{number},{}", damage(id));
            let rows: Vec<String> = identities(export).iter().enumerate().map(row).collect();
            home.write("in.csv", format!("username,source_value\n{}\n", rows.join("\n")));
            home.write("pool.json", pool(export));
            let set = format!("source_provider={provider}");
            let arguments = [
                "validate",
                "in.csv",
                "--set",
                &set,
                "--simulate",
                "--pool-file",
                "pool.json",
                "--simulate-latency",
                "off",
                "--lookup",
                "scan",
                "--output",
                "json",
            ];
            let finished = home.run(&arguments);
            let report: Value = serde_json::from_str(&finished.stdout).unwrap();
            assert_eq!(report["exit_status"], 4, "{file} {preset} {column} {name}: {}", report["findings_by_code"]);
            // Without a plan, `link` gives nobody such an identity either.
            assert_eq!(people_linked(&home, &set, &[3, 4]), 0, "{file} {name}");
        }
        let rows = identities(export).into_iter().enumerate().map(|(number, id)| format!("person-{number},{id}"));
        let rows: Vec<String> = rows.collect();
        home.write("in.csv", format!("username,source_value\n{}\n", rows.join("\n")));
        assert_eq!(people_linked(&home, &format!("source_provider={provider}"), &[0]), rows.len(), "{file} as it was");
    }
}

/// Links the input without a plan, which ends with one of these exit statuses, and counts the people who have an identity
/// afterwards. Only a run that was refused saves no pool.
fn people_linked(home: &Home, set: &str, statuses: &[i32]) -> usize {
    for name in ["in.csv.simulated.ledger", "after.json"] {
        let _ = std::fs::remove_file(home.path(name));
    }
    let run = home.run(&[&["link", "in.csv", "--set", set][..], &SIMULATED, &WRITE].concat());
    assert!(run.code.is_some_and(|code| statuses.contains(&code)), "{statuses:?}: {run:#?}");
    let Ok(text) = std::fs::read_to_string(home.path("after.json")) else {
        assert!(run.code == Some(4) && run.stderr.contains("nothing was sent"), "{run:#?}");
        return 0;
    };
    let pool: Value = serde_json::from_str(&text).unwrap();
    let users = pool["users"].as_array().unwrap().iter();
    let people = users.filter(|user| user["username"].as_str().unwrap().starts_with("person-"));
    people.filter(|user| user["identities"].as_array().is_some_and(|held| !held.is_empty())).count()
}

/// An export of Entra, and the column of its subjects.
const ENTRA: (&str, &str) = ("entra-saml.csv", "nameId");

#[test]
fn what_entra_cannot_send_is_caught_without_a_pool() {
    let home = Home::new();
    let validate = |text: &str, column: &str| {
        home.write("in.csv", text);
        let map = format!("source_value={column}");
        let options = ["--preset", "entra", "--map", &map, "--set", "source_provider=Corp", "--output", "json"];
        let finished = home.run(&[&["validate", "in.csv"], &options[..]].concat());
        serde_json::from_str::<Value>(&finished.stdout).unwrap()
    };
    let (file, column) = ENTRA;
    let text = std::fs::read_to_string(format!("{FIXTURES}/{file}")).unwrap();
    assert_eq!(validate(&text, column)["findings"], json!([]));
    let names = validate(&text, "displayName");
    assert_eq!(names["findings_by_code"]["unlike_provider"], names["rows"]["read"], "{names}");
    // A subject that lost its end, and an object id that lost its own.
    for column in [column, "objectId"] {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let at = reader.headers().unwrap().iter().position(|name| name == column).unwrap();
        let cut = |record: Result<csv::StringRecord, csv::Error>| {
            let value = record.unwrap()[at].to_owned();
            format!("{}@example.com,{}\n", &value[..6], &value[..value.len() - 3])
        };
        let rows: String = reader.records().map(cut).collect();
        let report = validate(&format!("mail,{column}\n{rows}"), column);
        assert_eq!(report["findings_by_code"]["unlike_provider"], report["rows"]["read"], "{column}: {report}");
    }
}

#[test]
fn the_identities_of_another_pool_are_compared_too() {
    let home = Home::new();
    for file in ["cognito.csv", "cognito.jsonl"] {
        let path = format!("{FIXTURES}/{file}");
        let alone = home.run(&["validate", &path, "--preset", "cognito", "--output", "json"]).left_with(0);
        let report: Value = serde_json::from_str(&alone.stdout).unwrap();
        assert_eq!(report["findings"], json!([]), "{file}");
    }
    // The user name in place of the identity: what the pool has of each provider shows it.
    let text = std::fs::read_to_string(format!("{FIXTURES}/cognito.csv")).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let at = |name: &str| header.iter().position(|known| known == name).unwrap();
    let (id, provider) = (at("identities.userId"), at("identities.providerName"));
    let held: Vec<(String, String)> = reader
        .records()
        .map(|record| record.unwrap())
        .map(|record| (record[provider].to_owned(), record[id].to_owned()))
        .collect();
    let providers: std::collections::BTreeSet<&str> = held.iter().map(|(provider, _)| provider.as_str()).collect();
    let kind = |name: &str| match name {
        "Google" | "Facebook" | "SignInWithApple" | "LoginWithAmazon" => name.to_owned(),
        _ => "OIDC".to_owned(),
    };
    let mut users = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for (provider, id) in &held {
        // The same characters in another order, as others of the provider have them.
        for by in 1..24 {
            let mut bytes: Vec<char> = id.chars().collect();
            let tail = bytes.len().saturating_sub(8);
            bytes[tail..].rotate_left(by % 7 + 1);
            bytes[tail..].swap(by % 3, 4 + by % 4);
            let other: String = bytes.into_iter().collect();
            let is_new =
                !held.iter().any(|(_, known)| *known == other) && seen.insert((provider.clone(), other.clone()));
            if is_new {
                let own = json!({ "providerName": provider, "userId": other, "primary": true });
                users.push(json!({ "username": format!("{provider}_{other}"), "status": "EXTERNAL_PROVIDER", "identities": [own] }));
            }
        }
    }
    let pool = json!({
        "version": 1, "pool": { "id": "sim-local-1_Profiled1" },
        "providers": providers.iter().map(|name| json!({ "name": name, "type": kind(name) })).collect::<Vec<_>>(),
        "users": users,
    });
    home.write("pool.json", pool.to_string());
    let path = format!("{FIXTURES}/cognito.csv");
    let against = |more: &[&str]| {
        let options = ["--preset", "cognito", "--simulate", "--pool-file", "pool.json", "--simulate-latency", "off"];
        let scan = ["--lookup", "scan", "--output", "json"];
        let finished = home.run(&[&["validate", &path], &options[..], &scan, more].concat());
        serde_json::from_str::<Value>(&finished.stdout).unwrap()
    };
    assert_eq!(against(&[])["findings"], json!([]), "clean");
    let wrong = against(&["--map", "source_value=Username"]);
    assert_eq!(wrong["exit_status"], 4, "{}", wrong["findings_by_code"]);
}

/// A pool with so many profiles of Okta, and natives who are named by user name and by address.
fn pool_of_profiles(home: &Home, profiles: usize) {
    let profile = |number: usize| {
        let id = format!("00u{number:05}AbCdEfGhIjKl");
        let own = json!({ "providerName": "Okta", "userId": id, "primary": true });
        json!({ "username": format!("Okta_{id}"), "status": "EXTERNAL_PROVIDER", "identities": [own] })
    };
    let native = |number: usize| {
        let attributes = json!({ "email_verified": "true" });
        json!({
            "username": format!("native-{number}"), "email": format!("n{number}@example.com"),
            "attributes": attributes, "enabled": number != 3,
        })
    };
    let users: Vec<Value> = (0..20).map(native).chain((0..profiles).map(profile)).collect();
    let pool = json!({
        "version": 1, "pool": { "id": "sim-local-1_Profiled1" },
        "providers": [{ "name": "Okta", "type": "OIDC" }], "users": users,
    });
    home.write("pool.json", pool.to_string());
}

/// Rows for the natives; those with these numbers have an address as their identity.
fn write_rows(home: &Home, unlike: std::ops::Range<usize>) {
    let row = |number: usize| {
        let value = if unlike.contains(&number) {
            format!("n{number}@example.com")
        } else {
            format!("00u9{number:04}AbCdEfGhIjKl")
        };
        format!("native-{number},Okta,{value}\n")
    };
    let rows: String = (0..20).map(row).collect();
    home.write("in.csv", format!("username,source_provider,source_value\n{rows}"));
}

const SIMULATED: [&str; 5] = ["--simulate", "--pool-file", "pool.json", "--simulate-latency", "off"];
const WRITE: [&str; 6] = ["--yes", "--rate", "2000", "--save-pool", "after.json", "--force"];

/// Runs a command that writes, and counts the identities that natives have afterwards: 0 where nothing was saved.
fn natives_linked(home: &Home, command: &[&str], status: i32) -> (usize, crate::harness::Finished) {
    let _ = std::fs::remove_file(home.path("in.csv.simulated.ledger"));
    let _ = std::fs::remove_file(home.path("after.json"));
    let run = home.run(&[command, &SIMULATED, &WRITE].concat()).left_with(status);
    let linked = match std::fs::read_to_string(home.path("after.json")) {
        Ok(text) => {
            let pool: Value = serde_json::from_str(&text).unwrap();
            let users = pool["users"].as_array().unwrap().iter();
            let natives = users.filter(|user| user["username"].as_str().unwrap().starts_with("native-"));
            natives.map(|user| user["identities"].as_array().map_or(0, Vec::len)).sum()
        }
        Err(_) => 0,
    };
    (linked, run)
}

#[test]
fn every_way_to_link_compares_with_the_pool_before_it_sends() {
    let home = Home::new();
    let apply = ["reconcile", "in.csv", "--apply", "--max-changes-pct", "100"];
    // A pool that is read as a whole, and one of which a sample is read.
    for profiles in [110, 400] {
        pool_of_profiles(&home, profiles);
        write_rows(&home, 0..20);
        for way in [&["link", "in.csv"][..], &apply] {
            let (linked, run) = natives_linked(&home, way, 4);
            assert_eq!(linked, 0, "{way:?}: {run:#?}");
            let found = "error: unlike_pool: 20 Okta values look like e-mail addresses; the ";
            assert!(run.stderr.contains(found) && run.stderr.contains("; the first is in row 1"), "{way:?}: {run:#?}");
            let (linked, run) = natives_linked(&home, &[way, &["--allow", "unlike_pool"]].concat(), 0);
            assert_eq!(linked, 20, "{way:?}: {run:#?}");
            assert!(run.stderr.contains("warning: unlike_pool: "), "{way:?}: {run:#?}");
        }
        for look_up in ["scan", "filter"] {
            let plan = ["validate", "in.csv", "--save-plan", "plan", "--lookup", look_up];
            home.run(&[&plan, &SIMULATED[..]].concat()).left_with(4);
            assert!(!home.path("plan").exists(), "{look_up}");
        }
        write_rows(&home, 0..0);
        for way in [&["link", "in.csv"][..], &apply] {
            let (linked, run) = natives_linked(&home, way, 0);
            assert_eq!((linked, run.stderr.contains("unlike_pool")), (20, false), "{way:?}: {run:#?}");
        }
    }
}

#[test]
fn a_few_identities_or_a_few_strange_values_only_warn() {
    let home = Home::new();
    // The scan of `reconcile` judges each value, where a sample does not judge a tenth of them.
    for (profiles, unlike, reconciled) in [(400, 0..2, 4), (40, 0..20, 0), (5, 0..20, 0)] {
        pool_of_profiles(&home, profiles);
        write_rows(&home, unlike.clone());
        let (linked, run) = natives_linked(&home, &["link", "in.csv"], 0);
        let is_warned = run.stderr.contains(&format!("warning: unlike_pool: {} Okta values look like", unlike.len()));
        assert_eq!((linked, is_warned), (20, profiles >= 10), "{profiles}: {run:#?}");
        let apply = ["reconcile", "in.csv", "--apply", "--max-changes-pct", "100"];
        natives_linked(&home, &apply, reconciled);
    }
}

#[test]
fn a_canary_with_one_value_unlike_the_pool_sends_nothing() {
    let home = Home::new();
    for profiles in [40, 400] {
        pool_of_profiles(&home, profiles);
        write_rows(&home, 1..2);
        let canary = ["link", "in.csv", "--canary", "3"];
        let (linked, run) = natives_linked(&home, &canary, 9);
        let said = "canary: 1 Okta value looks like an e-mail address; the ";
        assert!(linked == 0 && run.stderr.contains(said), "{run:#?}");
        assert!(run.stderr.contains("; it is in row 2"), "{run:#?}");
        assert_eq!(natives_linked(&home, &[&canary[..], &["--allow", "unlike_pool"]].concat(), 0).0, 20);
        // With a plan as well, which a few identities or a few values do not forbid.
        let plan = ["validate", "in.csv", "--save-plan", "plan", "--force", "--lookup", "filter"];
        home.run(&[&plan, &SIMULATED[..]].concat()).left_with(0);
        let (linked, run) = natives_linked(&home, &[&canary[..], &["--plan", "plan"]].concat(), 9);
        assert!(linked == 0 && run.stderr.contains(said), "{run:#?}");
        let advice = "nothing was sent: map the right column, or make a new plan with --allow unlike_pool";
        assert!(run.stderr.contains(advice), "the old plan takes no further option: {run:#?}");
        // A strange value behind the canary is a warning only.
        write_rows(&home, 7..8);
        assert_eq!(natives_linked(&home, &canary, 0).0, 20);
    }
}

#[test]
fn a_disabled_user_who_is_read_is_reported() {
    let home = Home::new();
    pool_of_profiles(&home, 0);
    write_rows(&home, 0..0);
    let warned = "1 link was made to a disabled user, who cannot sign in";
    let (linked, run) = natives_linked(&home, &["link", "in.csv"], 0);
    assert!(linked == 20 && !run.stderr.contains(warned), "a user name is not read: {run:#?}");
    let (_, run) = natives_linked(&home, &["link", "in.csv", "--read-back"], 0);
    assert!(run.stderr.contains(warned), "{run:#?}");
    let (_, run) = natives_linked(&home, &["link", "in.csv", "--read-back", "--output", "json"], 0);
    assert_eq!(run.json()["links_of_disabled_users"], 1, "{run:#?}");
    let row = |number: usize| format!("n{number}@example.com,Okta,00u9{number:04}\n");
    let rows: String = (0..20).map(row).collect();
    home.write("in.csv", format!("email,source_provider,source_value\n{rows}"));
    let (_, run) = natives_linked(&home, &["link", "in.csv"], 0);
    assert!(run.stderr.contains(warned), "{run:#?}");
    let apply = ["reconcile", "in.csv", "--apply", "--max-changes-pct", "100"];
    let (_, run) = natives_linked(&home, &apply, 0);
    assert!(run.stderr.contains("1 row to link: the user is disabled; the service may refuse the link"), "{run:#?}");
}

#[test]
fn what_cannot_be_read_for_the_comparison_ends_no_run() {
    let home = Home::new();
    pool_of_profiles(&home, 400);
    write_rows(&home, 0..20);
    home.write("faults", "access-denied@1..:ListUsers\n");
    let (linked, run) = natives_linked(&home, &["link", "in.csv", "--simulate-faults", "faults"], 0);
    assert_eq!(linked, 20, "{run:#?}");
    let said = "identities are not compared with those of the pool: ListUsers: access denied";
    assert_eq!(run.stderr.matches(said).count(), 1, "{run:#?}");
    // The users of the rows are found, and then no more is listed.
    home.write("faults", "access-denied@41..:ListUsers\n");
    let validate = ["validate", "in.csv", "--lookup", "filter", "--simulate-faults", "faults"];
    let run = home.run(&[&validate[..], &SIMULATED].concat()).left_with(0);
    assert_eq!(run.stderr.matches(said).count(), 1, "{run:#?}");
}

#[test]
fn reconcile_without_apply_warns_of_what_apply_refuses() {
    let home = Home::new();
    pool_of_profiles(&home, 400);
    write_rows(&home, 0..20);
    let run = home.run(&[&["reconcile", "in.csv"][..], &SIMULATED].concat()).left_with(0);
    let said = "warning: unlike_pool: --apply will refuse: 20 Okta values look like e-mail addresses; the ";
    assert!(run.stderr.contains(said) && !run.stderr.contains("error: "), "{run:#?}");
    // A warning stays as it is.
    pool_of_profiles(&home, 40);
    let run = home.run(&[&["reconcile", "in.csv"][..], &SIMULATED].concat()).left_with(0);
    assert!(run.stderr.contains("warning: unlike_pool: 20 Okta values look like e-mail addresses; "), "{run:#?}");
}

#[test]
fn rows_that_reconcile_does_not_send_refuse_no_run() {
    let home = Home::new();
    pool_of_profiles(&home, 400);
    write_rows(&home, 0..20);
    let link = ["link", "in.csv", "--allow", "unlike_pool", "--yes", "--rate", "2000"];
    home.run(&[&link[..], &SIMULATED].concat()).left_with(0);
    // The pool file is as it was, so the links are missing, and the run has only just ended.
    let apply = ["reconcile", "in.csv", "--apply", "--max-changes-pct", "100", "--yes"];
    let save = ["--save-pool", "after.json", "--force"];
    let run = home.run(&[&apply[..], &save, &SIMULATED].concat()).left_with(3);
    assert!(run.stderr.contains("20 rows done in the ledger cannot be seen in the pool yet"), "{run:#?}");
    assert!(!run.stderr.contains("unlike_pool"), "{run:#?}");
    // With a row that is sent.
    let rows = home.read("in.csv");
    home.write("in.csv", format!("{rows}native-3,Okta,00u90099AbCdEfGhIjKl\n"));
    let run = home.run(&[&apply[..], &save, &SIMULATED].concat()).left_with(3);
    assert!(home.read("after.json").contains("00u90099AbCdEfGhIjKl"), "{run:#?}");
    assert!(!run.stderr.contains("unlike_pool"), "{run:#?}");
}

#[test]
fn the_question_repeats_what_reconcile_warns_of() {
    let home = Home::new();
    pool_of_profiles(&home, 0);
    write_rows(&home, 0..0);
    let simulator = Simulator::start(&home, &["--pool-file", "pool.json", "--latency", "off", "--quota", "off"]);
    let arguments = ["reconcile", "--endpoint-url", &simulator.url, "--user-pool-id", "sim-local-1_Profiled1"];
    let mut command = home.program(&[&arguments[..], &["in.csv", "--apply", "--max-changes-pct", "100"]].concat());
    give_credentials(&mut command);
    let run = Running::start(command).wait().left_with(2);
    let question = run.stderr.lines().find(|line| line.contains("link 20 rows of in.csv")).unwrap_or_default();
    assert!(question.contains("1 row to link: the user is disabled"), "{run:#?}");
}
