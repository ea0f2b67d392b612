//! The last values of a run with their errors, and its warnings and caveats.

use std::fmt::Write;

use super::drawing::escape;
use super::figure::{error, number_text};
use super::recorded::Recorded;
use crate::report::notes::notes;
use neuromfa::internals::analysis::{Concern, p_text};
use neuromfa::internals::record::{View, column, shown_in};

/// The last value of each quantity that has one, as HTML.
pub(super) fn values(run: &Recorded) -> String {
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

/// The warnings and caveats, as HTML.
pub(super) fn noted(run: &Recorded) -> String {
    let mut html = String::new();
    for notes in notes(&run.conclusion, &run.all.warned) {
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
