//! A measure of structure against what the loop logged.

use neuromfa::internals::record::{View, shown_in};

use super::correlation::{is_scheduled, lag_beyond_chance, pearson, spearman};
use super::drawing::{Anchor, Drawing, name};
use super::figure::{Figure, number_text};
use super::panel::Panel;
use super::recorded::Recorded;
use super::scale::Scale;
use super::shades::shade;
use super::stack::WIDE;
use super::style::SHADES;

/// Quantities that are drawn.
const MOST: usize = 6;

pub(super) fn figure(run: &Recorded) -> Figure {
    let measure = measure(run);
    let mut text = format!(
        "{measure} against each quantity that the loop logged. Each point is an analysed step, dark early \
         and bright late, joined in order. r (Pearson) measures a straight line, ρ (Spearman) any steady \
         rise or fall. Both are high whenever two quantities drift together, so they are no sign of a \
         cause; of a quantity that follows a schedule, or turns at most once, they are not given. A lag, in \
         analysed steps, is that of the changes from step to step, where its 95 % interval (block \
         bootstrap) leaves 0 out."
    );
    if run.all.apart > 1 {
        text += &format!(" Of this long run one analysed step out of {} is taken.", run.all.apart);
    }
    let logged = run.emergence.logged();
    let mut drawings = Vec::new();
    let mut without = Vec::new();
    for quantity in &logged {
        match draw(run, measure, quantity) {
            Some(drawing) if drawings.len() < MOST => {
                drawings.push((format!("against-{}", file_name(quantity)), drawing.0));
                text += &drawing.1;
            }
            Some(_) => without.push(format!("{quantity} (beyond the first {MOST})")),
            None => without.push(format!(
                "{quantity} (constant, or fewer than three steps with {measure} and a value)"
            )),
        }
    }
    let content = match (drawings.is_empty(), logged.is_empty()) {
        (true, true) => Err("the loop logged nothing but the steps.".to_owned()),
        (true, false) => Err(format!("nothing to correlate: {}.", without.join(", "))),
        _ => {
            if !without.is_empty() {
                text += &format!(" Not drawn: {}.", without.join(", "));
            }
            Ok(drawings)
        }
    };
    Figure {
        name: "against",
        title: format!("{measure} against what the loop logged"),
        text,
        content,
    }
}

/// Letters, digits and dashes.
fn file_name(quantity: &str) -> String {
    quantity.chars().map(|c| if c.is_alphanumeric() || c == '_' { c } else { '-' }).collect()
}

/// The first measure that the conclusion rests on and that has at least three values; E in a run
/// of an older version.
fn measure(run: &Recorded) -> &'static str {
    let values = |name: &str| run.all.even.numbers(name).iter().flatten().count();
    let trusted = shown_in(View::Headline).into_iter().map(|column| column.name);
    trusted.filter(|name| values(name) >= 3).chain(["E"]).next().unwrap_or("E")
}

/// The picture and a sentence with its numbers.
fn draw(run: &Recorded, measure: &str, quantity: &str) -> Option<(Drawing, String)> {
    let values = run.all.even.numbers(quantity);
    let measured = run.all.even.numbers(measure);
    let pairs: Vec<(f64, f64)> =
        values.iter().zip(&measured).filter_map(|(x, y)| Some(((*x)?, (*y)?))).collect();
    let (r, rho) = (pearson(&pairs)?, spearman(&pairs)?);
    let signed = |value: f64| format!("{value:.2}").replace('-', "−");
    let (r, rho, n) = (signed(r), signed(rho), pairs.len());
    let scheduled = is_scheduled(quantity, &pairs.iter().map(|p| p.0).collect::<Vec<_>>());
    let lag = lag_beyond_chance(&pairs).filter(|_| !scheduled).map(|(lag, [low, high])| {
        let (verb, sign) = if lag > 0 { ("follows", 1) } else { ("leads", -1) };
        let ends = if lag > 0 { [low, high] } else { [-high, -low] };
        format!("{measure} {verb} by {} ({} to {})", sign * lag, ends[0], ends[1])
    });
    let (numbers, sentence) = match scheduled {
        true => (
            format!("*n* {n} · on a schedule"),
            format!(" {quantity} follows a schedule, or only drifts: no r is given."),
        ),
        false => {
            let lag = lag.map(|lag| format!(" · {lag}")).unwrap_or_default();
            (
                format!("*r* {r} · *ρ* {rho} · *n* {n}{lag}"),
                format!(
                    " {quantity}: r = {r}, ρ = {rho} over {n} steps{}.",
                    lag.replace(" ·", ";")
                ),
            )
        }
    };
    let height = 130.0;
    let x = Scale::of(pairs.iter().map(|p| p.0))?;
    let y = Scale::of(pairs.iter().map(|p| p.1))?;
    let left = Panel::margin_for_ticks(&y, height);
    let title = format!("{measure} against {quantity}");
    let mut drawing = Drawing::new(WIDE, height + 48.0, &name(&title));
    let panel = Panel { left, top: 20.0, width: WIDE - left - 12.0, height, x, y };
    panel.vertical(&mut drawing, &name(measure));
    drawing.words("faint", Anchor::End, (panel.right(), panel.top - 6.0), &numbers);
    let points: Vec<_> = pairs.iter().map(|&(x, y)| panel.at(x, y)).collect();
    drawing.path("grid", &points);
    let steps = run.all.even.steps();
    let there = (0..steps.len()).filter(|&k| values[k].and(measured[k]).is_some());
    for ((k, point), row) in points.iter().enumerate().zip(there) {
        let colour = format!("f-{}", shade(k * SHADES / points.len(), SHADES));
        let (x, y) = (number_text(pairs[k].0), number_text(pairs[k].1));
        let words = format!("step {}: {quantity} {x}, {measure} {y}", steps[row]);
        drawing.point(&colour, *point, 2.2, &words);
    }
    panel.horizontal(&mut drawing, &name(quantity));
    Some((drawing, sentence))
}
