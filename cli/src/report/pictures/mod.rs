//! A run directory as pictures: one page that opens anywhere, or a file for each picture.
//!
//! The page holds its pictures and its style; it asks for nothing else. A picture is left out, with
//! the reason, where the run holds no data for it.

mod against;
mod axis;
mod backtest;
mod boxes;
mod chart;
mod correlation;
mod distributions;
mod drawing;
mod emergence;
mod facts;
mod figure;
mod fractal;
mod heat;
mod level;
mod logged;
mod overlay;
mod page;
mod panel;
mod recorded;
mod scale;
mod scaling;
mod shades;
mod sheet;
mod spectra;
mod stack;
mod style;
mod thin;
mod values;

use std::path::Path;

pub use backtest::{backtest_picture, study_picture};
pub use figure::SvgFile;

use anyhow::bail;
use figure::Figure;
use page::{Chapter, Compared};
use recorded::Recorded;

/// The figures of one run or of several.
#[derive(Debug)]
pub struct Pictures {
    title: String,
    /// For several runs: all of them in one figure.
    compared: Option<Compared>,
    chapters: Vec<Chapter>,
}

impl Pictures {
    /// Draws the runs in these folders; also runs in progress, and tables that lack columns. `x` is
    /// the horizontal axis: `step`, or what all runs logged; by default the axis that all runs have,
    /// or else the step.
    ///
    /// # Errors
    /// [`RecordError::Read`] when a folder has no emergence.csv, or one of its tables cannot be read;
    /// a run that has not logged `x`.
    pub fn of<P: AsRef<Path>>(folders: &[P], x: Option<&str>) -> anyhow::Result<Self> {
        let points = if folders.len() > 1 { 200 } else { 400 };
        let read = |folder: &P| Recorded::read(folder.as_ref(), points);
        let mut runs: Vec<Recorded> = folders.iter().map(read).collect::<Result<_, _>>()?;
        let axes = runs.iter().map(|run| run.config.as_ref().and_then(|c| c.axis.clone()));
        let common = axes.reduce(|one, other| one.filter(|one| Some(one) == other.as_ref()));
        let own = common.flatten().unwrap_or_else(|| "step".to_owned());
        let x = x.map_or(own, str::to_owned);
        for run in &mut runs {
            if !run.draw_over(&x)? {
                let logged = run.logged.names().join(", ");
                let logged = if logged.is_empty() { "nothing" } else { &logged };
                bail!("{}: it has not logged {x:?}, the axis; it has logged: {logged}", run.name);
            }
        }
        let chapters = runs.iter().map(chapter).collect();
        let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
        let compared = (runs.len() > 1)
            .then(|| Compared { table: facts::compared(&runs), figure: overlay::figure(&runs) });
        Ok(Self { title: names.join(", "), compared, chapters })
    }

    /// One page with all figures, the table of each run and a text for each figure.
    pub fn html(&self) -> String {
        page::page(&self.title, self.compared.as_ref(), &self.chapters)
    }

    /// Each picture as a file.
    pub fn svg_files(&self) -> Vec<SvgFile> {
        let of = |figure: &Figure, run: &str| -> Vec<SvgFile> {
            let file = |(name, drawing): &(String, drawing::Drawing)| SvgFile {
                name: format!("{run}{name}"),
                svg: drawing.file(),
            };
            figure.content.iter().flatten().map(file).collect()
        };
        let mut files: Vec<SvgFile> =
            self.compared.iter().flat_map(|compared| of(&compared.figure, "")).collect();
        for (k, chapter) in self.chapters.iter().enumerate() {
            // Different folders with the same name: the number distinguishes them.
            let same = self.chapters.iter().filter(|other| other.title == chapter.title).count();
            let run = match (self.chapters.len(), same) {
                (1, _) => String::new(),
                (_, 1) => format!("{}-", chapter.title),
                _ => format!("{}-{}-", chapter.title, k + 1),
            };
            files.extend(chapter.figures.iter().flat_map(|figure| of(figure, &run)));
        }
        files
    }
}

fn chapter(run: &Recorded) -> Chapter {
    let figures = vec![
        emergence::figure(run),
        fractal::figure(run),
        spectra::figure(run),
        scaling::figure(run),
        heat::figure(run),
        distributions::figure(run),
        boxes::figure(run),
        against::figure(run),
    ];
    let verdict = format!("structure: {}", run.conclusion);
    let config = facts::configuration(run).and_then(|of| serde_json::to_string_pretty(&of).ok());
    Chapter {
        title: run.name.clone(),
        verdict,
        facts: facts::facts(run),
        notes: values::noted(run),
        table: values::values(run),
        config: config.unwrap_or_default(),
        figures,
    }
}
