//! `neuromfa doctor`

use std::fmt::Write;
use std::io::Write as _;

use crate::libtorch::{Libtorch, libtorch};
use crate::self_check::{Checked, self_check, vector_instructions};
use clap::Args;
use serde_json::json;

use crate::output::{Outcome, Output};

const EXAMPLES: &str = "Examples:
  neuromfa doctor
  neuromfa doctor --json";

/// Check this program on this machine: libtorch, vector instructions, and a built-in network with
/// known results. Exits with 1 if a result differs.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Doctor {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let checks = self_check()?;
        let sound = checks.iter().all(Checked::holds);
        let (libtorch, simd) = (libtorch(), vector_instructions());
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let temporary = std::env::temp_dir();
        let written = write_in(&temporary);
        let version = env!("CARGO_PKG_VERSION");
        let writable = written.is_ok();
        if self.json {
            output.json(&json!({
                "neuromfa": version, "libtorch": libtorch, "simd": simd, "threads": threads,
                "temporary": { "folder": temporary, "writable": writable },
                "self_check": checks, "sound": sound && writable,
            }))?;
        } else {
            let mut text = format!("neuromfa    {version}\nlibtorch    {}\n", words(libtorch));
            let _ = writeln!(text, "SIMD        {simd}\nthreads     {threads}");
            let state =
                written.map_or_else(|e| format!("not writable: {e}"), |()| "writable".into());
            let _ = writeln!(text, "temporary   {}: {state}", temporary.display());
            let _ = writeln!(text, "self-check  {}", if sound { "passed" } else { "FAILED" });
            for Checked { quantity, expected, found } in &checks {
                let found = found.map_or_else(|| "no value".to_owned(), |x| format!("{x:.15}"));
                let _ = writeln!(text, "  {quantity:<14}{found}, expected {expected:.15}");
            }
            crate::output::print(&text)?;
        }
        Ok(if sound && writable { Outcome::Done } else { Outcome::Found })
    }
}

fn words(libtorch: Option<Libtorch>) -> String {
    let Some(Libtorch { folder, version, cuda_built, cuda_available, cuda_devices, .. }) = libtorch
    else {
        return "none: built without libtorch, for checkpoints only".to_owned();
    };
    let version = version.unwrap_or_else(|| "of unknown version".to_owned());
    let folder = folder.map_or_else(String::new, |folder| format!(" in {}", folder.display()));
    let cuda = match (cuda_built, cuda_available) {
        (false, _) => "built without CUDA".to_owned(),
        (true, false) => "built with CUDA, no device can be used".to_owned(),
        (true, true) => format!("CUDA devices: {cuda_devices}"),
    };
    format!("{version}{folder}; {cuda}")
}

/// Whether a file can be made in a folder; it is removed again.
fn write_in(folder: &std::path::Path) -> std::io::Result<()> {
    let path = folder.join(format!("neuromfa-doctor-{}", std::process::id()));
    // In a folder of all users there may be anything of this name.
    std::fs::File::create_new(&path)?.write_all(b"neuromfa")?;
    std::fs::remove_file(path)
}
