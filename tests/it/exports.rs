//! The corpus of exports: clean ones have no findings, and damaged ones have exactly the expected ones in the right places.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::Home;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");

/// `line column code` of every finding, in a fixed order.
fn places(findings: &Value) -> BTreeSet<String> {
    let place = |finding: &Value| {
        let column = finding["column"].as_str().unwrap_or_default();
        format!("{} {column} {}", finding["line"], finding["code"].as_str().unwrap())
    };
    findings.as_array().unwrap().iter().map(place).collect()
}

fn expectations() -> Vec<Value> {
    let text = std::fs::read_to_string(format!("{FIXTURES}/exports/expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_export_has_the_findings_it_should_have_and_no_other() {
    let home = Home::new();
    let mut codes = BTreeSet::new();
    for expected in expectations() {
        let file = format!("{FIXTURES}/{}", expected["file"].as_str().unwrap());
        let options: Vec<&str> =
            expected["options"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
        let wanted = places(&expected["findings"]);
        codes.extend(
            expected["findings"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap().to_owned()),
        );
        let status = if wanted.is_empty() { 0 } else { 4 };
        let arguments = [&["validate", file.as_str(), "--output", "json"], options.as_slice()].concat();
        let finished = home.run(&arguments).left_with(status);
        let report: Value = serde_json::from_str(&finished.stdout).unwrap();
        assert_eq!(places(&report["findings"]), wanted, "{arguments:?}");
        assert!(report["rows"]["read"].as_u64().is_some_and(|rows| (40..=200).contains(&rows)), "{report}");
        let note = format!("note: preset {}: ", options[1]);
        assert_eq!(finished.stderr.matches(&note).count(), 1, "{}", finished.stderr);
    }
    let cross_row = ["duplicate_row", "identity_for_two_users", "too_many_identities", "lowercased_identity"];
    for code in cross_row.into_iter().chain(["number_damaged", "provider_prefix", "smart_quote", "ragged_row"]) {
        assert!(codes.contains(code), "no export expects {code}");
    }
}

#[test]
fn the_object_id_of_entra_is_taken_only_with_a_warning() {
    let home = Home::new();
    let file = format!("{FIXTURES}/exports/entra.csv");
    let arguments = ["validate", &file, "--preset", "entra", "--set", "source_provider=Corp"];
    home.run(&arguments).refused_with(4, "preset entra has none");
    let by_object_id = home.run(&[&arguments[..], &["--map", "source_value=objectId"]].concat()).left_with(0);
    assert!(
        by_object_id.stderr.contains("warning: a SAML application sends the object id only where"),
        "{}",
        by_object_id.stderr
    );
}

#[test]
fn a_preset_comes_from_the_file_of_settings_and_the_option_goes_before_it() {
    let home = Home::new();
    home.write("in", "id,profile.email,user_id,email\n00uA1,a@example.com,auth0|5f,b@example.com\n");
    home.write("settings.toml", "preset = \"okta\"\n[set]\nsource_provider = \"Auth0\"\n");
    let run = |options: &[&str]| home.run(&[&["validate", "in", "--config", "settings.toml"], options].concat());
    // Both addresses are Okta's names for one column: neither is guessed.
    run(&[]).refused_with(4, "columns 2 and 4 both mean destination_email");
    run(&["--map", "destination_email=profile.email"]).left_with(0);
    run(&["--preset", "auth0"]).left_with(0);
    home.write("settings.toml", "preset = \"octa\"\n");
    run(&[]).refused_with(2, "auth0, okta, entra, google, keycloak, cognito");
}

#[test]
fn a_template_is_valid_as_it_is() {
    let home = Home::new();
    for format in ["csv", "jsonl"] {
        for preset in
            [None, Some("auth0"), Some("okta"), Some("entra"), Some("google"), Some("keycloak"), Some("cognito")]
        {
            let options: Vec<&str> = preset.iter().flat_map(|preset| ["--preset", preset]).collect();
            let printed = home.run(&[&["template", format], options.as_slice()].concat()).left_with(0);
            home.write("in", &printed.stdout);
            let report = home.run(&[&["validate", "in", "--output", "json"], options.as_slice()].concat()).left_with(0);
            let report: Value = serde_json::from_str(&report.stdout).unwrap();
            assert_eq!(report["findings"].as_array().map(Vec::len), Some(0), "{report}");
            assert!(report["rows"]["valid"].as_u64().is_some_and(|rows| rows >= 2), "{report}");
        }
    }
}
