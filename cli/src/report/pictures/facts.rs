//! What a run is and how it went: the facts next to its first picture, and the table of several runs.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, SystemTime};

use neuromfa::internals::record::{View, shown_in};
use serde_json::Value;

use super::drawing::escape;
use super::figure::number_text;
use super::overlay::style;
use super::recorded::Recorded;
use crate::report::table::heading;

/// The facts of a run: names with values. What is not known is left out.
pub(super) fn facts(run: &Recorded) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Status", status(run))];
    let mut add = |name, value: Option<String>| {
        facts.extend(value.filter(|value| !value.is_empty()).map(|value| (name, value)));
    };
    let origin = run.config.as_ref().map(|config| &config.origin);
    let known =
        |of: fn(&neuromfa::internals::record::Origin) -> Option<String>| origin.and_then(of);
    add("Begun", known(|origin| origin.begun.clone()).or_else(|| first_time(run)));
    add("Duration", duration(run));
    add("Steps", Some(steps(run)));
    add("Model", run.config.as_ref().map(heading));
    add("Monitoring", run.summary.as_ref().and_then(cost));
    add("Command", known(|origin| Some(origin.command.join(" "))));
    add("In folder", known(|origin| Some(origin.folder.as_ref()?.display().to_string())));
    add("Host", known(|origin| origin.host.clone()));
    add("Git commit", known(|origin| origin.git.clone()));
    let version = run.config.as_ref().map(|config| format!("neuromfa {}", config.neuromfa));
    add("Recorded by", version);
    facts
}

fn status(run: &Recorded) -> String {
    let Some(summary) = &run.summary else { return "in progress, or interrupted".to_owned() };
    match summary.stop() {
        None => "finished".to_owned(),
        Some(stop) => {
            let at = summary.stopped_step().unwrap_or(stop.measured_step);
            match summary.last_step().filter(|last| *last > at) {
                Some(last) => format!(
                    "finished at step {last}; the stop rule asked to stop at step {at}: {}",
                    stop.reason
                ),
                None => format!("stopped at step {at}: {}", stop.reason),
            }
        }
    }
}

/// When the first step was recorded, in UTC.
fn first_time(run: &Recorded) -> Option<String> {
    let seconds = run.emergence.number(run.emergence.rows.first()?, "wall_time")?;
    // A date that a calendar has.
    let seconds = (0.0..2.5e11).contains(&seconds).then_some(seconds)?;
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds);
    Some(humantime::format_rfc3339_seconds(time).to_string())
}

/// From the first to the last recorded step.
fn duration(run: &Recorded) -> Option<String> {
    let whole = Duration::from_secs_f64(run.duration()?.clamp(0.0, 1e9).round());
    Some(humantime::format_duration(whole).to_string())
}

/// Which steps there are.
fn steps(run: &Recorded) -> String {
    let table = &run.emergence;
    let step = |row: &Vec<String>| table.cell(row, "step").to_owned();
    let mut text = match (table.rows.first().map(step), table.rows.last().map(step)) {
        (Some(first), Some(last)) if first != last => {
            format!("{} analysed, {first} to {last}", run.all.rows)
        }
        (Some(only), _) => format!("one analysed, {only}"),
        _ => "none is analysed yet".to_owned(),
    };
    let without = &run.all.without;
    if !without.is_empty() {
        let count: usize = without.values().sum();
        let status: Vec<&str> = without.keys().map(String::as_str).collect();
        let _ = write!(text, "; {count} without all values ({})", status.join(", "));
    }
    if let Some(repeated) = run.conclusion.repeated_text() {
        let _ = write!(text, "; {repeated}");
    }
    text
}

fn cost(summary: &neuromfa::Summary) -> Option<String> {
    let share = summary.hook_share()?;
    Some(format!("training waited {} % of the run for it", number_text(100.0 * share)))
}

/// Several runs in a table, one row each; the page's script sorts it and chooses runs by it.
pub(super) fn compared(runs: &[Recorded]) -> String {
    let headline: Vec<&str> = shown_in(View::Headline).iter().map(|column| column.name).collect();
    let differing = differing(runs);
    let mut html =
        String::from("<div class=\"scroll\"><table class=\"runs\">\n<thead><tr><th></th>");
    let loss = runs.iter().find_map(|run| Some(run.loss.as_ref()?.0.as_str()));
    let names = ["run", "verdict", "what differs", "steps"].into_iter();
    for name in names.chain(headline.iter().copied()).chain(loss).chain(["model"]) {
        let _ = write!(html, "<th scope=\"col\">{}</th>", escape(name));
    }
    html += "</tr></thead>\n<tbody>\n";
    for (k, run) in runs.iter().enumerate() {
        let (colour, pattern) = style(k);
        let name = escape(&run.name);
        let of_run: Vec<String> =
            differing.iter().map(|(key, values)| format!("{key} {}", values[k])).collect();
        let _ = write!(
            html,
            "<tr data-run=\"{k}\"><td><input type=\"checkbox\" checked hidden aria-label=\"show {name}\">\
             <svg class=\"fig key\" viewBox=\"0 0 16 6\" aria-hidden=\"true\"><path class=\"line {pattern} \
             s-{colour}\" d=\"M0 3L16 3\"/></svg></td><th scope=\"row\"><a href=\"#run-{}\">{name}</a></th>\
             <td class=\"verdict-cell\">{}</td><td class=\"differs\">{}</td>",
            k + 1,
            escape(&run.conclusion.to_string()),
            escape(&of_run.join(", "))
        );
        let last_step = run.emergence.rows.last().map(|row| run.emergence.cell(row, "step"));
        let last = |name: &str| {
            let of_loss = run.loss.as_ref().filter(|(loss, _)| loss == name);
            match of_loss.filter(|_| !headline.contains(&name)) {
                Some((_, means)) => means.last,
                None => run.emergence.numbers(name).into_iter().flatten().next_back(),
            }
        };
        let _ = write!(html, "<td>{}</td>", escape(last_step.unwrap_or_default()));
        for name in headline.iter().copied().chain(loss) {
            let _ = match last(name) {
                Some(value) => {
                    write!(html, "<td data-value=\"{value}\">{}</td>", number_text(value))
                }
                None => write!(html, "<td></td>"),
            };
        }
        let model = run.config.as_ref().map(heading).unwrap_or_default();
        let _ = writeln!(html, "<td>{}</td></tr>", escape(&model));
    }
    html += "</tbody></table></div>\n";
    if differing.is_empty() {
        html += "<p class=\"note\">The runs have the same configuration.</p>\n";
    }
    html
}

/// The configuration without the network, which has a line of its own, and without where the run comes from.
pub(super) fn configuration(run: &Recorded) -> Option<serde_json::Map<String, Value>> {
    let Value::Object(mut fields) = serde_json::to_value(run.config.as_ref()?).ok()? else {
        return None;
    };
    for name in ["network", "origin", "schema", "neuromfa"] {
        fields.remove(name);
    }
    Some(fields)
}

/// The keys whose values are not the same in all runs, with each run's value.
fn differing(runs: &[Recorded]) -> Vec<(String, Vec<String>)> {
    let leaves = |run: &Recorded| {
        let mut found = BTreeMap::new();
        if let Some(fields) = configuration(run) {
            leaves_of("", &Value::Object(fields), &mut found);
        }
        if let Some(config) = &run.config {
            found.insert(
                "command".to_owned(),
                config.origin.command.get(1..).unwrap_or_default().join(" "),
            );
        }
        found
    };
    let all: Vec<BTreeMap<String, String>> = runs.iter().map(leaves).collect();
    let mut keys: Vec<&String> = all.iter().flat_map(BTreeMap::keys).collect();
    keys.sort_unstable();
    keys.dedup();
    let values = |key: &String| -> Vec<String> {
        all.iter().map(|run| run.get(key).cloned().unwrap_or_else(|| "none".to_owned())).collect()
    };
    let with_values = keys.into_iter().map(|key| (key.clone(), values(key)));
    with_values.filter(|(_, values)| values.iter().any(|value| *value != values[0])).collect()
}

fn leaves_of(key: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            let dot = if key.is_empty() { "" } else { "." };
            fields
                .iter()
                .for_each(|(name, value)| leaves_of(&format!("{key}{dot}{name}"), value, found));
        }
        Value::String(text) => drop(found.insert(key.to_owned(), text.clone())),
        other => drop(found.insert(key.to_owned(), other.to_string())),
    }
}
