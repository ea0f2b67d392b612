//! Steps as colours.

use super::drawing::{Anchor, Drawing, FONT, width};
use super::style::SHADES;

/// The k-th of n steps: the name of its colour.
pub(super) fn shade(k: usize, n: usize) -> String {
    format!("k{}", (k * (SHADES - 1) + n.saturating_sub(1) / 2) / n.saturating_sub(1).max(1))
}

/// The steps with their colours, from this position down.
pub(super) fn legend(drawing: &mut Drawing, (x, y): (f64, f64), steps: &[String]) {
    drawing.words("faint", Anchor::Start, (x, y), "step");
    for (k, step) in steps.iter().enumerate() {
        let y = y + (FONT + 3.5) * (k + 1) as f64;
        let class = format!("line s-{}", shade(k, steps.len()));
        drawing.path(&class, &[(x, y - 3.0), (x + 12.0, y - 3.0)]);
        drawing.words("", Anchor::Start, (x + 17.0, y), step);
    }
}

/// The steps with their colours on one line that ends at this position.
pub(super) fn legend_above(drawing: &mut Drawing, (right, y): (f64, f64), steps: &[String]) {
    let mut x = right;
    for (k, step) in steps.iter().enumerate().rev() {
        let words = format!("step {step}");
        x -= width(&words);
        drawing.words("", Anchor::Start, (x, y), &words);
        let class = format!("line s-{}", shade(k, steps.len()));
        drawing.path(&class, &[(x - 15.0, y - 3.0), (x - 4.0, y - 3.0)]);
        x -= 26.0;
    }
}

#[cfg(test)]
mod tests {
    use super::shade;

    #[test]
    fn steps_take_the_whole_scale() {
        let names = |n| (0..n).map(|k| shade(k, n)).collect::<Vec<_>>();
        assert_eq!(names(2), ["k0", "k7"]);
        assert_eq!(names(8), ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"]);
        assert_eq!(names(1), ["k0"]);
    }
}
