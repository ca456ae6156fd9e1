//! A process of the program: what it says is collected as it comes, and it never outlives its test.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use cognito_link::domain::error_code::ErrorCode;
use cognito_link::domain::finding::FindingCode;
use cognito_link::ui::MessageCode;
use serde_json::Value;

use super::schema::is_command;
use super::{schema, violations, wait_for};

/// One of the program's two voices.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Said {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).expect("the program speaks UTF-8")
    }

    fn listen(&self, mut from: impl Read + Send + 'static) -> JoinHandle<()> {
        let said = self.clone();
        std::thread::spawn(move || {
            let mut buffer = [0_u8; 4_096];
            // A pipe that breaks says nothing more, as one that ends.
            while let Ok(length @ 1..) = from.read(&mut buffer) {
                said.0.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        })
    }
}

/// A running process; killed when dropped.
pub(crate) struct Running {
    child: Child,
    arguments: Vec<String>,
    stdout: Said,
    stderr: Said,
    listeners: Vec<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect();
        let mut child = command.spawn().expect("the program starts");
        let (stdout, stderr) = (Said::default(), Said::default());
        let listeners = vec![
            stdout.listen(child.stdout.take().expect("stdout is a pipe")),
            stderr.listen(child.stderr.take().expect("stderr is a pipe")),
        ];
        Self { child, arguments, stdout, stderr, listeners }
    }

    pub(crate) fn start_with_stdin(mut command: Command, stdin: &[u8]) -> Self {
        command.stdin(Stdio::piped());
        let mut running = Self::start(command);
        let mut pipe = running.child.stdin.take().expect("stdin is a pipe");
        let stdin = stdin.to_vec();
        running.listeners.push(std::thread::spawn(move || {
            // A program that leaves early does not read everything.
            let _ = pipe.write_all(&stdin);
        }));
        running
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal by its short name, such as `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.pid());
        let status = Command::new("sh").args(["-c", &command]).status().expect("sh starts");
        assert!(status.success(), "{command}");
    }

    /// Kills it as nothing can be prepared for, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        for listener in self.listeners.drain(..) {
            listener.join().unwrap();
        }
        let killed = Finished { code: None, stdout: self.stdout.text(), stderr: self.stderr.text() };
        killed.check_json(&self.arguments);
    }

    /// Waits for its end, within bounds.
    pub(crate) fn wait(mut self) -> Finished {
        let status: ExitStatus = wait_for("the program to end", || self.child.try_wait().unwrap());
        for listener in self.listeners.drain(..) {
            listener.join().unwrap();
        }
        let finished = Finished { code: status.code(), stdout: self.stdout.text(), stderr: self.stderr.text() };
        assert!(!finished.stderr.contains("panicked"), "{finished:#?}");
        finished.check_json(&self.arguments);
        finished
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended already cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether `explain` and the documents know the code of an event.
fn has_known_code(event: &Value) -> bool {
    let code = event["code"].as_str().unwrap_or_default();
    match event["event"].as_str() {
        Some("message") => MessageCode::parse(code).is_some(),
        Some("error") => ErrorCode::all().any(|known| known.as_str() == code),
        Some("finding") => FindingCode::parse(code).is_some(),
        Some("progress") => ["phase", "checking", "scanning", "running", "draining", "ended"].contains(&code),
        _ => true,
    }
}

/// What a process left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    /// The exit status; none where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// Checks the exit status.
    #[track_caller]
    pub(crate) fn left_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Checks that what was requested as JSON is valid against its schema: the result, and each event.
    fn check_json(&self, arguments: &[String]) {
        let requests = |option: &str| {
            arguments.windows(2).any(|pair| pair[0] == option && pair[1] == "json")
                || arguments.contains(&format!("{option}=json"))
        };
        // A shell that starts the program is no command of it.
        let command = arguments.iter().find(|argument| is_command(argument));
        // One that was killed has no result, and help is none.
        let is_help =
            arguments.iter().any(|argument| ["help", "--help", "-h", "--version", "-V"].contains(&&**argument));
        if requests("--output") && command.is_some() && self.code.is_some() && !is_help {
            let result: Value =
                serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {arguments:?}: {self:#?}"));
            let name = match (result["kind"].as_str(), command) {
                (Some("error_report"), _) => "error",
                // `link --dry-run` is `validate`.
                (Some("validate_report"), _) => "validate",
                (_, command) => command.map_or("", String::as_str),
            };
            let found = violations(schema(name), &result);
            assert!(found.is_empty(), "{name}: {found:#?} in {result:#}");
            assert_eq!(result["exit_status"].as_i64(), self.code.map(i64::from), "{self:#?}");
        }
        if requests("--log-format") {
            // One that was killed may leave half a line.
            for line in self.stderr.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
                let event: Value =
                    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}: {arguments:?}"));
                let found = violations(schema("event"), &event);
                assert!(found.is_empty(), "{found:#?} in {event:#}");
                assert!(has_known_code(&event), "{event:#}");
            }
        }
    }

    /// stdout as one JSON object, of which every rows count balances.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let report: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"));
        let rows = &report["rows"];
        let states =
            ["linked", "already_linked", "refused", "failed", "in_doubt", "invalid", "unprocessed", "superseded"];
        let sum: u64 = states.iter().filter_map(|state| rows[*state].as_u64()).sum();
        assert_eq!(rows["read"].as_u64(), Some(sum), "counts balance: {rows}");
        report
    }

    /// Checks that it said one clear sentence about a mistake, and nothing on stdout.
    #[track_caller]
    pub(crate) fn refused_with(self, code: i32, part: &str) -> Self {
        let finished = self.left_with(code);
        let is_error = finished.stdout.starts_with("{\"kind\":\"error_report\"");
        assert!(finished.stdout.is_empty() || is_error, "{finished:#?}");
        let errors: Vec<&str> = finished.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(matches!(errors[..], [error] if error.contains(part)), "one error with `{part}`: {finished:#?}");
        finished
    }
}
