//! Lines on standard error, all in one form: `neuromfa: what failed`, `neuromfa: warning: what is wrong`.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use clap::Parser;
use neuromfa::internals::record::printable;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

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
        .fmt_fields(
            debug_fn(|writer, field, value| {
                let value = format!("{value:?}");
                match field.name() {
                    "message" => write!(writer, "{}", printable(&shown(&value))),
                    name => write!(writer, "{name}={}", printable(&value)),
                }
            })
            .delimited(" "),
        )
        .event_format(Line { terminal, colours })
        .init();
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
        context: &FmtContext<'_, S, N>,
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
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
