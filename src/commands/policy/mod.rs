//! `policy`: prints the least IAM policy with which a command works.

mod actions;
mod objects;

use clap::{Args, ValueEnum as _};
use serde_json::{Value, json};

use super::shared::result::result_json;
use super::shared::{CommandContext, Failure, headings, parse_object_address};
use crate::domain::identity::PoolId;
use crate::domain::object::ObjectAddress;
use crate::exit::Exit;
use crate::ui::OutputFormat;
use actions::{ACTIONS, PolicyCommand, PolicyUse, Resource, When};

/// Digits of an account's ID.
const ACCOUNT_DIGITS: usize = 12;

/// Print the least IAM policy with which a command works
///
/// Everything else needs no permission: `report`, `verify`, `explain`, `template`, `validate` without a pool, and every
/// command with `--simulate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: cognito-link policy link --account 123456789012 --user-pool-id us-east-1_AbCdEfGhI")]
pub struct PolicyArgs {
    /// Command that the policy is for
    #[arg(value_enum, value_name = "COMMAND")]
    pub command: PolicyCommand,
    /// What the command is used for besides (can be repeated)
    #[arg(long, value_enum, value_name = "USE")]
    pub with: Vec<PolicyUse>,
    /// Object of S3 that the command reads, such as its input (can be repeated)
    #[arg(long, value_name = "S3_ADDRESS", value_parser = parse_object_address)]
    pub reads: Vec<ObjectAddress>,
    /// Object of S3 that the command writes, such as a result or a copy of the ledger (can be repeated)
    #[arg(long, value_name = "S3_ADDRESS", value_parser = parse_object_address)]
    pub writes: Vec<ObjectAddress>,
    /// ID of the account that the pool is in: 12 digits
    #[arg(long, value_name = "ID", value_parser = parse_account, help_heading = headings::POOL)]
    pub account: String,
    /// User pool, such as us-east-1_AbCdEfGhI; `probe` needs none
    #[arg(long, alias = "pool", env = "COGNITO_LINK_USER_POOL_ID", hide_env_values = true, value_name = "ID",
        value_parser = parse_pool, help_heading = headings::POOL)]
    pub user_pool_id: Option<PoolId>,
    /// Region; must match the Region in the pool's ID
    #[arg(long, value_name = "REGION", help_heading = headings::POOL)]
    pub region: Option<String>,
}

fn parse_account(text: &str) -> Result<String, String> {
    let fits = text.len() == ACCOUNT_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    if fits { Ok(text.to_owned()) } else { Err(format!("an account ID has {ACCOUNT_DIGITS} digits")) }
}

fn parse_pool(text: &str) -> Result<PoolId, String> {
    PoolId::parse(text).map_err(|error| error.to_string())
}

pub fn cmd_policy(args: &PolicyArgs, context: &CommandContext<'_>) -> Result<Exit, Failure> {
    let pool = pool_arn(args)?;
    let unused = args.with.iter().find(|wanted| !ACTIONS.iter().any(|action| action.is_for(args.command, **wanted)));
    if let Some(unused) = unused {
        let name = unused.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        return Err(Failure::Usage(format!("--with {name} makes no difference to `{}`", args.command.as_str())));
    }
    let region = args.user_pool_id.as_ref().map(PoolId::region).or(args.region.as_deref()).unwrap_or_default();
    let objects = objects::statements(&args.reads, &args.writes, partition_of(region));
    let policy = policy(args.command, &args.with, pool.as_deref(), objects);
    match context.ui.output() {
        OutputFormat::Json => {
            context.ui.json(&result_json("policy_report", Exit::Success, json!({ "policy": policy })))?;
        }
        OutputFormat::Text => context.ui.data(&format!("{policy:#}\n"))?,
    }
    Ok(Exit::Success)
}

/// Returns the ARN of the pool; `None` for `probe`, which makes its own pools.
fn pool_arn(args: &PolicyArgs) -> Result<Option<String>, Failure> {
    let Some(pool) = &args.user_pool_id else {
        return match args.command {
            PolicyCommand::Probe => Ok(None),
            _ => Err(Failure::Usage("no user pool: name one with --user-pool-id or COGNITO_LINK_USER_POOL_ID".into())),
        };
    };
    match &args.region {
        Some(region) if region != pool.region() => Err(Failure::Usage(format!(
            "--region {region} contradicts the pool's id {pool}, which is in {}; leave --region out",
            pool.region()
        ))),
        _ => Ok(Some(format!(
            "arn:{}:cognito-idp:{}:{}:userpool/{pool}",
            partition_of(pool.region()),
            pool.region(),
            args.account
        ))),
    }
}

/// Returns the partition of a Region, as ARNs name it.
fn partition_of(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        region if region.starts_with("eusc-") => "aws-eusc",
        region if region.starts_with("us-iso-") => "aws-iso",
        region if region.starts_with("us-isob-") => "aws-iso-b",
        _ => "aws",
    }
}

/// Returns the policy of a command: a statement for the pool, one for what has no resource of its own, and those for
/// objects.
fn policy(command: PolicyCommand, with: &[PolicyUse], pool: Option<&str>, objects: Vec<Value>) -> Value {
    let needed = |resource: Resource| -> Vec<&str> {
        let is_needed = |when: &&(PolicyCommand, When)| match when {
            (of, When::Always) => *of == command,
            (of, When::With(wanted)) => *of == command && with.contains(wanted),
        };
        let of_resource = ACTIONS.iter().filter(|action| action.resource == resource);
        of_resource
            .filter(|action| action.needed_by.iter().any(|when| is_needed(&when)))
            .map(|action| action.name)
            .collect()
    };
    let statement = |actions: Vec<&str>, resource: &str| {
        (!actions.is_empty()).then(|| json!({ "Effect": "Allow", "Action": actions, "Resource": resource }))
    };
    let statements =
        [pool.and_then(|arn| statement(needed(Resource::Pool), arn)), statement(needed(Resource::Any), "*")];
    json!({ "Version": "2012-10-17", "Statement": statements.into_iter().flatten().chain(objects).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests;
