//! Exports whose identities are unlike those of the pool, and exports that are like them.

use serde_json::{Value, json};

use crate::harness::Home;

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
        }
    }
}
