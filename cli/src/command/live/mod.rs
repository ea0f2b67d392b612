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
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use self::draw::draw;
use self::state::State;

/// How often the lengths of the files are checked: file-system events do not work on network
/// drives.
const PERIOD: Duration = Duration::from_secs(1);

/// Watch a run in progress: curves, the newest spectrum, the stop rule, the cost of monitoring.
///
/// Keys: Tab shows the next metric that the loop logs; q, Esc and Ctrl-C end the view, not the run.
#[derive(Args)]
pub struct Live {
    /// The run's folder; it need not exist yet.
    run: PathBuf,
}

impl Live {
    pub fn run(self) -> anyhow::Result<()> {
        if !std::io::stdout().is_terminal() {
            anyhow::bail!("live draws on a terminal, and standard output is none: use show");
        }
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
        terminal.draw(|frame| draw(frame, &state))?;
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
            terminal.draw(|frame| draw(frame, &state))?;
        }
    }
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
