//! `verify`: checks the hash chain of a ledger, and that every row of an input has a state in it. Needs no network.

mod verification;
mod view;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;

use super::shared::next_command::config_option;
use super::shared::signature::{self, SignedMatter, sign, signature_path, text_file};
use super::shared::{CommandContext, Failure, InputArgs, check_outputs, pool_options_of_run};
use crate::domain::row::RowKey;
use crate::domain::state::{ResumeAction, RetryChoice, RowState};
use crate::exit::Exit;
use crate::input::{FirstReading, InputOptions, InputReader, InputSource, OutputFile};
use crate::ledger::{ChainHead, LedgerContents, find_head, load_contents};
use crate::limits::{HEAD_FILE_BYTES_MAX, REPORT_FAILURES_MAX};
use crate::ui::{MessageCode, shell_path};
use verification::{InputVerification, MissingRow, Verification, VerifiedSignature};

const EXAMPLE: &str = "Example: cognito-link verify pairs.csv.ledger pairs.csv";

/// Check that a ledger is unchanged, and that every row of a file has a state in it
///
/// Needs no credentials and no network. Any changed, missing, added or moved line is reported with its line and byte, and
/// ends with exit status 6; a row of a file that the ledger does not hold, or an unfinished last line, with 3.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct VerifyArgs {
    /// Ledger to check
    #[arg(value_name = "LEDGER")]
    pub ledger: PathBuf,
    /// Inputs whose rows must all have a state in the ledger
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// Head that the ledger had earlier, as `link`, `undo` or `report` printed it: reports a ledger that lost its end
    #[arg(long, value_name = "HEAD", value_parser = parse_head)]
    pub head: Option<ChainHead>,
    /// SSH key to sign the head with; its `.pub` file to sign with the key of an agent
    ///
    /// Writes LEDGER.head and LEDGER.head.sig, which `ssh-keygen -Y verify` can check.
    #[arg(long, value_name = "KEY")]
    pub sign: Option<PathBuf>,
    /// File to write the head of `--sign` to, and its signature beside it with the ending .sig [default: LEDGER.head]
    #[arg(short, long, value_name = "FILE", requires = "sign")]
    pub out: Option<PathBuf>,
    /// Signature of a head that the ledger has or had: the file LEDGER.head.sig of `--sign`, beside LEDGER.head
    #[arg(long, value_name = "FILE", requires = "allowed_signers", conflicts_with = "head")]
    pub signature: Option<PathBuf>,
    /// Allowed signers of which one must have made the signature: a file for `ssh-keygen -Y verify`
    #[arg(long, value_name = "SIGNERS", requires = "signature")]
    pub allowed_signers: Option<PathBuf>,
    #[command(flatten)]
    pub reading: InputArgs,
}

fn parse_head(text: &str) -> Result<ChainHead, String> {
    ChainHead::parse(text).ok_or_else(|| "a head has 64 hexadecimal digits in lower case".to_owned())
}

pub fn cmd_verify(args: &VerifyArgs, context: &CommandContext<'_>) -> Result<Exit, Failure> {
    let contents = load_contents(&args.ledger)?;
    let line_of_head = args.head.map(|head| line_of(head, &args.ledger)).transpose()?;
    let signed = args.signature.as_deref().zip(args.allowed_signers.as_deref());
    let signature = signed.map(|(path, signers)| verify_signature(path, signers, &args.ledger)).transpose()?;
    let head_path = args.out.clone().unwrap_or_else(|| with_ending(&args.ledger, ".head"));
    let signature_path = signature_path(&head_path);
    if args.sign.is_some() {
        let outputs = [("--out", Some(head_path.as_path())), ("--out", Some(&signature_path))];
        let read = args.inputs.iter().chain([&args.ledger]).map(|path| Some(path.as_path())).collect::<Vec<_>>();
        check_outputs(&outputs, &read, context.force)?;
    }
    let options = args.reading.options(&context.file_settings)?;
    let inputs: Result<Vec<_>, Failure> =
        args.inputs.iter().map(|input| verify_input(input, &options, &contents)).collect();
    let inputs = inputs?;
    if let Some(key) = &args.sign {
        let text = format!("{}\n", contents.head);
        let signed = sign(&text_file(&text)?, key, SignedMatter::LedgerHead, context.ui)?;
        for (path, content) in [(&head_path, text.as_bytes()), (&signature_path, &signed)] {
            let mut file = OutputFile::create(path)?;
            file.write(content)?;
            file.finish()?;
        }
        context.ui.note(
            MessageCode::OutputWritten,
            &format!("wrote the head to {}, and its signature to {}", head_path.display(), signature_path.display()),
        );
    }
    let found = Verification { ledger: args.ledger.display().to_string(), contents, line_of_head, signature, inputs };
    let is_whole = found.contents.torn_bytes == 0 && found.has_all_rows();
    let exit = if is_whole { Exit::Success } else { Exit::Incomplete };
    let again = link_again(args, &found, context);
    view::print_verification(&found, &again, exit, context.ui)?;
    Ok(exit)
}

/// Returns the command that links the rows which the ledger does not have: with the pool of the last run, and the options
/// for reading that this command was given.
fn link_again(args: &VerifyArgs, found: &Verification, context: &CommandContext<'_>) -> String {
    let mut inputs = args.inputs.iter().zip(&found.inputs);
    let lacking = inputs.find(|(path, input)| input.unaccounted() > 0 && path.as_os_str() != "-");
    let input = lacking.map_or_else(|| "FILE".to_owned(), |(path, _)| shell_path(&path.display().to_string()));
    let ledger = shell_path(&found.ledger);
    let last = found.contents.last_run.as_ref().and_then(|run| run.start.origin.as_ref());
    let arguments = last.map_or_else(Vec::new, |origin| origin.arguments.clone());
    let binding = &found.contents.header.binding;
    let mut options =
        args.reading.on_command_line() + &pool_options_of_run(&arguments, &binding.pool, binding.simulated);
    if !options.contains(" --config ") {
        options.push_str(&config_option(context.config.as_deref()));
    }
    format!("cognito-link link {input} --ledger {ledger}{options}")
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(ending);
    PathBuf::from(path)
}

/// Refuses a signature that no allowed signer made, or of a head that the ledger never had.
fn verify_signature(path: &Path, signers: &Path, ledger: &Path) -> Result<VerifiedSignature, Failure> {
    let unusable = |why: &str| Failure::Usage(format!("--signature {}: {why}", path.display()));
    let signed = path.to_str().and_then(|path| path.strip_suffix(".sig"));
    let signed =
        Path::new(signed.ok_or_else(|| unusable("the name must end in .sig, with the signed head beside it"))?);
    let file = File::open(signed).map_err(|error| unusable(&format!("{}: {error}", signed.display())))?;
    let mut text = String::new();
    file.take(HEAD_FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|error| unusable(&format!("{}: {error}", signed.display())))?;
    let head = ChainHead::parse(text.trim_end())
        .ok_or_else(|| Failure::Mismatch(format!("{} holds no head of a ledger", signed.display())))?;
    match signature::verify(&text_file(&text)?, path, signers, SignedMatter::LedgerHead)? {
        Ok(by) => Ok(VerifiedSignature { signer: by, head, line: line_of(head, ledger)? }),
        Err(reason) => {
            Err(Failure::Mismatch(format!("{} is not signed by an allowed signer: {reason}", signed.display())))
        }
    }
}

fn line_of(head: ChainHead, ledger: &Path) -> Result<u64, Failure> {
    find_head(ledger, head)?.ok_or_else(|| {
        Failure::Mismatch(format!(
            "ledger {} never had the head {head}: lines are missing at its end, or it is another ledger; restore it from \
             a copy",
            ledger.display()
        ))
    })
}

fn verify_input(input: &Path, options: &InputOptions, ledger: &LedgerContents) -> Result<InputVerification, Failure> {
    let source = InputSource::open(input)?;
    let cross_row = FirstReading::of(&source, options, |_| ())?.cross_row;
    let reader = InputReader::with_cross_row(&source, options, &cross_row)?;
    let mut found = InputVerification { input: source.name().to_owned(), ..InputVerification::default() };
    for record in reader {
        let record = record?;
        found.counts.read += 1;
        let key = record.link.as_ref().map(|link| RowKey::of(&ledger.header.binding.pool, link));
        let state = key.map(|key| ledger.view.state(key));
        // As in a run: a row that is invalid in comparison with others is not sent, but keeps its state.
        let keeps_state =
            |state: RowState| record.is_valid() || state.on_resume(RetryChoice::NOTHING) != ResumeAction::Attempt;
        let (Some(key), Some(state)) = (key, state.filter(|state| keeps_state(*state))) else {
            found.counts.invalid += 1;
            continue;
        };
        found.counts.add(state);
        if state == RowState::Unprocessed && found.missing.len() < REPORT_FAILURES_MAX {
            found.missing.push(MissingRow { row: record.number, line: record.line, key });
        }
    }
    found.counts.balance()?;
    Ok(found)
}
