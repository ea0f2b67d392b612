//! Lines on standard error, all in one form: `neuromfa: what failed`, `neuromfa: warning: what is wrong`.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use clap::Parser;
use neuromfa::internals::record::printable;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::wording::in_options;

/// Beginnings of paths, and what messages show in their place.
static SHOWN: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// Lets messages show paths that begin in this way as something else.
#[cfg(feature = "remote")]
pub fn show_as(beginning: String, shown: String) {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner).push((beginning, shown));
}

/// A text as messages show it.
pub fn shown(text: &str) -> String {
    let all = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    all.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// The command line. Wrong usage is said as other failures are, and ends the program.
pub fn parse<C: Parser>() -> C {
    C::try_parse().unwrap_or_else(|error| {
        let text = error.render().to_string();
        match text.strip_prefix("error: ") {
            None => error.exit(),
            Some(text) => {
                let _ = write!(std::io::stderr(), "neuromfa: {text}");
                std::process::exit(error.exit_code())
            }
        }
    })
}

/// Sends warnings to standard error, coloured on a terminal unless NO_COLOR is set; when quiet, only
/// errors.
pub fn log(quiet: bool) {
    let level = if quiet { "error" } else { "warn" };
    let terminal = std::io::stderr().is_terminal();
    let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level)),
        )
        .event_format(Line { terminal, colours })
        .init();
}

/// What an event says, and where: its message, and its fields, which other subscribers get as such.
#[derive(Default)]
struct Said {
    place: Vec<String>,
    message: String,
    others: String,
}

impl Said {
    fn add(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message = in_options(&shown(value)),
            "step" => self.place.push(format!("step {value}")),
            "code" | "status" => self.place.push(value.to_owned()),
            name => self.others += &format!(" {name}={value}"),
        }
    }
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, &format!("{value:?}"));
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, message, others } = self;
        let place = place.join(", ");
        let place = if place.is_empty() { place } else { place + ": " };
        f.write_str(&printable(&format!("{place}{message}{others}")))
    }
}

/// An event as a line.
struct Line {
    terminal: bool,
    colours: bool,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let (word, colour) = match *event.metadata().level() {
            Level::ERROR => ("error", 31),
            Level::WARN => ("warning", 33),
            Level::INFO => ("info", 32),
            Level::DEBUG => ("debug", 34),
            Level::TRACE => ("trace", 35),
        };
        if self.terminal {
            // A bar of progress, or what is waited for, may be on this line; it is drawn again.
            writer.write_str("\r\x1b[2K")?;
        }
        match self.colours {
            true => write!(writer, "neuromfa: \x1b[{colour}m{word}\x1b[0m: ")?,
            false => write!(writer, "neuromfa: {word}: ")?,
        }
        let mut said = Said::default();
        event.record(&mut said);
        writeln!(writer, "{said}")
    }
}
