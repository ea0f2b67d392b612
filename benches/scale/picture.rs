//! Times against sizes, both by powers of ten.

use std::fmt::Write;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 110.0;
const TOP: f64 = 20.0;
const FOOT: f64 = 50.0;
const COLOURS: [&str; 2] = ["#2a78d6", "#c2530a"];

/// Lines of (weights, seconds), with the line of slope 1 through the last point of the last.
pub fn draw(lines: &[(&str, Vec<(f64, f64)>)]) -> String {
    let all = || lines.iter().flat_map(|(_, points)| points);
    let ends = |of: fn(&(f64, f64)) -> f64| {
        let logs = || all().map(move |point| of(point).log10());
        (logs().fold(f64::MAX, f64::min).floor(), logs().fold(f64::MIN, f64::max).ceil())
    };
    let (x, y) = (ends(|p| p.0), ends(|p| p.1));
    let place = |at: f64, (low, high): (f64, f64)| (at.log10() - low) / (high - low);
    let px = |weights: f64| LEFT + place(weights, x) * (WIDTH - LEFT - RIGHT);
    let py = |seconds: f64| HEIGHT - FOOT - place(seconds, y) * (HEIGHT - FOOT - TOP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"13\"><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    let decades = |(low, high): (f64, f64)| (low as i32..=high as i32).map(|k| (k, 10f64.powi(k)));
    let mut add = |text: String| svg.push_str(&(text + "\n"));
    for (k, weights) in decades(x) {
        let at = px(weights);
        add(format!("<path d=\"M{at:.1} {TOP}V{}\" stroke=\"#ddd\"/>", HEIGHT - FOOT));
        let label = ["1", "10", "100"][k.rem_euclid(3) as usize].to_owned()
            + ["", " k", " M", " G"][(k / 3).clamp(0, 3) as usize];
        add(format!(
            "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
            HEIGHT - FOOT + 18.0
        ));
    }
    for (_, seconds) in decades(y) {
        let at = py(seconds);
        add(format!("<path d=\"M{LEFT} {at:.1}H{}\" stroke=\"#ddd\"/>", WIDTH - RIGHT));
        add(format!(
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{seconds} s</text>",
            LEFT - 8.0,
            at + 4.0
        ));
    }
    add(format!(
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">weights</text>",
        px(10f64.powf((x.0 + x.1) / 2.0)),
        HEIGHT - 10.0
    ));
    if let Some(&(weights, seconds)) = lines.last().and_then(|(_, points)| points.last()) {
        // From where it enters the plane.
        let bottom = weights * 10f64.powf(y.0) / seconds;
        let first = all().map(|p| p.0).fold(f64::MAX, f64::min).max(bottom);
        let (x0, y0) = (px(first), py(seconds * first / weights));
        add(format!(
            "<path d=\"M{x0:.1} {y0:.1}L{:.1} {:.1}\" stroke=\"#999\" stroke-dasharray=\"4 4\"/>",
            px(weights),
            py(seconds)
        ));
        add(format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"#777\">slope 1</text>",
            x0 + 26.0,
            y0 - 3.0
        ));
    }
    for ((name, points), colour) in lines.iter().zip(COLOURS) {
        let mut path = String::new();
        for (k, &(weights, seconds)) in points.iter().enumerate() {
            let (at, up) = (px(weights), py(seconds));
            let _ = write!(path, "{}{at:.1} {up:.1}", if k == 0 { "M" } else { "L" });
            add(format!("<circle cx=\"{at:.1}\" cy=\"{up:.1}\" r=\"3.5\" fill=\"{colour}\"/>"));
        }
        add(format!("<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"));
        if let Some(&(weights, seconds)) = points.last() {
            // The first line lies below the others.
            let offset = if colour == COLOURS[0] { 14.0 } else { -4.0 };
            let (at, up) = (px(weights) + 8.0, py(seconds) + offset);
            add(format!("<text x=\"{at:.1}\" y=\"{up:.1}\" fill=\"{colour}\">{name}</text>"));
        }
    }
    svg + "</svg>\n"
}
