//! An attacker's pool: whoever has an address that nobody has verified receives no identity.
//!
//! Goal: over every status, verification and kind of look-up, no identity is given to a user who is not trusted; and every
//! trusted user receives it. Method: one pool with a user of every combination, one file that names each of them in every
//! way, linked by each of the ways to link; the pool that the simulator saves afterwards is the judge.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::harness::Home;

const STATUSES: [&str; 8] = [
    "CONFIRMED",
    "EXTERNAL_PROVIDER",
    "RESET_REQUIRED",
    "FORCE_CHANGE_PASSWORD",
    "UNCONFIRMED",
    "ARCHIVED",
    "COMPROMISED",
    "UNKNOWN",
];
const TRUSTED: usize = 4;
/// What the pool shows of an address: nothing, not verified, verified.
const VERIFIED: [Option<&str>; 3] = [None, Some("false"), Some("true")];
const COLUMNS: [&str; 5] = [
    "destination_email",
    "destination_phone",
    "destination_preferred_username",
    "destination_username",
    "destination_sub",
];

struct Person {
    name: String,
    status: usize,
    email: usize,
    phone: usize,
    enabled: bool,
}

impl Person {
    fn all() -> Vec<Self> {
        let person = |number| {
            let (status, email, phone) = (number / 9, number % 3, number / 3 % 3);
            // Half of them are disabled, which decides nothing.
            let enabled = (status + email + phone) % 2 == 0;
            Self { name: format!("user-{number:03}"), status, email, phone, enabled }
        };
        (0..STATUSES.len() * 9).map(person).collect()
    }

    fn named_by(&self, column: &str) -> String {
        let number = &self.name[5..];
        match column {
            "destination_email" => format!("{}@example.com", self.name),
            "destination_phone" => format!("+49171{number}"),
            "destination_preferred_username" => format!("preferred-{number}"),
            "destination_sub" => format!("{number}00000-0000-4000-8000-000000000000"),
            _ => self.name.clone(),
        }
    }

    fn is_trusted_by(&self, column: &str) -> bool {
        let is_confirmed = self.status < TRUSTED;
        match column {
            "destination_email" => is_confirmed && VERIFIED[self.email] == Some("true"),
            "destination_phone" => is_confirmed && VERIFIED[self.phone] == Some("true"),
            "destination_preferred_username" => false,
            _ => true,
        }
    }

    fn in_pool(&self) -> Value {
        let mut attributes = BTreeMap::from([
            ("phone_number", self.named_by("destination_phone")),
            ("preferred_username", self.named_by("destination_preferred_username")),
        ]);
        for (name, verified) in [("email_verified", self.email), ("phone_number_verified", self.phone)] {
            attributes.extend(VERIFIED[verified].map(|verified| (name, verified.to_owned())));
        }
        json!({
            "username": self.name, "sub": self.named_by("destination_sub"), "email": self.named_by("destination_email"),
            "status": STATUSES[self.status], "enabled": self.enabled, "attributes": attributes,
        })
    }
}

/// The identity that a row gives.
fn identity(person: &Person, column: usize) -> String {
    format!("00u{column}{}", &person.name[5..])
}

fn set(home: &Home, people: &[Person], columns: &[usize]) {
    let users: Vec<Value> = people.iter().map(Person::in_pool).collect();
    let pool = json!({
        "version": 1,
        "pool": { "id": "sim-local-1_Attacker1" },
        "providers": [{ "name": "Okta", "type": "OIDC" }],
        "users": users,
    });
    home.write("pool.json", pool.to_string());
    let mut file = format!("{},source_provider,source_value\n", COLUMNS.join(","));
    for (person, column) in people.iter().flat_map(|person| columns.iter().map(move |column| (person, *column))) {
        let cells: Vec<String> = (0..COLUMNS.len())
            .map(|at| if at == column { person.named_by(COLUMNS[at]) } else { String::new() })
            .collect();
        writeln!(file, "{},Okta,{}", cells.join(","), identity(person, column)).unwrap();
    }
    home.write("rows.csv", file);
}

/// Who holds which identity in the pool that was saved.
fn holders(home: &Home, file: &str) -> BTreeMap<String, String> {
    let pool: Value = serde_json::from_str(&home.read(file)).unwrap();
    let users = pool["users"].as_array().unwrap().iter();
    let held = users.flat_map(|user| {
        let name = user["username"].as_str().unwrap();
        let identities = user["identities"].as_array().into_iter().flatten();
        identities.map(move |held| (held["userId"].as_str().unwrap().to_owned(), name.to_owned()))
    });
    held.collect()
}

const SIMULATED: [&str; 6] =
    ["--simulate", "--pool-file", "pool.json", "--simulate-latency", "off", "--simulate-quota"];

/// Makes the links in one of the ways that there are.
fn link(home: &Home, way: &str, allow: &[&str]) {
    let simulated = [&SIMULATED[..], &["off"]].concat();
    let write = ["--yes", "--rate", "2000", "--save-pool", "after.json", "--force", "--quiet"];
    let save_plan = |look_up: &str| {
        let plan = ["validate", "rows.csv", "--save-plan", "plan", "--force", "--quiet", "--lookup", look_up];
        home.run(&[&plan[..], &simulated, allow].concat());
    };
    let _ = std::fs::remove_file(home.path("rows.csv.simulated.ledger"));
    match way {
        "no plan" => drop(home.run(&[&["link", "rows.csv"][..], &simulated, &write, allow].concat())),
        "reconcile" => {
            let bounds = ["--apply", "--max-changes", "5000", "--max-changes-pct", "100"];
            drop(home.run(&[&["reconcile", "rows.csv"][..], &bounds, &simulated, &write, allow].concat()));
        }
        look_up => {
            save_plan(look_up);
            drop(home.run(&[&["link", "rows.csv", "--plan", "plan"][..], &simulated, &write].concat()));
        }
    }
}

const WAYS: [&str; 4] = ["no plan", "scan", "filter", "reconcile"];

#[test]
fn no_identity_is_given_to_a_user_who_is_not_trusted() {
    let home = Home::new();
    let people = Person::all();
    // A user holds five identities at most.
    let columns = [0, 1, 2, 3, 4];
    set(&home, &people, &columns);
    let expected: BTreeMap<String, String> = people
        .iter()
        .flat_map(|person| columns.map(|column| (person, column)))
        .filter(|(person, column)| person.is_trusted_by(COLUMNS[*column]))
        .map(|(person, column)| (identity(person, column), person.name.clone()))
        .collect();
    assert!(expected.len() > people.len(), "some are trusted");
    for way in WAYS {
        link(&home, way, &[]);
        assert_eq!(holders(&home, "after.json"), expected, "{way}");
    }
}

#[test]
fn all_of_them_receive_it_where_that_is_allowed() {
    let home = Home::new();
    let people: Vec<Person> = Person::all().into_iter().skip(8).step_by(7).collect();
    set(&home, &people, &[0, 1, 2]);
    for way in WAYS {
        link(&home, way, &["--allow", "destination_unverified"]);
        assert_eq!(holders(&home, "after.json").len(), people.len() * 3, "{way}");
    }
}

#[test]
fn a_user_who_has_verified_the_address_has_no_rival_who_has_not() {
    let home = Home::new();
    let user = |name: &str, verified: &str, held: &[&str]| {
        let identities: Vec<Value> = held.iter().map(|id| json!({ "providerName": "Okta", "userId": id })).collect();
        json!({
            "username": name, "email": "victim@example.com", "attributes": { "email_verified": verified },
            "identities": identities,
        })
    };
    let pool = |users: &[Value]| {
        let pool = json!({
            "version": 1, "pool": { "id": "sim-local-1_Attacker1" },
            "providers": [{ "name": "Okta", "type": "OIDC" }], "users": users,
        });
        home.write("pool.json", pool.to_string());
    };
    home.write("rows.csv", "email,source_provider,source_value\nvictim@example.com,Okta,00uVictim\n");
    let attacker = || user("attacker", "false", &[]);
    for way in WAYS {
        pool(&[attacker(), user("victim", "true", &[])]);
        link(&home, way, &[]);
        assert_eq!(holders(&home, "after.json"), BTreeMap::from([("00uVictim".into(), "victim".into())]), "{way}");
        pool(&[attacker(), user("attacker-2", "false", &[])]);
        link(&home, way, &[]);
        if way != "reconcile" {
            assert!(holders(&home, "after.json").is_empty(), "{way}");
        }
    }
    // A sign-in may take the verification away from a user who was linked before: that link is no new one.
    pool(&[user("victim", "false", &["00uVictim"])]);
    let run = |command: &[&str]| home.run(&[command, &SIMULATED, &["off", "--output", "json"]].concat());
    let forecast: Value = serde_json::from_str(&run(&["validate", "rows.csv"]).left_with(0).stdout).unwrap();
    assert_eq!(forecast["forecast"]["by_verdict"], json!({ "already_linked": 1 }));
    let _ = std::fs::remove_file(home.path("rows.csv.simulated.ledger"));
    let linked: Value = serde_json::from_str(&run(&["link", "rows.csv", "--yes"]).left_with(0).stdout).unwrap();
    assert_eq!((&linked["writes"], &linked["rows"]["already_linked"]), (&json!(0), &json!(1)), "{linked}");
    run(&["reconcile", "rows.csv", "--exit-on-drift"]).left_with(0);
}

#[test]
fn a_person_is_warned_of_what_would_be_refused_by_an_address() {
    let home = Home::new();
    set(&home, &Person::all(), &[3]);
    let arguments = [&["validate", "rows.csv"][..], &SIMULATED, &["off", "--output", "json"]].concat();
    let report: Value = serde_json::from_str(&home.run(&arguments).left_with(0).stdout).unwrap();
    let concerns = report["forecast"]["concerns"].as_array().unwrap();
    let counted: Vec<(&str, u64)> = concerns
        .iter()
        .map(|one| (one["refusal_code"].as_str().unwrap(), one["row_count"].as_u64().unwrap()))
        .collect();
    // Of the 72 users half are not confirmed, two in three are not verified, and half are disabled: each reason counts.
    let expected = [("destination_unverified", 36), ("destination_unverified", 48), ("user_disabled", 36)];
    assert_eq!(counted, expected, "{report}");
}
