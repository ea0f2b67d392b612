//! ln N(r) against ln r for some neurons, with the lines whose slopes are their dimensions.

use super::drawing::{Anchor, Drawing, cut, name};
use super::figure::{Figure, error};
use super::panel::Panel;
use super::recorded::Recorded;
use super::scale::Scale;
use super::scaling::first_and_last;
use super::shades::{legend_above, shade};
use super::sheet::Sheet;
use super::stack::WIDE;

/// Panels in one row.
const COLUMNS: usize = 2;

/// Height of a panel.
const HEIGHT: f64 = 84.0;

/// Between the panels: two lines of words.
const GAP: f64 = 50.0;

pub(super) fn figure(run: &Recorded) -> Figure {
    let text = "How the mass N(r) of a neuron's box grows with its radius r, at the first and the newest \
                step, for one neuron of each of up to six layers (points: its occupied radii, 24 at \
                most). The slope of the line is the neuron's fractal dimension D; R² says whether the \
                points lie on it. The neurons stay the same over the run.";
    let drawing = draw(run).ok_or_else(|| {
        "there is no boxes.csv with a neuron of two radii (it comes with layers.csv; runs of older \
         versions have none)."
            .to_owned()
    });
    Figure::one("boxes", "Boxes of single neurons", text.to_owned(), drawing)
}

/// A neuron at a step.
struct Neuron {
    layer: String,
    number: String,
    points: Vec<(f64, f64)>, // ln r, ln N
    fit: Option<Fit>,
}

struct Fit {
    line: [(f64, f64); 2],
    dimension: f64,
    r2: Option<f64>,
}

impl Neuron {
    /// Reads a neuron from its rows at a step, the fit last.
    fn of(table: &Sheet, rows: &[&Vec<String>]) -> Option<Self> {
        let point = |row: &&Vec<String>| {
            Some((table.number(row, "r")?.ln(), table.number(row, "mass")?.ln()))
        };
        let points: Vec<(f64, f64)> = rows.iter().filter_map(point).collect();
        let (first, last) = (*points.first()?, *points.last()?);
        let row = rows.last()?;
        let numbers = table.number(row, "dimension").zip(table.number(row, "intercept"));
        let fit = numbers.map(|(dimension, intercept)| Fit {
            line: [first.0, last.0].map(|x| (x, intercept + dimension * x)),
            dimension,
            r2: table.number(row, "r2"),
        });
        let cell = |name: &str| table.cell(row, name).to_owned();
        Some(Self { layer: cell("layer"), number: cell("neuron"), points, fit })
    }

    fn is(&self, other: &Self) -> bool {
        (&self.layer, &self.number) == (&other.layer, &other.number)
    }

    fn reach(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.points.iter().copied().chain(self.fit.iter().flat_map(|fit| fit.line))
    }
}

fn neurons(table: &Sheet, rows: &[&Vec<String>]) -> Option<Vec<Neuron>> {
    let whose = |row: &Vec<String>| [table.cell(row, "layer"), table.cell(row, "neuron")].join(" ");
    let of_neuron = rows.chunk_by(|a, b| whose(a) == whose(b));
    let neurons: Vec<Neuron> = of_neuron.filter_map(|rows| Neuron::of(table, rows)).collect();
    neurons.iter().any(|neuron| neuron.fit.is_some()).then_some(neurons)
}

fn draw(run: &Recorded) -> Option<Drawing> {
    let steps = first_and_last(&run.boxes, |rows| neurons(&run.boxes, rows));
    let newest = &steps.last()?.1;
    let reach = || steps.iter().flat_map(|(_, neurons)| neurons.iter().flat_map(Neuron::reach));
    let x = Scale::of(reach().map(|p| p.0))?;
    let y = Scale::of(reach().map(|p| p.1))?;
    let left = Panel::margin_for_ticks(&y, HEIGHT);
    let columns = COLUMNS.min(newest.len());
    let wide = (WIDE - 8.0 + 12.0) / columns as f64 - left - 12.0;
    let rows = newest.len().div_ceil(columns);
    let height = rows as f64 * (HEIGHT + GAP) + 42.0;
    let mut drawing = Drawing::new(WIDE, height, "ln N against ln r for single neurons");
    let labels: Vec<String> = steps.iter().map(|(step, _)| step.clone()).collect();
    drawing.words("", Anchor::Start, (left, 9.0), "ln *N*(*r*)");
    legend_above(&mut drawing, (WIDE - 8.0, 9.0), &labels);
    for (k, shown) in newest.iter().enumerate() {
        let (row, column) = (k / columns, k % columns);
        let panel = Panel {
            left: left + column as f64 * (left + wide + 12.0),
            top: 48.0 + row as f64 * (HEIGHT + GAP),
            width: wide,
            height: HEIGHT,
            x,
            y,
        };
        panel.vertical(&mut drawing, "");
        let at = |lines: f64| (panel.left, panel.top - 6.0 - 11.0 * lines);
        let of = cut(&name(&format!("{}, neuron {}", shown.layer, shown.number)), wide);
        drawing.words("", Anchor::Start, at(1.0), &of);
        let (mut dimensions, mut shares) = (Vec::new(), Vec::new());
        for (k, (_, neurons)) in steps.iter().enumerate() {
            let Some(neuron) = neurons.iter().find(|neuron| neuron.is(shown)) else { continue };
            let shade = shade(k, steps.len());
            if let Some(fit) = &neuron.fit {
                drawing.path(&format!("line s-{shade}"), &fit.line.map(|(x, y)| panel.at(x, y)));
                dimensions.push(error(fit.dimension));
                shares.extend(fit.r2.map(|r2| format!("{r2:.2}")));
            }
            let dots = neuron.points.iter().map(|&(x, y)| panel.at(x, y));
            dots.for_each(|at| drawing.dot(&format!("f-{shade}"), at, 1.5));
        }
        let (dimensions, shares) = (dimensions.join(" → "), shares.join(" → "));
        let numbers = format!("*D* {dimensions}, *R*² {shares}");
        drawing.words("faint", Anchor::Start, at(0.0), &numbers);
        let lowest = k + columns >= newest.len();
        panel.horizontal(&mut drawing, if lowest { "ln *r*" } else { "" });
    }
    Some(drawing)
}
