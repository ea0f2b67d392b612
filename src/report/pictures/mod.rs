//! A run directory as pictures: one page that opens anywhere, or a file for each picture.
//!
//! The page holds its pictures and its style; it asks for nothing else. A picture is left out, with
//! the reason, where the run holds no data for it.

mod drawing;
mod emergence;
mod figure;
mod page;
mod panel;
mod recorded;
mod scale;
mod stack;
mod style;
mod values;

use std::path::Path;

use crate::record::RecordError;
use figure::Figure;
use recorded::Recorded;

/// The figures of one run or of several.
#[derive(Debug)]
pub struct Pictures {
    title: String,
    chapters: Vec<Chapter>,
}

/// The figures of a run.
#[derive(Debug)]
struct Chapter {
    title: String,
    /// Table of the run, as HTML.
    table: String,
    figures: Vec<Figure>,
}

/// A picture as a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SvgFile {
    /// The file's name, without an ending.
    pub name: String,
    /// Its text: SVG with the colours of paper, no background, at the size that it should be printed.
    pub svg: String,
}

impl Pictures {
    /// Draws the runs in these folders; also runs in progress, and tables that lack columns.
    ///
    /// # Errors
    /// [`RecordError::Read`] when a folder has no emergence.csv, or one of its tables cannot be read.
    pub fn of<P: AsRef<Path>>(folders: &[P]) -> Result<Self, RecordError> {
        let read = |folder: &P| Recorded::read(folder.as_ref());
        let runs: Vec<Recorded> = folders.iter().map(read).collect::<Result<_, _>>()?;
        let chapters = runs.iter().map(chapter).collect();
        let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
        Ok(Self { title: names.join(", "), chapters })
    }

    /// One page with all figures, the table of each run and a text for each figure.
    pub fn html(&self) -> String {
        page::page(self)
    }

    /// Each picture as a file.
    pub fn svg_files(&self) -> Vec<SvgFile> {
        let several = self.chapters.len() > 1;
        let mut files = Vec::new();
        for chapter in &self.chapters {
            let drawings =
                chapter.figures.iter().filter_map(|figure| figure.content.as_ref().ok()).flatten();
            files.extend(drawings.map(|(name, drawing)| SvgFile {
                name: if several { format!("{}-{name}", chapter.title) } else { name.clone() },
                svg: drawing.file(),
            }));
        }
        files
    }
}

fn chapter(run: &Recorded) -> Chapter {
    let figures = vec![emergence::figure(run)];
    Chapter { title: run.name.clone(), table: values::table(run), figures }
}
