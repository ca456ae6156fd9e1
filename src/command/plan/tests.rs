use super::*;
use crate::domain::identity::{AttributeName, Destination, ExternalIdentity, PoolId};
use crate::domain::outcome::RefusalCode;
use crate::domain::row::{Link, RowNumber};

fn row(number: u64, destination: Destination) -> Row {
    let source = ExternalIdentity::new(
        ProviderName::parse("Okta").unwrap(),
        AttributeName::subject(),
        Personal::from_service(&format!("Id{number}")),
    );
    let link = Link { destination, source: source.unwrap() };
    let key = RowKey::of(&PoolId::parse("us-east-1_A").unwrap(), &link);
    Row { number: RowNumber(number), link, key }
}

fn rows() -> [Row; 4] {
    let personal = Personal::from_service;
    [
        row(1, Destination::Username(personal("alice"))),
        row(2, Destination::Email(personal("b@example.com"))),
        row(4, Destination::Username(personal("carol"))),
        row(5, Destination::Sub(personal("0-1"))),
    ]
}

fn header() -> PlanHeader {
    let bound = Bound { input: "pairs.csv".into(), input_hash: "0".into(), options_hash: "1".into() };
    let binding = Binding { pool: PoolId::parse("us-east-1_A").unwrap(), simulated: false };
    PlanHeader::new(bound, &binding, "0.1.0")
}

/// A plan for [`rows`] in this folder.
fn written(folder: &Path) -> PathBuf {
    let path = folder.join("plan.jsonl");
    let bob = DestinationUser { provider: ProviderName::native(), value: Personal::from_service("bob") };
    let refused = Verdict::Refused(RefusalCode::UserNotFound);
    let forecasts =
        [(Verdict::Link, None), (Verdict::Link, Some(bob)), (Verdict::AlreadyLinked, None), (refused, None)];
    let mut writer = PlanWriter::create(&path).unwrap();
    for (row, (verdict, user)) in rows().iter().zip(forecasts) {
        writer.write(row, &Forecast { verdict, user, hint: None }).unwrap();
    }
    writer.finish(header()).unwrap();
    path
}

#[test]
fn a_plan_reads_back_in_the_order_of_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    let (header, mut plan) = open(&written(folder.path())).unwrap();
    assert_eq!((header.rows, header.pool.as_str()), (4, "us-east-1_A"));
    let bob = DestinationUser { provider: ProviderName::native(), value: Personal::from_service("bob") };
    let [first, second, third, fourth] = rows();
    assert_eq!(plan.of(&first), Ok(Foretold::Link(None)));
    assert_eq!(plan.of(&second), Ok(Foretold::Link(Some(bob))));
    // The rows between are of another shard.
    assert_eq!(plan.of(&fourth), Ok(Foretold::Refused(RefusalCode::UserNotFound)));
    assert!(plan.of(&third).is_err_and(|told| told.contains("row 4: not in the plan")));
}

#[test]
fn a_row_that_is_another_one_is_not_in_the_plan() {
    let folder = tempfile::tempdir().unwrap();
    let (_, mut plan) = open(&written(folder.path())).unwrap();
    let other = row(1, Destination::Username(Personal::from_service("mallory")));
    assert!(plan.of(&other).is_err());
}

#[test]
fn a_plan_is_of_one_person_and_whole_or_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let unfinished = folder.path().join("unfinished");
    PlanWriter::create(&unfinished).unwrap();
    assert!(!unfinished.exists());
}

#[test]
fn a_damaged_plan_is_refused_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path());
    let text = std::fs::read_to_string(&path).unwrap();
    for (damaged, expected) in [
        (text.replace("already_linked", "link"), "is damaged, or was edited"),
        (text.lines().take(3).collect::<Vec<_>>().join("\n") + "\n", "is damaged"),
        (text.replacen("\"scanned_unix_ms\":0", "\"scanned_unix_ms\":9", 1), "is damaged, or was edited"),
        (text.replacen("\"plan\":1", "\"plan\":2", 1), "has format 2"),
        ("destination_username\nalice\n".to_owned(), "is not a plan"),
        (String::new(), "is not a plan"),
    ] {
        std::fs::write(&path, damaged).unwrap();
        let failure = open(&path).map(drop).unwrap_err();
        assert_eq!(failure.exit(), crate::exit::Exit::Mismatch);
        assert!(failure.to_string().contains(expected), "{failure}");
    }
}
