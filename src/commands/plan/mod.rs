//! `plan`: approves a saved plan with a signature, so that one person makes it and another one allows it.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::shared::result::result_json;
use super::shared::run_view::{joined, simulated_mark};
use super::shared::saved_plan::{self, PlanHeader};
use super::shared::signature::{SignedMatter, allow_signer_step, sign, signature_path};
use super::shared::{CommandContext, Failure, InputArgs, check_outputs, pool_options_of_run};
use crate::domain::identity::PoolId;
use crate::exit::Exit;
use crate::input::{OutputFile, STDIN_NAME};
use crate::ui::format::{count, counted, timestamp};
use crate::ui::{MessageCode, OutputFormat, escape, shell_path};

const EXAMPLE: &str = "Example: cognito-link plan approve pairs.plan --key ~/.ssh/id_ed25519";

/// What the suggested commands call the file of allowed signers.
const ALLOWED_SIGNERS: &str = "allowed_signers";

/// Approve a saved plan with a signature
///
/// `link --plan PLAN --require-approval SIGNERS` then follows this plan only if one of these signers has approved it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct PlanArgs {
    #[command(subcommand)]
    pub action: PlanAction,
}

#[derive(Debug, Subcommand)]
pub enum PlanAction {
    Approve(ApproveArgs),
}

/// Print what a plan does, and sign it with an SSH key
///
/// Writes the signature to PLAN.sig, in the format of `ssh-keygen -Y sign`, namespace cognito-link-plan. Needs OpenSSH, no
/// credentials and no network.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct ApproveArgs {
    /// Plan to approve, from `validate --save-plan`
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// SSH key to sign with; its `.pub` file to sign with the key of an agent
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Digest that the plan must have, as `validate --save-plan` printed it
    #[arg(long, value_name = "DIGEST")]
    pub digest: Option<String>,
    /// File to write the signature to [default: PLAN.sig]
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

pub fn cmd_plan(args: &PlanArgs, context: &CommandContext<'_>) -> Result<Exit, Failure> {
    let PlanAction::Approve(args) = &args.action;
    let signature = args.out.clone().unwrap_or_else(|| signature_path(&args.plan));
    check_outputs(&[("--out", Some(&signature))], &[Some(&args.plan), Some(&args.key)], context.force)?;
    let private = saved_plan::open_private_copy(&args.plan)?;
    let (header, digest) = (&private.header, &private.digest);
    if let Some(expected) = args.digest.as_ref().filter(|expected| *expected != digest) {
        return Err(Failure::Mismatch(format!(
            "{} has digest {digest}, and --digest is {expected}: it is another plan, or was changed; nothing was signed",
            args.plan.display()
        )));
    }
    if context.ui.output() == OutputFormat::Text {
        context.ui.print(&joined(&described(&args.plan.display().to_string(), header, digest)))?;
    }
    let signed = sign(&private.copy, &args.key, SignedMatter::Plan, context.ui)?;
    let mut file = OutputFile::create(&signature)?;
    file.write(&signed)?;
    file.finish()?;
    if context.ui.output() == OutputFormat::Json {
        let body = json!({
            "plan": args.plan.display().to_string(),
            "plan_digest": digest,
            "signature_file": signature.display().to_string(),
            "pool": header.pool,
            "simulated": header.simulated,
            "input": header.input,
            "input_hash": header.input_hash,
            "rows": { "read": header.rows + header.invalid, "valid": header.rows, "invalid": header.invalid },
            "by_verdict": header.verdicts,
            "scanned_at": timestamp(header.scanned_unix_ms),
        });
        context.ui.json(&result_json("plan_approval", Exit::Success, body))?;
    }
    context.ui.note(MessageCode::OutputWritten, &format!("wrote the approval to {}", signature.display()));
    context.ui.hint(&next_step(args, header));
    context.ui.hint(&allow_signer_step(Path::new(ALLOWED_SIGNERS), &args.key));
    Ok(Exit::Success)
}

/// Returns how the plan is followed. The input of a plan may be standard input, which cannot be read again.
fn next_step(args: &ApproveArgs, header: &PlanHeader) -> String {
    let input = if header.input == STDIN_NAME { "FILE".to_owned() } else { shell_path(&header.input) };
    let (options, plan) = (options_of(header), shell_path(&args.plan.display().to_string()));
    let approval = args.out.as_deref().map(|path| format!(" --approval {}", shell_path(&path.display().to_string())));
    format!(
        "follow the plan: `cognito-link link {input}{options} --plan {plan} --require-approval {ALLOWED_SIGNERS}{}`, where \
         {ALLOWED_SIGNERS} is a file for `ssh-keygen -Y verify`",
        approval.unwrap_or_default()
    )
}

/// Returns the options for the input and the pool with which the plan was made, each after a space.
fn options_of(header: &PlanHeader) -> String {
    let pool = PoolId::parse(&header.pool).map(|pool| pool_options_of_run(&header.arguments, &pool, header.simulated));
    InputArgs::of_run(&header.arguments).on_command_line() + &pool.unwrap_or_default()
}

/// Returns what is signed, so that the approver sees it.
fn described(plan: &str, header: &PlanHeader, digest: &str) -> Vec<String> {
    let mut lines = vec![
        format!("plan {}", escape(plan)),
        format!("digest {digest}"),
        format!("pool {}{}", escape(&header.pool), simulated_mark(header.simulated)),
        format!("input {}: {}, {} invalid", escape(&header.input), counted(header.rows, "row"), count(header.invalid)),
    ];
    lines.extend(header.verdicts.iter().map(|(verdict, rows)| format!("{:<26}{:>10}", escape(verdict), count(*rows))));
    lines.push(format!("the pool was read at {}", timestamp(header.scanned_unix_ms)));
    lines
}
