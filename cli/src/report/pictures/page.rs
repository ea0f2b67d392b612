//! One self-contained HTML page.

use std::fmt::Write;

use super::drawing::escape;
use super::figure::Figure;
use super::style;

/// The figures of a run.
#[derive(Debug)]
pub(super) struct Chapter {
    pub(super) title: String,
    /// The verdict on the run, in one line.
    pub(super) verdict: String,
    /// What the run is, and how it went: names with values.
    pub(super) facts: Vec<(&'static str, String)>,
    /// Its warnings and caveats, as HTML.
    pub(super) notes: String,
    /// Its last values, as HTML.
    pub(super) table: String,
    /// Its configuration, as JSON.
    pub(super) config: String,
    pub(super) figures: Vec<Figure>,
}

/// What several runs have in common.
#[derive(Debug)]
pub(super) struct Compared {
    /// The runs in a table, as HTML.
    pub(super) table: String,
    pub(super) figure: Figure,
}

const LAYOUT: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// The figure at the top, with the facts next to it.
const FIRST: &str = "emergence";

/// Figures that answer a special question: folded, and not on a page of several runs.
const FOLDED: [&str; 4] = ["scaling", "distributions", "boxes", "against"];

pub(super) fn page(title: &str, compared: Option<&Compared>, chapters: &[Chapter]) -> String {
    let title = escape(title);
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>neuromfa: {title}</title>\n<style>\n{}{LAYOUT}</style>\n</head>\n<body>\n<main>\n",
        style::page_rules()
    );
    match (compared, chapters) {
        (None, [only]) => {
            let verdict = escape(&only.verdict);
            let _ = writeln!(html, "<h1>{title}</h1>\n<p class=\"verdict\">{verdict}</p>");
            html += &contents(&links("", only));
            html += &section("", only, &only.figures.iter().collect::<Vec<_>>());
        }
        _ => {
            let _ = writeln!(html, "<h1>{} runs compared</h1>", chapters.len());
            let anchors = chapters.iter().enumerate();
            html += &contents(
                &anchors
                    .map(|(k, of)| (format!("run-{}", k + 1), of.title.clone()))
                    .collect::<Vec<_>>(),
            );
            if let Some(Compared { table, figure }) = compared {
                html += table;
                html += &figures("", &[figure]);
            }
            for (k, chapter) in chapters.iter().enumerate() {
                let prefix = format!("run-{}", k + 1);
                let shown: Vec<&Figure> = chapter
                    .figures
                    .iter()
                    .filter(|figure| !FOLDED.contains(&figure.name))
                    .collect();
                let (name, verdict) = (escape(&chapter.title), escape(&chapter.verdict));
                let _ = writeln!(
                    html,
                    "<details class=\"run\" id=\"{prefix}\"><summary><h2>{name}</h2> \
                     <span>{verdict}</span></summary>\n{}</details>",
                    section(&format!("{prefix}-"), chapter, &shown)
                );
            }
        }
    }
    let _ = writeln!(
        html,
        "</main>\n<footer class=\"note\">Drawn by neuromfa {}.</footer>\n<script>\n{SCRIPT}</script>\n\
         </body>\n</html>",
        env!("CARGO_PKG_VERSION")
    );
    html
}

/// The places of a chapter that can be gone to, with their names.
fn links(prefix: &str, chapter: &Chapter) -> Vec<(String, String)> {
    let drawn = chapter.figures.iter().filter(|figure| figure.content.is_ok());
    let of_figures = drawn.map(|figure| (format!("{prefix}{}", figure.name), figure.title.clone()));
    of_figures.chain([(format!("{prefix}values"), "Last values".to_owned())]).collect()
}

fn contents(links: &[(String, String)]) -> String {
    let link = |(anchor, name): &(String, String)| {
        format!("<li><a href=\"#{anchor}\">{}</a></li>", escape(name))
    };
    let links: String = links.iter().map(link).collect();
    format!("<nav aria-label=\"Contents\"><ul>{links}</ul></nav>\n")
}

/// A run with some of its figures.
fn section(prefix: &str, chapter: &Chapter, drawn: &[&Figure]) -> String {
    let Chapter { facts, notes, table, config, .. } = chapter;
    let fact = |(name, value): &(&str, String)| {
        format!("<div><dt>{name}</dt><dd>{}</dd></div>\n", escape(value))
    };
    let facts: String = facts.iter().map(fact).collect();
    let (first, others): (Vec<&Figure>, Vec<&Figure>) =
        drawn.iter().copied().partition(|figure| figure.name == FIRST);
    let mut html = format!("<section>\n<div class=\"first\">\n{}", figures(prefix, &first));
    let _ = writeln!(html, "<dl class=\"facts\">\n{facts}</dl>\n</div>\n{notes}");
    let _ = writeln!(
        html,
        "<details id=\"{prefix}values\"><summary>Last values</summary>\n{table}</details>"
    );
    if !config.is_empty() {
        let _ = writeln!(
            html,
            "<details><summary>Configuration</summary>\n<pre>{}</pre></details>",
            escape_lines(config)
        );
    }
    html += &figures(prefix, &others);
    if drawn.len() < chapter.figures.len() {
        html += "<p class=\"note\">The page of this run alone has more: its scaling, neurons and boxes, and its \
                 structure against what was logged.</p>\n";
    }
    html + "</section>\n"
}

/// Escaped line by line: line breaks stay.
fn escape_lines(text: &str) -> String {
    text.lines().map(escape).collect::<Vec<_>>().join("\n")
}

fn figures(prefix: &str, figures: &[&Figure]) -> String {
    let mut html = String::new();
    let mut missing = String::new();
    for figure in figures {
        match &figure.content {
            Ok(drawings) => {
                let pictures: String =
                    drawings.iter().map(|(_, drawing)| drawing.inline()).collect();
                let Figure { name, title, text, .. } = figure;
                let (title, text) = (escape(title), escape(text));
                let text = match *name == FIRST {
                    true => {
                        format!("<details><summary>How to read it</summary><p>{text}</p></details>")
                    }
                    false => format!("<h3>{title}</h3><p>{text}</p>"),
                };
                let shown = format!(
                    "<figure class=\"{name}\" id=\"{prefix}{name}\">\n<div class=\"pictures\">\n{pictures}\
                     </div>\n<figcaption>{text}</figcaption>\n</figure>\n"
                );
                html += &match FOLDED.contains(name) {
                    true => format!(
                        "<details class=\"figure\"><summary>{title}</summary>\n{shown}</details>\n"
                    ),
                    false => shown,
                };
            }
            Err(why) => {
                let _ = writeln!(missing, "<li>{}: {}</li>", escape(&figure.title), escape(why));
            }
        }
    }
    if !missing.is_empty() {
        let _ =
            writeln!(html, "<div class=\"left-out\"><p>Left out:</p><ul>\n{missing}</ul></div>");
    }
    html
}
