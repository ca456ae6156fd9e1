//! The program `cognito-sim`: the server with its options.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use cognito_sim::{ServerArgs, StandaloneError, StandaloneServer};
use tokio::signal::unix::{SignalKind, signal};

/// Serve a simulated Amazon Cognito user pool on this machine, over the real wire protocol
#[derive(Debug, Parser)]
#[command(name = "cognito-sim", version, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    server: ServerArgs,
}

fn main() -> ExitCode {
    match run(&Cli::parse().server) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where standard error is closed too, the status has to do.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            match error {
                StandaloneError::Usage(_) => ExitCode::from(2),
                StandaloneError::System(_) => ExitCode::FAILURE,
            }
        }
    }
}

fn run(args: &ServerArgs) -> Result<(), StandaloneError> {
    let system = |error: std::io::Error| StandaloneError::System(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system)?;
    runtime.block_on(async {
        let server = StandaloneServer::bind(args)?;
        let mut interrupts = signal(SignalKind::interrupt()).map_err(system)?;
        let mut terminations = signal(SignalKind::terminate()).map_err(system)?;
        // Scripts read the first line of standard output.
        writeln!(std::io::stdout(), "{}", server.url()).map_err(system)?;
        let _ = writeln!(std::io::stderr(), "note: {}", server.note());
        let stop = async {
            tokio::select! {
                _ = interrupts.recv() => {}
                _ = terminations.recv() => {}
            }
        };
        server.run(stop).await
    })
}
