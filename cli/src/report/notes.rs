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

/// The warnings of a run's rows (emergence.csv): those that concern the conclusion, then those on
/// the published estimator alone, each kind once with its count and its meaning. A run of an older
/// version has no codes to count: of it, the words of the last row that has a warning.
pub(super) fn notes(conclusion: &Conclusion, columns: &[String], rows: &[Cells]) -> Vec<Notes> {
    let at = |name: &str| columns.iter().position(|column| column == name);
    let newest = at("warning").zip(at("step")).and_then(|(warning, step)| {
        let marked = || rows.iter().filter(move |row| !row[warning].is_empty());
        let last = marked().next_back()?;
        Some((marked().count(), last[step].as_str(), last[warning].as_str()))
    });
    if at("codes").is_none() {
        let older = newest.map(|(marked, step, words)| Notes {
            concern: Concern::Conclusion,
            heading: format!("{marked} of {} steps have warnings. At step {step}:", rows.len()),
            lines: words.split("; ").map(|words| printable(words).into_owned()).collect(),
        });
        return older.into_iter().collect();
    }
    let line = |(kind, steps): (WarningKind, u64)| {
        format!("{}, {steps} of {} steps: {}", kind.code(), rows.len(), kind.meaning())
    };
    let of = |concern, heading: &str| {
        let lines = conclusion.warnings_on(concern).into_iter().map(line).collect();
        Notes { concern, heading: heading.to_owned(), lines }
    };
    let mut findings = of(Concern::Conclusion, "Warnings");
    findings
        .lines
        .extend(newest.map(|(_, step, words)| format!("At step {step}: {}", printable(words))));
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
        let [findings, caveats] = notes(&conclusion, &columns, &rows).try_into().unwrap();
        assert_eq!((findings.concern, caveats.concern), (Concern::Conclusion, Concern::Published));
        let [poor_fit, e_chance] =
            [WarningKind::PoorFit, WarningKind::EIndistinguishable].map(WarningKind::meaning);
        let counted = format!("poor_fit, 2 of 3 steps: {poor_fit}");
        assert_eq!(findings.lines, [counted, "At step 0: R² is 0.5".to_owned()]);
        assert_eq!(caveats.lines, [format!("e_chance, 1 of 3 steps: {e_chance}")]);
        conclusion.warnings.clear();
        assert!(notes(&conclusion, &columns, &rows[2..]).is_empty());
    }

    #[test]
    fn a_run_without_codes_has_the_words_of_its_last_warned_row() {
        let columns = cells(["step", "warning"]);
        let rows = [cells(["0", "a"]), cells(["10", "b; c"]), cells(["20", ""])];
        let [only] = notes(&Conclusion::default(), &columns, &rows).try_into().unwrap();
        assert_eq!(only.heading, "2 of 3 steps have warnings. At step 10:");
        assert_eq!(only.lines, ["b", "c"]);
    }
}
