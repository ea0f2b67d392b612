//! `neuromfa report`

use std::path::{Path, PathBuf};

use crate::report::Pictures;
use anyhow::Context;
use clap::Args;

use super::png::PngWriter;

/// Draw runs: one page that opens offline, or one file for each picture.
#[derive(Args)]
pub struct Report {
    /// The runs' folders; several runs are also drawn together.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
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
    pub fn run(self) -> anyhow::Result<()> {
        let writer = self.png.then(PngWriter::new).transpose()?;
        let pictures = Pictures::of(&self.runs)?;
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("cannot make {}", self.out.display()))?;
        if self.html || !(self.svg || self.png) {
            self.write("report.html", pictures.html().as_bytes())?;
        }
        if self.svg {
            for file in pictures.svg_files() {
                self.write(&format!("{}.svg", file.name), file.svg.as_bytes())?;
            }
        }
        if let Some(writer) = writer {
            for file in pictures.svg_files() {
                self.write(&format!("{}.png", file.name), &writer.png(&file)?)?;
            }
        }
        Ok(())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let path = self.out.join(Path::new(name));
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        crate::output::print(&format!("{}\n", path.display()))
    }
}
