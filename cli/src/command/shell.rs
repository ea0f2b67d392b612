//! `neuromfa completions` and `neuromfa man`: texts that are made of the options themselves.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::output::Outcome;

const COMPLETIONS: &str = "Examples:
  neuromfa completions bash > /etc/bash_completion.d/neuromfa
  neuromfa completions zsh > ~/.zfunc/_neuromfa";

const MAN: &str = "Examples:
  neuromfa man > neuromfa.1
  neuromfa man analyze | man -l -";

/// Print the completions for a shell: bash, zsh, fish, elvish or powershell.
#[derive(Args)]
#[command(after_help = COMPLETIONS)]
pub struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub fn run(self, mut command: Command) -> anyhow::Result<Outcome> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut command, "neuromfa", &mut text);
        crate::output::print_script(&String::from_utf8_lossy(&text))?;
        Ok(Outcome::Done)
    }
}

/// Print the manual page of the command, or of a subcommand, in the format of man(7).
#[derive(Args)]
#[command(after_help = MAN)]
pub struct Man {
    /// A subcommand [default: the command itself].
    #[arg(value_name = "SUBCOMMAND")]
    subcommand: Option<String>,
}

impl Man {
    pub fn run(self, mut command: Command) -> anyhow::Result<Outcome> {
        command.build();
        let page = match self.subcommand {
            None => command,
            Some(name) => match command.find_subcommand(&name) {
                Some(found) => found.clone(),
                None => anyhow::bail!("there is no subcommand {name:?}: see neuromfa --help"),
            },
        };
        let mut text = Vec::new();
        clap_mangen::Man::new(page).render(&mut text)?;
        // What is after the help are examples.
        let text = String::from_utf8_lossy(&text).replacen(
            "\n.SH EXTRA\nExamples:\n",
            "\n.SH EXAMPLES\n",
            1,
        );
        crate::output::print_script(&text)?;
        Ok(Outcome::Done)
    }
}
