use std::collections::BTreeSet;
use std::fmt::Write as _;

use clap::{Parser as _, ValueEnum as _};

use super::actions::Action;
use super::*;
use crate::commands::{Cli, Command, testing};
use crate::service::probe::ProbeCall;
use crate::ui::testing::Screen;

const DOCUMENTED_POOL: &str = "arn:aws:cognito-idp:REGION:ACCOUNT:userpool/POOL_ID";

fn printed(line: &str) -> Result<Value, String> {
    let words = ["cognito-link", "policy"].into_iter().chain(line.split(' '));
    let Command::Policy(args) = Cli::try_parse_from(words).map_err(|error| error.to_string())?.command else {
        panic!("{line}: another command");
    };
    let screen = Screen::new();
    let ui = screen.ui();
    cmd_policy(&args, &testing::context(&ui)).map_err(|failure| failure.to_string())?;
    Ok(serde_json::from_str(&screen.stdout()).unwrap())
}

fn documented() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/iam.md")).unwrap()
}

/// The list that docs/iam.md has under "By command".
fn list_of_actions() -> String {
    let names = |wanted: &dyn Fn(&Action) -> bool| -> String {
        let names: Vec<String> =
            ACTIONS.iter().filter(|action| wanted(action)).map(|action| format!("`{}`", short(action.name))).collect();
        names.join(", ")
    };
    let mut list = String::new();
    for command in PolicyCommand::value_variants() {
        let always = names(&|action| action.needed_by.contains(&(*command, When::Always)));
        writeln!(list, "- `{}`: {always}", command.as_str()).unwrap();
        for wanted in PolicyUse::value_variants() {
            let more = names(&|action| action.is_for(*command, *wanted));
            if !more.is_empty() {
                writeln!(list, "  - `--with {}`: also {more}", wanted.to_possible_value().unwrap().get_name()).unwrap();
            }
        }
    }
    list
}

fn short(name: &str) -> &str {
    name.strip_prefix("cognito-idp:").unwrap_or(name)
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_policy_is_for_the_one_pool() {
    let policy = printed("link --account 123456789012 --user-pool-id us-east-1_AbCdEfGhI").unwrap();
    let actions = ["DescribeUserPool", "ListIdentityProviders", "ListUsers", "AdminLinkProviderForUser"];
    let actions = actions.map(|name| format!("cognito-idp:{name}"));
    let arn = "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_AbCdEfGhI";
    let statement = json!({ "Effect": "Allow", "Action": actions, "Resource": arn });
    assert_eq!(policy, json!({ "Version": "2012-10-17", "Statement": [statement] }));
    // What has no resource of its own is in a statement of its own.
    let policy = printed("link --with quota --account 123456789012 --pool cn-north-1_AbCdEfGhI").unwrap();
    assert_eq!(
        policy["Statement"][0]["Resource"],
        "arn:aws-cn:cognito-idp:cn-north-1:123456789012:userpool/cn-north-1_AbCdEfGhI"
    );
    let quota = json!(["cognito-idp:GetProvisionedLimit", "servicequotas:GetServiceQuota"]);
    assert_eq!(policy["Statement"][1], json!({ "Effect": "Allow", "Action": quota, "Resource": "*" }));
}

#[test]
fn mistakes_are_refused() {
    for (line, part) in [
        ("link --account 12345678901 --user-pool-id us-east-1_A", "12 digits"),
        ("link --account 12345678901x --user-pool-id us-east-1_A", "12 digits"),
        ("link --user-pool-id us-east-1_A", "--account"),
        ("link --account 123456789012 --user-pool-id A", "--user-pool-id"),
        ("link --account 123456789012 --user-pool-id us-east-1_A --region eu-west-1", "contradicts"),
        ("report --account 123456789012 --user-pool-id us-east-1_A", "report"),
        ("export --with apply --account 123456789012 --user-pool-id us-east-1_A", "no difference"),
    ] {
        let refused = printed(line).unwrap_err();
        assert!(refused.contains(part), "{line}: {refused}");
    }
}

#[test]
fn only_these_commands_may_write() {
    let writing = ["AdminLinkProviderForUser", "AdminDisableProviderForUser"];
    let all_uses = PolicyUse::value_variants();
    for command in PolicyCommand::value_variants() {
        for (with, expected) in [
            (&[][..], matches!(command, PolicyCommand::Link | PolicyCommand::Undo)),
            (
                all_uses,
                matches!(
                    command,
                    PolicyCommand::Link | PolicyCommand::Undo | PolicyCommand::Reconcile | PolicyCommand::Doctor
                ),
            ),
        ] {
            let of_pool = policy(*command, with, Some(DOCUMENTED_POOL), vec![])["Statement"][0].to_string();
            let may_write = writing.iter().any(|action| of_pool.contains(action));
            assert!(may_write == expected || *command == PolicyCommand::Probe, "{command:?} {with:?}");
        }
    }
}

#[test]
fn the_probe_may_make_its_calls_and_no_others() {
    let policy = policy(PolicyCommand::Probe, &[], None, vec![]);
    let named: BTreeSet<&str> =
        policy["Statement"][0]["Action"].as_array().unwrap().iter().map(|name| short(name.as_str().unwrap())).collect();
    assert_eq!(named, BTreeSet::from(ProbeCall::OPERATIONS));
}

#[test]
fn the_page_has_the_same_policies_and_the_same_list() {
    let page = documented();
    let blocks: Vec<Value> = page
        .split("```json\n")
        .skip(1)
        .map(|rest| serde_json::from_str(rest.split("```").next().unwrap()).unwrap())
        .collect();
    let wanted = [
        policy(PolicyCommand::Link, &[], Some(DOCUMENTED_POOL), vec![]),
        policy(PolicyCommand::Probe, &[], None, vec![]),
    ];
    assert_eq!(blocks, wanted, "docs/iam.md");
    let section = page
        .split("## By command\n")
        .nth(1)
        .expect("docs/iam.md has a section By command")
        .split("\n## ")
        .next()
        .unwrap();
    let list: String = section
        .lines()
        .skip_while(|line| !line.starts_with("- "))
        .take_while(|line| !line.is_empty())
        .fold(String::new(), |list, line| list + line + "\n");
    assert_eq!(
        on_one_line(&list),
        on_one_line(&list_of_actions()),
        "docs/iam.md, By command; it should be:\n{}",
        list_of_actions()
    );
}
