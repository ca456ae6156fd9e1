//! Parts of the documents that are made from the program's own definitions: a comment `<!-- generated: NAME -->` begins
//! one, and `<!-- end -->` ends it.
//!
//! ```sh
//! UPDATE_DOCS=1 cargo test --test architecture generated
//! ```

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use clap::{Arg, CommandFactory as _};
use cognito_link::commands::Cli;
use cognito_link::commands::validate::billing::{Prices, list_prices};
use serde_json::Value;

use super::documents::{LINE_COLUMNS_MAX, read, root};

/// Numbers of links for which the page on billing shows the bound.
const LINKS_SHOWN: [u64; 3] = [1_000, 100_000, 1_000_000];
/// From so many commands with the same text on, an option is described once for all of them.
const SHARED_BY_COMMANDS_MIN: usize = 3;

/// Replaces the generated part of a page, or fails where it is not current.
fn hold(page: &str, name: &str, content: &str) {
    let text = read(page);
    let begin = format!("<!-- generated: {name} -->\n");
    let at = text.find(&begin).unwrap_or_else(|| panic!("{page} has no part `{}`", begin.trim())) + begin.len();
    let end = at + text[at..].find("<!-- end -->").unwrap_or_else(|| panic!("{page}: the part {name} has no end"));
    let wanted = format!("\n{}\n\n", content.trim());
    if text[at..end] == wanted {
        return;
    }
    assert!(
        std::env::var_os("UPDATE_DOCS").is_some(),
        "{page}: the part {name} is not current; run UPDATE_DOCS=1 cargo test --test architecture generated"
    );
    fs::write(root().join(page), format!("{}{wanted}{}", &text[..at], &text[end..])).unwrap();
}

/// Splits a text into words; a code span is one word.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut is_code = false;
    for piece in text.split_whitespace() {
        match words.last_mut() {
            Some(last) if is_code => {
                last.push(' ');
                last.push_str(piece);
            }
            _ => words.push(piece.to_owned()),
        }
        is_code ^= piece.matches('`').count() % 2 == 1;
    }
    words
}

/// Wraps a text; `first` is before its first line, and `next` before the others.
fn wrapped(text: &str, first: &str, next: &str) -> String {
    let (mut out, mut line) = (String::new(), first.to_owned());
    let mut is_empty = true;
    for word in words(text) {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > LINE_COLUMNS_MAX {
            out += line.trim_end();
            out.push('\n');
            next.clone_into(&mut line);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line += &word;
        is_empty = false;
    }
    out + line.trim_end() + "\n"
}

/// Puts options into code spans, together with a value that is a code or a setting: `--map source_value=NAME`.
fn with_code_spans(text: &str) -> String {
    let is_value = |word: &str| word.contains(['=', '_']) || word.starts_with("refused");
    let mut spanned: Vec<String> = Vec::new();
    for word in words(text) {
        let (plain, rest) = word.split_at(word.trim_end_matches([',', '.', ';', ':', ')']).len());
        let is_after_option = |last: &str| last.starts_with("`--") && last.ends_with('`') && !last.contains(' ');
        if plain.starts_with("--") && plain.len() > 2 {
            spanned.push(format!("`{plain}`{rest}"));
        } else if let Some(option) = spanned.last_mut().filter(|last| is_value(plain) && is_after_option(last.as_str()))
        {
            *option = format!("{} {plain}`{rest}", option.trim_end_matches('`'));
        } else {
            spanned.push(word);
        }
    }
    spanned.join(" ").replace('<', "&lt;")
}

fn explained_codes() -> Vec<Value> {
    let output =
        Command::new(env!("CARGO_BIN_EXE_cognito-link")).args(["explain", "--output", "json"]).output().unwrap();
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    result["codes"].as_array().unwrap().clone()
}

/// The codes of this kind as a list: `- code: meaning why What to do: advice`.
fn list_of_codes(codes: &[Value], kind: &str) -> String {
    let text = |code: &Value, member: &str| with_code_spans(code[member].as_str().unwrap_or_default());
    let of_kind = codes.iter().filter(|code| code["kind"] == kind);
    of_kind.fold(String::new(), |list, code| {
        let severity = code["severity"].as_str().map(|severity| format!(" ({severity})")).unwrap_or_default();
        let shown = code["text"].as_str().map(|text| format!("\"{text}\". ")).unwrap_or_default();
        let (meaning, why, advice) = (text(code, "meaning"), text(code, "why"), text(code, "advice"));
        let item =
            format!("`{}`{severity}: {shown}{meaning} {why} **What to do:** {advice}", code["code"].as_str().unwrap());
        list + &wrapped(&item, "- ", "  ")
    })
}

#[test]
fn the_page_of_codes_has_the_texts_of_explain() {
    let codes = explained_codes();
    for (name, kind) in [
        ("states", "state"),
        ("refusals", "refusal"),
        ("findings", "finding"),
        ("standings", "standing"),
        ("errors", "error"),
        ("canary", "canary"),
        ("checks", "check"),
        ("duplicates", "duplicate"),
        ("cloudtrail", "cloudtrail"),
        ("exceptions", "exception"),
        ("sign-ins", "sign_in"),
    ] {
        let list = list_of_codes(&codes, kind);
        assert!(list.lines().count() > 5, "{name}: {list}");
        hold("docs/codes.md", name, &list);
    }
    let messages = codes.iter().filter(|code| code["kind"] == "message");
    let list = messages.fold(String::new(), |list, code| {
        let (code, meaning) = (code["code"].as_str().unwrap(), code["meaning"].as_str().unwrap());
        list + &wrapped(&format!("`{code}`: {meaning}"), "- ", "  ")
    });
    assert!(list.contains("- `throttled`"), "{list}");
    hold("docs/monitoring.md", "messages", &list);
}

/// What an option, or an argument, is: its name with its value.
fn signature(arg: &Arg) -> String {
    let values: Vec<String> = arg.get_value_names().into_iter().flatten().map(ToString::to_string).collect();
    let value = if arg.get_action().takes_values() { values.join(" ") } else { String::new() };
    let short = arg.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    let is_optional = arg.get_num_args().is_some_and(|number| number.min_values() == 0);
    let value = match (arg.get_long(), value.is_empty()) {
        (None, _) => return value,
        (_, true) => value,
        (_, false) if arg.is_require_equals_set() && is_optional => format!("[={value}]"),
        (_, false) if arg.is_require_equals_set() => format!("={value}"),
        (_, false) if is_optional => format!(" [{value}]"),
        (_, false) => format!(" {value}"),
    };
    format!("{short}--{}{value}", arg.get_long().unwrap_or_default())
}

/// An option as an item of a list, with its values, default and variable.
fn option_item(arg: &Arg) -> String {
    let help = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let mut text =
        help.split("\n\n").map(|part| part.trim().trim_end_matches('.')).collect::<Vec<_>>().join(". ") + ".";
    let possible: Vec<_> = arg.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    if arg.get_action().takes_values() && !possible.is_empty() {
        let _ = write!(text, " Values: {}.", possible.join(", "));
    }
    let default: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if arg.get_action().takes_values() && !default.is_empty() {
        let _ = write!(text, " Default: `{}`.", default.join(" "));
    }
    if let Some(variable) = arg.get_env() {
        let _ = write!(text, " Variable: `{}`.", variable.to_string_lossy());
    }
    wrapped(&format!("`{}`: {}", signature(arg), text.replace('<', "&lt;")), "- ", "  ")
}

/// The options of a command by the headings of its help, in their order.
fn options_by_heading<'a>(args: &[&'a Arg]) -> Vec<(&'a str, Vec<&'a Arg>)> {
    let mut groups: Vec<(&str, Vec<&Arg>)> = Vec::new();
    for arg in args {
        let heading = arg.get_help_heading().unwrap_or("Options");
        match groups.iter_mut().find(|(name, _)| *name == heading) {
            Some((_, group)) => group.push(arg),
            None => groups.push((heading, vec![arg])),
        }
    }
    groups
}

/// The arguments of a command that its help shows, without those that every command has.
fn shown(command: &clap::Command) -> Vec<&Arg> {
    let is_shown = |arg: &&Arg| !arg.is_hide_set() && !["help", "version"].contains(&arg.get_id().as_str());
    command.get_arguments().filter(is_shown).collect()
}

#[test]
fn the_page_of_options_has_the_definitions_of_the_program() {
    let mut program = Cli::command();
    program.build();
    let nested = |command: &clap::Command| command.get_subcommands().cloned().collect::<Vec<_>>();
    let mut commands: Vec<(String, clap::Command)> = Vec::new();
    for command in nested(&program).into_iter().filter(|command| command.get_name() != "help") {
        let below = nested(&command).into_iter().filter(|inner| inner.get_name() != "help");
        let name = command.get_name().to_owned();
        let below: Vec<_> = below.map(|inner| (format!("{name} {}", inner.get_name()), inner)).collect();
        commands.push((name, command));
        commands.extend(below);
    }
    let items: Vec<String> = commands.iter().flat_map(|(_, command)| shown(command)).map(option_item).collect();
    let is_shared = |arg: &Arg| {
        let item = option_item(arg);
        !arg.is_positional() && items.iter().filter(|other| **other == item).count() >= SHARED_BY_COMMANDS_MIN
    };

    let mut page = String::from("## Options of several commands\n");
    let mut listed: Vec<&Arg> = Vec::new();
    for arg in commands.iter().flat_map(|(_, command)| shown(command)).filter(|arg| is_shared(arg)) {
        if listed.iter().all(|other| option_item(other) != option_item(arg)) {
            listed.push(arg);
        }
    }
    for (heading, group) in options_by_heading(&listed) {
        let _ = write!(page, "\n### {heading}\n\n");
        page.extend(group.into_iter().map(option_item));
    }
    for (name, command) in &commands {
        let about = command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string);
        let _ = write!(page, "\n## {name}\n\n");
        for part in about.unwrap_or_default().split("\n\n") {
            page += &wrapped(&with_code_spans(part.trim_end_matches('.')), "", "");
            page = page.trim_end().to_owned() + ".\n\n";
        }
        let usage = command.clone().render_usage().to_string().replace("Usage: ", "");
        let usage = if usage.starts_with("cognito-link") { usage } else { format!("cognito-link {usage}") };
        let _ = write!(page, "```text\n{}\n```\n", usage.trim());
        let (shared, own): (Vec<&Arg>, Vec<&Arg>) = shown(command).into_iter().partition(|arg| is_shared(arg));
        for (heading, group) in options_by_heading(&own) {
            let _ = write!(page, "\n**{heading}**\n\n");
            page.extend(group.into_iter().map(option_item));
        }
        let names: Vec<String> = shared.iter().map(|arg| format!("`--{}`", arg.get_long().unwrap())).collect();
        if !names.is_empty() {
            let _ = write!(page, "\n{}", wrapped(&format!("Also: {}.", names.join(", ")), "", ""));
        }
    }
    assert!(commands.len() > 12 && page.contains("- `--canary"), "{page}");
    hold("docs/options.md", "options", &page);
}

/// The type of a schema in a few words.
fn type_of(schema: &Value) -> String {
    let name = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if let Some(reference) = schema["$ref"].as_str() {
        return reference.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if !schema["const"].is_null() {
        return format!("always `{}`", schema["const"]).replace('"', "");
    }
    if let Some(any) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
        return any.iter().map(type_of).collect::<Vec<_>>().join(" or ");
    }
    match &schema["type"] {
        Value::Array(types) => types.iter().map(name).collect::<Vec<_>>().join(" or "),
        Value::String(one) if one == "array" => format!("list of {}", type_of(&schema["items"])),
        other => name(other),
    }
}

#[test]
fn the_page_of_schemas_has_the_members_of_each_schema() {
    let output = Command::new(env!("CARGO_BIN_EXE_cognito-link")).arg("schema").output().unwrap();
    let names = String::from_utf8(output.stdout).unwrap();
    let mut page = String::new();
    for name in names.lines() {
        let schema: Value = serde_json::from_str(&read(&format!("docs/schemas/{name}.json"))).unwrap();
        let _ = write!(page, "\n## {name}\n\n");
        let title = schema["title"].as_str().unwrap_or_default();
        page += &wrapped(&format!("{title}: [{name}.json](schemas/{name}.json)."), "", "");
        page.push('\n');
        for (member, of) in schema["properties"].as_object().into_iter().flatten() {
            let what = of["description"].as_str().map(|text| format!(". {text}")).unwrap_or_default();
            page += &wrapped(&format!("`{member}`: {}{what}", type_of(of)).replace('<', "&lt;"), "- ", "  ");
        }
    }
    assert!(page.contains("- `exit_status`: integer"), "{page}");
    hold("docs/schemas.md", "schemas", &page);
}

/// An amount of cents, as `1,500 USD` or `5.50 USD`.
fn usd(cents: u64) -> String {
    let thousands = |number: u64| {
        let digits = number.to_string();
        let groups = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned());
        groups.collect::<Vec<_>>().join(",")
    };
    match cents % 100 {
        0 => format!("{} USD", thousands(cents / 100)),
        rest => format!("{}.{rest:02} USD", thousands(cents / 100)),
    }
}

fn price_table(prices: &Prices) -> String {
    let Prices { as_of, source, note, plans, federated, .. } = prices;
    let mut text = wrapped(&format!("As of {as_of}, from <{source}>. {note}"), "", "");
    text += "\n| feature plan | free users a month | users | a million users |\n| --- | --- | --- | --- |\n";
    let count = |number: u64| usd(number * 100).replace(" USD", "");
    for plan in plans {
        for step in &plan.steps {
            let users = step.up_to_users.map_or("all above".to_owned(), |users| format!("up to {}", count(users)));
            let (free, price) = (count(plan.free_users), usd(step.usd_per_million * 100));
            let _ = writeln!(text, "| `{}` | {free} | {users} | {price} |", plan.plan);
        }
    }
    let (free, price) = (count(federated.free_users), usd(federated.usd_per_million * 100));
    let _ = writeln!(text, "| over SAML or OIDC | {free} | all above | {price} |");
    text
}

#[test]
fn the_page_on_billing_has_the_prices_of_validate() {
    let prices = list_prices().unwrap();
    hold("docs/billing.md", "prices", &price_table(&prices));
    let names: Vec<String> = prices.plans.iter().map(|plan| format!("`{}`", plan.plan)).collect();
    let mut table = format!("| links | {} |\n| --- |{}\n", names.join(" | "), " --- |".repeat(names.len()));
    for links in LINKS_SHOWN {
        let bounds = prices.plans.iter().map(|plan| usd(prices.bound(links, Some(&plan.plan)).usd_cents_max));
        let count = usd(links * 100).replace(" USD", "");
        let _ = writeln!(table, "| {count} | {} |", bounds.collect::<Vec<_>>().join(" | "));
    }
    hold("docs/billing.md", "bounds", &table);
}

#[test]
fn the_makers_of_these_parts_work() {
    assert_eq!(words("a `b c` d"), ["a", "`b c`", "d"]);
    assert_eq!(wrapped(&"word ".repeat(30), "- ", "  ").lines().nth(1).unwrap().split_at(2).0, "  ");
    assert_eq!(with_code_spans("use --map source_value=x, --set. now"), "use `--map source_value=x`, `--set`. now");
    assert_eq!((usd(550).as_str(), usd(150_000_000).as_str()), ("5.50 USD", "1,500,000 USD"));
}
