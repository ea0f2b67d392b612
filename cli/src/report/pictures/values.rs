//! The table of a run: what it is, its last values with their errors, its warnings and caveats.

use std::fmt::Write;

use super::drawing::escape;
use super::figure::{error, number_text};
use super::recorded::Recorded;
use crate::report::notes::notes;
use neuromfa::internals::analysis::{Concern, p_text};
use neuromfa::internals::record::{View, column, shown_in};

/// The table as HTML.
pub(super) fn table(run: &Recorded) -> String {
    let mut html = String::new();
    if let Some(config) = &run.config {
        let _ = writeln!(html, "<p>{}</p>", escape(crate::report::table::heading(config).trim()));
    }
    let _ = writeln!(html, "<p>{}</p>", escape(&extent(run)));
    html += &values(run);
    html += &noted(run);
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
    if let Some(repeated) = run.conclusion.repeated_text() {
        let _ = write!(text, " {repeated}.");
    }
    match &run.summary {
        Some(summary) => {
            if let Some(stop) = summary.stop() {
                let at = summary.stopped_step().unwrap_or(stop.measured_step);
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
    let mut add = |name: &str, what: &str| {
        let last = table.rows.iter().rev().find_map(|row| Some((row, table.number(row, name)?)));
        let Some((row, value)) = last else { return };
        let with = |suffix| {
            column(&format!("{name}{suffix}")).and_then(|column| table.number(row, column.name))
        };
        let spread = with("_se").or_else(|| with("_std"));
        let spread = spread.map(|spread| format!(" ± {}", error(spread))).unwrap_or_default();
        let p = with("_p");
        let p = p.map(|p| format!(" ({})", escape(&p_text(p)))).unwrap_or_default();
        let step = table.cell(row, "step");
        let _ = writeln!(
            rows,
            "<tr><th scope=\"row\">{}</th><td>{}{spread}{p}</td><td>{}</td><td>{}</td></tr>",
            escape(name),
            number_text(value),
            escape(step),
            escape(what)
        );
    };
    shown_in(View::Report).iter().for_each(|column| add(column.name, column.meaning));
    table.logged().iter().for_each(|name| add(name, "logged by the loop"));
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">quantity</th>\
         <th scope=\"col\">last value</th><th scope=\"col\">at step</th><th scope=\"col\">what it \
         is</th></tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n\
         <p class=\"note\">Errors: one standard error; of alpha0 and width one standard deviation over \
         the samples. p: how often chance alone lies as far from shuffled weights.</p>\n"
    )
}

fn noted(run: &Recorded) -> String {
    let table = &run.emergence;
    let mut html = String::new();
    for notes in notes(&run.conclusion, &table.columns, &table.rows) {
        let class = match notes.concern {
            Concern::Conclusion => "warnings",
            Concern::Published => "caveats",
        };
        let heading = escape(&notes.heading);
        let _ = writeln!(html, "<div class=\"{class}\"><p>{heading}</p>\n<ul>");
        for line in &notes.lines {
            let _ = writeln!(html, "<li>{}</li>", escape(line));
        }
        html += "</ul></div>\n";
    }
    html
}
