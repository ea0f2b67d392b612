//! The multifractal spectrum as an image: f over alpha with one standard deviation.
//!
//! Axes end at round numbers, so that those of most steps are the same and the curve is seen to move.

use super::png::png;
use crate::analysis::SpectrumPoint;

/// As wide as TensorBoard shows images: larger ones lose every third pixel.
const WIDTH: usize = 350;
const HEIGHT: usize = 250;

/// The plane within the image.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 330.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 224.0;

/// About how many spaces the grid lines of an axis leave.
const STEPS: f64 = 4.0;

const COLOURS: [[u8; 3]; 5] =
    [[255, 255, 255], [218, 218, 218], [197, 220, 236], [0, 114, 178], [64, 64, 64]];
const GRID: u8 = 1;
const BAND: u8 = 2;
const CURVE: u8 = 3;
const INK: u8 = 4;

/// A PNG image.
pub(super) struct Image {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) png: Vec<u8>,
}

/// The image of a spectrum; none of one without alpha and f.
pub(super) fn spectrum(points: &[SpectrumPoint]) -> Option<Image> {
    let curve: Vec<[f64; 3]> = points
        .iter()
        .filter_map(|p| Some([p.alpha?, p.f?, p.f_std.unwrap_or(0.0)]))
        .filter(|values| values.iter().all(|v| v.is_finite()))
        .collect();
    let x = Axis::over(curve.iter().map(|p| p[0]), [LEFT, RIGHT])?;
    let y = Axis::over(curve.iter().flat_map(|p| [p[1] - p[2], p[1] + p[2]]), [BOTTOM, TOP])?;
    let mut canvas = Canvas { pixels: vec![0; WIDTH * HEIGHT] };
    for (at, label) in x.ticks() {
        canvas.line([at, TOP], [at, BOTTOM], GRID, 1);
        canvas.words(at - label.len() as f64 * 4.0, BOTTOM + 8.0, &label);
    }
    for (at, label) in y.ticks() {
        canvas.line([LEFT, at], [RIGHT, at], GRID, 1);
        canvas.words(LEFT - 6.0 - label.len() as f64 * 8.0, at - 5.0, &label);
    }
    let places = |sign: f64| curve.iter().map(move |p| (p[0], p[1] + sign * p[2]));
    let place = |(alpha, f): (f64, f64)| [x.at(alpha), y.at(f)];
    let edges: Vec<_> = places(-1.0).map(place).zip(places(1.0).map(place)).collect();
    for pair in edges.windows(2) {
        canvas.band(pair[0], pair[1]);
    }
    let line: Vec<_> = places(0.0).map(place).collect();
    for pair in line.windows(2) {
        canvas.line(pair[0], pair[1], CURVE, 2);
    }
    Some(Image { width: WIDTH, height: HEIGHT, png: png(WIDTH, &canvas.pixels, &COLOURS) })
}

/// From a multiple of a round step to another.
struct Axis {
    step: f64,
    ends: [i64; 2], // multiples of the step
    places: [f64; 2],
}

impl Axis {
    fn over(values: impl Iterator<Item = f64> + Clone, places: [f64; 2]) -> Option<Self> {
        let (low, high) = (values.clone().reduce(f64::min)?, values.reduce(f64::max)?);
        let raw = (high - low).max(1e-3 * high.abs()).max(1e-6) / STEPS;
        let power = 10f64.powi(raw.log10().floor() as i32);
        let round = [1.0, 2.0, 5.0].into_iter().map(|factor| factor * power);
        let step = round.into_iter().find(|step| *step >= raw).unwrap_or(10.0 * power);
        let (first, last) = ((low / step).floor() as i64, (high / step).ceil() as i64);
        Some(Self { step, ends: [first, last.max(first + 1)], places })
    }

    fn at(&self, value: f64) -> f64 {
        let [first, last] = self.ends.map(|k| k as f64);
        let share = (value / self.step - first) / (last - first);
        self.places[0] + share * (self.places[1] - self.places[0])
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        let digits = (-self.step.log10()).ceil().max(0.0) as usize;
        let tick = |k: i64| {
            let value = k as f64 * self.step;
            let label = if k == 0 { "0".to_owned() } else { format!("{value:.digits$}") };
            (self.at(value), label)
        };
        (self.ends[0]..=self.ends[1]).map(tick).collect()
    }
}

struct Canvas {
    pixels: Vec<u8>,
}

impl Canvas {
    /// A square of pixels; what lies outside is left out.
    fn square(&mut self, x: f64, y: f64, size: usize, colour: u8) {
        let (x, y) = (x.round() as i64, y.round() as i64);
        let within = |v: i64, limit: usize| usize::try_from(v).ok().filter(|v| *v < limit);
        for (dx, dy) in (0..size * size).map(|k| (k % size, k / size)) {
            let at = within(x + dx as i64, WIDTH).zip(within(y + dy as i64, HEIGHT));
            if let Some((x, y)) = at {
                self.pixels[y * WIDTH + x] = colour;
            }
        }
    }

    fn line(&mut self, from: [f64; 2], to: [f64; 2], colour: u8, size: usize) {
        let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
        let steps = dx.abs().max(dy.abs()).ceil().max(1.0) as usize;
        for k in 0..=steps {
            let share = k as f64 / steps as f64;
            self.square(from[0] + share * dx, from[1] + share * dy, size, colour);
        }
    }

    /// Fills between two places one above the other and the next two.
    fn band(&mut self, (low, high): ([f64; 2], [f64; 2]), (low_to, high_to): ([f64; 2], [f64; 2])) {
        let dx = low_to[0] - low[0];
        let steps = dx.abs().ceil().max(1.0) as usize;
        for k in 0..=steps {
            let share = k as f64 / steps as f64;
            let x = low[0] + share * dx;
            let y = |from: [f64; 2], to: [f64; 2]| from[1] + share * (to[1] - from[1]);
            self.line([x, y(low, low_to)], [x, y(high, high_to)], BAND, 1);
        }
    }

    /// Digits, points and minus signs, 8 pixels each.
    fn words(&mut self, x: f64, y: f64, text: &str) {
        for (k, c) in text.chars().enumerate() {
            let Some(glyph) = glyph(c) else { continue };
            for bit in (0..15).filter(|bit| glyph >> (14 - bit) & 1 == 1) {
                let (column, row) = (f64::from(bit % 3), f64::from(bit / 3));
                let at = x + k as f64 * 8.0 + 2.0 * column;
                self.square(at, y + 2.0 * row, 2, INK);
            }
        }
    }
}

/// Three columns by five rows, the first row in the highest bits.
fn glyph(c: char) -> Option<u16> {
    Some(match c {
        '0' => 0b111_101_101_101_111,
        '1' => 0b010_110_010_010_111,
        '2' => 0b111_001_111_100_111,
        '3' => 0b111_001_111_001_111,
        '4' => 0b101_101_111_001_001,
        '5' => 0b111_100_111_001_111,
        '6' => 0b111_100_111_101_111,
        '7' => 0b111_001_010_010_010,
        '8' => 0b111_101_111_101_111,
        '9' => 0b111_101_111_001_111,
        '.' => 0b000_000_000_000_010,
        '-' => 0b000_000_111_000_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        let axis = Axis::over([0.43, 0.77].into_iter(), [0.0, 100.0]).unwrap();
        let labels: Vec<String> = axis.ticks().into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, ["0.4", "0.5", "0.6", "0.7", "0.8"]);
        assert!((axis.at(0.5) - 25.0).abs() < 1e-9);
        let flat = Axis::over([0.0, 0.0].into_iter(), [0.0, 1.0]).unwrap();
        assert!(flat.ends[1] > flat.ends[0]);
        assert!(Axis::over(std::iter::empty(), [0.0, 1.0]).is_none());
    }

    #[test]
    fn a_spectrum_without_alpha_has_no_image() {
        assert!(spectrum(&[]).is_none());
    }
}
