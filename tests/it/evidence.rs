//! What an auditor gets: signatures, approvals, reports with every row, and the comparison with CloudTrail.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::{Finished, Home, POOL, Running, Simulator, csv, pairs, pool_file, resealed};

/// Makes an SSH key without a passphrase, and a file that allows it under its name.
fn make_key(home: &Home, name: &str) {
    let mut program = Command::new("ssh-keygen");
    let made = program.args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(home.path(name)).status();
    assert!(made.expect("OpenSSH is installed").success());
    home.write(&format!("{name}.allowed"), format!("{name}@example.com {}", home.read(&format!("{name}.pub"))));
}

fn json_of(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap()
}

fn linked(rows: u64) -> (Home, Simulator) {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..rows)));
    let simulator = Simulator::quick(&home);
    home.link(&simulator.url, &["pairs.csv", "--rate", "1000"]).left_with(0);
    (home, simulator)
}

#[test]
fn a_signed_head_is_checked_by_this_program_and_by_openssh() {
    let (home, simulator) = linked(5);
    make_key(&home, "alice");
    make_key(&home, "bob");
    home.run(&["verify", "pairs.csv.ledger", "--sign", "alice"]).left_with(0);
    let head = home.read("pairs.csv.ledger.head");
    let checked = Command::new("ssh-keygen")
        .args(["-Y", "verify", "-n", "cognito-link-ledger", "-I", "alice@example.com", "-f"])
        .arg(home.path("alice.allowed"))
        .arg("-s")
        .arg(home.path("pairs.csv.ledger.head.sig"))
        .stdin(Stdio::from(std::fs::File::open(home.path("pairs.csv.ledger.head")).unwrap()))
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");

    let verify = |ledger: &str, signers: &str| {
        let words = ["verify", ledger, "--signature", "pairs.csv.ledger.head.sig", "--allowed-signers", signers];
        home.run(&[&words[..], &["--output", "json"]].concat())
    };
    let found = json_of(&verify("pairs.csv.ledger", "alice.allowed").left_with(0));
    assert_eq!(
        (&found["signature"]["principal"], &found["signature"]["line"]),
        (&json!("alice@example.com"), &found["line_count"])
    );
    assert_eq!(found["signature"]["ledger_head"], head.trim_end());
    verify("pairs.csv.ledger", "bob.allowed").refused_with(6, "no signer of bob.allowed");
    // A second signature replaces the first one only with `--force`.
    home.run(&["verify", "pairs.csv.ledger", "--sign", "alice"]).refused_with(2, "exists");

    // A ledger that has grown had the signed head; one that lost a line before it never had it.
    home.link(&simulator.url, &["pairs.csv", "--rate", "1000"]).left_with(0);
    let words = ["--signature", "pairs.csv.ledger.head.sig", "--allowed-signers", "alice.allowed"];
    let text = home.run(&[&["verify", "pairs.csv.ledger"][..], &words].concat()).left_with(0).stdout;
    assert!(text.contains("good signature of lines 1 to 13 by alice@example.com"), "{text}");
    let whole = home.read("pairs.csv.ledger");
    home.write("cut.ledger", whole.split_inclusive('\n').take(12).collect::<String>());
    verify("cut.ledger", "alice.allowed").refused_with(6, "never had the head");
    // Nobody has signed this head.
    let other = if head.starts_with('0') { head.replacen('0', "1", 1) } else { format!("0{}", &head[1..]) };
    home.write("pairs.csv.ledger.head", other);
    verify("pairs.csv.ledger", "alice.allowed").refused_with(6, "is not signed by an allowed signer");
}

#[test]
fn only_an_approved_plan_is_followed() {
    let home = Home::new();
    let rows = pairs(0..4);
    home.write("pairs.csv", csv(&rows));
    let users: Vec<&str> = rows.iter().skip(1).map(|row| row.username.as_str()).collect();
    home.write("pool.json", pool_file(&users));
    make_key(&home, "alice");
    make_key(&home, "bob");
    let pool = ["--simulate", "--pool-file", "pool.json"];
    let validate = ["validate", "pairs.csv", "--save-plan", "plan", "--output", "json"];
    let saved = json_of(&home.run(&[&validate[..], &pool].concat()).left_with(3));
    let digest = format!("sha256:{:x}", HexOf(Sha256::digest(home.read("plan")).as_slice()));
    assert_eq!(saved["forecast"]["plan_digest"], digest);

    let link = |more: &[&str]| {
        let words = ["link", "pairs.csv", "--plan", "plan", "--require-approval", "alice.allowed", "--yes"];
        home.run(&[&words[..], &pool, more].concat())
    };
    link(&[]).refused_with(6, "plan is not approved: there is no plan.sig");
    home.run(&["plan", "approve", "plan", "--key", "bob", "--digest", "sha256:00"]).left_with(6);
    assert!(!home.path("plan.sig").exists());
    let approved = home.run(&["plan", "approve", "plan", "--key", "bob", "--digest", &digest]).left_with(0);
    assert!(approved.stdout.contains(&digest) && approved.stdout.contains("user_not_found"), "{approved:#?}");
    let next = "`cognito-link link pairs.csv --simulate --pool-file pool.json --plan plan --require-approval \
                allowed_signers`";
    assert!(approved.stderr.contains(next), "{approved:#?}");
    link(&[]).refused_with(6, "no signer of alice.allowed");
    let approve = ["plan", "approve", "plan", "--key", "alice", "--force", "--output", "json"];
    assert_eq!(json_of(&home.run(&approve).left_with(0))["plan_digest"], digest);

    // Any other plan, also one with a right hash of its own, is not the approved one.
    let plan = home.read("plan");
    for changed in
        [plan.replacen("user_not_found", "link", 1), format!("{plan}\n"), plan.replacen("\"rows\":4", "\"rows\": 4", 1)]
    {
        home.write("plan", changed);
        link(&[]).left_with(6);
    }
    home.write("other.csv", csv(&pairs(0..4)));
    let again = ["validate", "other.csv", "--save-plan", "plan", "--force"];
    home.run(&[&again[..], &pool].concat()).left_with(3);
    link(&[]).refused_with(6, "plan is not approved as it is now");
    assert!(!home.path("pairs.csv.simulated.ledger").exists(), "nothing was sent");

    home.write("plan", plan);
    link(&[]).left_with(3);
    let ledger = home.ledger("pairs.csv.simulated.ledger");
    assert_eq!(ledger.run_origin()["plan_digest"], digest);
    assert_eq!(ledger.run_origin()["plan_approval"]["principal"], "alice@example.com");
    home.run(&["report", "pairs.csv.simulated.ledger", "--html", "page.html"]).left_with(0);
    let page = home.read("page.html");
    assert!(page.contains(&digest) && page.contains("alice@example.com"), "{page}");
}

#[test]
fn a_required_approval_without_a_plan_is_refused_from_every_source() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..2)));
    home.write("signers", "");
    home.write(
        "settings.toml",
        "[pools.prod]\nuser-pool-id = \"sim-local-1_Example01\"\nrequire-approval = \"signers\"\n",
    );
    let from_settings = ["--config", "settings.toml", "--pool", "prod"];
    let link = ["link", "pairs.csv", "--simulate", "--yes"];
    let apply = ["reconcile", "pairs.csv", "--simulate", "--apply", "--yes"];
    for command in [&link[..], &apply] {
        let said = "only an approved plan is linked";
        home.run(&[command, &from_settings].concat()).refused_with(2, said);
        let mut program = home.program(command);
        program.env("COGNITO_LINK_REQUIRE_APPROVAL", "signers");
        Running::start(program).wait().refused_with(2, said);
        assert!(!home.path("pairs.csv.simulated.ledger").exists(), "nothing was sent");
    }
    // What makes no link needs no plan.
    let names: Vec<String> = pairs(0..2).into_iter().map(|pair| pair.username).collect();
    home.write("pool.json", pool_file(&names.iter().map(String::as_str).collect::<Vec<_>>()));
    for way in ["--dry-run", "--rehearse"] {
        let words = ["link", "pairs.csv", "--simulate", "--pool-file", "pool.json", way];
        home.run(&[&words[..], &from_settings].concat()).left_with(0);
    }
}

/// Bytes as hexadecimal digits.
struct HexOf<'a>(&'a [u8]);

impl std::fmt::LowerHex for HexOf<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// An input with columns of somebody's own, of which the first user is not in the pool and the last row is invalid.
fn annotated() -> (Home, usize) {
    let home = Home::new();
    let rows = pairs(0..6);
    let mut text = "ticket;username;idp;subject;note\n".to_owned();
    for (number, row) in rows.iter().enumerate() {
        writeln!(text, "T-{number};{};{};{};\"=1+{number}|<b>\"", row.username, row.provider, row.value).unwrap();
    }
    text += "T-6;person-x;Okta;;\n";
    home.write("pairs.csv", text);
    let users: Vec<&str> = rows.iter().skip(1).map(|row| row.username.as_str()).collect();
    home.write("pool.json", pool_file(&users));
    let link = ["link", "pairs.csv", "--simulate", "--pool-file", "pool.json", "--yes", "--simulate-latency", "off"];
    home.run(&[&link[..], &["--ledger", "l"]].concat()).left_with(3);
    (home, rows.len() + 1)
}

#[test]
fn the_tables_have_every_row_masked_unless_values_are_shown() {
    let (home, rows) = annotated();
    let files = ["report", "l", "--csv", "rows.csv", "--markdown", "rows.md", "--html", "page.html"];
    home.run(&files).left_with(0);
    let table = home.read("rows.csv");
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(header[header.len() - 5..], ["ticket", "username", "idp", "subject", "note"]);
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), rows);
    let states: Vec<&str> = records.iter().map(|record| &record[3]).collect();
    assert_eq!(states, ["refused", "linked", "linked", "linked", "linked", "linked", "invalid"]);
    assert_eq!((&records[0][4], &records[6][4]), ("user_not_found", "missing_value"));
    assert!(records[1..6].iter().all(|record| !record[7].is_empty() && record[8].ends_with('Z')), "{table}");
    assert_eq!(&records[1][11], "Google", "names of providers are not masked");
    for file in ["rows.csv", "rows.md", "page.html"] {
        let text = home.read(file);
        assert!(!text.contains("person-0") && !text.contains("00uOkta") && !text.contains("1074385"), "{file}: {text}");
    }
    assert_eq!(home.read("rows.md").lines().count(), 2 + rows);

    home.run(&[&files[..], &["--force", "--show-values", "--excel-safe"]].concat()).left_with(0);
    let table = home.read("rows.csv");
    assert!(table.contains("person-00001") && table.contains(",'=1+1|<b>") && table.contains(",T-6,"), "{table}");
    let markdown = home.read("rows.md");
    assert!(markdown.contains("=1+1\\|&lt;b>"), "{markdown}");
    home.run(&["report", "l", "--csv", "pairs.csv", "--force"]).refused_with(2, "--csv would replace");
    home.run(&["report", "l", "--html", "rows.csv"]).refused_with(2, "exists");
}

#[test]
fn json_lines_and_shards_are_in_one_table() {
    let home = Home::new();
    let rows = pairs(0..12);
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let mut line =
            json!({"destination_username": row.username, "source_provider": row.provider, "source_value": row.value});
        line[format!("own{}", number % 2)] = json!({"n": number});
        writeln!(text, "{line}").unwrap();
    }
    home.write("pairs.jsonl", text);
    let simulator = Simulator::quick(&home);
    for shard in ["0/2", "1/2"] {
        let ledger = format!("l{}", &shard[..1]);
        home.link(&simulator.url, &["pairs.jsonl", "--rate", "1000", "--shard", shard, "--ledger", &ledger])
            .left_with(0);
    }
    home.run(&["report", "l0", "l1", "--csv", "all.csv", "--html", "all.html", "--show-values"]).left_with(0);
    let table = home.read("all.csv");
    assert_eq!(table.lines().filter(|line| line.contains(",linked,")).count(), 12, "{table}");
    assert!(table.lines().next().unwrap().contains("own0") && table.contains("\"{\"\"n\"\":3}\""), "{table}");
    let page = home.read("all.html");
    assert!(page.contains("2 shards: all present") && page.contains("12 of 12 rows linked"), "{page}");
    assert_eq!(page.matches("<article class=\"run\"").count(), 2);
}

/// A ledger of so many refused rows, made from one with a single row.
fn refused_ledger(home: &Home, rows: u64) {
    home.write("pairs.csv", csv(&pairs(0..1)));
    home.write("pool.json", pool_file(&["somebody"]));
    let link = ["link", "pairs.csv", "--simulate", "--pool-file", "pool.json", "--yes", "--ledger", "small"];
    home.run(&link).left_with(3);
    let small = home.read("small");
    let lines: Vec<&str> = small.lines().collect();
    let of_row = |line: &&&str| line.contains("\"row\":1,");
    let key = lines.iter().find(of_row).unwrap().split("\"key\":\"").nth(1).unwrap()[..32].to_owned();
    let (head, tail) = (lines.iter().position(|line| line.contains("\"row\":1,")).unwrap(), lines.len() - 1);
    let mut text = lines[..head].join("\n") + "\n";
    for row in 1..=rows {
        for line in lines.iter().filter(of_row) {
            text += &line.replace("\"row\":1,", &format!("\"row\":{row},")).replace(&key, &format!("{row:032x}"));
            text.push('\n');
        }
    }
    text += lines[tail];
    text.push('\n');
    home.write("big", resealed(&text));
}

/// 100,000 rows, of which each needs a decision.
#[test]
fn the_page_of_100_000_rows_is_below_a_mebibyte() {
    let home = Home::new();
    refused_ledger(&home, 100_000);
    home.run(&["report", "big", "--html", "page.html", "--show-values"]).left_with(0);
    let page = home.read("page.html");
    assert!(page.len() < 1 << 20, "{} bytes", page.len());
    assert!(page.contains("99,500 more are not on this page"), "{}", page.len());
    for foreign in ["http://", "https://", "<script", "url(", "@import", " src="] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    // Every element that is opened is closed.
    for element in ["section", "article", "table", "tr", "td", "th", "svg", "dl", "figure", "p", "code"] {
        let opened = page.matches(&format!("<{element}>")).count() + page.matches(&format!("<{element} ")).count();
        assert_eq!(opened, page.matches(&format!("</{element}>")).count(), "{element}");
    }
}

fn event(name: &str, pool: &str, request_id: &str, time: &str) -> Value {
    json!({
        "eventVersion": "1.11",
        "eventSource": "cognito-idp.amazonaws.com",
        "eventName": name,
        "eventTime": time,
        "eventID": format!("event-{request_id}"),
        "requestID": request_id,
        "requestParameters": {"userPoolId": pool, "destinationUser": "HIDDEN_DUE_TO_SECURITY_REASONS"},
        "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::123456789012:user/other"},
    })
}

fn write_trail(path: &Path, events: &[Value]) {
    let file = std::fs::File::create(path).unwrap();
    let mut file = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    file.write_all(json!({ "Records": events }).to_string().as_bytes()).unwrap();
    file.finish().unwrap();
}

#[test]
fn calls_are_compared_with_cloudtrail_both_ways() {
    let (home, simulator) = linked(6);
    home.on_pool("undo", &simulator.url, &["pairs.csv.ledger", "--rows", "1-2", "--yes"]).left_with(0);
    let lines: Vec<Value> =
        home.read("pairs.csv.ledger").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let time = |line: &Value| {
        let at = line["at"].as_i64().unwrap() / 1_000;
        jiff::Timestamp::from_second(at).unwrap().to_string()
    };
    let calls: Vec<Value> = lines
        .iter()
        .filter_map(|line| {
            let name = match line["type"].as_str()? {
                "settled" => "AdminLinkProviderForUser",
                "unlink_settled" => "AdminDisableProviderForUser",
                _ => return None,
            };
            Some(event(name, POOL, line["request_id"].as_str()?, &time(line)))
        })
        .collect();
    assert_eq!(calls.len(), 8);
    let now = time(lines.last().unwrap());
    let unconcerned = [
        event("AdminLinkProviderForUser", "sim-local-1_Other", "other-pool", &now),
        event("AdminLinkProviderForUser", POOL, "long-ago", "2020-01-01T00:00:00Z"),
        event("ListUsers", POOL, "read", &now),
        calls[0].clone(),
    ];
    std::fs::create_dir_all(home.path("trail/2026/03")).unwrap();
    write_trail(&home.path("trail/2026/03/b.json.gz"), &[&calls[..], &unconcerned].concat());
    let compare = |trail: &str| home.run(&["report", "pairs.csv.ledger", "--cloudtrail", trail, "--output", "json"]);
    let found = compare("trail").left_with(0).json()["cloudtrail"].clone();
    let numbers = |found: &Value| {
        ["calls_in_ledgers", "calls_in_trail", "matched", "not_in_trail_count", "not_in_ledgers_count"]
            .map(|name| found[name].as_u64().unwrap())
    };
    assert_eq!(numbers(&found), [8, 8, 8, 0, 0], "{found}");

    write_trail(&home.path("less.json.gz"), &calls[1..]);
    let found = compare("less.json.gz").left_with(5).json()["cloudtrail"].clone();
    assert_eq!(numbers(&found), [8, 7, 7, 1, 0], "{found}");
    assert_eq!(found["not_in_trail"][0]["request_id"], calls[0]["requestID"]);

    let stranger = event("AdminDisableProviderForUser", POOL, "not-ours", &now);
    write_trail(&home.path("more.json.gz"), &[&calls[..], &[stranger]].concat());
    let found = compare("more.json.gz").left_with(5).json()["cloudtrail"].clone();
    assert_eq!(numbers(&found), [8, 9, 8, 0, 1], "{found}");
    assert_eq!(found["not_in_ledgers"][0]["principal"], "arn:aws:iam::123456789012:user/other");
    let text = home.run(&["report", "pairs.csv.ledger", "--cloudtrail", "more.json.gz"]).left_with(5).stdout;
    assert!(text.contains("not in the ledgers: 1 call\n") && text.contains("request not-ours by arn:"), "{text}");

    home.write("no-trail", "a,b\n1,2\n");
    compare("no-trail").refused_with(2, "not an export of CloudTrail");
}
