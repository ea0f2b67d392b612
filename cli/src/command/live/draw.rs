//! The view as a function of the state.

use neuromfa::internals::analysis::{Concern, WarningKind};
use neuromfa::internals::record::{Kind, View, columns, printable, shown_in, shown_name};
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Wrap};

use super::curve::{Curve, chart, short};
use super::state::State;

/// The smallest terminal in which curves are drawn.
const CURVES: (u16, u16) = (56, 16);

/// Draws the state. A terminal that is too small for curves shows only the verdict and the numbers,
/// most important first.
pub fn draw(frame: &mut Frame, state: &State) {
    let area = frame.area();
    if area.width < CURVES.0 || area.height < CURVES.1 {
        let [top, rest] =
            Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
        frame.render_widget(heading(state), top);
        let mut lines = verdict(state);
        lines.extend(numbers(state));
        lines.extend(progress(state));
        lines.extend(warnings(state));
        lines.extend(stopping(state, 0));
        lines.push(Line::from(cost(state).trim_start().to_owned()));
        return frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }), rest);
    }
    let head = verdict(state);
    let mut foot = warnings(state);
    foot.extend(progress(state));
    foot.extend(stopping(state, 2 * usize::from(area.width) - 8));
    foot.push(Line::from("q, Esc quit   Tab next metric".dim()) + cost(state).dim());
    // Long ones take two lines.
    let lines =
        |line: &Line<'_>| (line.width().div_ceil(usize::from(area.width)) as u16).clamp(1, 2);
    let heights = |lines_of: &[Line<'_>]| {
        lines_of.iter().map(lines).map(Constraint::Length).collect::<Vec<_>>()
    };
    let mut rows = vec![Constraint::Length(1)];
    rows.extend(heights(&head));
    rows.extend([Constraint::Fill(1), Constraint::Fill(1)]);
    rows.extend(heights(&foot));
    let rows = Layout::vertical(rows).split(area);
    frame.render_widget(heading(state), rows[0]);
    let curves = 1 + head.len();
    upper(frame, rows[curves], state);
    lower(frame, rows[curves + 1], state);
    let areas = rows[1..curves].iter().chain(&rows[curves + 2..]);
    for (line, row) in head.into_iter().chain(foot).zip(areas) {
        frame.render_widget(Paragraph::new(line).wrap(Wrap { trim: true }), *row);
    }
}

/// The verdict on the run so far, once a step is analysed.
fn verdict(state: &State) -> Vec<Line<'static>> {
    let conclusion = state.conclusion();
    let line = Line::from(format!("structure: {conclusion}").bold());
    let line = if conclusion.ending.is_some() { line.red() } else { line };
    if state.emergence.rows() > 0 { vec![line] } else { Vec::new() }
}

/// Columns that a chart takes at least.
const CHART: u16 = 26;

/// The loss, width_excess, E, and where there is room alpha0_excess.
fn upper(frame: &mut Frame, area: Rect, state: &State) {
    let (name, points) = state.metric().unwrap_or(("loss", Vec::new()));
    let name = shown_name(name);
    let of = |(name, color)| Curve { name, color, points: state.curve(name) };
    let mut charts = vec![vec![Curve { name: &name, color: Color::Green, points }]];
    charts.push(vec![of(("width_excess", Color::Magenta))]);
    if area.width >= 4 * CHART {
        charts.push(vec![of(("alpha0_excess", Color::Magenta))]);
    }
    if area.width >= 3 * CHART {
        charts.push([("E", Color::Cyan), ("E_stable", Color::Yellow)].map(of).into());
    }
    let areas = Layout::horizontal(vec![Constraint::Fill(1); charts.len()]).split(area);
    for (curves, area) in charts.iter().zip(areas.iter()) {
        chart(frame, *area, "", curves, true);
    }
}

/// How long and how fast the run is, and when it was last heard of.
fn progress(state: &State) -> Option<Line<'static>> {
    let mut text = format!("{} so far", span(state.elapsed()?));
    if let Some(pace) = state.pace() {
        text += &format!(", {} steps/s", short(pace));
    }
    match state.age().filter(|_| state.summary.is_none()) {
        None => Some(Line::from(text.replace(" so far", " in all").dim())),
        Some((age, false)) => Some(Line::from(format!("{text}; last row {} ago", span(age)).dim())),
        Some((age, true)) => {
            let news = format!("; no news for {}: is the program running?", span(age));
            Some(Line::from(text.dim()) + Span::from(news).red().bold())
        }
    }
}

/// A time in words.
fn span(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{s:.0} s"),
        s if s < 3600.0 => format!("{:.0} min {:.0} s", (s / 60.0).floor(), (s % 60.0).floor()),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// Replaces what is not ASCII, for a terminal of another locale than UTF-8.
pub fn to_ascii(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        let symbol = match cell.symbol().chars().next() {
            Some(c) if c.is_ascii() && cell.symbol().len() == 1 => continue,
            Some('\u{2500}') => "-",
            Some('\u{2502}') => "|",
            Some('\u{2501}'..='\u{257f}') => "+",
            Some('\u{2800}') => " ",
            Some('\u{2801}'..='\u{28ff}') => "*",
            Some('•') => "o",
            Some('±') => "~",
            Some('·') => "-",
            _ => "?",
        };
        cell.set_symbol(symbol);
    }
}

fn lower(frame: &mut Frame, area: Rect, state: &State) {
    let [left, right] = Layout::horizontal([Constraint::Fill(1); 2]).areas(area);
    let (step, points) = state.spectrum().unzip();
    let points = points.unwrap_or_default();
    let at = step.map_or(String::new(), |step| format!("at step {step} "));
    let spectrum = [Curve { name: "f(alpha)", color: Color::Magenta, points }];
    chart(frame, left, &at, &spectrum, false);
    let block = Block::bordered().border_style(ratatui::style::Style::new().dim());
    frame.render_widget(Paragraph::new(numbers(state)).block(block), right);
}

/// Which run, its last step, and whether it continues.
fn heading(state: &State) -> Line<'static> {
    let folder = state.folder.file_name().unwrap_or(state.folder.as_os_str());
    let mut line = Line::from(Span::from(shown_name(&folder.display().to_string())).bold());
    if state.config.is_none() {
        let why = if state.folder.exists() { "no run.json yet" } else { "no such folder yet" };
        line.push_span(format!("  waiting: {why}"));
        return line;
    }
    match state.last_step() {
        Some(step) => line.push_span(format!("  step {step}")),
        None => line.push_span("  waiting for the first step"),
    }
    let stopped = || state.rule.as_ref().is_some_and(|rule| rule.stop().is_some());
    line.push_span(match &state.summary {
        Some(_) => "  finished".green(),
        None if stopped() => "  stopping".red(),
        None => Span::default(),
    });
    if let Some(config) = &state.config {
        let network = &config.network;
        let (layers, tensors) = (network.layers().len(), network.connections().len());
        let what = format!("  {}: {layers} layers, {tensors} matrices", network.architecture());
        line.push_span(Span::from(what).dim());
    }
    line
}

/// The newest row, most important numbers first.
fn numbers(state: &State) -> Vec<Line<'static>> {
    let row = &state.emergence;
    let mut lines = Vec::new();
    if let Some(step) = row.newest("step") {
        let status = row.newest("status").filter(|status| *status != "ok").unwrap_or_default();
        let line = Line::from(format!("analysed step {step}").dim());
        lines.push(line + Span::from(format!(" {status}")).red());
    }
    let mut add = |name: &str, value: Option<f64>, error: Option<f64>| {
        let Some(value) = value else { return };
        let error = error.map_or(String::new(), |error| format!(" ± {}", short(error)));
        lines.push(Line::from(format!("{name:<13} {}{error}", short(value))));
    };
    for column in shown_in(View::Headline) {
        let name = column.name;
        add(name, row.number(name), row.number(&format!("{name}_se")));
    }
    let (mut spectrum, mut weights, mut controls) = (String::new(), Vec::new(), Vec::new());
    for column in columns() {
        let name = column.views.iter().find_map(|view| match view {
            View::Live(name) => Some(*name),
            _ => None,
        });
        let Some((name, value)) = name.zip(row.number(column.name)) else { continue };
        match column.kind {
            Kind::E => controls.push(format!("{name} {}", short(value))),
            Kind::Norm => weights.push(format!("{name} {}", short(value))),
            _ if spectrum.is_empty() => spectrum = format!("{name:<13} {}", short(value)),
            _ => spectrum += &format!("  {name} {}", short(value)),
        }
    }
    lines.extend((!spectrum.is_empty()).then(|| Line::from(spectrum)));
    for of_kind in [controls, weights] {
        lines.extend(of_kind.chunks(2).map(|pair| Line::from(pair.join("  ").dim())));
    }
    lines
}

fn cost(state: &State) -> String {
    let share = state.summary.as_ref().and_then(|summary| summary.hook_share());
    match (share, state.cost()) {
        (Some(share), _) => format!("   training waited {:.2} % of the run", 100.0 * share),
        (None, Some((snapshot, analysis))) => {
            format!("   training waits {snapshot:.1} ms, the side thread {analysis:.1} ms")
        }
        (None, None) => String::new(),
    }
}

/// The warnings by kind with what they mean, then the caveats of the published estimator. A run of
/// an older version has no codes to count: of it, the newest warning.
fn warnings(state: &State) -> Vec<Line<'static>> {
    let damaged = |text: &String| Line::from(printable(text).into_owned().red());
    let mut lines: Vec<_> = state.damaged.values().map(damaged).collect();
    lines.extend(warnings_of_rows(state));
    lines
}

fn warnings_of_rows(state: &State) -> Vec<Line<'static>> {
    if state.emergence.column("codes").is_none() {
        let newest = state.emergence.warned().map(|text| format!("warning: {}", printable(text)));
        return newest.map(|text| Line::from(text.yellow())).into_iter().collect();
    }
    let counts = |kinds: &[(WarningKind, u64)]| {
        let count = |(kind, rows): &(WarningKind, u64)| format!("{} {rows}", kind.code());
        kinds.iter().map(count).collect::<Vec<_>>().join(", ")
    };
    let [findings, caveats] =
        [Concern::Conclusion, Concern::Published].map(|of| state.conclusion().warnings_on(of));
    let mut lines = Vec::new();
    if !findings.is_empty() {
        let (rows, counts) = (state.emergence.rows(), counts(&findings));
        let mut text = format!("warnings of {rows} rows: {counts}.");
        for (kind, _) in &findings {
            text += &format!(" {}: {}", kind.code(), kind.meaning());
        }
        lines.push(Line::from(text.yellow()));
    }
    if !caveats.is_empty() {
        let text = format!("caveats of the published estimator: {}", counts(&caveats));
        lines.push(Line::from(text.dim()));
    }
    lines
}

/// The stop-rule state, and the rule itself if both fit in `columns` columns.
fn stopping(state: &State, columns: usize) -> Vec<Line<'static>> {
    let Some(rule) = &state.rule else { return Vec::new() };
    if let Some(stop) = rule.stop() {
        let text = format!("stop: {} (step {})", stop.reason, stop.measured_step);
        let text = printable(&text).into_owned();
        return vec![Line::from(text.red())];
    }
    let state_text = rule.quantities().iter().map(|q| {
        let best = q.best.map_or("no value".to_owned(), |best| {
            format!("best {} (step {})", short(best.value), best.step)
        });
        format!("{} {best}, waited {}", shown_name(&q.monitor), q.wait)
    });
    let state_text = state_text.collect::<Vec<_>>().join("; ");
    let rule_text = state
        .stop_rule()
        .map_or(String::new(), |rule| format!(" · stops when {}", printable(&rule.to_string())));
    let both = Line::from(format!("stop rule: {state_text}{rule_text}"));
    vec![if both.width() > columns { Line::from(format!("stop rule: {state_text}")) } else { both }]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use neuromfa::internals::record::Conclusion;
    use neuromfa::source::Memory;
    use neuromfa::{Monitor, StopRule};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    fn screen(state: &State, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, state)).unwrap();
        terminal.backend().to_string()
    }

    /// Weights whose spread over neurons grows with the step.
    fn weights(step: u64) -> Vec<f32> {
        let at = |k: u64| {
            let grown = 1.0 + 0.02 * step as f32 * (k % 32) as f32 / 32.0;
            0.1 * grown * ((k * k % 101) as f32 / 50.0 - 1.0)
        };
        (0..64 * 32).map(at).collect()
    }

    fn run(folder: &Path, last: u64, finish: bool) {
        let memory = Memory::new();
        memory.set("0.weight", &[64, 32], weights(0)).unwrap();
        let rule = StopRule::on("E").max().patience(50);
        let monitor = Monitor::builder(folder).every(10).threads(1).stop_when(rule);
        let mut monitor = monitor.attach_source(memory.clone()).unwrap();
        for step in 1..=last {
            memory.set("0.weight", &[64, 32], weights(step)).unwrap();
            let _ = monitor.step(step, &[("lr", 0.1), ("loss", 1.0 / step as f64)]).unwrap();
        }
        if finish {
            monitor.finish().unwrap();
        } else {
            monitor.flush().unwrap();
            std::mem::forget(monitor);
        }
    }

    #[test]
    fn a_run_that_is_not_there_yet_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let mut state = State::new(dir.path().join("later"));
        for (width, height) in [(1, 1), (20, 5), (80, 24), (200, 60)] {
            state.refresh();
            let text = screen(&state, width, height);
            assert!(width < 20 || text.contains("later  waiting:"), "{text}");
        }
        std::fs::create_dir(dir.path().join("later")).unwrap();
        assert!(screen(&state, 80, 24).contains("no run.json yet"));
    }

    #[test]
    fn curves_and_numbers_at_80_by_24() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("first");
        run(&folder, 60, true);
        let mut state = State::new(folder);
        state.refresh();
        let text = screen(&state, 80, 24);
        let expected = [
            "first  step 60  finished",
            " loss ",
            " width_excess ",
            " E ⠒ E_stable • ",
            "f(alpha) at step 60",
            "alpha0",
        ];
        let numbers = ["width_excess", "alpha0_excess", " ± ", "stop rule: E best", "% of the"];
        for part in expected.into_iter().chain(numbers) {
            assert!(text.contains(part), "{part}: {text}");
        }
        let tall = screen(&state, 80, 40);
        let live = columns().filter_map(|column| {
            column.views.iter().find_map(|view| match view {
                View::Headline => Some(format!("{:<13} ", column.name)),
                View::Live("rescaled start") => None,
                View::Live(name) => Some(format!("{name} ")),
                _ => None,
            })
        });
        for part in live {
            assert!(tall.contains(&part), "{part}: {tall}");
        }
        let dots = text.chars().filter(|c| ('\u{2801}'..='\u{28ff}').contains(c)).count();
        assert!(dots > 60, "{dots} cells of curves: {text}");
        state.next_metric();
        assert!(screen(&state, 80, 24).contains(" lr "), "the metric after loss, from the first");
    }

    #[test]
    fn a_wide_terminal_has_both_measures_of_structure() {
        let dir = tempfile::tempdir().unwrap();
        run(dir.path(), 60, true);
        let mut state = State::new(dir.path().to_owned());
        state.refresh();
        assert!(screen(&state, 110, 24).contains(" alpha0_excess ──"));
        assert!(!screen(&state, 80, 24).contains(" alpha0_excess ──"));
        let narrow = screen(&state, 60, 24);
        assert!(
            narrow.contains(" width_excess ──") && !narrow.contains(" E_stable • "),
            "{narrow}"
        );
    }

    #[test]
    fn the_age_of_the_last_row_is_said_until_the_run_has_ended() {
        let dir = tempfile::tempdir().unwrap();
        run(dir.path(), 60, false);
        let mut state = State::new(dir.path().to_owned());
        state.refresh();
        let text = screen(&state, 80, 24);
        assert!(text.contains("so far, ") && text.contains(" steps/s; last row 0 s ago"), "{text}");
        state.now += 95.0;
        assert!(screen(&state, 80, 24).contains("no news for 1 min 35 s"));
        assert!(screen(&state, 40, 24).contains("no news for"));
        std::fs::remove_dir_all(dir.path()).unwrap();
        run(dir.path(), 60, true);
        let mut state = State::new(dir.path().to_owned());
        state.refresh();
        state.now += 95.0;
        let text = screen(&state, 80, 24);
        assert!(text.contains(" in all, ") && !text.contains("no news"), "{text}");
    }

    #[test]
    fn in_ascii_nothing_else_is_drawn() {
        let dir = tempfile::tempdir().unwrap();
        run(dir.path(), 60, true);
        let mut state = State::new(dir.path().to_owned());
        state.refresh();
        let mut terminal = Terminal::new(TestBackend::new(120, 30)).unwrap();
        let drawn = |frame: &mut Frame| {
            draw(frame, &state);
            to_ascii(frame.buffer_mut());
        };
        terminal.draw(drawn).unwrap();
        let text = terminal.backend().to_string();
        assert!(text.is_ascii() && !text.contains('?'), "{text}");
        assert!(text.matches('*').count() > 60 && text.contains("E * E_stable o"), "{text}");
    }

    #[test]
    fn a_small_terminal_has_the_numbers_that_matter_most() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("first");
        run(&folder, 60, true);
        let mut state = State::new(folder);
        state.refresh();
        let text = screen(&state, 20, 5);
        let first: Vec<&str> = text.lines().collect();
        assert!(first[0].contains("first  step 60"), "{text}");
        assert!(first[1].contains("structure: "), "{text}");
        let text = screen(&state, 40, 10);
        let after = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part}: {text}"));
        assert!(after("structure: ") < after("width_excess"), "{text}");
        assert!(after("width_excess") < after("alpha0_excess"), "{text}");
    }

    #[test]
    fn the_verdict_is_below_the_heading_and_warnings_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("first");
        run(&folder, 60, true);
        let mut state = State::new(folder.clone());
        state.refresh();
        let rows = neuromfa::internals::record::read_rows(&folder).unwrap();
        let conclusion = Conclusion::of(&rows);
        let text = screen(&state, 140, 40);
        let second = text.lines().nth(1).unwrap();
        assert!(second.contains(&format!("structure: {conclusion}")), "{text}");
        assert!(conclusion.claim().is_some(), "{conclusion}");
        let counted = |concern| conclusion.warnings_on(concern).first().copied();
        let (kind, n) = counted(Concern::Published).expect("the loop's samples are small");
        let caveats = format!("caveats of the published estimator: {} {n}", kind.code());
        assert!(text.contains(&caveats), "{caveats}: {text}");
        if let Some((kind, n)) = counted(Concern::Conclusion) {
            let warnings = format!("warnings of 7 rows: {} {n}", kind.code());
            assert!(text.contains(&warnings), "{warnings}: {text}");
        }
    }

    #[test]
    fn weights_that_became_nan_are_said_first_and_claim_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("first");
        run(&folder, 60, true);
        let path = folder.join("emergence.csv");
        let text = std::fs::read_to_string(&path).unwrap();
        let cut = text.replace(",ok,", ",non_finite,");
        let kept = text.lines().count() - 2;
        let lines: Vec<&str> = text.lines().take(kept).chain(cut.lines().skip(kept)).collect();
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        let mut state = State::new(folder);
        state.refresh();
        let text = screen(&state, 80, 24);
        let line = "structure: no verdict: the weights are infinite or NaN from step 50 on";
        assert!(text.lines().nth(1).unwrap().contains(line), "{text}");
    }

    #[test]
    fn what_changed_is_read_again_and_what_is_gone_is_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("first");
        run(&folder, 20, true);
        let mut state = State::new(folder.clone());
        state.refresh();
        assert_eq!((state.last_step(), state.curve("E").len()), (Some(20), 3));
        std::fs::remove_dir_all(&folder).unwrap();
        run(&folder, 40, false);
        state.refresh();
        assert_eq!((state.last_step(), state.curve("E").len()), (Some(40), 5));
        assert!(!screen(&state, 80, 24).contains("finished"));
        std::fs::remove_dir_all(&folder).unwrap();
        state.refresh();
        assert!(screen(&state, 80, 24).contains("no such folder yet"));
    }
}
