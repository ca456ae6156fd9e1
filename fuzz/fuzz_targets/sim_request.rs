//! Any body for any operation of the simulated service: an answer that is JSON, and no panic.
#![no_main]

use std::cell::RefCell;

use cognito_sim::{
    Account, Answer, Latency, NewIdentity, NewUser, Pool, PoolSettings, Provider, ProviderKind, Quota, SharedAccount,
};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;

const POOL: &str = "sim-local-1_Fuzzing";
const OPERATIONS: [&str; 12] = [
    "AdminLinkProviderForUser",
    "AdminDisableProviderForUser",
    "ListUsers",
    "AdminGetUser",
    "DescribeUserPool",
    "ListIdentityProviders",
    "DescribeIdentityProvider",
    "AdminCreateUser",
    "AdminDeleteUser",
    "AdminUpdateUserAttributes",
    "CreateIdentityProvider",
    "ListUserPools",
];

thread_local! {
    static RUNTIME: RefCell<Runtime> = RefCell::new(
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime"),
    );
}

fuzz_target!(|bytes: &[u8]| {
    let [operation, body @ ..] = bytes else { return };
    let operation = OPERATIONS[usize::from(*operation) % OPERATIONS.len()];
    let mut pool = Pool::new(PoolSettings::new(POOL));
    pool.add_provider(Provider::new("Okta", ProviderKind::Oidc, 0)).expect("a valid provider");
    let alice = NewUser::named("alice").with_identity(NewIdentity::linked("Okta", "1"));
    pool.add_user(alice).expect("a valid user");
    let account = Account::new(1).with_pool(pool).with_quota(Quota::off()).with_latency(Latency::off());
    let account = SharedAccount::new(account);
    let answer = RUNTIME.with_borrow(|runtime| runtime.block_on(account.call(1_795_000_000_000, operation, body)));
    let Answer::Complete(response) = answer else { panic!("no fault was ordered") };
    if !response.body.is_empty() {
        serde_json::from_slice::<serde_json::Value>(&response.body).expect("an answer is JSON");
    }
});
