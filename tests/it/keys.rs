//! The keys that control a run on a terminal, typed on a terminal: `script` of util-linux makes one.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::harness::{Home, Simulator, csv, pairs, wait_for};

/// The program on a terminal of its own; killed when dropped.
struct OnTerminal {
    child: Child,
    keyboard: ChildStdin,
    screen: Arc<Mutex<Vec<u8>>>,
}

impl OnTerminal {
    fn start(program: &Command) -> Self {
        let words = [program.get_program()].into_iter().chain(program.get_args());
        let words: Vec<String> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
        let mut script = Command::new("script");
        // The shell becomes the program, which so is in the foreground of the terminal.
        script.args(["--quiet", "--return", "--command", &format!("exec {}", words.join(" ")), "/dev/null"]);
        script.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        script.env("SHELL", "/bin/sh").env("TERM", "xterm").env("NO_COLOR", "1");
        script.current_dir(program.get_current_dir().unwrap());
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = script.spawn().expect("`script` of util-linux starts");
        let keyboard = child.stdin.take().unwrap();
        let mut output = child.stdout.take().unwrap();
        let screen = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                seen.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        });
        Self { child, keyboard, screen }
    }

    fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }

    fn shows(&self, text: &str) {
        wait_for(&format!("{text:?} on the screen"), || self.screen().contains(text).then_some(()));
    }

    /// Presses keys, and waits for what they make appear.
    fn press(&mut self, keys: &str, answer: &str) {
        let before = self.screen().matches(answer).count();
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
        let appears = || (self.screen().matches(answer).count() > before).then_some(());
        wait_for(&format!("{answer:?} after {keys:?}"), appears);
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        // One that has ended already cannot be killed. The program is hung up with its terminal.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn state(home: &Home) -> Value {
    let finished = home.run(&["control", "pairs.csv.ledger", "status", "--output", "json"]).left_with(0);
    serde_json::from_str(&finished.stdout).unwrap()
}

#[test]
fn keys_on_a_terminal_pause_resume_and_change_the_rate() {
    let home = Home::new();
    home.write("pairs.csv", csv(&pairs(0..2_000)));
    let simulator = Simulator::quick(&home);
    let mut run = OnTerminal::start(&home.link_command(&simulator.url, &["pairs.csv", "--rate", "25"]));
    run.shows("keys: p pause or resume, + faster, - slower, ? state, Ctrl-C stop");
    wait_for("some links", || (simulator.link_calls() > 5).then_some(()));
    run.press("p", "note: paused");
    assert_eq!((&state(&home)["state"], &state(&home)["reason"]), (&"paused".into(), &"operator".into()));
    run.press("+", "note: rate: at most 31.2/s");
    run.press("x-", "note: rate: at most ");
    run.press("?", "state: ");
    run.press("P", "note: resumed");
    let linked = simulator.link_calls();
    wait_for("more links", || (simulator.link_calls() > linked + 5).then_some(()));
    run.press("\u{3}", "stopping");
    let status = wait_for("the end of the run", || run.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(130), "{}", run.screen());
    let changes = home.ledger("pairs.csv.ledger");
    let changes: Vec<&str> =
        changes.lines().filter(|line| line["source"] == "key").map(|line| line["change"].as_str().unwrap()).collect();
    assert_eq!(changes, ["pause", "rate", "rate", "resume"]);
}
