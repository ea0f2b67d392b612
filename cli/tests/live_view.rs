//! `neuromfa live` as a process, in a terminal of tmux.

#[path = "../../tests/loops/mod.rs"]
mod loops;

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use loops::interrupted::{builder, run_to};
use loops::skipped::skip;
use loops::weights_at;

/// A terminal of 80 by 24 in a tmux server of its own, which ends with it.
struct Terminal {
    socket: String,
}

impl Terminal {
    /// None, with a message, where there is no tmux.
    fn new(name: &str) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            skip("there is no tmux");
            return None;
        }
        let terminal = Self { socket: format!("neuromfa-{name}-{}", std::process::id()) };
        let shell =
            ["new-session", "-d", "-x", "80", "-y", "24", "env LC_ALL=C.UTF-8 PS1='ready> ' sh"];
        assert!(terminal.tmux(&shell).status.success());
        terminal.wait_for(&["ready>"]);
        Some(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        let server = ["-L", &self.socket, "-f", "/dev/null"];
        Command::new("tmux").args(server).args(arguments).output().unwrap()
    }

    fn keys(&self, keys: &[&str]) {
        assert!(self.tmux(&[&["send-keys"], keys].concat()).status.success());
    }

    fn live(&self, run: &Path) {
        let line = format!("{} live {}", env!("CARGO_BIN_EXE_neuromfa"), run.display());
        self.keys(&[&line, "Enter"]);
    }

    fn screen(&self) -> String {
        String::from_utf8(self.tmux(&["capture-pane", "-p"]).stdout).unwrap()
    }

    /// The screen once it holds all of the parts.
    fn wait_for(&self, parts: &[&str]) -> String {
        let start = Instant::now();
        loop {
            let screen = self.screen();
            if parts.iter().all(|part| screen.contains(part)) {
                return screen;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "{parts:?} in\n{screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn alternate_screen(&self) -> bool {
        let answer = self.tmux(&["display-message", "-p", "#{alternate_on}"]).stdout;
        answer.starts_with(b"1")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
fn it_follows_a_run_that_grows_and_gives_the_terminal_back() {
    let Some(terminal) = Terminal::new("grows") else { return };
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("growing");
    terminal.live(&run);
    terminal.wait_for(&["growing  waiting: no such folder yet"]);
    assert!(terminal.alternate_screen());

    let weights = weights_at(0);
    let mut monitor = builder(&run).attach_source(weights.clone()).unwrap();
    run_to(&mut monitor, &weights, 30);
    monitor.flush().unwrap();
    let screen = terminal.wait_for(&["step 30", "analysed step 30", "f(alpha) at step 30"]);
    let dots =
        |screen: &str| screen.chars().filter(|c| ('\u{2801}'..='\u{28ff}').contains(c)).count();
    assert!(dots(&screen) > 40, "{screen}");
    let numbers = ["structure: ", "width_excess", "alpha0_excess", "E_stable", " ± "];
    for part in numbers.into_iter().chain(["loss", "stop rule: E best", "training waits"]) {
        assert!(screen.contains(part), "{part} in\n{screen}");
    }
    if let Ok(file) = std::env::var("KEEP_SCREEN") {
        std::fs::write(file, &screen).unwrap();
    }
    run_to(&mut monitor, &weights, 60);
    monitor.finish().unwrap();
    terminal.wait_for(&["step 60  finished", "training waited"]);

    terminal.tmux(&["resize-window", "-x", "40", "-y", "10"]);
    let small = terminal.wait_for(&["step 60  finished", "width_excess"]);
    let small = if dots(&small) > 0 { terminal.wait_for(&["width_excess"]) } else { small };
    assert!(small.lines().count() <= 10, "{small}");
    terminal.tmux(&["resize-window", "-x", "80", "-y", "24"]);
    terminal.wait_for(&["f(alpha) at step 60"]);

    terminal.keys(&["C-c"]);
    let after = terminal.wait_for(&["ready>"]);
    assert!(!terminal.alternate_screen() && !after.contains("f(alpha)"), "{after}");
    terminal.keys(&["echo status-$?", "Enter"]);
    terminal.wait_for(&["status-0"]);
}

#[test]
fn without_a_terminal_it_says_so() {
    let live = [env!("CARGO_BIN_EXE_neuromfa"), "live", "/nowhere"];
    let output = Command::new(live[0]).args(&live[1..]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("use show"));
}
