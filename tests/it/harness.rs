//! What every test here stands on: a folder of its own, the program in a clean environment, a simulator, bounded waits.

mod ledger;
mod network;
mod pairs;
mod process;
mod proxy;
mod schema;
mod simulator;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

pub(crate) use ledger::{LedgerFile, resealed};
pub(crate) use network::{Authority, ConnectProxy, TlsServer};
pub(crate) use pairs::{Pair, csv, pairs, pool_file};
pub(crate) use process::{Finished, Running};
pub(crate) use proxy::{Fate, Gate, Proxy};
pub(crate) use schema::{schema, violations, violations_of};
pub(crate) use simulator::Simulator;

/// The simulator's pool.
pub(crate) const POOL: &str = "sim-local-1_Example01";
/// Link calls that are answered before a run is interrupted.
pub(crate) const PASSING_CALLS: usize = 40;
/// Link calls that are in flight when a run is interrupted.
pub(crate) const HELD_CALLS: usize = 10;
/// Time between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Looks before a condition is given up: five minutes, and more where the machine is slow.
const LOOKS_MAX: u32 = 30_000;

/// Looks until there is a result.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS_MAX {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    panic!("waited in vain for {what}");
}

/// A folder in which one test lives; it is the program's home and its working directory.
pub(crate) struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).expect("a file is written");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("a file is read")
    }

    pub(crate) fn ledger(&self, name: &str) -> LedgerFile {
        LedgerFile::read(&self.path(name))
    }

    /// The program, without credentials and with nothing of the environment but the search path.
    pub(crate) fn program(&self, arguments: &[&str]) -> Command {
        program(self.folder.path(), arguments)
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        Running::start(self.program(arguments)).wait()
    }

    /// Runs the program to its end, with something on stdin.
    pub(crate) fn run_stdin(&self, arguments: &[&str], stdin: &[u8]) -> Finished {
        Running::start_with_stdin(self.program(arguments), stdin).wait()
    }

    /// Starts a command on the simulator's pool.
    pub(crate) fn start_on_pool(&self, command: &str, url: &str, arguments: &[&str]) -> Running {
        let mut program = self.program(&[command, "--endpoint-url", url, "--user-pool-id", POOL]);
        program.args(arguments);
        give_credentials(&mut program);
        Running::start(program)
    }

    /// Runs a command on the simulator's pool to its end.
    pub(crate) fn on_pool(&self, command: &str, url: &str, arguments: &[&str]) -> Finished {
        self.start_on_pool(command, url, arguments).wait()
    }

    /// Starts `link` against an address.
    pub(crate) fn start_link(&self, url: &str, arguments: &[&str]) -> Running {
        Running::start(self.link_command(url, arguments))
    }

    /// Runs `link` against an address to its end.
    pub(crate) fn link(&self, url: &str, arguments: &[&str]) -> Finished {
        self.start_link(url, arguments).wait()
    }

    /// Starts `link`, stops it by a signal while calls are in flight and most rows are still to come, and sees it drain.
    pub(crate) fn link_interrupted(&self, simulator: &Simulator, signal: &str, arguments: &[&str]) -> Finished {
        let gate = Gate::default();
        let waiting = gate.clone();
        let proxy = Proxy::start(simulator.address(), move |number, _| {
            if number > PASSING_CALLS {
                waiting.pass();
            }
            Fate::Passes
        });
        let concurrency = HELD_CALLS.to_string();
        let options = ["--rate", "200", "--concurrency", &concurrency];
        let running = self.start_link(&proxy.url, &[arguments, &options].concat());
        wait_for("calls in flight", || (proxy.link_calls().len() >= PASSING_CALLS + HELD_CALLS).then_some(()));
        running.signal(signal);
        wait_for("the program to drain", || running.stderr().contains("stopping").then_some(()));
        gate.open();
        running.wait()
    }

    /// Runs `link` against an address, with something on stdin.
    pub(crate) fn link_stdin(&self, url: &str, arguments: &[&str], stdin: &[u8]) -> Finished {
        Running::start_with_stdin(self.link_command(url, arguments), stdin).wait()
    }

    /// `link` on the simulator's pool, with credentials that the simulator takes.
    pub(crate) fn link_command(&self, url: &str, arguments: &[&str]) -> Command {
        let mut command = self.program(&["link", "--yes", "--endpoint-url", url, "--user-pool-id", POOL]);
        command.args(arguments);
        give_credentials(&mut command);
        command
    }
}

pub(crate) fn give_credentials(command: &mut Command) {
    command.env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE").env("AWS_SECRET_ACCESS_KEY", "not-a-secret");
}

fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cognito-link"));
    command.env_clear().args(arguments).current_dir(folder).env("HOME", folder);
    // No test ever asks anything but loopback for credentials.
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}
