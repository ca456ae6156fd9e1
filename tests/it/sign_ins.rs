//! What `doctor` says of sign-ins is what the simulator's sign-ins do.

use std::collections::BTreeMap;

use cognito_sim::{
    AttributeBounds, NewIdentity, NewUser, Pool, PoolSettings, Provider, ProviderKind, SchemaAttribute, SignIn,
    pool_file,
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
    social: bool,
}

impl Traps {
    fn all() -> impl Iterator<Item = Self> {
        (0..32).map(|bits: u32| {
            let has = |bit: u32| bits & 1 << bit != 0;
            Self { immutable: has(0), required: has(1), admin_only: has(2), mapped: has(3), social: has(4) }
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
        let mut pool = Pool::new(settings);
        let kind = if self.social { ProviderKind::Google } else { ProviderKind::Oidc };
        let mut provider = Provider::new(self.provider(), kind, 0).mapping("name", "name");
        if self.mapped {
            provider = provider.mapping("email", "mail").mapping("email_verified", "verified");
        }
        pool.add_provider(provider).unwrap();
        let linked = NewIdentity::linked(self.provider(), "1001");
        pool.add_user(NewUser::named("alice").with_verified_email("alice@example.com").with_identity(linked)).unwrap();
        pool
    }

    /// Whether an identity with this id can sign in, and once more.
    fn signs_in(self, user_id: &str) -> bool {
        let mut pool = self.pool();
        let claims = [("mail", "alice@example.com"), ("verified", "true"), ("name", "Alice")];
        let sign_in = SignIn {
            provider: self.provider().to_owned(),
            user_id: user_id.to_owned(),
            claims: claims.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            issuer: None,
        };
        pool.sign_in_with(1, &sign_in).is_ok()
    }
}

#[test]
fn sign_ins_fail_exactly_where_doctor_says_so() {
    let home = Home::new();
    for traps in Traps::all() {
        let mut text = Vec::new();
        pool_file::write(&mut text, &traps.pool()).unwrap();
        home.write("pool.json", text);
        let finished = home.run(&[
            "doctor",
            "--simulate",
            "--pool-file",
            "pool.json",
            "--simulate-latency",
            "off",
            "--output",
            "json",
        ]);
        let report: Value = serde_json::from_str(&finished.stdout).unwrap();
        let checks = report["checks"].as_array().unwrap();
        let about = |name: &str| checks.iter().filter(|check| check["name"] == name).collect::<Vec<_>>();
        let lists = |member: &str| about("mapping").iter().any(|check| check["details"][member] != json!([]));
        let has: BTreeMap<&str, bool> = ["immutable_attributes", "missing_attributes"]
            .into_iter()
            .map(|member| {
                (member, about("mapping").iter().any(|check| check["details"][member].is_array()) && lists(member))
            })
            .collect();
        assert_eq!(traps.signs_in("1001"), !has["immutable_attributes"], "a linked identity: {traps:?} {report}");
        let new_fails = has["missing_attributes"] || !about("sign_up").is_empty();
        assert_eq!(traps.signs_in("2002"), !new_fails, "an identity without a link: {traps:?} {report}");
        assert_eq!(report["exit_status"], if has["immutable_attributes"] { 7 } else { 0 }, "{traps:?} {report}");
    }
}
