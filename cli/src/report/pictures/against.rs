//! E against what the loop logged.

use super::correlation::{lag, pearson, spearman};
use super::drawing::{Anchor, Drawing, name};
use super::figure::Figure;
use super::panel::Panel;
use super::recorded::Recorded;
use super::scale::Scale;
use super::shades::shade;
use super::stack::WIDE;
use super::style::SHADES;

/// Quantities that are drawn.
const MOST: usize = 6;

pub(super) fn figure(run: &Recorded) -> Figure {
    let mut text = "Each point is an analysed step, dark early and bright late, joined in order. r \
                    (Pearson) measures a straight line, ρ (Spearman) any steady rise or fall. Both \
                    are high whenever two quantities drift together, so they are no sign of a cause. \
                    The lag is the shift, in analysed steps, at which the two go together best."
        .to_owned();
    let logged = run.emergence.logged();
    let mut drawings = Vec::new();
    let mut without = Vec::new();
    for quantity in &logged {
        match draw(run, quantity) {
            Some(drawing) if drawings.len() < MOST => {
                drawings.push((format!("against-{}", file_name(quantity)), drawing.0));
                text += &drawing.1;
            }
            Some(_) => without.push(format!("{quantity} (beyond the first {MOST})")),
            None => without.push(format!(
                "{quantity} (constant, or fewer than three steps with E and a value)"
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
    Figure { name: "against", title: "E against what the loop logged".to_owned(), text, content }
}

/// Letters, digits and dashes.
fn file_name(quantity: &str) -> String {
    quantity.chars().map(|c| if c.is_alphanumeric() || c == '_' { c } else { '-' }).collect()
}

/// The picture and a sentence with its numbers.
fn draw(run: &Recorded, quantity: &str) -> Option<(Drawing, String)> {
    let values = run.emergence.numbers(quantity);
    let e = run.emergence.numbers("E");
    let pairs: Vec<(f64, f64)> =
        values.iter().zip(&e).filter_map(|(x, y)| Some(((*x)?, (*y)?))).collect();
    let (r, rho) = (pearson(&pairs)?, spearman(&pairs)?);
    let (shift, highest) = lag(&pairs)?;
    let signed = |value: f64| format!("{value:.2}").replace('-', "−");
    let (r, rho, highest) = (signed(r), signed(rho), signed(highest));
    let follows = match shift {
        0 => "no lag".to_owned(),
        1.. => format!("E follows by {shift}"),
        _ => format!("E leads by {}", -shift),
    };
    let n = pairs.len();
    let height = 130.0;
    let x = Scale::of(pairs.iter().map(|p| p.0))?;
    let y = Scale::of(pairs.iter().map(|p| p.1))?;
    let left = Panel::margin_for_ticks(&y, height);
    let title = format!("E against {quantity}");
    let mut drawing = Drawing::new(WIDE, height + 48.0, &name(&title));
    let panel = Panel { left, top: 20.0, width: WIDE - left - 12.0, height, x, y };
    panel.vertical(&mut drawing, "*E*");
    let numbers = format!("*r* {r} · *ρ* {rho} · *n* {n} · {follows} (*r* {highest})");
    drawing.words("faint", Anchor::End, (panel.right(), panel.top - 6.0), &numbers);
    let points: Vec<_> = pairs.iter().map(|&(x, y)| panel.at(x, y)).collect();
    drawing.path("grid", &points);
    for (k, point) in points.iter().enumerate() {
        let nth = k * SHADES / points.len();
        drawing.dot(&format!("f-{}", shade(nth, SHADES)), *point, 2.2);
    }
    panel.horizontal(&mut drawing, &name(quantity));
    let sentence = format!(
        " {quantity}: r = {r}, ρ = {rho} over {n} steps; highest |r| at {follows} (r = {highest})."
    );
    Some((drawing, sentence))
}
