//! `simulate`: the server of the simulator, which has its options and messages of its own.

use cognito_sim::{ServerArgs, StandaloneError, StandaloneServer};

use super::signals;
use crate::command::Failure;
use crate::exit::Exit;
use crate::ui::Ui;

pub(super) async fn run(args: &ServerArgs, ui: &Ui) -> Result<Exit, Failure> {
    let failure = |error: StandaloneError| match error {
        StandaloneError::Usage(text) => Failure::Usage(text),
        StandaloneError::System(text) => Failure::System(text),
    };
    let server = StandaloneServer::bind(args).map_err(failure)?;
    let mut stop = signals::listen()?;
    // Scripts read the first line of standard output.
    ui.data(&format!("{}\n", server.url()))?;
    ui.note(&server.note());
    let stopped = async {
        stop.recv().await;
    };
    server.run(stopped).await.map_err(failure)?;
    Ok(Exit::Success)
}
