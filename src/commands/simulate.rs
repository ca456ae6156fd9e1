//! `simulate`: serves a simulated user pool on this machine. The simulator owns its options and messages.

use cognito_sim::{StandaloneError, StandaloneServer};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::shared::result::result_json;
use super::shared::run::listen_for_signals;
use super::shared::{CommandContext, Failure, check_outputs};
use crate::exit::Exit;
use crate::ui::{MessageCode, OutputFormat, format};

pub use cognito_sim::ServerArgs;

pub(super) const EXAMPLE: &str = "Example: cognito-link simulate --listen 127.0.0.1:4566 --create-on-reference";

pub(super) async fn cmd_simulate(args: &ServerArgs, context: &CommandContext<'_>) -> Result<Exit, Failure> {
    let failure = |error: StandaloneError| match error {
        StandaloneError::Usage(text) => Failure::Usage(text),
        StandaloneError::System(text) => Failure::System(text),
    };
    check_outputs(&[("--save-pool", args.save_pool.as_deref())], &[args.faults.as_deref()], context.force)?;
    let server = StandaloneServer::bind(args).map_err(failure)?;
    let mut signals = listen_for_signals()?;
    // Scripts read the first line of standard output.
    match context.ui.output() {
        OutputFormat::Text => context.ui.data(&format!("{}\n", server.url()))?,
        OutputFormat::Json => {
            let body = json!({ "url": server.url() });
            context.ui.json(&result_json("simulate_report", Exit::Success, body))?;
        }
    }
    context.ui.note(MessageCode::Simulator, &server.note());
    // From now on SIGUSR1 is answered here, with the number of calls.
    context.ui.run_begins();
    let mut questions = signal(SignalKind::user_defined1())
        .map_err(|error| Failure::System(format!("cannot listen for signals: {error}")))?;
    let (account, url) = (server.account().clone(), server.url());
    let stopped = async {
        loop {
            tokio::select! {
                _ = signals.recv() => return,
                Some(()) = questions.recv() => {
                    let calls = format::counted(account.stats().calls(), "call");
                    context.ui.report_step(&format!("serving {url}: {calls} so far"));
                }
            }
        }
    };
    server.run(stopped).await.map_err(failure)?;
    Ok(Exit::Success)
}
