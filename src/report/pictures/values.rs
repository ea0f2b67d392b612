//! The table of a run: what it is, its last values with their errors, its warnings.

use std::fmt::Write;

use super::drawing::escape;
use super::figure::{error, said};
use super::recorded::Recorded;

/// Quantities with their errors, and what they are.
const SHOWN: [(&str, Option<&str>, &str); 13] = [
    ("E", Some("E_se"), "degree of emergence, published"),
    ("E_shuffled", None, "the same of shuffled weights"),
    ("E_stable", None, "degree of emergence, stable"),
    ("E_stable_shuffled", None, "the same of shuffled weights"),
    ("E_excess", Some("E_excess_se"), "E_stable beyond shuffled weights"),
    ("E_norm_matched", None, "E_stable at the first step's scale"),
    ("E_rescaled_start", None, "E_stable of growth alone"),
    ("alpha0", Some("alpha0_std"), "where the spectrum peaks, published"),
    ("alpha0_stable", None, "where the spectrum peaks, stable"),
    ("width", Some("width_std"), "width of the spectrum, published"),
    ("width_stable", None, "width of the spectrum, stable"),
    ("r2", None, "R² of ln Z at the largest q"),
    ("r2_min", None, "R² of ln Z, lowest over q"),
];

/// As HTML.
pub(super) fn table(run: &Recorded) -> String {
    let mut html = String::new();
    if let Some(config) = &run.config {
        let _ = writeln!(html, "<p>{}</p>", escape(crate::report::table::heading(config).trim()));
    }
    let _ = writeln!(html, "<p>{}</p>", escape(&extent(run)));
    html += &values(run);
    html += &warnings(run);
    html
}

/// Which steps there are, and how the run ended.
fn extent(run: &Recorded) -> String {
    let table = &run.emergence;
    let step = |row: &Vec<String>| table.cell(row, "step").to_owned();
    let mut text = match (table.rows.first().map(step), table.rows.last().map(step)) {
        (Some(first), Some(last)) if first != last => {
            format!("{} analysed steps, {first} to {last}.", table.rows.len())
        }
        (Some(only), _) => format!("One analysed step, {only}."),
        _ => "No step is analysed yet.".to_owned(),
    };
    let without = table.rows.iter().map(|row| table.cell(row, "status"));
    let without: Vec<&str> = without.filter(|s| !s.is_empty() && *s != "ok").collect();
    if !without.is_empty() {
        let mut names = without.clone();
        names.sort_unstable();
        names.dedup();
        let _ = write!(text, " {} without all values ({}).", without.len(), names.join(", "));
    }
    match &run.summary {
        Some(summary) => {
            if let Some(stop) = &summary.stop {
                let at = stop.stopped_step.unwrap_or(stop.measured_step);
                let _ = write!(text, " Stopped at step {at}: {}.", stop.reason);
            }
        }
        None => text += " The run has no summary yet: it is in progress, or was interrupted.",
    }
    text
}

/// The last value of each quantity that has one.
fn values(run: &Recorded) -> String {
    let table = &run.emergence;
    let mut rows = String::new();
    let mut add = |name: &str, spread: Option<&str>, what: &str| {
        let last = table.rows.iter().rev().find_map(|row| Some((row, table.number(row, name)?)));
        let Some((row, value)) = last else { return };
        let spread = spread.and_then(|name| table.number(row, name));
        let spread = spread.map(|spread| format!(" ± {}", error(spread))).unwrap_or_default();
        let step = table.cell(row, "step");
        let _ = writeln!(
            rows,
            "<tr><th scope=\"row\">{}</th><td>{}{spread}</td><td>{}</td><td>{}</td></tr>",
            escape(name),
            said(value),
            escape(step),
            escape(what)
        );
    };
    SHOWN.iter().for_each(|(name, spread, what)| add(name, *spread, what));
    table.logged().iter().for_each(|name| add(name, None, "logged by the loop"));
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">quantity</th>\
         <th scope=\"col\">last value</th><th scope=\"col\">at step</th><th scope=\"col\">what it \
         is</th></tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n\
         <p class=\"note\">Errors: E and E_excess one standard error, alpha0 and width one standard \
         deviation over the samples.</p>\n"
    )
}

fn warnings(run: &Recorded) -> String {
    let table = &run.emergence;
    let marked: Vec<_> =
        table.rows.iter().filter(|row| !table.cell(row, "warning").is_empty()).collect();
    let Some(last) = marked.last() else { return String::new() };
    let mut html = format!(
        "<div class=\"warnings\"><p>{} of {} steps have warnings. At step {}:</p>\n<ul>\n",
        marked.len(),
        table.rows.len(),
        escape(table.cell(last, "step"))
    );
    for warning in table.cell(last, "warning").split("; ") {
        let _ = writeln!(html, "<li>{}</li>", escape(warning));
    }
    html + "</ul></div>\n"
}
