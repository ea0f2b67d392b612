//! The command `neuromfa`.

mod analyze;
mod backtest;
mod choice;
mod inspect;
mod live;
mod report;
mod sensitivity;
mod show;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Watch a network organise itself: neuron-based multifractal analysis of checkpoints.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Analyze(analyze::Analyze),
    Backtest(backtest::Backtest),
    Inspect(inspect::Inspect),
    Report(report::Report),
    Live(live::Live),
    Sensitivity(sensitivity::Sensitivity),
    Show(show::Show),
}

/// Prints to standard output. A reader that has seen enough (`| head`) is no error.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn")),
        )
        .without_time()
        .with_target(false)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    let result = match Cli::parse().command {
        Command::Analyze(command) => command.run(),
        Command::Backtest(command) => command.run(),
        Command::Inspect(command) => command.run(),
        Command::Report(command) => command.run(),
        Command::Live(command) => command.run(),
        Command::Sensitivity(command) => command.run(),
        Command::Show(command) => command.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The messages name their causes themselves.
            eprintln!("neuromfa: {error}");
            ExitCode::from(2)
        }
    }
}
