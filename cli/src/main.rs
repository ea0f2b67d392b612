//! The command `neuromfa`.

mod arrivals;
mod command;
mod compare;
mod libtorch;
mod messages;
mod output;
#[cfg(feature = "remote")]
mod remote;
mod report;
mod self_check;
mod sensitivity;
mod steps;
mod threads;
mod watch;
mod wording;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::output::{Outcome, Output};

const EXIT: &str = "Examples:
  neuromfa analyze checkpoints/ --out analysed
  neuromfa report analysed --html
  neuromfa watch checkpoints/ --out analysed
  neuromfa live analysed

Exit status:
  0  done
  1  a check failed (doctor), a row of a run is damaged, or there was nothing to analyse (watch)
  2  wrong usage, or a failure that is described on standard error
  130  watch was interrupted twice";

/// Watch a network organise itself: neuron-based multifractal analysis of checkpoints.
#[derive(Parser)]
#[command(name = "neuromfa", version, arg_required_else_help = true, after_help = EXIT)]
#[command(max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print only results and errors: no progress, closing lines or warnings.
    #[arg(long, short, global = true)]
    quiet: bool,
}

#[derive(Subcommand)]
enum Command {
    Analyze(command::Analyze),
    Backtest(command::Backtest),
    Compare(command::Compare),
    Completions(command::Completions),
    Doctor(command::Doctor),
    Inspect(command::Inspect),
    Live(command::Live),
    Man(command::Man),
    Merge(command::Merge),
    Repair(command::Repair),
    Report(command::Report),
    Sensitivity(command::Sensitivity),
    Show(command::Show),
    Watch(command::Watch),
}

fn main() -> ExitCode {
    let Cli { command, quiet } = messages::parse();
    messages::log(quiet);
    let output = Output { quiet };
    let result = match command {
        Command::Analyze(command) => command.run(output),
        Command::Backtest(command) => command.run().map(|()| Outcome::Done),
        Command::Compare(command) => command.run(output),
        Command::Completions(command) => command.run(Cli::command()),
        Command::Doctor(command) => command.run(output),
        Command::Inspect(command) => command.run(output),
        Command::Live(command) => command.run().map(|()| Outcome::Done),
        Command::Man(command) => command.run(Cli::command()),
        Command::Merge(command) => command.run(output),
        Command::Repair(command) => command.run(output),
        Command::Report(command) => command.run(output).map(|()| Outcome::Done),
        Command::Sensitivity(command) => command.run(output),
        Command::Show(command) => command.run(output),
        Command::Watch(command) => command.run(output),
    };
    match result {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            output::say(&messages::shown(&output::described(&error)));
            ExitCode::from(output::status(&error))
        }
    }
}
