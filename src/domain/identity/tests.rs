use super::*;

fn source(provider: &str, value: &str) -> Result<ExternalIdentity, IdentityError> {
    ExternalIdentity::new(
        ProviderName::parse(provider)?,
        AttributeName::subject(),
        Personal::parse(value, limits::ATTRIBUTE_VALUE_CHARS_MAX)?,
    )
}

#[test]
fn pool_ids() {
    for good in ["us-east-1_AbCdEfGhI", "us-gov-west-1_Zz9", "sim-local-1_Example01"] {
        assert_eq!(PoolId::parse(good).map(|p| p.to_string()), Ok(good.to_owned()));
    }
    for bad in ["", "us-east-1", "_Abc", "us-east-1_", "us-east-1_a b", "us east_Abc", "US-EAST-1_Abc", "a_b"] {
        assert_eq!(PoolId::parse(bad), Err(IdentityError::PoolId), "{bad}");
    }
    assert!(PoolId::parse("sim-local-1_A").is_ok_and(|pool| pool.is_simulated()));
    assert!(PoolId::parse("us-east-1_A").is_ok_and(|pool| !pool.is_simulated() && pool.region() == "us-east-1"));
}

#[test]
fn a_native_source_cannot_be_built() {
    assert_eq!(source("Cognito", "carlos"), Err(IdentityError::NativeSource));
    assert!(source("cognito", "carlos").is_ok(), "names are told apart by case");
}

#[test]
fn the_combined_length_is_bounded() {
    let fits = "x".repeat(limits::SOURCE_CHARS_MAX - "Google".len() - COGNITO_SUBJECT.len());
    assert!(source("Google", &fits).is_ok());
    assert_eq!(source("Google", &format!("{fits}x")), Err(IdentityError::SourceTooLong { chars: 129, max: 128 }));
}

#[test]
fn debug_and_masks_tell_nothing() {
    let identity = source("Google", "carlos@example.com").unwrap();
    assert!(!format!("{identity:?}").contains("carlos"));
    assert_eq!(masked("carlos@example.com"), "c***m");
    assert_eq!(masked("abcd"), "***");
    assert_eq!(masked("\u{1b}[31mred\u{7}"), "[***d");
}
