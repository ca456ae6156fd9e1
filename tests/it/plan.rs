//! `validate` against a pool, and the plan that `link` follows, from outside.

use serde_json::{Value, json};

use crate::harness::Home;

const POOL: &str = "sim-local-1_Planned";

/// A pool with one of every situation.
fn pool_file() -> String {
    let held = |user_id: &str, primary: bool| json!({"providerName": "Okta", "userId": user_id, "primary": primary});
    let full: Vec<_> = (0..5).map(|n| held(&format!("Full{n}"), false)).collect();
    json!({
        "version": 1,
        "pool": {"id": POOL},
        "providers": [{"name": "Okta", "type": "OIDC", "attribute_mapping": {"email": "mail"}}],
        "users": [
            {"username": "alice", "email": "a@example.com", "attributes": {"email_verified": "true"}},
            {"username": "dave"},
            {"username": "bob", "email": "b@example.com", "attributes": {"email_verified": "true"}, "identities": [held("Bob1", false)]},
            {"username": "twin-1", "email": "twin@example.com", "attributes": {"email_verified": "true"}},
            {"username": "twin-2", "email": "twin@example.com", "attributes": {"email_verified": "true"}},
            {"username": "full", "identities": full},
            {"username": "Okta_Own", "email": "a@example.com", "attributes": {"email_verified": "true"}, "identities": [held("Own", true)]},
            {"username": "Okta_Worn"},
        ],
    })
    .to_string()
}

/// A row for every verdict, in the order of the list below.
const ROWS: [(&str, &str, &str, &str); 12] = [
    ("alice,,", "Okta,Cognito_Subject,New1", "link", "linked"),
    (",a@example.com,", "Okta,Cognito_Subject,New2", "link", "linked"),
    ("bob,,", "Okta,Cognito_Subject,Bob1", "already_linked", "already_linked"),
    ("dave,,", "Okta,Cognito_Subject,Own", "identity_has_profile", "refused"),
    ("dave,,", "Okta,Cognito_Subject,Full1", "linked_elsewhere", "refused"),
    ("full,,", "Okta,Cognito_Subject,New3", "too_many_identities", "refused"),
    ("nobody,,", "Okta,Cognito_Subject,New4", "user_not_found", "refused"),
    (",twin@example.com,", "Okta,Cognito_Subject,New5", "user_ambiguous", "refused"),
    ("alice,,", "Gone,Cognito_Subject,New6", "provider_not_found", "refused"),
    ("alice,,", "Okta,phone_number,New7", "attribute_not_mapped", "refused"),
    ("bob,,", "Okta,Cognito_Subject,own", "case_differs", "refused"),
    ("dave,,", "Okta,Cognito_Subject,Worn", "native_user_in_the_way", "refused"),
];

struct Case {
    home: Home,
    pool: String,
    input: String,
    plan: String,
}

impl Case {
    fn new() -> Self {
        let home = Home::new();
        let write = |name: &str, text: &str| {
            std::fs::write(home.path(name), text).unwrap();
            home.path(name).to_str().unwrap().to_owned()
        };
        let header =
            "destination_username,destination_email,destination_sub,source_provider,source_attribute,source_value";
        let rows: Vec<_> = ROWS.iter().map(|(user, source, ..)| format!("{user},{source}")).collect();
        let pool = write("pool.json", &pool_file());
        let input = write("pairs.csv", &format!("{header}\n{}\n", rows.join("\n")));
        let plan = home.path("plan.jsonl").to_str().unwrap().to_owned();
        Self { home, pool, input, plan }
    }

    fn simulated<'a>(&'a self, words: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
        let given = ["--simulate", "--pool-file", &self.pool, "--simulate-latency", "off"];
        [words, &given, more].concat()
    }

    fn validate(&self, more: &[&str], status: i32) -> Value {
        let words = ["validate", &self.input, "--output", "json"];
        let words: Vec<&str> = self.simulated(&words, &[]).into_iter().chain(more.iter().copied()).collect();
        let stdout = self.home.run(&words).left_with(status).stdout;
        serde_json::from_str(&stdout).unwrap()
    }

    fn link(&self, more: &[&str], status: i32) -> Value {
        let words = ["link", &self.input, "--yes", "--output", "json"];
        let words: Vec<&str> = self.simulated(&words, &[]).into_iter().chain(more.iter().copied()).collect();
        let finished = self.home.run(&words).left_with(status);
        let result: Value = serde_json::from_str(&finished.stdout).unwrap();
        if result["kind"] == "error_report" { result["error"]["message"].clone() } else { result }
    }
}

#[test]
fn a_verdict_for_every_row_by_a_scan() {
    let case = Case::new();
    let folder = case.home.path("split");
    let report = case.validate(&["--lookup", "scan", "--split", folder.to_str().unwrap()], 3);
    let verdicts = std::fs::read_to_string(folder.join("verdicts.csv")).unwrap();
    for ((.., verdict, state), line) in ROWS.iter().zip(verdicts.lines().skip(1)) {
        let noted = if *state == "refused" { format!(",refused,{verdict},") } else { format!(",{verdict},,") };
        assert!(line.contains(&noted), "{line}: {verdict}");
    }
    assert_eq!(report["forecast"]["lookup"], "scan");
    assert_eq!(report["forecast"]["links_to_make"], 2);
    let refused = report["refused_rows"].as_array().unwrap();
    assert_eq!(refused.len(), 9);
    assert_eq!(report["forecast"]["refused"], 9);
    let ambiguous = refused.iter().find(|row| row["refusal_code"] == "user_ambiguous").unwrap();
    assert_eq!(ambiguous["candidates"], json!(["t***1", "t***2"]), "masked");
}

#[test]
fn filters_see_less_and_say_so() {
    let case = Case::new();
    let report = case.validate(&["--lookup", "filter"], 3);
    let by = &report["forecast"]["by_verdict"];
    // The holder of that identity is named by no row, so it passes for a link.
    let input = case.home.path("short.csv");
    let text = std::fs::read_to_string(&case.input).unwrap();
    let short: Vec<&str> = text.lines().filter(|line| !line.starts_with("full,")).collect();
    std::fs::write(&input, short.join("\n")).unwrap();
    let words = case.simulated(&["validate", input.to_str().unwrap(), "--output", "json", "--lookup", "filter"], &[]);
    let short: Value = serde_json::from_str(&case.home.run(&words).left_with(3).stdout).unwrap();
    assert_eq!(short["forecast"]["by_verdict"]["linked_elsewhere"], Value::Null);
    assert_eq!((&by["linked_elsewhere"], &by["link"]), (&json!(1), &json!(2)), "its holder is named by another row");
    assert_eq!(by["user_ambiguous"], 1);
    assert!(report["forecast"]["because"].as_str().unwrap().contains("linked_elsewhere, case_differs"));
    let cheaper = case.validate(&[], 3);
    assert_eq!(cheaper["forecast"]["lookup"], "scan", "a page is cheaper than a call a row");
}

/// The pool ignores case, and shows names as they were given: no filter on another spelling finds the user.
#[test]
fn filters_do_not_say_that_there_is_no_user_where_the_pool_keeps_capitals() {
    let home = Home::new();
    let pool = r#"{"version":1,"pool":{"id":"sim-local-1_Capitals1","case_sensitive":false},
        "providers":[{"name":"Okta","type":"OIDC"}],"users":[{"username":"Carlos"}]}"#;
    home.write("pool.json", pool);
    home.write("in.csv", "destination_username,source_provider,source_value\nCARLOS,Okta,00u1\n");
    let validate = |behaviors: &[&str], status| {
        let given = ["validate", "in.csv", "--lookup", "filter", "--simulate", "--pool-file", "pool.json"];
        let arguments = [&given[..], behaviors, &["--output", "json"]].concat();
        let report: Value = serde_json::from_str(&home.run(&arguments).left_with(status).stdout).unwrap();
        report["forecast"]["by_verdict"].clone()
    };
    assert_eq!(validate(&["--simulate-behavior", "names-keep-case"], 0), json!({ "link": 1 }));
    assert_eq!(
        validate(&[], 0),
        json!({ "link": 1 }),
        "the pool shows the name in lower case, which is asked for first"
    );
}

#[test]
fn link_does_what_the_plan_says_and_goes_on_with_it() {
    let case = Case::new();
    case.validate(&["--save-plan", &case.plan], 3);
    let report = case.link(&["--plan", &case.plan], 3);
    let rows = &report["rows"];
    assert_eq!((&rows["linked"], &rows["already_linked"], &rows["refused"]), (&json!(2), &json!(1), &json!(9)));
    assert_eq!((&report["writes"], &report["reads"]), (&json!(2), &json!(0)), "nothing is asked again");
    assert_eq!(report["plan_missed"], 0);
    let again = case.link(&["--plan", &case.plan], 3);
    assert_eq!((&again["writes"], &again["rows"]["skipped"]), (&json!(0), &json!(12)));
}

#[test]
fn what_changed_since_is_a_miss() {
    let case = Case::new();
    case.validate(&["--save-plan", &case.plan], 3);
    // Meanwhile somebody links the first row's identity to another user.
    let changed = pool_file().replace("{\"username\":\"twin-1\"", "{\"username\":\"late\",\"identities\":[{\"providerName\":\"Okta\",\"userId\":\"New1\"}]},{\"username\":\"twin-1\"");
    let changed = changed.replace("{\"email\":\"twin@example.com\",\"username\":\"twin-1\"", "{\"username\":\"late\",\"identities\":[{\"providerName\":\"Okta\",\"userId\":\"New1\"}]},{\"email\":\"twin@example.com\",\"username\":\"twin-1\"");
    assert!(changed.contains("late"), "{changed}");
    std::fs::write(&case.pool, changed).unwrap();
    let report = case.link(&["--plan", &case.plan], 3);
    assert_eq!((&report["plan_missed"], &report["rows"]["linked"]), (&json!(1), &json!(1)));
}

#[test]
fn a_plan_for_something_else_is_refused() {
    let case = Case::new();
    case.validate(&["--save-plan", &case.plan], 3);
    let told = |more: &[&str]| {
        let more: Vec<&str> = ["--plan", case.plan.as_str()].into_iter().chain(more.iter().copied()).collect();
        case.link(&more, 6).as_str().unwrap_or_default().to_owned()
    };
    assert!(told(&["--set", "destination_provider=Cognito"]).contains("other options"));
    // One of a simulated pool on a real one: told before credentials are looked for.
    let words = ["link", &case.input, "--yes", "--user-pool-id", "us-east-1_AbCdEfGhI", "--plan", &case.plan];
    let real = case.home.run(&words).left_with(6).stderr;
    assert!(real.contains("the plan is for simulated pool") && real.contains("this run for pool us-east-1"), "{real}");
    std::fs::write(&case.input, std::fs::read_to_string(&case.input).unwrap() + "carol,,,Okta,Cognito_Subject,New8\n")
        .unwrap();
    assert!(told(&[]).contains("is another file than the plan was made for"));
    std::fs::write(&case.pool, pool_file().replace(POOL, "sim-local-1_Other")).unwrap();
    assert!(told(&[]).contains("the plan is for simulated pool sim-local-1_Planned"));
    std::fs::write(&case.plan, "{}").unwrap();
    assert!(told(&[]).contains("is not a plan"));
}

#[test]
fn an_old_plan_is_refused() {
    let case = Case::new();
    case.validate(&["--save-plan", &case.plan], 3);
    let plan = std::fs::read_to_string(&case.plan).unwrap();
    let (header, lines) = plan.split_once('\n').unwrap();
    let read: Value = serde_json::from_str(header).unwrap();
    let scanned = format!("\"scanned_unix_ms\":{}", read["scanned_unix_ms"]);
    let aged = header.replace(&scanned, "\"scanned_unix_ms\":1700000000000");
    std::fs::write(&case.plan, format!("{aged}\n{lines}")).unwrap();
    let told = case.link(&["--plan", &case.plan], 6);
    assert!(told.as_str().unwrap().contains("was edited"), "{told}");
    // One that is old and whole.
    let hash = read["hash"].as_str().unwrap();
    let bare = aged.replace(hash, "");
    let hash = format!("\"hash\":\"{:032x}\"", xxhash_rust::xxh3::xxh3_128(format!("{lines}{bare}").as_bytes()));
    std::fs::write(&case.plan, format!("{}\n{lines}", bare.replace("\"hash\":\"\"", &hash))).unwrap();
    let told = case.link(&["--plan", &case.plan], 6);
    assert!(told.as_str().unwrap().contains("--plan-max-age is"), "{told}");
    case.link(&["--plan", &case.plan, "--plan-max-age", "200000h"], 3);
}

#[test]
fn a_choice_among_several_users_is_taken() {
    let case = Case::new();
    let folder = case.home.path("split");
    case.validate(&["--split", folder.to_str().unwrap()], 3);
    let choices = folder.join("choices.csv");
    let text = std::fs::read_to_string(&choices).unwrap();
    assert_eq!(text.lines().count(), 3, "{text}");
    let chosen = text.replace(",twin@example.com,,twin-2,", ",twin@example.com,x,twin-2,");
    assert_ne!(chosen, text);
    std::fs::write(&choices, chosen).unwrap();
    let choices = choices.to_str().unwrap();
    let report = case.validate(&["--choices", choices, "--save-plan", &case.plan], 3);
    assert_eq!(
        (&report["forecast"]["by_verdict"]["user_ambiguous"], &report["forecast"]["links_to_make"]),
        (&Value::Null, &json!(3))
    );
    let saved = case.home.path("after.json");
    let linked = case.link(&["--plan", &case.plan, "--save-pool", saved.to_str().unwrap()], 3);
    assert_eq!(linked["rows"]["linked"], 3);
    let after = std::fs::read_to_string(saved).unwrap();
    let twin = after.lines().find(|line| line.contains("twin-2")).unwrap();
    assert!(twin.contains("New5"), "{twin}");
    // Without a plan the choice is held against what the look-up finds.
    let ledger = case.home.path("second.ledger");
    let linked = case.link(&["--choices", choices, "--ledger", ledger.to_str().unwrap()], 3);
    assert_eq!(linked["rows"]["linked"], 4, "case_differs is the plan's own refusal");
}

/// A schedule must not call a row blocked for ever that a person has decided once.
#[test]
fn reconcile_takes_the_same_choice() {
    let case = Case::new();
    let folder = case.home.path("split");
    case.validate(&["--split", folder.to_str().unwrap()], 3);
    let file = folder.join("choices.csv");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(",twin@example.com,,twin-2,", ",twin@example.com,x,twin-2,")).unwrap();
    let (choices, after) = (file.to_str().unwrap(), case.home.path("after.json"));
    let after = after.to_str().unwrap();
    let reconcile = |pool: &str, more: &[&str]| {
        let given = ["reconcile", &case.input, "--output", "json", "--simulate", "--pool-file", pool];
        let finished = case.home.run(&[&given, more].concat());
        serde_json::from_str::<Value>(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:#?}"))
    };
    let unchosen = reconcile(&case.pool, &[]);
    assert_eq!((&unchosen["changes"], &unchosen["refusals_by_code"]["user_ambiguous"]), (&json!(2), &json!(1)));
    let bounds = ["--max-changes-pct", "50", "--save-pool", after];
    let applied = reconcile(&case.pool, &[&["--choices", choices, "--apply", "--yes"], &bounds[..]].concat());
    assert_eq!((&applied["changes"], &applied["refusals_by_code"]["user_ambiguous"]), (&json!(3), &Value::Null));
    let saved = std::fs::read_to_string(after).unwrap();
    assert!(saved.lines().any(|line| line.contains("twin-2") && line.contains("New5")), "{saved}");
    let again = reconcile(after, &["--choices", choices]);
    assert_eq!((&again["changes"], &again["rows"]["missing"]), (&json!(0), &json!(0)), "{again}");
}

/// A choice for a row that was edited since would silently do nothing.
#[test]
fn a_choice_that_matches_no_row_is_reported() {
    let case = Case::new();
    let choices = case.home.path("choices.csv");
    let choices = choices.to_str().unwrap();
    std::fs::write(choices, "key,choose,username\n0123456789abcdef0123456789abcdef,x,nobody\n").unwrap();
    let pool = ["--simulate", "--pool-file", &case.pool, "--choices", choices];
    for command in [&["validate", &case.input][..], &["reconcile", &case.input], &["link", &case.input, "--yes"]] {
        let finished = case.home.run(&[command, &pool[..]].concat());
        let warning = "1 choice of --choices matches no valid row of the input; the first has key 0123456789abcdef";
        assert!(finished.stderr.contains(warning), "{finished:#?}");
    }
}

/// A slip of the pen must not link somebody whom the row does not mean.
#[test]
fn a_choice_of_somebody_else_is_none() {
    let case = Case::new();
    let folder = case.home.path("split");
    case.validate(&["--split", folder.to_str().unwrap()], 3);
    let choices = folder.join("choices.csv");
    let text = std::fs::read_to_string(&choices).unwrap();
    let choices = choices.to_str().unwrap();
    for (number, name) in ["nobody", "dave"].into_iter().enumerate() {
        std::fs::write(choices, text.replace(",twin@example.com,,twin-2,", &format!(",twin@example.com,x,{name},")))
            .unwrap();
        let report = case.validate(&["--choices", choices], 3);
        assert_eq!(report["forecast"]["by_verdict"]["user_ambiguous"], 1, "{name}");
        let ledger = case.home.path(&format!("{number}.ledger"));
        let linked = case.link(&["--choices", choices, "--ledger", ledger.to_str().unwrap()], 3);
        assert_eq!(linked["refusals_by_code"]["user_ambiguous"], 1, "{name}: {linked}");
    }
}

#[test]
fn a_pool_is_needed_for_what_is_about_a_pool() {
    let case = Case::new();
    let told = case.home.run(&["validate", &case.input, "--save-plan", &case.plan]).left_with(2).stderr;
    assert!(told.contains("--user-pool-id"), "{told}");
    let told = case.home.run(&["validate", &case.input, "--simulate"]).left_with(2).stderr;
    assert!(told.contains("--pool-file"), "{told}");
}

#[test]
fn another_letter_case_is_sent_where_that_is_allowed() {
    let case = Case::new();
    let report = case.validate(&["--allow", "case_differs"], 3);
    assert_eq!(
        (&report["forecast"]["by_verdict"]["case_differs"], &report["forecast"]["links_to_make"]),
        (&Value::Null, &json!(3))
    );
}

/// What a pool does not show: a run of `link` meets these, and no reading tells of them.
const NOT_SHOWN: [&str; 3] = ["alias_exists", "invalid_parameter", "unrecognised"];

#[test]
fn the_mixed_fixture_is_predicted_as_it_ends() {
    let fixture = |name: &str| format!("{}/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    let (input, pool) = (fixture("mixed.csv"), fixture("mixed.pool.json"));
    let home = Home::new();
    let folder = home.path("split");
    let words = ["validate", &input, "--simulate", "--pool-file", &pool, "--simulate-latency", "off", "--split"];
    home.run(&[&words[..], &[folder.to_str().unwrap(), "-q"]].concat()).left_with(4);
    let mut verdicts = csv::Reader::from_path(folder.join("verdicts.csv")).unwrap();
    let header = verdicts.headers().unwrap().clone();
    let place = |name: &str| header.iter().position(|column| column == name).unwrap();
    let (expected, state, code) = (place("expected"), place("link_state"), place("link_code"));
    let mut seen = 0;
    for record in verdicts.records().map(Result::unwrap) {
        let (wanted_state, wanted_code) = record[expected].split_once(' ').unwrap_or((&record[expected], ""));
        if NOT_SHOWN.contains(&wanted_code) {
            continue;
        }
        let predicted = if &record[state] == "link" { "linked" } else { &record[state] };
        assert_eq!(predicted, wanted_state, "{record:?}");
        if predicted == "refused" {
            // Behind the code there may be a warning.
            assert_eq!(wanted_code.split(' ').next(), Some(&record[code]), "{record:?}");
        }
        seen += 1;
    }
    assert!(seen > 25, "{seen}");
}

/// The printed command reads the input as the plan was made, so it is followed as it is pasted.
#[test]
fn the_command_that_follows_a_plan_can_be_pasted() {
    let home = Home::new();
    home.write("pool.json", pool_file());
    home.write("people.csv", "who,id\nalice,Carla@example.com\n");
    let validate = "validate people.csv --map destination_username=who --map source_value=id --set source_provider=Okta \
                    --allow uppercase_email_name_id --simulate --pool-file pool.json --save-plan plan";
    let validated = home.run(&validate.split_whitespace().collect::<Vec<_>>()).left_with(0);
    let (_, rest) = validated.stderr.split_once("`cognito-link ").unwrap_or_else(|| panic!("{validated:#?}"));
    let command = rest.split_once('`').unwrap().0;
    let words: Vec<&str> = command.split_whitespace().chain(["--yes"]).collect();
    let linked = home.run(&words).left_with(0);
    assert!(linked.stdout.starts_with("linked              1\n"), "{linked:#?}");
}
