//! `doctor`, put together.

use super::pace::PaceChoice;
use super::pool_reading::Place;
use super::settings;
use super::simulator::Running;
use crate::cli::DoctorArgs;
use crate::clock::Clock;
use crate::command::Failure;
use crate::command::doctor::{DoctorTask, Readers};
use crate::config::FileSettings;
use crate::domain::checkup::{CheckStatus, CheckupReport};
use crate::exit::Exit;
use crate::service::cognito::Cognito;
use crate::ui::Ui;

pub(super) async fn run(args: DoctorArgs, file: &FileSettings, ui: &Ui, clock: Clock) -> Result<Exit, Failure> {
    let seed = settings::seed(None, clock);
    let share = PaceChoice::share(args.share, file)?;
    let task = DoctorTask { share, reads: PaceChoice::of_reads(args.share, file)?, seed };
    let place = Place::find(&args.pool, &args.simulation, file, seed)?;
    ui.status("looking at the pool");
    let checks = match Cognito::connect(&place.target, place.pool.region(), place.pool.clone()).await {
        Ok(cognito) => {
            let (directory, limits) = (cognito.directory(), cognito.limits());
            task.examine(Readers { directory: directory.as_ref(), limits: limits.as_ref() }, clock).await
        }
        Err(stop) => DoctorTask::without_credentials(stop),
    };
    let report = CheckupReport { simulated: place.is_simulated(), pool: place.pool, checks };
    place.running.map_or(Ok(()), Running::stop)?;
    let exit = if report.count(CheckStatus::Fail) == 0 { Exit::Success } else { Exit::Access };
    ui.checkup(&report, exit.status())?;
    Ok(exit)
}
