//! The simulator stands alone: what it shared with a client, it could not find wrong in that client.

#[test]
fn the_manifest_names_no_aws_crate_and_nothing_of_cognito_link() {
    let manifest = include_str!("../Cargo.toml");
    let foreign = |line: &&str| {
        let name = line.split(['=', '.', ' ', '"', '[', ']']).find(|part| !part.is_empty()).unwrap_or_default();
        name.starts_with("aws-") || name.starts_with("cognito-link") || line.contains("path = \"..")
    };
    let dependencies = manifest.lines().skip_while(|line| *line != "[dependencies]");
    assert!(dependencies.clone().count() > 5, "the manifest has dependencies");
    assert_eq!(dependencies.filter(foreign).collect::<Vec<_>>(), Vec::<&str>::new());
}
