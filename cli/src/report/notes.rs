//! Notes on a run's numbers: warnings by kind, and caveats.

use neuromfa::internals::analysis::{Concern, WarningKind};
use neuromfa::internals::record::{Cells, Conclusion, printable};

/// Notes of one kind, with what they are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Notes {
    /// What they concern.
    pub(super) concern: Concern,
    pub(super) heading: String,
    pub(super) lines: Vec<String>,
}

/// What the rows of emergence.csv say of warnings in words.
#[derive(Debug, Default)]
pub(super) struct Warned {
    rows: usize,
    marked: usize,                    // rows with words
    newest: Option<(String, String)>, // the last such row: its step and its words
    codes: bool,                      // whether warnings have codes
}

impl Warned {
    /// Takes the next row, its cells by column.
    pub(super) fn add<'a>(&mut self, cell: &dyn Fn(&str) -> Option<&'a str>) {
        self.rows += 1;
        self.codes = cell("codes").is_some();
        if let Some(words) = cell("warning").filter(|words| !words.is_empty()) {
            self.marked += 1;
            self.newest = Some((cell("step").unwrap_or_default().to_owned(), words.to_owned()));
        }
    }

    /// All rows of the table.
    pub(super) fn of(columns: &[String], rows: &[Cells]) -> Self {
        let mut warned = Self::default();
        for row in rows {
            let place = |name: &str| columns.iter().position(|column| column == name);
            warned.add(&|name| place(name).map(|k| row[k].as_str()));
        }
        warned
    }
}

/// The warnings of a run's rows (emergence.csv): those that concern the conclusion, then those on
/// the published estimator alone, each kind once with its count and its meaning. A run of an older
/// version has no codes to count: of it, the words of the last row that has a warning.
pub(super) fn notes(conclusion: &Conclusion, warned: &Warned) -> Vec<Notes> {
    let Warned { rows, marked, newest, codes } = warned;
    if !codes {
        let older = newest.as_ref().map(|(step, words)| Notes {
            concern: Concern::Conclusion,
            heading: format!("{marked} of {rows} steps have warnings. At step {step}:"),
            lines: words.split("; ").map(|words| printable(words).into_owned()).collect(),
        });
        return older.into_iter().collect();
    }
    let line = |(kind, steps): (WarningKind, u64)| {
        format!("{}, {steps} of {rows} steps: {}", kind.code(), kind.meaning())
    };
    let of = |concern, heading: &str| {
        let lines = conclusion.warnings_on(concern).into_iter().map(line).collect();
        Notes { concern, heading: heading.to_owned(), lines }
    };
    let mut findings = of(Concern::Conclusion, "Warnings");
    findings
        .lines
        .extend(newest.iter().map(|(step, words)| format!("At step {step}: {}", printable(words))));
    let caveats = of(Concern::Published, "Caveats of the published estimator");
    [findings, caveats].into_iter().filter(|notes| !notes.lines.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells<const N: usize>(cells: [&str; N]) -> Cells {
        cells.map(str::to_owned).to_vec()
    }

    #[test]
    fn kinds_are_counted_and_caveats_stand_apart() {
        let columns = cells(["step", "codes", "warning"]);
        let rows = [
            cells(["0", "poor_fit", "R² is 0.5"]),
            cells(["10", "poor_fit e_chance", ""]),
            cells(["20", "", ""]),
        ];
        let mut conclusion = Conclusion::default();
        let counts = [("poor_fit", 2), ("e_chance", 1)];
        conclusion.warnings = counts.map(|(code, rows)| (code.to_owned(), rows)).into();
        let [findings, caveats] =
            notes(&conclusion, &Warned::of(&columns, &rows)).try_into().unwrap();
        assert_eq!((findings.concern, caveats.concern), (Concern::Conclusion, Concern::Published));
        let [poor_fit, e_chance] =
            [WarningKind::PoorFit, WarningKind::EIndistinguishable].map(WarningKind::meaning);
        let counted = format!("poor_fit, 2 of 3 steps: {poor_fit}");
        assert_eq!(findings.lines, [counted, "At step 0: R² is 0.5".to_owned()]);
        assert_eq!(caveats.lines, [format!("e_chance, 1 of 3 steps: {e_chance}")]);
        conclusion.warnings.clear();
        assert!(notes(&conclusion, &Warned::of(&columns, &rows[2..])).is_empty());
    }

    #[test]
    fn a_run_without_codes_has_the_words_of_its_last_warned_row() {
        let columns = cells(["step", "warning"]);
        let rows = [cells(["0", "a"]), cells(["10", "b; c"]), cells(["20", ""])];
        let [only] =
            notes(&Conclusion::default(), &Warned::of(&columns, &rows)).try_into().unwrap();
        assert_eq!(only.heading, "2 of 3 steps have warnings. At step 10:");
        assert_eq!(only.lines, ["b", "c"]);
    }
}
