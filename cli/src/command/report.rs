//! `neuromfa report`

use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::report::Pictures;
use anyhow::{Context, ensure};
use clap::Args;

use super::png::PngWriter;
use crate::output::Output;

const EXAMPLES: &str = "Examples:
  neuromfa report runs/first --html                  report.html, here
  neuromfa report runs/* --out pages                 one page of several runs
  neuromfa report runs/first --svg --out figures --x tokens";

/// The page's file.
const PAGE: &str = "report.html";
/// How its title begins.
const TITLE: &str = "<title>neuromfa";

/// Draw runs: one page that opens offline, or one file for each picture.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Report {
    /// The runs' folders; several runs are also drawn together.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Draw over a quantity that the loop logged, such as `tokens`, or over `step` [default: the axis
    /// that the runs have].
    #[arg(long, value_name = "NAME")]
    x: Option<String>,
    /// Folder to write the files to.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Write report.html: all pictures with explanations (the default).
    #[arg(long)]
    html: bool,
    /// Write each picture as an SVG file for a paper.
    #[arg(long)]
    svg: bool,
    /// Write each picture as a PNG file, 300 dots to the inch.
    #[arg(long)]
    png: bool,
}

impl Report {
    pub fn run(self, output: Output) -> anyhow::Result<()> {
        let writer = self.png.then(PngWriter::new).transpose()?;
        let pictures = Pictures::of(&self.runs, self.x.as_deref())?;
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("cannot make {}", self.out.display()))?;
        if self.html || !(self.svg || self.png) {
            let page = pictures.html();
            let earlier = self.earlier(&page);
            self.write(output, PAGE, page.as_bytes())?;
            if let Some(earlier) = earlier {
                output.closing(&format!(
                    "it replaces the page of {earlier} there (--out DIR writes to another folder)\n"
                ))?;
            }
        }
        if self.svg {
            for file in pictures.svg_files() {
                self.write(output, &format!("{}.svg", file.name), file.svg.as_bytes())?;
            }
        }
        if let Some(writer) = writer {
            for file in pictures.svg_files() {
                self.write(output, &format!("{}.png", file.name), &writer.png(&file)?)?;
            }
        }
        Ok(())
    }

    /// The runs of the page that is there, if they are others than those of this one.
    fn earlier(&self, page: &str) -> Option<String> {
        let earlier = std::fs::read_to_string(self.out.join(PAGE)).ok()?;
        let [earlier, new] = [&earlier, page].map(runs);
        earlier.filter(|_| earlier != new).map(str::to_owned)
    }

    fn write(&self, output: Output, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let path = self.out.join(Path::new(name));
        ensure!(
            is_own(&path)?,
            "cannot replace {}: neuromfa report did not write it. Use another folder (--out), or move the file \
             to another one",
            path.display()
        );
        crate::output::write_file(&path, bytes)?;
        output.closing(&format!("{}\n", path.display()))
    }
}

/// The runs of a page, as its title names them.
fn runs(page: &str) -> Option<&str> {
    Some(page.split_once(TITLE)?.1.trim_start_matches(": ").split_once("</title>")?.0)
}

/// Whether there is no file yet, or one that this subcommand wrote.
fn is_own(path: &Path) -> anyhow::Result<bool> {
    match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(true),
        Ok(found) if !found.is_file() => return Ok(false),
        _ => {}
    }
    let mut begins = Vec::new();
    let file = File::open(path).and_then(|file| file.take(1024).read_to_end(&mut begins));
    file.with_context(|| format!("cannot read {}", path.display()))?;
    let text = String::from_utf8_lossy(&begins);
    Ok(match path.extension().and_then(OsStr::to_str) {
        Some("html") => text.contains(TITLE),
        Some("svg") => text.starts_with("<svg ") && text.contains(" class=\"fig\""),
        // Its pictures have this width.
        _ => begins.get(12..20) == Some(&[b"IHDR", &1417u32.to_be_bytes()[..]].concat()[..]),
    })
}
