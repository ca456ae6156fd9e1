use super::*;
use crate::input::testing::options;

fn layout(header: &[&str], map: &[(Column, &str)], set: &[(Column, &str)]) -> Result<ColumnLayout, Vec<Finding>> {
    let names: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
    find_columns(&names, &ColumnNames::new(&options(map, set)).unwrap(), 1)
}

fn messages(header: &[&str], map: &[(Column, &str)], set: &[(Column, &str)]) -> Vec<(FindingCode, u32, String)> {
    let findings = layout(header, map, set).unwrap_err();
    findings.into_iter().map(|finding| (finding.code, finding.field, finding.message)).collect()
}

#[test]
fn columns_are_found_where_they_stand() {
    let layout = layout(&["note", "EMAIL", "idp", "Subject", "SourceUser.ProviderAttributeName"], &[], &[]).unwrap();
    let found = Column::ALL.map(|column| layout[column.index()]);
    assert_eq!(found, [None, Some(1), None, None, None, None, Some(2), Some(4), Some(3), None]);
}

#[test]
fn two_columns_of_one_meaning_are_told_with_both_places() {
    let findings = messages(&["username", "idp", "name_id", "cognito_username"], &[], &[]);
    let message = "columns 1 and 4 both mean destination_username; rename one, or choose with --map \
                   destination_username=NAME";
    assert_eq!(findings, [(FindingCode::DuplicateColumn, 4, message.to_owned())]);
}

#[test]
fn a_map_decides_between_columns_and_spellings() {
    use Column::{DestinationUsername, SourceValue};
    let header = ["username", "idp", "name_id", "cognito_username"];
    let decided = layout(&header, &[(DestinationUsername, "cognito_username")], &[]).unwrap();
    assert_eq!(decided[DestinationUsername.index()], Some(3));
    let header = ["username", "idp", "ID", "id"];
    assert_eq!(layout(&header, &[(SourceValue, "id")], &[]).unwrap()[SourceValue.index()], Some(3));
    assert_eq!(messages(&header, &[(SourceValue, "Id")], &[])[0].0, FindingCode::DuplicateColumn);
}

#[test]
fn a_mapped_name_that_is_not_there_lists_what_resembles_it() {
    let header = ["username", "idp", "Object ID", "objectid2", "mail"];
    let findings = messages(&header, &[(Column::SourceValue, "objectId")], &[]);
    let message = "--map source_value=objectId: the header has no such column; did you mean Object ID or objectid2?";
    assert_eq!(findings, [(FindingCode::MissingColumn, 0, message.to_owned())]);
    let findings = messages(&header, &[(Column::SourceValue, "zzz")], &[]);
    assert!(findings[0].2.ends_with("give a name of the header"), "{}", findings[0].2);
}

#[test]
fn a_misspelled_name_is_asked_about() {
    let message = |header: &[&str]| messages(header, &[], &[]).remove(0).2;
    let typo = message(&["destination_username", "source_provder", "source_value"]);
    assert!(typo.ends_with("; source_provder: did you mean source_provider?"), "{typo}");
    let far = message(&["destination_username", "team", "source_value"]);
    assert!(!far.contains("did you mean"), "{far}");
    // A row of a user has no such name, and no message quotes it.
    let row = message(&["jane", "Okta", "00u1"]);
    assert!(!row.contains("did you mean") && !row.contains("jane"), "{row}");
}

#[test]
fn a_constant_stands_in_for_a_column_and_against_one() {
    let set = [(Column::SourceProvider, "Okta")];
    assert_eq!(layout(&["email", "subject"], &[], &set).unwrap()[Column::SourceProvider.index()], None);
    let findings = messages(&["email", "subject", "idp"], &[], &set);
    assert_eq!((findings[0].0, findings[0].1), (FindingCode::DuplicateColumn, 3));
    assert!(findings[0].2.starts_with("--set source_provider and column 3 both give it"), "{}", findings[0].2);
}

#[test]
fn what_is_missing_is_told_with_what_is_there() {
    let findings = messages(&["username", "objectId"], &[], &[]);
    assert_eq!(findings.len(), 2);
    let message = &findings[0].2;
    assert!(
        message.starts_with("no column for source_provider: accepted names are source_provider, provider, "),
        "{message}"
    );
    assert!(message.ends_with(
        "the header has username, objectId; give it with --map source_provider=NAME or --set source_provider=VALUE"
    ));
    let no_user = messages(&["idp", "subject"], &[], &[]);
    assert!(no_user[0].2.starts_with("no column for destination_username or destination_sub or destination_email"));
}

#[test]
fn a_first_line_that_may_be_a_row_is_not_repeated() {
    let findings = messages(&["carlos@example.com", "Google", "109842"], &[], &[]);
    assert_eq!(findings.len(), 3);
    for (code, _, message) in findings {
        assert_eq!(code, FindingCode::MissingColumn);
        assert!(message.contains("none of the 3 names on line 1 is known") && !message.contains("carlos"), "{message}");
    }
}

#[test]
fn long_headers_and_names_are_cut() {
    let long = "n".repeat(500);
    let mut header = vec!["username"];
    header.extend(std::iter::repeat_n(long.as_str(), 50));
    let message = &messages(&header, &[], &[])[0].2;
    assert!(message.contains("and 31 more") && message.len() < 1_500, "{message}");
}

#[test]
fn resemblance() {
    for (name, wanted) in [("object_id", "objectId"), ("user id", "userid"), ("provider", "providers"), ("sub", "subb")]
    {
        assert!(resembles(name, wanted), "{name} {wanted}");
    }
    for (name, wanted) in [("mail", "objectId"), ("", "x"), ("a", "b"), ("é", "x")] {
        assert!(!resembles(name, wanted), "{name} {wanted}");
    }
}
