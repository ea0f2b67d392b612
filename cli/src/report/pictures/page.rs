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
    /// Table of the run, as HTML.
    pub(super) table: String,
    pub(super) figures: Vec<Figure>,
}

/// How the page is set: text next to its figure on a wide screen, below it on a phone.
const LAYOUT: &str = "\
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem 1rem 4rem;max-width:64rem;background:var(--paper);color:var(--ink);
font:1rem/1.5 system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.5rem;margin:0 0 .5rem}
h2{font-size:1.2rem;margin:2.5rem 0 .5rem;border-top:2px solid var(--ink);padding-top:.6rem}
figure{margin:2rem 0;padding-top:1rem;border-top:1px solid var(--grid);display:grid;gap:.5rem 2rem}
@media (min-width:52rem){figure{grid-template-columns:minmax(0,36rem) minmax(0,1fr)}
figcaption{position:sticky;top:1rem;align-self:start}}
figcaption h3{font-size:1.05rem;margin:0 0 .3rem}
figcaption p{margin:0;font-size:.92rem}
.pictures{display:grid;gap:1.5rem}
svg.fig{display:block;width:100%;max-width:36rem;height:auto}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.92rem;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.2rem 1rem .2rem 0;vertical-align:top;border-bottom:1px solid var(--grid)}
table{overflow-wrap:normal}th,td{white-space:nowrap}
thead th{color:var(--faint);font-weight:normal}tbody th{font-weight:600}
.verdict{font-size:1.1rem;font-weight:600;margin:.6rem 0}
.warnings,.caveats{border-left:3px solid var(--c5);padding-left:.9rem;margin:1rem 0}
.caveats{border-color:var(--grid);color:var(--faint);font-size:.92rem}
.warnings p,.warnings ul,.caveats p,.caveats ul{margin:.2rem 0}
.warnings ul,.caveats ul{padding-left:1.1rem}
.note,.left-out{color:var(--faint);font-size:.88rem}
@media print{figure{break-inside:avoid}}
";

pub(super) fn page(title: &str, overlay: Option<&Figure>, chapters: &[Chapter]) -> String {
    let title = escape(title);
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>neuromfa: {title}</title>\n<style>\n{}{LAYOUT}</style>\n</head>\n<body>\n\
         <h1>{title}</h1>\n",
        style::page_rules()
    );
    let several = chapters.len() > 1;
    if several {
        for Chapter { title, verdict, .. } in chapters {
            let line = escape(&format!("{title}: {verdict}"));
            let _ = writeln!(html, "<p class=\"verdict\">{line}</p>");
        }
    }
    if let Some(overlay) = overlay {
        html += &figures(std::slice::from_ref(overlay));
    }
    for chapter in chapters {
        if several {
            let _ = writeln!(html, "<h2>{}</h2>", escape(&chapter.title));
        }
        html += &section(chapter);
    }
    let _ = writeln!(
        html,
        "<p class=\"note\">Drawn by neuromfa {}.</p>\n</body>\n</html>",
        env!("CARGO_PKG_VERSION")
    );
    html
}

fn section(chapter: &Chapter) -> String {
    let Chapter { verdict, table, figures: drawn, .. } = chapter;
    let (verdict, drawn) = (escape(verdict), figures(drawn));
    format!("<section>\n<p class=\"verdict\">{verdict}</p>\n{table}{drawn}</section>\n")
}

fn figures(figures: &[Figure]) -> String {
    let mut html = String::new();
    let mut missing = String::new();
    for Figure { name, title, text, content } in figures {
        match content {
            Ok(drawings) => {
                let _ = writeln!(html, "<figure class=\"{name}\">\n<div class=\"pictures\">");
                drawings.iter().for_each(|(_, drawing)| html += &drawing.inline());
                let _ = writeln!(
                    html,
                    "</div>\n<figcaption><h3>{}</h3><p>{}</p></figcaption>\n</figure>",
                    escape(title),
                    escape(text)
                );
            }
            Err(why) => {
                let _ = writeln!(missing, "<li>{}: {}</li>", escape(title), escape(why));
            }
        }
    }
    if !missing.is_empty() {
        let _ =
            writeln!(html, "<div class=\"left-out\"><p>Left out:</p><ul>\n{missing}</ul></div>");
    }
    html
}
