//! What `doctor` and `validate` say of sign-ins is what the simulator's sign-ins do.

use cognito_sim::{
    AppClient, AttributeBounds, NewIdentity, NewUser, Pool, PoolSettings, Provider, ProviderKind, SchemaAttribute,
    SignIn, pool_file,
};
use serde_json::{Value, json};

use crate::harness::Home;

const POOL: &str = "sim-local-1_SignIns01";

/// What of a pool breaks sign-ins, in every combination.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "every combination is tried")]
struct Traps {
    immutable: bool,
    required: bool,
    admin_only: bool,
    mapped: bool,
    /// `email_verified` is mapped with `email`.
    verified: bool,
    social: bool,
    /// An app client offers the provider.
    offered: bool,
}

impl Traps {
    fn all() -> impl Iterator<Item = Self> {
        (0..128).map(|bits: u32| {
            let has = |bit: u32| bits & 1 << bit != 0;
            Self {
                immutable: has(0),
                required: has(1),
                admin_only: has(2),
                mapped: has(3),
                verified: has(4),
                social: has(5),
                offered: has(6),
            }
        })
    }

    fn provider(self) -> &'static str {
        if self.social { "Google" } else { "Okta" }
    }

    fn pool(self) -> Pool {
        let mut settings = PoolSettings::new(POOL);
        let bounds = AttributeBounds::default();
        settings.schema.push(SchemaAttribute {
            name: "email".to_owned(),
            data_type: "String".to_owned(),
            mutable: !self.immutable,
            required: self.required,
            bounds,
        });
        let config = json!({ "AllowAdminCreateUserOnly": self.admin_only });
        settings.shown.insert("AdminCreateUserConfig".to_owned(), config);
        let client = |name: &str, providers: &[&str]| AppClient {
            name: name.to_owned(),
            providers: providers.iter().map(|name| (*name).to_owned()).collect(),
        };
        let offered: &[&str] = if self.offered { &["COGNITO", self.provider()] } else { &["COGNITO", "Corp"] };
        settings.app_clients = Some(vec![client("machine", &[]), client("web", offered)]);
        let mut pool = Pool::new(settings);
        let kind = if self.social { ProviderKind::Google } else { ProviderKind::Oidc };
        let mut provider = Provider::new(self.provider(), kind, 0).mapping("name", "name");
        if self.mapped {
            provider = provider.mapping("email", "mail");
        }
        if self.mapped && self.verified {
            provider = provider.mapping("email_verified", "verified");
        }
        pool.add_provider(provider).unwrap();
        let linked = NewIdentity::linked(self.provider(), "1001");
        pool.add_user(NewUser::named("alice").with_verified_email("alice@example.com").with_identity(linked)).unwrap();
        pool
    }

    /// The pool after a sign-in of the identity with this id; `None` where that fails.
    fn signed_in(self, user_id: &str) -> Option<Pool> {
        let mut pool = self.pool();
        let claims = [("mail", "alice@example.com"), ("verified", "true"), ("name", "Alice")];
        let sign_in = SignIn {
            provider: self.provider().to_owned(),
            user_id: user_id.to_owned(),
            claims: claims.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            issuer: None,
        };
        pool.sign_in_with(1, &sign_in).is_ok().then_some(pool)
    }

    /// Whether the linked user's address is still verified after a sign-in.
    fn stays_verified(self) -> bool {
        let mut text = Vec::new();
        pool_file::write(&mut text, &self.signed_in("1001").unwrap()).unwrap();
        let pool: Value = serde_json::from_slice(&text).unwrap();
        pool["users"][0]["attributes"]["email_verified"] == "true"
    }
}

/// What the checks say that sign-ins come to: of a linked identity, of one without a link, and of the address.
fn foretold(checks: &Value) -> (bool, bool, bool) {
    let checks = checks.as_array().unwrap();
    let about = |name: &str| checks.iter().filter(|check| check["name"] == name).collect::<Vec<_>>();
    let [mapping] = about("mapping")[..] else { panic!("{checks:?}") };
    let lists = |member: &str| !mapping["details"][member].as_array().unwrap().is_empty();
    let [clients] = about("app_clients")[..] else { panic!("{checks:?}") };
    let is_offered = clients["details"]["not_offered_providers"] == json!([]);
    assert_eq!(clients["status"], if is_offered { "ok" } else { "warn" });
    let mapped: Vec<&str> =
        mapping["details"]["mapped_attributes"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let resets = mapped.contains(&"email") && !mapped.contains(&"email_verified");
    let is_only_reset = resets && !lists("immutable_attributes") && !lists("missing_attributes");
    assert!(!is_only_reset || mapping["message"].as_str().unwrap().contains("email_verified to false"), "{mapping}");
    let linked = is_offered && !lists("immutable_attributes");
    (linked, is_offered && !lists("missing_attributes") && about("sign_up").is_empty(), !resets)
}

const SIMULATED: [&str; 5] = ["--simulate", "--pool-file", "pool.json", "--simulate-latency", "off"];

#[test]
fn sign_ins_fail_exactly_where_doctor_and_validate_say_so() {
    let home = Home::new();
    for traps in Traps::all() {
        let mut text = Vec::new();
        pool_file::write(&mut text, &traps.pool()).unwrap();
        home.write("pool.json", text);
        home.write("in.csv", format!("username,source_provider,source_value\nalice,{},1001\n", traps.provider()));
        let report = |command: &[&str]| -> Value {
            let finished = home.run(&[command, &SIMULATED, &["--output", "json"]].concat());
            serde_json::from_str(&finished.stdout).unwrap()
        };
        let doctor = report(&["doctor"]);
        let (linked, new, verified) = foretold(&doctor["checks"]);
        assert_eq!(traps.signed_in("1001").is_some(), linked, "a linked identity: {traps:?} {doctor}");
        assert_eq!(traps.signed_in("2002").is_some(), new, "an identity without a link: {traps:?} {doctor}");
        if linked {
            assert_eq!(traps.stays_verified(), verified, "{traps:?} {doctor}");
        }
        let immutable = traps.mapped && traps.immutable;
        assert_eq!(doctor["exit_status"], if immutable { 7 } else { 0 }, "{traps:?} {doctor}");
        // A quarter of them is enough to show that it is the same code.
        if !traps.social && !traps.required {
            let validated = report(&["validate", "in.csv"]);
            assert_eq!(foretold(&validated["forecast"]["sign_in_checks"]), (linked, new, verified), "{traps:?}");
            let expected = if immutable { 4 } else { 0 };
            assert_eq!(validated["exit_status"], expected, "only what locks people out is an error: {validated}");
            assert_eq!(validated["findings_by_code"]["immutable_attribute"], json!(immutable.then_some(1)));
            // `link` sends nothing where a linked identity cannot sign in, and else prints the same warnings.
            let link = ["link", "in.csv", "--yes", "--ledger", "ledger", "--rate", "100"];
            let linked = home.run(&[&link[..], &SIMULATED].concat()).left_with(expected);
            assert_eq!(home.path("ledger").exists(), !immutable, "{linked:#?}");
            let _ = std::fs::remove_file(home.path("ledger"));
            let topics = ["mapping", "sign_up", "app_clients"].map(Value::from);
            let is_warned = doctor["checks"]
                .as_array()
                .unwrap()
                .iter()
                .any(|check| check["status"] == "warn" && topics.contains(&check["name"]));
            if !immutable {
                assert_eq!(linked.stderr.contains("warning: sign-ins: "), is_warned, "{traps:?} {linked:#?}");
            }
        }
    }
}

#[test]
fn what_may_not_be_read_is_not_checked_and_is_no_error() {
    let home = Home::new();
    let traps = Traps { offered: false, mapped: true, ..Traps::all().next().unwrap() };
    let mut text = Vec::new();
    pool_file::write(&mut text, &traps.pool()).unwrap();
    home.write("pool.json", text);
    home.write("in.csv", "username,source_provider,source_value\nalice,Okta,2002\n");
    for operation in ["ListUserPoolClients", "DescribeUserPoolClient"] {
        home.write("faults", format!("access-denied@1..:{operation}\naccess-denied@1..:DescribeIdentityProvider\n"));
        let faults = ["--simulate-faults", "faults"];
        let finished = home.run(&[&["doctor"][..], &SIMULATED, &faults].concat()).left_with(0);
        let expected = format!("skip  app_clients  not checked: {operation}: access denied");
        assert!(finished.stdout.contains(&expected), "{finished:#?}");
        let validated = home.run(&[&["validate", "in.csv"][..], &SIMULATED, &faults].concat()).left_with(0);
        assert!(validated.stdout.contains(&expected), "{validated:#?}");
        assert!(
            validated.stdout.contains("warn  mapping      DescribeIdentityProvider: access denied"),
            "{validated:#?}"
        );
        let linked = home.run(&[&["link", "in.csv", "--yes"][..], &SIMULATED, &faults].concat()).left_with(0);
        assert_eq!(linked.stderr.matches("some checks of sign-ins were not made").count(), 1, "{linked:#?}");
        assert!(linked.stderr.contains(&format!("{operation}: access denied")), "{linked:#?}");
        assert!(linked.stderr.contains("`cognito-link policy link --with sign-ins`"), "{linked:#?}");
        std::fs::remove_file(home.path("in.csv.simulated.ledger")).unwrap();
    }
}

#[test]
fn what_locks_people_out_ends_every_way_to_link_until_it_is_allowed() {
    let home = Home::new();
    let harmless = Traps { mapped: true, verified: true, offered: true, ..Traps::all().next().unwrap() };
    let write_pool = |traps: Traps| {
        let mut text = Vec::new();
        pool_file::write(&mut text, &traps.pool()).unwrap();
        home.write("pool.json", text);
    };
    home.write("in.csv", "username,source_provider,source_value\nalice,Okta,2002\n");
    write_pool(harmless);
    home.run(&[&["validate", "in.csv", "--save-plan", "plan"][..], &SIMULATED].concat()).left_with(0);
    // The pool is changed after the plan was made.
    write_pool(Traps { immutable: true, ..harmless });
    let bounds = ["--max-changes-pct", "100"];
    let write = ["--yes", "--save-pool", "after.json", "--force"];
    for way in [
        &["link", "in.csv"][..],
        &["link", "in.csv", "--plan", "plan"],
        &[&["reconcile", "in.csv", "--apply"], &bounds[..]].concat(),
    ] {
        let run = home.run(&[way, &write, &SIMULATED].concat()).left_with(4);
        assert!(run.stderr.contains("error: immutable_attribute: Okta maps email, "), "{way:?}: {run:#?}");
        assert!(run.stderr.contains("nothing was sent"), "{way:?}: {run:#?}");
        if way.contains(&"--plan") {
            let advice = ", or make a new plan with --allow immutable_attribute";
            assert!(run.stderr.contains(advice), "the old plan takes no further option: {run:#?}");
        } else {
            let allow = ["--allow", "immutable_attribute", "--ledger", "allowed.ledger"];
            let run = home.run(&[way, &write, &SIMULATED, &allow].concat()).left_with(0);
            assert!(run.stderr.contains("warning: immutable_attribute: "), "{way:?}: {run:#?}");
            assert!(home.read("after.json").contains("2002"), "{way:?}");
            std::fs::remove_file(home.path("allowed.ledger")).unwrap();
        }
    }
    // The result for a script.
    let run = home.run(&[&["link", "in.csv", "--output", "json"][..], &write, &SIMULATED].concat()).left_with(4);
    let result: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(result["error"]["code"], "pool_findings", "{run:#?}");
    // `reconcile` keeps what it has compared.
    let apply = ["reconcile", "in.csv", "--apply", "--output", "json"];
    let run = home.run(&[&apply[..], &bounds, &write, &SIMULATED].concat()).left_with(4);
    let result: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&result["kind"], &result["exit_status"]), (&json!("reconcile_report"), &json!(4)), "{run:#?}");
    assert_eq!((&result["error"]["code"], &result["applied"]), (&json!("pool_findings"), &Value::Null), "{run:#?}");
    assert_eq!(run.stderr.matches("error: the checks of the pool found immutable_attribute").count(), 1, "{run:#?}");
    // A plan that accepts it is made and followed with the option.
    let allow = ["--allow", "immutable_attribute"];
    let plan = ["validate", "in.csv", "--save-plan", "plan", "--force"];
    home.run(&[&plan[..], &SIMULATED].concat()).left_with(4);
    home.run(&[&plan[..], &SIMULATED, &allow].concat()).left_with(0);
    home.run(&[&["link", "in.csv", "--plan", "plan"][..], &write, &SIMULATED, &allow].concat()).left_with(0);
}
