//! `neuromfa live`: a run in progress, in a terminal of its own.
//!
//! Reads the run's files and writes none: it may be started before the run, and may continue after
//! its end.

mod curve;
mod draw;
mod points;
mod state;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use neuromfa::internals::record::check_schema;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::{DefaultTerminal, Frame};

use self::draw::{draw, to_ascii};
use self::state::State;

/// How often the lengths of the files are checked: file-system events do not work on network
/// drives.
const PERIOD: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "Examples:
  neuromfa live runs/first";

/// Watch a run in progress: curves, the newest spectrum, the stop rule, the cost of monitoring.
///
/// Keys: Tab shows the next metric that the loop logs; q, Esc and Ctrl-C end the view, not the run.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Live {
    /// The run's folder; it need not exist yet.
    run: PathBuf,
}

impl Live {
    pub fn run(self) -> anyhow::Result<()> {
        if !std::io::stdout().is_terminal() {
            anyhow::bail!("live draws on a terminal, and standard output is none: use show");
        }
        check_schema(&self.run)?;
        // Restores the terminal on a panic, too.
        let mut terminal = ratatui::try_init().context("cannot set up the terminal")?;
        let result = watch(&mut terminal, State::new(self.run));
        ratatui::try_restore().context("cannot restore the terminal")?;
        result.context("cannot draw on the terminal")
    }
}

fn watch(terminal: &mut DefaultTerminal, mut state: State) -> anyhow::Result<()> {
    loop {
        state.refresh();
        terminal.draw(drawn(&state))?;
        let next = Instant::now() + PERIOD;
        while event::poll(next.saturating_duration_since(Instant::now()))? {
            match event::read()? {
                Event::Key(key) if ends(key) => return Ok(()),
                Event::Key(key) if key.code == KeyCode::Tab && key.kind == KeyEventKind::Press => {
                    state.next_metric();
                }
                Event::Resize(..) => {}
                _ => continue,
            }
            terminal.draw(drawn(&state))?;
        }
    }
}

/// Draws the state in what the terminal's locale has.
fn drawn(state: &State) -> impl FnOnce(&mut Frame<'_>) {
    |frame| {
        draw(frame, state);
        if !is_utf8() {
            to_ascii(frame.buffer_mut());
        }
    }
}

/// Whether the locale is one of UTF-8.
fn is_utf8() -> bool {
    let set = |name: &&str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find(set);
    let locale = locale.and_then(|name| std::env::var(name).ok()).unwrap_or_default();
    cfg!(windows) || locale.to_lowercase().replace('-', "").contains("utf8")
}

fn ends(key: KeyEvent) -> bool {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c') => control,
        KeyCode::Char('q') => !control,
        KeyCode::Esc => true,
        _ => false,
    }
}
