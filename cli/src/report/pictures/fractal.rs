//! E of the published estimator, and what E is made of, over steps.

use super::emergence::{column, published};
use super::figure::Figure;
use super::level::{Level, Marks};
use super::recorded::Recorded;
use super::stack::stack;

pub(super) fn figure(run: &Recorded) -> Figure {
    let level = |title: &str, published: &str, stable: &str| Level {
        title: title.to_owned(),
        height: 90.0,
        lines: vec![
            column(run, published, ("c1", ""), "published"),
            column(run, stable, ("c2", "dash"), "stable"),
        ],
        wide: false,
        with: vec![],
    };
    let levels = vec![
        published(run),
        level("*α*_{0}, where the spectrum peaks", "alpha0", "alpha0_stable"),
        level("*w*, width of the spectrum", "width", "width_stable"),
    ];
    let several = run.all.rows > 1;
    let drawing = stack(("E, alpha0 and width over steps", "fractal"), levels, &Marks::none(run));
    let drawing = match drawing {
        Some(drawing) if several => Ok(drawing),
        Some(_) => Err("one analysed step is no course; its values are in the table.".to_owned()),
        None => Err("no step has a value of alpha0 or of the width.".to_owned()),
    };
    let text = "E of the published estimator, with a band of one standard error and E of shuffled \
                weights. Below, the two numbers that E is made of. alpha0 is the dimension of a typical neuron's \
                neighbourhood: it falls where weights become more regular. The width w says how much \
                neurons differ. Their band is one standard deviation over the samples of the published \
                estimator; the stable one sees the whole network on a fixed grid of radii, so the two \
                do not lie on one another. A jump of the published line alone is the estimator's.";
    Figure::one("fractal", "E, alpha0 and width", text.to_owned(), drawing)
}
