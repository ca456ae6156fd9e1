use super::*;
use crate::service::sim::tests::example;

const EXAMPLE: &str = r#"{"version":1,
"pool":{"id":"sim-local-1_Example01","name":"example","case_sensitive":false},
"providers":[
{"name":"Google","type":"Google","attribute_mapping":{"email":"email"}}],
"users":[
{"username":"Zoe"},
{"username":"alice","sub":"0b5e","email":"Alice@example.com","status":"FORCE_CHANGE_PASSWORD","enabled":false,
 "identities":[{"providerName":"Google","providerType":"Google","userId":"AbC","primary":false,"dateCreated":17}],
 "attributes":{"name":"Alice"}}]}"#;

fn text(pool: &Pool) -> String {
    let mut text = Vec::new();
    write(&mut text, pool).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn a_file_is_read_and_what_is_not_said_is_derived() {
    let mut pool = read(EXAMPLE.as_bytes()).unwrap();
    let alice = pool.get_user("ALICE").unwrap();
    assert_eq!((alice.status, alice.enabled), ("FORCE_CHANGE_PASSWORD", false));
    let names: Vec<_> = alice.attributes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["sub", "identities", "email", "name"]);
    assert!(alice.attributes[1].1.contains(r#""userId":"AbC","providerName":"Google""#));
    let zoe = pool.get_user("zoe").unwrap();
    assert_eq!((zoe.username.as_str(), zoe.status, zoe.attributes[0].1.len()), ("zoe", "CONFIRMED", 36));
}

#[test]
fn what_is_written_is_read_back_sorted_and_stable() {
    for pool in [example(true), example(false), read(EXAMPLE.as_bytes()).unwrap()] {
        let written = text(&pool);
        assert_eq!(text(&read(written.as_bytes()).unwrap()), written);
        let names: Vec<_> = written.lines().filter_map(|line| line.strip_prefix("{\"username\":")).collect();
        assert!(names.is_sorted() && names.len() == pool.user_count());
    }
}

#[test]
fn schema_details_and_locked_passwords_are_kept() {
    let text_before = r#"{"version":1,
"pool":{"id":"sim-local-1_Example01","schema":[{"name":"email","mutable":false},{"name":"custom:team"}]},
"providers":[{"name":"Okta","type":"OIDC","details":{"client_id":"mine"}}],
"users":[{"username":"alice","password_disabled":true}]}"#;
    let mut pool = read(text_before.as_bytes()).unwrap();
    let email = pool.settings().schema.iter().find(|attribute| attribute.name == "email").unwrap();
    assert!(!email.mutable && !email.required && email.data_type == "String");
    assert_eq!(pool.describe_provider("Okta").unwrap().details["client_id"], "mine");
    let written = text(&pool);
    assert!(written.contains(r#""password_disabled":true"#) && written.contains(r#""client_id":"mine""#));
    assert_eq!(text(&read(written.as_bytes()).unwrap()), written);
}

#[test]
fn a_saved_file_is_whole_and_private() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pool.json");
    save(&path, &example(true)).unwrap();
    assert_eq!(text(&load(&path).unwrap()), text(&example(true)));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(matches!(load(&directory.path().join("none.json")), Err(PoolFileError::Read(_))));
}

#[test]
fn faults_name_line_and_column_and_never_a_value() {
    let file = |users: &str| {
        format!(
            "{{\"version\":1,\n\"pool\":{{\"id\":\"sim-a_B\"}},\n\"providers\":[],\n\"users\":[\n{{\"username\":\"x\"}},\n{users}\n]}}"
        )
    };
    for (content, line, reason) in [
        (file(r#"{"username":"secret","email":7}"#), 6, "expected a string"),
        (file(r#"{"username":"secret","secret":1}"#), 6, "a member of an unknown name"),
        (file(r#"{"email":"secret"}"#), 6, "missing member `username`"),
        (file(r#"{"username":"x","username":"secret"}"#), 6, "duplicate member `username`"),
        (file(r#"{"username":"secret","status":"SECRET"}"#), 6, "status is none of those that the service has"),
        (file(r#"{"username":"x","email":"secret"}"#), 6, "another user has this username; remove one of the two"),
        (file(r#"{"username":"secret" "x"}"#), 6, "not valid JSON"),
        (file("\"secret\""), 6, "expected an object"),
        (EXAMPLE[..300].to_owned(), 7, "the file ends in the middle"),
        (EXAMPLE.replace("\"version\":1", "\"version\":2"), 1, "version must be 1"),
        (EXAMPLE.replace("\"version\":1,", ""), 9, "version is missing"),
        (r#"{"version":1,"users":[]}"#.to_owned(), 1, "pool must stand before providers and users"),
        (
            r#"{"version":1,"secret":[]}"#.to_owned(),
            1,
            "a member of an unknown name; expected version, pool, providers and users",
        ),
        (
            EXAMPLE.replace("sim-local-1_Example01", "secret"),
            2,
            "id is not a user pool id: expected REGION_ID as in us-east-1_AbCdEfGhI",
        ),
        ("[]".to_owned(), 1, "expected an object with version, pool, providers and users"),
        (format!("{EXAMPLE}x"), 9, "not valid JSON"),
    ] {
        let error = read(content.as_bytes()).err().unwrap();
        let PoolFileError::Content { line: told_line, reason: told, .. } = &error else { unreachable!() };
        assert_eq!((told.as_str(), *told_line), (reason, line), "{content}");
        assert!(!error.to_string().to_lowercase().contains("secret"), "{error}");
    }
}
