//! What machines read: results and events that are valid against their schemas, metrics, and hooks. The harness checks
//! every JSON that a test here or elsewhere requests.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use clap::CommandFactory as _;
use cognito_link::commands::Cli;
use serde_json::{Value, json};

use crate::harness::{
    Fate, Finished, Gate, Home, Proxy, Simulator, csv, pairs, pool_file, schema, violations, wait_for,
};

const JSON: [&str; 4] = ["--output", "json", "--log-format", "json"];

fn events(finished: &Finished) -> Vec<Value> {
    finished.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn names(finished: &Finished) -> Vec<String> {
    events(finished).iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_command_speaks_json_on_both_streams() {
    let home = Home::new();
    let rows = csv(&pairs(0..20));
    home.write("pairs.csv", &rows);
    home.write("wrong.csv", format!("{rows}nobody,Okta,,\n"));
    let users: Vec<String> = pairs(0..20).into_iter().map(|pair| pair.username).collect();
    home.write("pool.json", pool_file(&users.iter().map(String::as_str).collect::<Vec<_>>()));
    let quick = ["--pool-file", "pool.json", "--create-on-reference", "--latency", "off", "--quota", "off"];
    let simulator = Simulator::start(&home, &quick);
    let url = simulator.url.as_str();
    // These have JSON in `control`, `evidence` and `probe`, and that of `simulate` is in `control`.
    let elsewhere = ["control", "plan", "probe", "simulate"].map(str::to_owned);
    let tried = RefCell::new(BTreeSet::from(elsewhere));
    let on_pool = |command: &str, arguments: &[&str], status: i32| {
        tried.borrow_mut().insert(command.to_owned());
        let finished = home.on_pool(command, url, &[arguments, &JSON].concat()).left_with(status);
        let names = names(&finished);
        assert_eq!((names[0].as_str(), names[names.len() - 1].as_str()), ("start", "stop"), "{finished:#?}");
        let ids: std::collections::BTreeSet<_> =
            events(&finished).iter().map(|event| event["run_id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ids.len(), 1, "one process is one run");
        assert_eq!(events(&finished).last().unwrap()["exit_status"], status);
        (serde_json::from_str::<Value>(&finished.stdout).unwrap(), ids.into_iter().next().unwrap())
    };
    on_pool("doctor", &[], 0);
    on_pool("validate", &["pairs.csv"], 0);
    on_pool("validate", &["wrong.csv", "--offline"], 4);
    on_pool("reconcile", &["pairs.csv"], 0);
    let (linked, run) = on_pool("link", &["pairs.csv", "--yes", "--rate", "1000", "-vvv"], 0);
    assert_eq!((&linked["rows"]["linked"], &linked["error"]), (&json!(20), &Value::Null));
    let local = |arguments: &[&str]| {
        tried.borrow_mut().insert(arguments[0].to_owned());
        let finished = home.run(&[arguments, &JSON].concat()).left_with(0);
        serde_json::from_str::<Value>(&finished.stdout).unwrap()
    };
    let report = local(&["report", "pairs.csv.ledger"]);
    assert_eq!(report["runs"][0]["run_id"], run, "events have the id that the ledger has");
    on_pool("export", &["--out", "links.csv"], 0);
    on_pool("duplicates", &[], 0);
    on_pool("undo", &["pairs.csv.ledger", "--dry-run"], 0);
    on_pool("undo", &["pairs.csv.ledger", "--yes", "--rate", "1000"], 0);
    on_pool("reconcile", &["pairs.csv", "--apply", "--yes", "--max-changes", "50", "--max-changes-pct", "100"], 0);
    local(&["verify", "pairs.csv.ledger"]);
    local(&["explain"]);
    local(&["template", "csv"]);
    assert_eq!(local(&["schema"])["schema"], Value::Null);
    assert_eq!(&local(&["schema", "link"])["schema"], schema("link"));
    let policy = ["policy", "link", "--account", "123456789012", "--user-pool-id", "us-east-1_Abcdefghi"];
    let as_text: Value = serde_json::from_str(&home.run(&policy).left_with(0).stdout).unwrap();
    assert_eq!(local(&policy)["policy"], as_text);
    let script = home.run(&["completions", "bash"]).left_with(0).stdout;
    assert_eq!(local(&["completions", "bash"])["script"], script);
    let pages = local(&["man", "pages"])["page_count"].as_u64().unwrap();
    assert_eq!(std::fs::read_dir(home.path("pages")).unwrap().count() as u64, pages);
    let commands: BTreeSet<_> = Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
    assert_eq!(tried.into_inner(), commands);
}

#[test]
fn every_failure_is_a_result_and_an_event() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..3)));
    home.write("header.csv", "a,b\n1,2\n");
    home.write("not.ledger", "no ledger\n");
    let table: [(&[&str], i32, &str); 8] = [
        (&["link"], 2, "usage"),
        (&["lnk"], 2, "usage"),
        (&["link", "pairs.csv", "--rate", "fast"], 2, "usage"),
        (&["link", "pairs.csv"], 2, "usage"),
        (&["link", "missing.csv", "--simulate", "--yes"], 2, "input_not_opened"),
        (&["link", "header.csv", "--simulate", "--yes"], 4, "header_invalid"),
        (&["report", "not.ledger"], 6, "not_a_ledger"),
        (&["explain", "xyzzy"], 2, "usage"),
    ];
    for (arguments, status, code) in table {
        let finished = home.run(&[arguments, &JSON].concat()).left_with(status);
        let result: Value = serde_json::from_str(&finished.stdout).unwrap();
        assert_eq!(violations(schema("error"), &result), Vec::<String>::new(), "{arguments:?}");
        assert_eq!((&result["error"]["code"], &result["exit_status"]), (&code.into(), &status.into()), "{arguments:?}");
        let events = events(&finished);
        assert!(events.iter().any(|event| event["event"] == "error" && event["code"] == code), "{finished:#?}");
        let last = events.last().unwrap();
        assert_eq!((&last["event"], &last["exit_status"]), (&"stop".into(), &status.into()));
    }
}

#[test]
fn a_run_that_stops_has_its_error_in_the_result() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..20)));
    home.write("pool.json", pool_file(&[]));
    let simulator = Simulator::start(&home, &["--pool-file", "pool.json", "--latency", "off", "--quota", "off"]);
    let stop = ["pairs.csv", "--rate", "1000", "--concurrency", "1", "--stop-after", "refused=5"];
    let finished = home.link(&simulator.url, &[&stop[..], &JSON].concat()).left_with(9);
    let result = finished.json();
    assert_eq!((&result["ended"], &result["error"]["code"]), (&"stopped".into(), &"bound".into()), "{result}");
    assert_eq!(result["exit_status"], 9);
    let refused = result["rows"]["refused"].as_u64().unwrap();
    assert!((5..20).contains(&refused), "{result}");
    let last = events(&finished).pop().unwrap();
    assert_eq!((&last["event"], &last["exit_status"]), (&"stop".into(), &9.into()), "{last}");
}

/// A member has one type wherever it occurs, and a definition one content.
#[test]
fn schemas_agree_on_names() {
    let mut types: BTreeMap<String, (String, &str)> = BTreeMap::new();
    let mut definitions: BTreeMap<String, (String, &str)> = BTreeMap::new();
    for (name, kind, _) in cognito_link::commands::schema::SCHEMAS {
        let schema = schema(name);
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{name}");
        collect_types(schema, name, &mut types);
        if name == "event" {
            continue;
        }
        assert_eq!(schema["properties"]["kind"]["const"], kind, "{name}");
        for member in ["schema_version", "exit_status", "error"] {
            assert!(schema["required"].as_array().unwrap().contains(&member.into()), "{name}: {member}");
        }
        for (definition, content) in schema["$defs"].as_object().unwrap() {
            let content = content.to_string();
            let (first, place) = definitions.entry(definition.clone()).or_insert((content.clone(), name));
            assert_eq!(*first, content, "{definition} in {place} and {name}");
        }
    }
    assert!(types.len() > 100);
    // One name for one idea.
    for (name, instead) in [("run", "run_id"), ("id", "run_id"), ("repeats", "repeated")] {
        assert!(!types.contains_key(name) && types.contains_key(instead), "{name} is {instead}");
    }
}

fn collect_types(schema: &Value, place: &'static str, types: &mut BTreeMap<String, (String, &'static str)>) {
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        // `null` is no other type, and an enum or a constant here is a text.
        let of = |name: &Value| name.as_str().filter(|name| *name != "null").map(str::to_owned);
        let kind = match &member["type"] {
            Value::Array(several) => several.iter().find_map(of),
            one => of(one),
        };
        if let Some(kind) = kind {
            let (first, other) = types.entry(name.clone()).or_insert((kind.clone(), place));
            assert_eq!(*first, kind, "{name} in {other} and {place}");
        }
    }
    let nested: Vec<&Value> = match schema {
        Value::Object(members) => members.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    for nested in nested {
        collect_types(nested, place, types);
    }
}

/// The numbers of a metric by the value of a label, or by the empty text.
fn samples(text: &str, metric: &str, label: &str) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    for line in text.lines().filter(|line| line.split('{').next() == Some(metric)) {
        let (labels, number) = line.rsplit_once(' ').unwrap();
        let value = labels.split_once(&format!("{label}=\"")).map_or("", |(_, rest)| rest.split('"').next().unwrap());
        found.insert(value.to_owned(), number.parse().unwrap());
    }
    found
}

#[test]
fn metrics_are_those_of_the_ledger() {
    let home = Home::new();
    let mut rows = pairs(0..30);
    rows.extend(pairs(40..45).into_iter().map(|pair| crate::harness::Pair { username: "nobody".into(), ..pair }));
    home.write("pairs.csv", csv(&rows));
    home.write("people.csv", csv(&pairs(0..30)));
    let simulator = Simulator::quick(&home);
    let options = ["pairs.csv", "--rate", "1000", "--metrics-file", "link.prom", "--output", "json"];
    let finished = home.link(&simulator.url, &options);
    let result = finished.json();
    let text = home.read("link.prom");
    let report = home.run(&["report", "pairs.csv.ledger", "--output", "json"]).left_with(0).json();
    for (state, number) in samples(&text, "cognito_link_rows", "state") {
        assert_eq!(report["rows"][&state].as_f64(), Some(number), "{state}: {text}");
    }
    let calls = samples(&text, "cognito_link_calls_total", "kind");
    assert_eq!(
        (calls.get("write").copied(), calls.get("read").copied()),
        (result["writes"].as_f64(), result["reads"].as_f64())
    );
    let exit = samples(&text, "cognito_link_exit_status", "none");
    assert_eq!(exit.values().copied().collect::<Vec<_>>(), [f64::from(finished.code.unwrap())]);
}

#[test]
fn metrics_are_served_while_the_run_goes_on() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..60)));
    let simulator = Simulator::quick(&home);
    let gate = Gate::default();
    let waiting = gate.clone();
    let proxy = Proxy::start(simulator.address(), move |number, _| {
        if number > 20 {
            waiting.pass();
        }
        Fate::Passes
    });
    let running = home.start_link(&proxy.url, &["pairs.csv", "--rate", "500", "--metrics-listen", "127.0.0.1:0"]);
    let address = wait_for("the address", || {
        let said = running.stderr();
        let rest = said.split_once("http://")?.1.to_owned();
        Some(rest.split_once("/metrics")?.0.to_owned())
    });
    let ask = |path: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let linked = |answer: &str| samples(answer, "cognito_link_rows", "state").get("linked").copied();
    let answer = wait_for("the first links", || Some(ask("/metrics")).filter(|answer| linked(answer) == Some(20.0)));
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("text/plain; version=0.0.4"), "{answer}");
    assert_eq!(samples(&answer, "cognito_link_running", "none").values().copied().collect::<Vec<_>>(), [1.0]);
    assert!(ask("/").starts_with("HTTP/1.1 404"));
    gate.open();
    running.wait().left_with(0);
}

#[test]
fn hooks_get_the_result_and_change_nothing() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..5)));
    let simulator = Simulator::quick(&home);
    let hooks = ["--on-end", "cat > end.json", "--on-stop", "cat > stop.json"];
    home.link(&simulator.url, &[&["pairs.csv", "--rate", "1000"][..], &hooks].concat()).left_with(0);
    let result: Value = serde_json::from_str(&home.read("end.json")).unwrap();
    assert_eq!(violations(schema("link"), &result), Vec::<String>::new());
    assert_eq!((&result["rows"]["linked"], &result["exit_status"]), (&json!(5), &json!(0)));
    assert!(!home.path("stop.json").exists(), "the run did not stop");

    // A command that fails before the run has its error as the result.
    home.link("http://127.0.0.1:9", &[&["pairs.csv", "--attempts", "1"][..], &hooks].concat()).left_with(7);
    for name in ["end.json", "stop.json"] {
        let result: Value = serde_json::from_str(&home.read(name)).unwrap();
        assert_eq!((&result["exit_status"], &result["kind"]), (&json!(7), &json!("error_report")), "{name}");
        assert_eq!(violations(schema("error"), &result), Vec::<String>::new());
    }

    // Whatever becomes of a hook changes nothing, and prints nothing but a warning.
    let failing = ["--on-end", "echo out; echo 'no mail today' >&2; exit 3", "--log-format", "json"];
    let finished = home.link(&simulator.url, &[&["pairs.csv"][..], &failing].concat()).left_with(0);
    assert!(!finished.stdout.contains("out\n"), "{finished:#?}");
    let warned = events(&finished).into_iter().find(|event| event["code"] == "hook_failed").unwrap();
    let message = warned["message"].as_str().unwrap();
    assert!(message.contains("exit status: 3") && message.contains("no mail today"), "{message}");
}

#[test]
fn embedded_metrics_need_events() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..5)));
    let simulator = Simulator::quick(&home);
    home.link(&simulator.url, &["pairs.csv", "--metrics", "emf"]).refused_with(2, "--log-format json");
    assert!(!home.path("pairs.csv.ledger").exists());
    let options = ["pairs.csv", "--rate", "1000", "--metrics", "emf", "--log-format", "json"];
    let finished = home.link(&simulator.url, &options).left_with(0);
    assert!(events(&finished).iter().any(|event| event["_aws"]["CloudWatchMetrics"].is_array()), "{finished:#?}");
}

/// Counters equal the ledger's, whatever the service answers: after `link`, `undo` and `reconcile --apply`.
#[test]
fn metrics_of_every_run_are_those_that_its_ledger_records() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..12)));
    let simulator = Simulator::quick(&home);
    let unclear = |number: usize| match number {
        2 => Fate::LostAfter,
        4 => Fate::Answered(500, "InternalErrorException", "later".to_owned()),
        5 => Fate::Answered(400, "TooManyRequestsException", "Rate exceeded".to_owned()),
        _ => Fate::Passes,
    };
    let linking = Proxy::start(simulator.address(), move |number, _| unclear(number));
    let unlinking = Proxy::before("AdminDisableProviderForUser", simulator.address(), move |number, _| unclear(number));
    let applying = Proxy::start(simulator.address(), move |number, _| unclear(number));
    // A list may lag for a minute, and a read of the user does not.
    let common = ["--rate", "1000", "--concurrency", "1", "--settle-with", "get-user"];
    let common = [&common[..], &JSON, &["--metrics", "emf"]].concat();
    let runs: [(&str, &str, &[&str]); 3] = [
        ("link", &linking.url, &["pairs.csv", "--yes"]),
        ("undo", &unlinking.url, &["pairs.csv.ledger", "--yes", "--include-recovered"]),
        ("reconcile", &applying.url, &["pairs.csv", "--apply", "--yes", "--max-changes-pct", "100"]),
    ];
    for (command, url, arguments) in runs {
        let file = format!("{command}.prom");
        let finished = home.on_pool(command, url, &[arguments, &common[..], &["--metrics-file", &file]].concat());
        assert!(matches!(finished.code, Some(0 | 3)), "{finished:#?}");
        let result: Value = serde_json::from_str(&finished.stdout).unwrap();
        let result = if command == "reconcile" { &result["applied"] } else { &result };
        let text = home.read(&file);
        let ledger = home.ledger("pairs.csv.ledger");
        let recorded = ledger.lines().filter(|line| line["type"] == "run_ended").last().unwrap();
        let last = events(&finished).into_iter().rfind(|event| event["event"] == "progress").unwrap();
        assert_eq!(last["code"], "ended", "{command}: {last}");
        let rows = samples(&text, "cognito_link_rows", "state");
        assert!(rows.values().sum::<f64>() > 0.0 && rows.len() >= 7, "{command}: {rows:?}");
        for (state, number) in &rows {
            let held = recorded["rows"][state].as_f64().unwrap_or_default();
            assert_eq!((held, result["rows"][state].as_f64()), (*number, Some(*number)), "{command}: {state}: {text}");
            let embedded = last[format!("rows_{state}")].as_f64();
            assert_eq!((last["rows"][state].as_f64(), embedded), (Some(*number), Some(*number)), "{command}: {last}");
        }
        let calls = samples(&text, "cognito_link_calls_total", "kind");
        let throttled = samples(&text, "cognito_link_throttled_calls_total", "none");
        for (member, number) in
            [("writes", calls["write"]), ("reads", calls["read"]), ("throttled", *throttled.values().next().unwrap())]
        {
            assert_eq!(recorded[member].as_f64(), Some(number), "{command}: {member}: {text}");
            let seen = (result[member].as_f64(), last[member].as_f64());
            assert_eq!(seen, (Some(number), Some(number)), "{command}: {member}: {result} {last}");
        }
        assert_eq!(throttled.values().copied().collect::<Vec<_>>(), [1.0], "{command}: the fault was met: {text}");
        // The state of every row, as the ledger is read back.
        if command != "reconcile" {
            let report = home.run(&["report", "pairs.csv.ledger", "--output", "json"]).left_with(0).json();
            for (state, number) in &rows {
                assert_eq!(report["rows"][state].as_f64(), Some(*number), "{command}: {state}: {report}");
            }
        }
    }
}
