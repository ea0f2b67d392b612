//! `neuromfa report` as a process on real runs.

#[path = "../../tests/loops/mod.rs"]
mod loops;

use std::path::Path;
use std::process::{Command, Output};

use loops::{Table, set_weights, weights_at};
use neuromfa::Monitor;
use neuromfa::internals::record::{Conclusion, csv_text, read_rows};

fn report(arguments: &[&Path], options: &[&str], out: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neuromfa"));
    command.arg("report").args(arguments).args(options).arg("--out").arg(out);
    command.output().unwrap()
}

/// What `neuromfa show` prints.
fn show(run: &Path) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_neuromfa")).arg("show").arg(run).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Steps 0 to `last`, every 10th analysed, with this loss.
fn run(folder: &Path, last: u64, loss: impl Fn(u64) -> f64) {
    let weights = weights_at(0);
    let mut monitor =
        Monitor::builder(folder).every(10).threads(1).attach_source(weights.clone()).unwrap();
    for step in monitor.next_step()..=last {
        set_weights(&weights, step);
        let _ = monitor.step(step, &[("a<b loss", loss(step))]).unwrap();
    }
    monitor.finish().unwrap();
}

/// The page of runs.
fn page(folders: &[&Path]) -> String {
    let out = tempfile::tempdir().unwrap();
    let output = report(folders, &[], out.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read_to_string(out.path().join("report.html")).unwrap()
}

/// Every tag is closed in its order, every `&` begins an entity, every number is one.
fn assert_well_formed(svg: &str) {
    let mut open: Vec<&str> = Vec::new();
    for piece in svg.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').expect("a tag ends");
        let name = tag.trim_start_matches('/').split([' ', '/', '\n']).next().unwrap();
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(name);
        }
        for entity in piece.split('&').skip(1) {
            let known = ["amp;", "lt;", "gt;", "quot;"];
            assert!(known.iter().any(|known| entity.starts_with(known)), "&{entity}");
        }
        assert!(!text.contains('>'), "{text}");
    }
    assert!(open.is_empty(), "{open:?}");
    for never in ["NaN", "inf ", "\"inf\""] {
        assert!(!svg.contains(never), "{never}");
    }
}

fn svgs(html: &str) -> Vec<&str> {
    html.split("<svg").skip(1).map(|rest| rest.split_inclusive("</svg>").next().unwrap()).collect()
}

fn assert_offline(html: &str) {
    // Only the name of SVG, and links within the page.
    let text = html.replace("http://www.w3.org/2000/svg", "").replace("href=\"#", "");
    for outside in ["http:", "https:", "src=", "href=", "url(h", "@import", "fetch(", "import "] {
        assert!(!text.contains(outside), "{outside}");
    }
}

#[test]
fn a_page_has_all_figures_and_asks_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), 60, |step| 1.0 / step as f64);
    let html = page(&[dir.path()]);
    assert_offline(&html);
    let figures = [
        "emergence",
        "fractal",
        "spectra",
        "scaling",
        "layers",
        "distributions",
        "boxes",
        "against",
    ];
    for figure in figures {
        let place = format!("<figure class=\"{figure}\" id=\"{figure}\">");
        assert_eq!(html.matches(&place).count(), 1, "{figure}");
        assert!(html.contains(&format!("<li><a href=\"#{figure}\">")), "{figure}");
    }
    assert!(!html.contains("Left out"));
    // The script's numbers are JSON that cannot end its element.
    let numbers: Vec<&str> = html.split("<script type=\"application/json\">").skip(1).collect();
    assert_eq!(numbers.len(), 1 + 1 + 1 + 3);
    for numbers in numbers {
        let json = numbers.split("</script>").next().unwrap();
        assert!(!json.contains('<') && serde_json::from_str::<serde_json::Value>(json).is_ok());
    }
    let svgs = svgs(&html);
    // Three maps of layers, three pictures of neurons.
    assert_eq!(svgs.len(), 1 + 1 + 1 + 1 + 3 + 3 + 1 + 1);
    svgs.iter().for_each(|svg| assert_well_formed(&format!("<svg{svg}")));
    assert!(
        html.contains("a&lt;b loss") && html.contains("a\\u003cb loss") && !html.contains("a<b")
    );
    assert!(html.contains("name=\"viewport\"") && html.contains("prefers-color-scheme:dark"));
}

#[test]
fn numbers_are_those_of_the_run() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), 60, |step| 1.0 / step as f64);
    let table = Table::read(dir.path(), "emergence.csv");
    let html = page(&[dir.path()]);
    let last = table.rows.len() - 1;
    assert_eq!(table.column("step")[last], "60");
    for name in ["E", "E_stable", "alpha0", "width_stable"] {
        let start = html.find(&format!("<th scope=\"row\">{name}</th><td>")).unwrap();
        let cell = html[start..].split("<td>").nth(1).unwrap();
        let shown = cell.split([' ', '<']).next().unwrap().replace('−', "-");
        let (shown, value): (f64, f64) = (shown.parse().unwrap(), table.number(name, last));
        assert!((shown - value).abs() <= 5e-4 * value.abs(), "{name}: {shown}, {value}");
    }
}

/// The one verdict line of a page of one run.
fn verdict(html: &str) -> &str {
    let (before, rest) = html.split_once("<p class=\"verdict\">").unwrap();
    assert!(!rest.contains("class=\"verdict\""));
    assert!(before.ends_with("</h1>\n"), "it comes first");
    rest.split_once("</p>").unwrap().0
}

fn conclusion(folder: &Path) -> Conclusion {
    Conclusion::of(&read_rows(folder).unwrap())
}

#[test]
fn the_verdict_comes_first_and_the_first_picture_shows_the_structure() {
    let dir = tempfile::tempdir().unwrap();
    let (of_run, out) = (dir.path().join("run"), dir.path().join("figures"));
    run(&of_run, 200, |step| 1.0 / step as f64);
    let (html, conclusion) = (page(&[&of_run]), conclusion(&of_run));
    let said = format!("structure: {conclusion}").replace('<', "&lt;");
    assert_eq!(verdict(&html), said);
    assert!(html.find(&said) < html.find("<table>"));
    let onset = conclusion.claim().and(conclusion.onset).expect("the spread of neurons grows");
    assert!(report(&[&of_run], &["--svg"], &out).status.success());
    let svg = std::fs::read_to_string(out.join("emergence.svg")).unwrap();
    let panels = [">width<", ">alpha0<", "stable estimator<", "weight norm", "distance ", "loss<"];
    let places = panels.map(|panel| svg.find(panel).unwrap_or_else(|| panic!("{panel}")));
    assert!(places.is_sorted(), "{places:?}");
    assert!(!svg.contains("E</tspan><tspan dy=\"2\" font-size=\"8\">excess"));
    // A line in each of the six panels, at its step between the ends of the axis.
    assert_eq!(svg.matches(">onset</text>").count(), 1);
    let lines: Vec<&str> = svg.split("class=\"thin dash s-c3\" d=\"M").skip(1).collect();
    assert_eq!(lines.len(), 6);
    let number = |text: &str| text.split([' ', 'l', '"']).next().unwrap().parse::<f64>().unwrap();
    let axis = svg.split("class=\"axis\" d=\"M").nth(1).unwrap();
    let (left, width) = (number(axis), number(axis.split('l').nth(1).unwrap()));
    let expected = left + width * onset as f64 / 200.0;
    assert!((number(lines[0]) - expected).abs() < 0.11, "{} {expected}", number(lines[0]));
}

#[test]
fn a_run_that_ends_in_nan_says_so_first() {
    let dir = tempfile::tempdir().unwrap();
    let weights = weights_at(0);
    let monitor = Monitor::builder(dir.path()).every(10).threads(1);
    let mut monitor = monitor.attach_source(weights.clone()).unwrap();
    for step in 1..=50 {
        set_weights(&weights, step);
        if step > 30 {
            weights.set("0.weight", &[48, 32], vec![f32::NAN; 48 * 32]).unwrap();
        }
        let _ = monitor.step(step, &[]).unwrap();
    }
    let summary = monitor.finish().unwrap();
    let line = "structure: no verdict: the weights are infinite or NaN from step 40 on";
    assert_eq!(verdict(&page(&[dir.path()])), line);
    assert_eq!(summary.to_string().lines().next(), Some(line));
    let table = show(dir.path());
    assert!(table.contains(&format!("\n{line}\n")), "{table}");
}

#[test]
fn warnings_are_counted_by_kind_and_caveats_stand_apart() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), 60, |step| 1.0 / step as f64);
    let (html, table) = (page(&[dir.path()]), show(dir.path()));
    let codes = Table::read(dir.path(), "emergence.csv").column("codes");
    let mut seen = [0, 0];
    for kind in neuromfa::internals::analysis::WarningKind::ALL {
        let rows = codes.iter().filter(|codes| codes.split(' ').any(|c| c == kind.code())).count();
        let line = format!("<li>{}, {rows} of 7 steps: {}</li>", kind.code(), kind.meaning());
        assert_eq!(html.matches(&line).count(), usize::from(rows > 0), "{line}");
        let line_of_text = format!("  {}, {rows} of 7 steps: ", kind.code());
        assert_eq!(table.matches(&line_of_text).count(), usize::from(rows > 0), "{table}");
        let finding = kind.concern() == neuromfa::internals::analysis::Concern::Conclusion;
        seen[usize::from(finding)] += usize::from(rows > 0);
        let caveats = html.find("<div class=\"caveats\">").unwrap_or(html.len());
        if let Some(place) = html.find(&line) {
            assert_eq!(place < caveats, finding, "{line}");
        }
    }
    assert!(seen[0] > 0, "{codes:?}");
    for said in ["beyond the scale", "beyond scale", "scale explains", "scale does not explain"] {
        assert!(!html.contains(said), "{said}");
    }
}

#[test]
fn a_run_of_an_older_version_is_drawn_and_shown_with_its_own_words() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), 60, |step| 1.0 / step as f64);
    for name in ["emergence.csv", "layers.csv"] {
        let Table { columns, rows } = Table::read(dir.path(), name);
        let new = |name: &str| {
            ["same_as", "codes", "caveat", "in_range", "E_shuffled_se"].contains(&name)
                || name.starts_with("width_excess")
                || name.starts_with("alpha0_excess")
                || name.ends_with("_p")
        };
        let kept = |row: &Vec<String>| -> Vec<String> {
            let cells = columns.iter().zip(row).filter(|(name, _)| !new(name));
            cells.map(|(name, cell)| if name == "warning" { "" } else { cell }.to_owned()).collect()
        };
        let mut table: Vec<Vec<String>> = std::iter::once(&columns)
            .map(|head| head.iter().filter(|n| !new(n)).cloned().collect())
            .chain(rows.iter().map(kept))
            .collect();
        if let Some(warning) = table[0].iter().position(|column| column == "warning") {
            table[3][warning] = "the fit is poor; samples overlap".to_owned();
        }
        std::fs::write(dir.path().join(name), csv_text(&table)).unwrap();
    }
    let html = page(&[dir.path()]);
    assert!(verdict(&html).starts_with("structure: no verdict: no step has a p of width_excess"));
    assert_eq!(html.matches("<figure class=\"emergence\"").count(), 1);
    assert!(!html.contains(">onset<") && !html.contains(">width_excess</th>"));
    let heading = "1 of 7 steps have warnings. At step 20:";
    assert!(html.contains(heading));
    assert!(html.contains("<li>the fit is poor</li>\n<li>samples overlap</li>"));
    assert!(!html.contains("class=\"caveats\""));
    let table = show(dir.path());
    assert!(table.contains(&format!("\n{heading}\n  the fit is poor\n  samples overlap\n")));
    assert!(table.contains("\nstructure: no verdict"), "{table}");
}

#[test]
fn one_step_and_a_loss_that_is_no_number_leave_figures_out_with_a_reason() {
    let one = tempfile::tempdir().unwrap();
    run(one.path(), 0, |_| 0.0);
    let html = page(&[one.path()]);
    assert!(html.contains("where it is 0 by definition"));
    assert_eq!(verdict(&html), "structure: no verdict from one step");
    assert!(
        html.contains("<figure class=\"spectra\"") && !html.contains("<figure class=\"emergence\"")
    );
    let nan = tempfile::tempdir().unwrap();
    run(nan.path(), 40, |_| f64::NAN);
    let html = page(&[nan.path()]);
    assert!(
        html.contains("logged no loss that is a number") && html.contains("nothing to correlate")
    );
    svgs(&html).iter().for_each(|svg| assert_well_formed(&format!("<svg{svg}")));
}

#[test]
fn only_the_table_of_emergence_is_needed() {
    let (dir, part) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    run(dir.path(), 30, |step| step as f64);
    let table = Table::read(dir.path(), "emergence.csv");
    let (step, e) = (table.column("step"), table.column("E"));
    let rows: String = step.iter().zip(e).map(|(step, e)| format!("{step},{e}\n")).collect();
    std::fs::write(part.path().join("emergence.csv"), format!("step,E\n{rows}")).unwrap();
    let html = page(&[part.path()]);
    assert_eq!(svgs(&html).len(), 1);
    assert!(html.contains("<dt>Status</dt><dd>in progress, or interrupted</dd>"));
    let none = tempfile::tempdir().unwrap();
    let output = report(&[none.path()], &[], none.path());
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("emergence.csv"));
}

#[test]
fn several_runs_are_overlaid_and_files_are_named_by_run() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| dir.path().join(name));
    run(&a, 30, |step| step as f64);
    run(&b, 40, |step| 2.0 * step as f64);
    let html = page(&[&a, &b]);
    assert_offline(&html);
    assert_eq!(html.matches("<figure class=\"overlay\"").count(), 1);
    // The verdict on each run above what they have in common, and again with the run.
    let (before, after) = html.split_once("<figure class=\"overlay\"").unwrap();
    for (name, folder) in [("a", &a), ("b", &b)] {
        let said = conclusion(folder).to_string().replace('<', "&lt;");
        assert!(
            before.contains(&format!(">{name}</a></th><td class=\"verdict-cell\">{said}</td>"))
        );
        assert!(after.contains(&format!("<h2>{name}</h2> <span>structure: {said}</span>")));
    }
    assert!(before.contains("The runs have the same configuration"));
    assert_eq!(html.matches("<figure class=\"emergence\"").count(), 2);
    let out = dir.path().join("figures");
    assert!(report(&[&a, &b], &["--svg"], &out).status.success());
    for name in ["overlay", "a-emergence", "b-emergence", "b-spectra", "a-against-a-b-loss"] {
        let svg = std::fs::read_to_string(out.join(format!("{name}.svg"))).unwrap();
        assert!(svg.contains(" width=\"119.94mm\"") && !svg.contains("var("), "{name}");
        assert_well_formed(&svg);
    }
    assert!(!out.join("report.html").exists());
}

#[test]
fn a_page_that_replaces_that_of_another_run_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| dir.path().join(name));
    run(&a, 20, |step| step as f64);
    run(&b, 20, |step| step as f64);
    let said = |folder: &Path| {
        let output = report(&[folder], &["--html"], dir.path());
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let words = "it replaces the page of a there (--out DIR writes to another folder)";
    assert!(!said(&a).contains("replaces") && !said(&a).contains("replaces"));
    let of_b = said(&b);
    assert!(of_b.contains(words), "{of_b}");
}

#[test]
fn the_facts_say_whether_the_loop_ended_where_the_rule_asked() {
    let dir = tempfile::tempdir().unwrap();
    for (name, goes_on) in [("on", true), ("ended", false)] {
        let (folder, weights) = (dir.path().join(name), weights_at(0));
        let builder = Monitor::builder(&folder).every(10).threads(1);
        let builder = builder.stop_when(neuromfa::StopRule::on("loss").patience(2));
        let mut monitor = builder.attach_source(weights.clone()).unwrap();
        for step in 1..=60 {
            set_weights(&weights, step);
            let stop = monitor.step(step, &[("loss", step as f64)]).unwrap().should_stop();
            monitor.flush().unwrap();
            if stop && !goes_on {
                break;
            }
        }
        let at = monitor.finish().unwrap().stopped_step().unwrap();
        let status = match goes_on {
            true => {
                format!("finished at step 60; the stop rule asked to stop at step {at}: loss did")
            }
            false => format!("stopped at step {at}: loss did"),
        };
        assert!(page(&[&folder]).contains(&status), "{status}");
    }
}

#[test]
fn scaling_and_boxes_are_drawn_at_the_first_and_the_newest_step() {
    let dir = tempfile::tempdir().unwrap();
    let (of_run, out) = (dir.path().join("run"), dir.path().join("figures"));
    run(&of_run, 60, |step| 1.0 / step as f64);
    assert!(report(&[&of_run], &["--svg"], &out).status.success());
    let svg = |name: &str| std::fs::read_to_string(out.join(format!("{name}.svg"))).unwrap();
    let table = Table::read(&of_run, "scaling.csv");
    let points = |step: &str| {
        let rows = table.column("step").into_iter().zip(table.column("what"));
        rows.filter(|(s, what)| s == step && what == "ln_z").count()
    };
    // Six q, each with its points and a line, at two steps.
    assert_eq!(svg("scaling").matches("<circle").count(), 6 * (points("0") + points("60")));
    assert_eq!(svg("scaling").matches("class=\"line ").count(), 6 * 2);
    assert!(svg("scaling").contains(">step 0<") && svg("scaling").contains(">step 60<"));
    let boxes = Table::read(&of_run, "boxes.csv");
    let ends: Vec<f64> = boxes
        .column("step")
        .into_iter()
        .zip(boxes.column("dimension"))
        .filter(|(step, dimension)| (step == "0" || step == "60") && !dimension.is_empty())
        .map(|(_, dimension)| dimension.parse().unwrap())
        .collect();
    // Two layers: D of the first one at both steps, then of the second.
    for pair in [[ends[0], ends[2]], [ends[1], ends[3]]] {
        let words = pair.map(|d| format!("{d:.2}")).join(" → ");
        assert!(svg("boxes").contains(&words), "{words}");
    }
    // A run of an older version has neither.
    for name in ["scaling.csv", "boxes.csv"] {
        std::fs::remove_file(of_run.join(name)).unwrap();
    }
    let html = page(&[&of_run]);
    for name in ["scaling", "boxes"] {
        assert!(html.contains(&format!("there is no {name}.csv")), "{name}");
        assert!(!html.contains(&format!("<figure class=\"{name}\"")), "{name}");
    }
}

#[cfg(feature = "png")]
#[test]
fn png_files_hold_the_words_too() {
    use resvg::tiny_skia::Pixmap;
    let dir = tempfile::tempdir().unwrap();
    let (of_run, out) = (dir.path().join("run"), dir.path().join("figures"));
    run(&of_run, 60, |step| 1.0 / step as f64);
    let output = report(&[&of_run], &["--png"], &out);
    if String::from_utf8_lossy(&output.stderr).contains("no font was found") {
        return loops::skipped::skip("this machine has no font");
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let image = Pixmap::load_png(out.join("spectra.png")).unwrap();
    // 340 points at 300 to the inch.
    assert_eq!((image.width(), image.height()), (1417, 992));
    let ink = |x: std::ops::Range<u32>, y: std::ops::Range<u32>| {
        let all = y.flat_map(|y| x.clone().map(move |x| (x, y)));
        all.filter(|&(x, y)| image.pixel(x, y).unwrap().red() < 128).count()
    };
    let corner = image.pixel(1416, 0).unwrap();
    assert_eq!([corner.red(), corner.green(), corner.blue(), corner.alpha()], [255; 4]);
    // The title of the vertical axis, and above the curves nothing but it.
    assert!(ink(0..300, 20..80) > 100);
    assert_eq!(ink(400..1000, 0..60), 0);
    assert!(!out.join("report.html").exists());
}

/// A run over env_steps, with a rollback before step 31.
fn over_env_steps(folder: &Path) {
    let weights = weights_at(0);
    let builder = Monitor::builder(folder).every(10).threads(1).axis("env_steps");
    let mut monitor = builder.attach_source(weights.clone()).unwrap();
    for step in 1..=60 {
        if step == 31 {
            monitor.rolled_back(20).unwrap();
        }
        set_weights(&weights, step);
        let env_steps = if step % 7 == 0 { 1000.0 * step as f64 } else { 0.0 };
        let scalars = [("loss", 1.0 / step as f64), ("env_steps", env_steps)];
        let logged = if step % 7 == 0 { 2 } else { 1 };
        let _ = monitor.step(step, &scalars[..logged]).unwrap();
    }
    monitor.finish().unwrap();
}

#[test]
fn a_run_is_drawn_over_its_axis_and_its_rollback_is_marked() {
    let dir = tempfile::tempdir().unwrap();
    over_env_steps(dir.path());
    let html = page(&[dir.path()]);
    let first = svgs(&html)[0].to_owned();
    assert!(first.contains(">env_steps</text>") && first.contains(">40k</text>"), "{first}");
    assert!(!first.contains(">step</text>"));
    assert_eq!(first.matches(">rolled back</text>").count(), 1);
    assert!(!html.contains("rolled_back_to"), "it is no quantity of the loop");
    let drawn = |name: &str| {
        let out = tempfile::tempdir().unwrap();
        let output = report(&[dir.path()], &["--x", name], out.path());
        let page = std::fs::read_to_string(out.path().join("report.html"));
        (page.ok(), String::from_utf8(output.stderr).unwrap())
    };
    let over_steps = drawn("step").0.unwrap();
    assert!(svgs(&over_steps)[0].contains(">step</text>"));
    let (page, why) = drawn("tokens");
    assert!(page.is_none() && why.contains("it has not logged \"tokens\""), "{why}");
    assert!(why.contains("loss, env_steps"), "{why}");
}
