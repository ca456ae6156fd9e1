use std::fmt::Write as _;

use super::*;
use crate::domain::finding::Severity;
use crate::input::{FirstReading, InputOptions, InputReader, InputSource};
use crate::seed::Rng;

/// Everything that is found in an input of these bytes, as `row code line:field`, in the order of the reports.
fn found_with(options: &InputOptions, bytes: impl AsRef<[u8]>) -> Vec<String> {
    let source = InputSource::spool("input", bytes.as_ref()).unwrap();
    let first = FirstReading::of(&source, options, |_| ()).unwrap();
    let reader = InputReader::with_cross_row(&source, options, &first.cross_row).unwrap();
    let findings = reader.flat_map(|record| record.unwrap().findings);
    let place = |finding: crate::domain::finding::Finding| {
        let row = finding.row.unwrap();
        let mark = if finding.severity == Severity::Error { "" } else { "?" };
        format!("{row} {}{mark} {}:{}", finding.code.as_str(), finding.line, finding.field)
    };
    findings.map(place).collect()
}

fn found(rows: &str) -> Vec<String> {
    found_with(&InputOptions::default(), format!("username,idp,name_id\n{rows}"))
}

/// The codes alone, each once for every row that has it.
fn codes(rows: &str) -> Vec<String> {
    found(rows).iter().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect()
}

#[test]
fn rows_of_the_same_link_or_identity() {
    let two = "identity_for_two_users";
    let table: [(&str, Vec<String>); 8] = [
        ("a,Okta,1x\nb,Okta,2x\na,Corp,1x\n", vec![]),
        (
            "a,Okta,1x\nb,Okta,2x\na,Okta,1x\na,Okta,1x\n",
            vec!["3 duplicate_row? 4:0".into(), "4 duplicate_row? 5:0".into()],
        ),
        ("a,Okta,1x\nb,Okta,1x\n", vec![format!("1 {two} 2:3"), format!("2 {two} 3:3")]),
        // Case counts, in both.
        ("a,Okta,1x\nb,Okta,1X\n", vec![]),
        ("a,Okta,1x\nA,Okta,1x\n", vec![format!("1 {two} 2:3"), format!("2 {two} 3:3")]),
        // One row of three is a repeat too.
        (
            "a,Okta,1x\nb,Okta,1x\na,Okta,1x\n",
            vec![format!("1 {two} 2:3"), format!("2 {two} 3:3"), "3 duplicate_row? 4:0".into(), format!("3 {two} 4:3")],
        ),
        // A row with an error of its own takes part in nothing; lines are those of the file.
        ("a,Okta,1x\n\n ,Okta,1x\nb,Okta,2x\n", vec!["2 surrounding_space 4:1".into()]),
        (
            "a,Okta,1x\n\nb,Okta,1x \n\nc,Okta,1x\n",
            vec![format!("1 {two} 2:3"), "2 surrounding_space 4:3".into(), format!("3 {two} 6:3")],
        ),
    ];
    for (rows, expected) in table {
        assert_eq!(found(rows), expected, "{rows}");
    }
}

/// A small compressed file can hold a hundred million of them.
#[test]
fn rows_that_repeat_the_row_before_are_not_kept() {
    let kept = |users: &[&str], rows: u64| {
        let mut check = CrossRowCheck::default();
        for number in 1..=rows {
            let user = users[usize::try_from(number - 1).unwrap() % users.len()];
            let destination = DestinationRef::Username(user);
            let link = LinkRef { destination, provider: "Okta", attribute: "a", value: "1x" };
            check.add(RowNumber(number), &link);
        }
        (check.fingerprints.identities.heads.len(), check.fingerprints.repeats.len())
    };
    assert_eq!(kept(&["a"], 100_000), (1, 1));
    assert_eq!(kept(&["a", "a", "b"], 3_000), (2_000, 1_000));
    assert_eq!(kept(&["a", "b"], 3_000), (3_000, 0));
    // What is found is what is found where they are apart, and every row of a repeat has it.
    let rows = "a,Okta,1x\na,Okta,1x\na,Okta,1x\nb,Okta,1x\nb,Okta,1x\nc,Okta,3x\nc,Okta,3x\na,Okta,1x\na,Okta,1x\n";
    let of_row = |row: u64| -> Vec<String> {
        let prefix = format!("{row} ");
        found(rows).iter().filter_map(|line| line.strip_prefix(&prefix).map(str::to_owned)).collect()
    };
    let codes =
        |row: u64| of_row(row).iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>();
    let two = "identity_for_two_users";
    for (row, expected) in [
        (1, vec![two]),
        (2, vec!["duplicate_row?", two]),
        (3, vec!["duplicate_row?", two]),
        (4, vec![two]),
        (5, vec!["duplicate_row?", two]),
        (6, vec![]),
        (7, vec!["duplicate_row?"]),
        (8, vec!["duplicate_row?", two]),
        (9, vec!["duplicate_row?", two]),
    ] {
        assert_eq!(codes(row), expected, "row {row}");
    }
}

#[test]
fn one_person_named_in_two_ways_is_two_users() {
    let text = "destination_username,email,destination_provider,idp,subject\n\
                a,,,Okta,1x\n,a,,Okta,1x\n1y,,Google,Okta,2x\n1y,,,Okta,2x\n1y,,Facebook,Okta,3x\n";
    let found = found_with(&InputOptions::default(), text);
    let rows: Vec<&str> = found.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(rows, ["1", "2", "3", "4"], "{found:?}");
    let same_user_id =
        "destination_username,destination_provider,idp,subject\n1y,Google,Okta,2x\n1y,Facebook,Okta,2x\n";
    assert_eq!(found_with(&InputOptions::default(), same_user_id).len(), 2);
}

#[test]
fn messages_name_the_other_row_and_no_user() {
    let source =
        InputSource::spool("input", &b"username,idp,name_id\nanna,Okta,1x\nbert,Okta,1x\nbert,Okta,1x\n"[..]).unwrap();
    let options = InputOptions::default();
    let first = FirstReading::of(&source, &options, |_| ()).unwrap();
    assert_eq!((first.rows, first.has_findings), (3, false));
    let records: Vec<_> =
        InputReader::with_cross_row(&source, &options, &first.cross_row).unwrap().map(Result::unwrap).collect();
    assert!(records.iter().all(|record| record.link.is_some() && !record.is_valid()));
    let messages: Vec<&str> =
        records.iter().flat_map(|record| &record.findings).map(|finding| finding.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "row 2 gives the same identity to another user; keep only the correct row",
            "row 1 gives the same identity to another user; keep only the correct row",
            "duplicate of row 2; the link is made once",
            "row 1 gives the same identity to another user; keep only the correct row",
        ]
    );
}

#[test]
fn five_identities_are_no_more_than_five() {
    let rows =
        |count: usize| (0..count).fold(String::new(), |rows, at| rows + &format!("a,Okta,{at}x\nb{at},Okta,{at}y\n"));
    assert_eq!(found(&rows(5)), [""; 0]);
    assert_eq!(found(&(rows(5) + "a,Okta,0x\n")), ["11 duplicate_row? 12:0"], "a repeat is none more");
    let six = found(&rows(6));
    assert_eq!(six.len(), 6);
    assert_eq!((six[0].as_str(), six[5].as_str()), ("1 too_many_identities 2:1", "11 too_many_identities 12:1"));
    // Two of one provider are legal, and so is one of each of five.
    assert_eq!(found("a,Okta,1x\na,Okta,2x\na,Corp,1x\na,Google,1\na,Facebook,1\n"), [""; 0]);
}

#[test]
fn json_lines_are_compared_too() {
    let text = "{\"idp\":\"Okta\",\"subject\":\"1x\",\"username\":\"a\"}\n\
                {\"DestinationUser\":{\"ProviderAttributeValue\":\"b\"},\
                 \"SourceUser\":{\"ProviderName\":\"Okta\",\"ProviderAttributeValue\":\"1x\"}}\n";
    let expected = ["1 identity_for_two_users? 1:2", "2 identity_for_two_users? 2:2"].map(|line| line.replace('?', ""));
    assert_eq!(found_with(&InputOptions::default(), text), expected);
}

/// Values that people make and values that machines draw, many of each: nothing is wrong with them.
#[test]
fn intact_columns_have_no_findings() {
    const BASE62: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut rng = Rng::new(3);
    let mut text = |alphabet: &[u8], length: u64| -> String {
        (0..length).map(|_| char::from(alphabet[usize::try_from(rng.below(alphabet.len() as u64)).unwrap()])).collect()
    };
    let mut rows = String::new();
    for row in 0..3_000_u64 {
        let values = [
            ("Google", format!("1{}", text(b"0123456789", 20))),
            ("Facebook", format!("1{}", text(b"0123456789", 14 + row % 3))),
            ("Okta", format!("00u{}", text(BASE62, 17))),
            ("Entra", text(BASE62, 43)),
            (
                "Keycloak",
                format!(
                    "{}-{}-4{}-a{}-{row:012x}",
                    text(b"0123456789abcdef", 8),
                    text(b"abcdef", 4),
                    text(b"01", 3),
                    text(b"01", 3)
                ),
            ),
            ("Auth0", format!("auth0|{}{row:08x}", text(b"0123456789abcdef", 16))),
            ("Numbered", format!("person-{}", row + 990)),
            ("Amazon", format!("amzn1.account.{}", text(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 26))),
            (
                "Names",
                ["Carlos.Ruiz", "anna.meier", "JuanPerez", "o.brien"][usize::try_from(row % 4).unwrap()].to_owned()
                    + &row.to_string(),
            ),
            ("Mails", format!("person{row}@example.com")),
        ];
        for (provider, value) in values {
            writeln!(rows, "{provider}-{row},{provider},{value}").unwrap();
        }
    }
    assert_eq!(found(&rows), [""; 0]);
}

#[test]
fn capitals_that_were_lost_are_missed() {
    let okta = ["00uLtmZoPOMiUo3E9FJw", "00uxLeok3whYePlQuVNi", "00uO3jqatpHGgcsqdmg6", "00uKsvWe9WHqxB7TDLKp"];
    let rows = |extra: &str| okta.iter().fold(String::new(), |rows, id| rows + &format!("{id},Okta,{id}\n")) + extra;
    assert_eq!(found(&rows("x,Okta,00uzmvoOahPZ2Tzzl5w7\n")), [""; 0]);
    assert_eq!(found(&rows("x,Okta,00uzmvooahpz2tzzl5w7\n")), ["5 lowercased_identity? 6:3"]);
    for clean in [
        "x,Corp,00uzmvooahpz2tzzl5w7\n",
        "x,Okta,b284ae68-f515-4bb2-a25b-c5e752a3ca51\n",
        "x,Okta,147779681135220656579\n",
        "x,Okta,5f7c8ec7c33c6c004bba\n",
        "x,Okta,person12345@corp.com\n",
        "x,Okta,short1\n",
    ] {
        assert_eq!(found(&rows(clean)), [""; 0], "{clean}");
    }
    let all_lower = rows("").to_lowercase().replace(",okta,", ",Okta,");
    assert_eq!(found(&all_lower), [""; 0], "nothing to compare with");
}

#[test]
fn lengths_unlike_the_others() {
    let numbers = |count: u64, strays: &str| {
        (0..count).fold(String::new(), |rows, at| rows + &format!("g{at},Google,1{:020}\n", at * 7 + 1)) + strays
    };
    assert_eq!(found(&numbers(60, "x,Google,11234567890123456789\n")), ["61 unusual_length? 62:3"]);
    assert_eq!(found(&numbers(60, "x,Google,112345678901234567891\n")), [""; 0]);
    assert_eq!(found(&numbers(40, "x,Google,11234567890123456789\n")), [""; 0], "too few to tell");
    let two = "x,Google,11234567890123456789\ny,Google,11234567890123456788\n";
    assert_eq!(found(&numbers(60, two)), [""; 0], "too many to be strays");
    assert_eq!(found(&numbers(60, "x,Google,x@example.com\n")), ["61 unlike_provider 62:3"], "of another make");
    let filled = |stray: &str| (0..60).fold(String::new(), |rows, at| rows + &format!("e{at},Corp,{at:08}\n")) + stray;
    assert_eq!(found(&filled("x,Corp,1234567\n")), ["61 unusual_length? 62:3"], "the zeros before it are gone");
    assert_eq!(found(&filled("x,Corp,123456789\n")), [""; 0], "numbers grow");
}

#[test]
fn numbers_that_a_spreadsheet_made_one_of() {
    let collapsed = "a,Facebook,12345678901234567\nb,Facebook,12345678901234500\n";
    assert_eq!(found(collapsed), ["2 number_damaged 3:3"]);
    let allow = InputOptions { allow: vec![FindingCode::NumberDamaged], ..InputOptions::default() };
    assert_eq!(found_with(&allow, format!("username,idp,name_id\n{collapsed}")), ["2 number_damaged? 3:3"]);
    for intact in [
        "a,Facebook,12345678901234567\nb,Facebook,12345678901234568\n",
        "a,Facebook,12345678901234567\nb,Google,12345678901234500\n",
        "a,Facebook,12345678901234567\nb,Facebook,1234567890123450\n",
        "a,Facebook,12345678901234500\n",
    ] {
        assert_eq!(found(intact), [""; 0], "{intact}");
    }
}

#[test]
fn zeros_at_the_end_of_too_many_numbers() {
    let rows = |rounded: u64, whole: u64| {
        let mut rows = String::new();
        (0..rounded).for_each(|at| writeln!(rows, "r{at},Facebook,1{:013}10", at * 977).unwrap());
        (0..whole).for_each(|at| writeln!(rows, "w{at},Facebook,2{:014}{}", at * 977 + 1, at % 10).unwrap());
        rows
    };
    assert_eq!(codes(&rows(30, 20)).len(), 32, "the two that chance explains are suspected with them");
    assert_eq!(codes(&rows(5, 0)).len(), 5, "all of them");
    assert_eq!(found(&rows(0, 400)), [""; 0], "one in ten ends in zero by chance");
    assert_eq!(found(&rows(5, 20)), [""; 0]);
}

#[test]
fn every_row_of_a_wrong_column_is_reported_once() {
    let rows = (0..5_000).fold(String::new(), |rows, at| rows + &format!("same,Okta,{at}x\n"));
    let found = found(&rows);
    assert_eq!(found.len(), 5_000);
    assert_eq!(
        (found[0].as_str(), found[4_999].as_str()),
        ("1 too_many_identities 2:1", "5000 too_many_identities 5001:1")
    );
}
