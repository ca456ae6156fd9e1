//! What a run writes to, and as whom: for its first line, its question, its log and its ledger.

use clap::Args;

use super::hidden_arguments::{HOOKS, with_hidden_values};
use super::next_command::{same_command, without_password};
use super::settings::{FileSettings, parse_account};
use super::{CommandContext, Failure, OpenPool, headings, place_of};
use crate::domain::identity::PoolId;
use crate::foresight::preflight::PoolKnowledge;
use crate::input::InputSource;
use crate::ledger::Binding;
use crate::ledger::record::{RunOrigin, cut_after};
use crate::ledger::storage::host_name;
use crate::limits::{LEDGER_WORD_CHARS_MAX, NAME_ASKED_LINKS, RUN_ARGUMENTS_MAX};
use crate::service::cognito::Cognito;
use crate::service::{CallFault, CallerIdentity};
use crate::ui::{ConfirmError, MessageCode, Ui, format, shell_word};

/// What must be right before a run writes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = headings::POOL)]
pub struct GuardArgs {
    /// Account that the credentials must belong to; nothing is sent with another one
    #[arg(long, value_name = "ID", value_parser = parse_account, hide_short_help = true)]
    pub expect_account: Option<String>,
    /// Name of the pool, in place of an answer to the question; a protected pool needs it with --yes
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub confirm: Option<String>,
}

impl GuardArgs {
    /// Whether the run can go on without a terminal to ask on.
    pub fn answers(&self, yes: bool) -> bool {
        yes || self.confirm.is_some()
    }

    /// Refuses `--yes` alone for a pool that the settings protect, before anything is called.
    pub fn check_protection(&self, yes: bool, pool: &PoolId, file: &FileSettings) -> Result<(), Failure> {
        if yes && self.confirm.is_none() && file.protects(pool) {
            return Err(Failure::Usage(format!(
                "pool {pool} is protected, so --yes is not enough: pass the pool's name with --confirm NAME; nothing was \
                 sent"
            )));
        }
        Ok(())
    }

    /// Checks before a dry run what a run would refuse to go on with: another account, or a pool of another name.
    pub async fn check_expectations(&self, pool: &OpenPool, context: &CommandContext<'_>) -> Result<(), Failure> {
        let expected = self.expect_account.as_deref().or(context.file_settings.expect_account.as_deref());
        if expected.is_some() {
            let service = pool.address.connect().await?;
            let caller = match service.caller() {
                Some(caller) => Some(caller.caller_identity().await.map(|answer| answer.value)),
                None => None,
            };
            check_account(expected, caller.as_ref())?;
        }
        match &self.confirm {
            Some(given) => check_name(given, &pool.knowledge.facts.name, &pool.address.pool),
            None => Ok(()),
        }
    }
}

/// A pool that is about to be written to, and the caller.
pub struct RunTarget {
    binding: Binding,
    pool_name: String,
    users: u64,
    caller: Option<CallerIdentity>,
    /// Whether the pool is simulated by this process, which has no account and whose users are nobody.
    has_own_simulator: bool,
    is_protected: bool,
    confirm: Option<String>,
    /// The arguments of the program.
    arguments: Vec<String>,
}

/// What a run is about to do.
pub struct Proposal<'a> {
    /// Such as `link 12 rows of people.csv`.
    pub what: String,
    /// Links that will be made or removed.
    pub links: u64,
    /// Reasons for the question.
    pub reasons: Vec<String>,
    /// Whether `--yes` was given.
    pub yes: bool,
    pub ui: &'a Ui,
}

impl RunTarget {
    /// Asks STS who calls, and prints and logs what the run is for. An account that STS does not name stops only a run with
    /// `--expect-account`.
    pub async fn find(
        binding: &Binding,
        service: &Cognito,
        knowledge: &PoolKnowledge,
        guards: &GuardArgs,
        context: &CommandContext<'_>,
    ) -> Result<Self, Failure> {
        let file = &context.file_settings;
        let expected = guards.expect_account.as_deref().or(file.expect_account.as_deref());
        let caller = match service.caller() {
            Some(caller) => Some(caller.caller_identity().await.map(|answer| answer.value)),
            None => None,
        };
        check_account(expected, caller.as_ref())?;
        if let Some(Err(fault)) = &caller {
            context.ui.note(MessageCode::AccountUnknown, &format!("the account is not known: {}", fault_of_sts(fault)));
        }
        let target = Self {
            binding: binding.clone(),
            pool_name: knowledge.facts.name.clone(),
            users: knowledge.facts.estimated_user_count,
            has_own_simulator: caller.is_none(),
            caller: caller.and_then(Result::ok),
            is_protected: service.caller().is_some() && file.protects(&binding.pool),
            confirm: guards.confirm.clone(),
            arguments: context.arguments.clone(),
        };
        target.announce(context.ui);
        Ok(target)
    }

    /// Prints and logs what the run is for. Its own simulator is not worth a line.
    fn announce(&self, ui: &Ui) {
        let Binding { pool, endpoint, simulated } = &self.binding;
        let (account, principal) = self.caller.as_ref().map(|caller| (&caller.account, &caller.principal)).unzip();
        tracing::info!(
            %pool,
            pool_name = self.pool_name,
            users = self.users,
            region = pool.region(),
            account,
            principal,
            endpoint = endpoint.as_ref().map(tracing::field::display),
            "target"
        );
        if self.has_own_simulator {
            return;
        }
        let (place, details) = (place_of(&self.binding), self.details());
        let what = if endpoint.is_some() { ", which is no endpoint of AWS" } else { "" };
        let text = format!("this run is for {place}{what}: {details}");
        // A simulated pool is marked as one in the result. Nothing else shows what stands in for AWS.
        if endpoint.is_some() && !simulated {
            ui.warn(MessageCode::Target, &text);
        } else {
            ui.note(MessageCode::Target, &text);
        }
    }

    pub fn binding(&self) -> &Binding {
        &self.binding
    }

    /// Name, users, Region and caller.
    fn details(&self) -> String {
        let mut parts = Vec::new();
        if !self.pool_name.is_empty() {
            parts.push(format!("name {}", self.pool_name));
        }
        parts.push(format!("about {}", format::counted(self.users, "user")));
        parts.push(format!("Region {}", self.binding.pool.region()));
        if let Some(CallerIdentity { account, principal }) = &self.caller {
            parts.push(format!("account {account}"));
            parts.push(format!("as {principal}"));
        }
        parts.join(", ")
    }

    fn name(&self) -> &str {
        name_to_type(&self.pool_name, &self.binding.pool)
    }

    /// Asks before the pool is changed, unless options have answered. A no sends nothing.
    pub fn confirm(&self, proposal: &Proposal<'_>) -> Result<(), Failure> {
        if let Some(given) = &self.confirm {
            return check_name(given, &self.pool_name, &self.binding.pool);
        }
        if proposal.yes && !self.is_protected {
            return Ok(());
        }
        let asks_name = self.is_protected || (proposal.links > NAME_ASKED_LINKS && !self.has_own_simulator);
        let question = self.question(proposal);
        let answer = if asks_name {
            proposal.ui.confirm_by_name(&question, self.name())
        } else {
            proposal.ui.confirm(&question)
        };
        match answer {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::Declined),
            Err(error) => Err(unanswered(&error, &question, &self.arguments, &self.answer())),
        }
    }

    /// The option that answers the question.
    fn answer(&self) -> String {
        if self.is_protected { format!("--confirm {}", shell_word(self.name())) } else { "--yes".to_owned() }
    }

    fn question(&self, proposal: &Proposal<'_>) -> String {
        let place = place_of(&self.binding);
        if self.has_own_simulator {
            return format!("{} in {place}?", proposal.what);
        }
        let mut reasons = proposal.reasons.clone();
        if proposal.links > NAME_ASKED_LINKS {
            reasons.insert(0, format!("more than {} links", format::count(NAME_ASKED_LINKS)));
        }
        if self.is_protected {
            reasons.insert(0, "a protected pool".to_owned());
        }
        let reasons = if reasons.is_empty() { String::new() } else { format!("; note: {}", reasons.join("; ")) };
        format!("{} in {place} ({}{reasons})?", proposal.what, self.details())
    }

    /// Returns what the ledger keeps of it, with the arguments of the run and the hash of its input.
    pub fn origin(&self, input: Option<&InputSource>, context: &CommandContext<'_>) -> RunOrigin {
        let cut = |text: &str| cut_after(text, LEDGER_WORD_CHARS_MAX).to_owned();
        RunOrigin {
            account: self.caller.as_ref().map(|caller| cut(&caller.account)),
            principal: self.caller.as_ref().map(|caller| cut(&caller.principal)),
            region: self.binding.pool.region().to_owned(),
            endpoint: self.binding.endpoint.clone(),
            pool_name: cut(&self.pool_name),
            users: self.users,
            host: cut(&host_name()),
            input_hash: input.and_then(InputSource::checked_hash),
            input_etag: input.and_then(InputSource::etag).map(cut),
            plan_digest: None,
            plan_approval: None,
            arguments: recorded_arguments(context),
        }
    }
}

/// Returns the arguments of the program as a ledger and a plan keep them: without passwords, and bounded.
pub fn recorded_arguments(context: &CommandContext<'_>) -> Vec<String> {
    let arguments = context.arguments.iter().take(RUN_ARGUMENTS_MAX);
    let arguments = arguments.map(|argument| cut_after(&without_password(argument), LEDGER_WORD_CHARS_MAX).to_owned());
    with_hidden_values(arguments, &HOOKS)
}

/// The name that has to be typed: that of the pool, or its ID where it has none.
fn name_to_type<'a>(name: &'a str, pool: &'a PoolId) -> &'a str {
    if name.is_empty() { pool.as_str() } else { name }
}

fn check_name(given: &str, name: &str, pool: &PoolId) -> Result<(), Failure> {
    if given == name_to_type(name, pool) {
        return Ok(());
    }
    Err(Failure::Usage(format!("--confirm '{given}' is not the name of pool {pool}; nothing was sent")))
}

/// Asks before a command goes on that has a question of its own, which `--yes` answers.
pub fn confirm_step(question: &str, context: &CommandContext<'_>) -> Result<(), Failure> {
    match context.ui.confirm(question) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::Declined),
        Err(error) => Err(unanswered(&error, question, &context.arguments, "--yes")),
    }
}

/// Returns the failure of a question that nobody answered. Where there is no terminal, it says what would have been done,
/// and the command that does it without a question.
fn unanswered(error: &ConfirmError, question: &str, arguments: &[String], answer: &str) -> Failure {
    let ConfirmError::NotATerminal = error else { return Failure::Usage(error.to_string()) };
    Failure::Usage(format!(
        "there is no terminal to confirm this on: {}; nothing was sent; to do it: `{}`",
        question.trim_end_matches('?'),
        same_command(arguments, None, answer)
    ))
}

fn check_account(expected: Option<&str>, caller: Option<&Result<CallerIdentity, CallFault>>) -> Result<(), Failure> {
    let Some(expected) = expected else { return Ok(()) };
    match caller {
        Some(Ok(caller)) if caller.account == expected => Ok(()),
        Some(Ok(caller)) => Err(Failure::Mismatch(format!(
            "the credentials belong to account {}, and --expect-account is {expected}; nothing was sent",
            caller.account
        ))),
        Some(Err(fault)) => Err(Failure::Mismatch(format!(
            "--expect-account is {expected}, and the account is not known: {}; nothing was sent",
            fault_of_sts(fault)
        ))),
        None => Err(Failure::Usage("--expect-account: the simulated pool of --simulate has no account".into())),
    }
}

fn fault_of_sts(fault: &CallFault) -> String {
    format!("GetCallerIdentity of STS failed ({})", fault.code())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;
    use crate::ui::testing::Screen;

    fn target(is_protected: bool, confirm: Option<&str>) -> RunTarget {
        RunTarget {
            binding: Binding::new(PoolId::parse("us-east-1_Abc").unwrap(), false, None),
            pool_name: "Customers".into(),
            users: 1_234,
            caller: Some(CallerIdentity {
                account: "123456789012".into(),
                principal: "arn:aws:iam::123456789012:user/ops".into(),
            }),
            has_own_simulator: false,
            is_protected,
            confirm: confirm.map(str::to_owned),
            arguments: vec!["link".to_owned(), "my pairs.csv".to_owned()],
        }
    }

    /// Whether the run goes on, and what was asked.
    fn confirmed(target: &RunTarget, links: u64, yes: bool, typed: &str) -> (bool, String) {
        let screen = Screen::new().terminals().typed(typed);
        let reasons = vec!["the first run with this ledger".to_owned()];
        let what = format!("link {links} rows of p.csv");
        let answer = target.confirm(&Proposal { what, links, reasons, yes, ui: &screen.ui() });
        (answer.is_ok(), screen.stderr())
    }

    #[test]
    fn the_question_says_where_and_as_whom_and_why_to_think() {
        let (goes_on, asked) = confirmed(&target(false, None), 10, false, "y\n");
        assert!(goes_on);
        assert_eq!(
            asked,
            "link 10 rows of p.csv in pool us-east-1_Abc (name Customers, \
             about 1,234 users, Region us-east-1, account 123456789012, as arn:aws:iam::123456789012:user/ops; \
             note: the first run with this ledger)? [y/N] "
        );
        let (goes_on, asked) = confirmed(&target(true, None), 10_001, false, "Customers\n");
        assert!(goes_on);
        assert_eq!(
            asked,
            "link 10001 rows of p.csv in pool us-east-1_Abc (name Customers, \
             about 1,234 users, Region us-east-1, account 123456789012, as arn:aws:iam::123456789012:user/ops; \
             note: a protected pool; more than 10,000 links; the first run with this ledger)? Type the name of the pool, Customers: "
        );
    }

    #[test]
    fn danger_is_confirmed_by_name() {
        for (is_protected, confirm, links, yes, typed, expected) in [
            (false, None, 10_000, false, "y\n", true),
            (false, None, 10_001, false, "y\n", false),
            (false, None, 10_001, false, " Customers \n", true),
            (false, None, 10_001, true, "", true),
            (true, None, 1, false, "yes\n", false),
            (true, None, 1, false, "customers\n", false),
            (true, None, 1, false, "Customers\n", true),
            (true, None, 1, true, "", false),
            (true, Some("Customers"), 1, true, "", true),
            (true, Some("Customer"), 1, true, "", false),
            (false, Some("Customers"), 20_000, false, "", true),
            (false, Some("Others"), 1, true, "", false),
        ] {
            let target = target(is_protected, confirm);
            assert_eq!(
                confirmed(&target, links, yes, typed).0,
                expected,
                "{is_protected} {confirm:?} {links} {typed:?}"
            );
        }
    }

    #[test]
    fn without_a_terminal_the_command_that_would_do_it_is_printed() {
        for (is_protected, command) in [
            (false, "`cognito-link link 'my pairs.csv' --yes`"),
            (true, "`cognito-link link 'my pairs.csv' --confirm Customers`"),
        ] {
            let screen = Screen::new();
            let proposal = Proposal {
                what: "link 3 rows of my pairs.csv".into(),
                links: 3,
                reasons: Vec::new(),
                yes: false,
                ui: &screen.ui(),
            };
            let failure = target(is_protected, None).confirm(&proposal).unwrap_err();
            assert_eq!(failure.exit(), Exit::Usage);
            let error = failure.to_string();
            assert!(
                error.contains("link 3 rows of my pairs.csv in pool us-east-1_Abc") && error.ends_with(command),
                "{error}"
            );
            assert!(error.contains("nothing was sent"), "{error}");
        }
    }

    #[test]
    fn another_account_or_none_is_refused_where_one_is_expected() {
        let caller = |account: &str| Ok(CallerIdentity { account: account.into(), principal: String::new() });
        let denied = || Err(CallFault::Unsent { credentials: true, detail: String::new() });
        let checked = |expected, caller: Option<Result<CallerIdentity, CallFault>>| {
            check_account(expected, caller.as_ref()).map_err(|failure| failure.exit())
        };
        assert_eq!(checked(None, Some(denied())), Ok(()));
        assert_eq!(checked(Some("123456789012"), Some(caller("123456789012"))), Ok(()));
        assert_eq!(checked(Some("123456789012"), Some(caller("210987654321"))), Err(Exit::Mismatch));
        assert_eq!(checked(Some("123456789012"), Some(denied())), Err(Exit::Mismatch));
        assert_eq!(checked(Some("123456789012"), None), Err(Exit::Usage));
    }
}
