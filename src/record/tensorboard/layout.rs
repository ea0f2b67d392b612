//! TensorBoard's sections, and its charts of several series (the tab Custom Scalars).
//!
//! TensorBoard sorts sections by their names, so that a number before each keeps the order of use.

use super::super::column::{Column, Kind};
use super::event::Category;

/// What the loop logs.
pub(super) const TRAIN: &str = "3_train";
/// Of each layer.
pub(super) const LAYERS: &str = "6_layers";

/// The section of a computed column; none where it is not shown.
pub(super) fn section<R>(column: &Column<R>) -> Option<&'static str> {
    Some(match column.kind {
        Kind::Structure => "1_structure",
        Kind::E => "2_E",
        Kind::Alpha0 | Kind::Width => "4_spectrum",
        Kind::Fit => "5_fit",
        Kind::Cost => "7_cost",
        Kind::Norm => "8_weights",
        Kind::Row | Kind::Note => return None,
    })
}

/// The charts, by category.
pub(super) const LAYOUT: [Category; 3] = [
    (
        "Structure",
        &[
            ("width_excess", &["1_structure/width_excess"]),
            ("alpha0_excess", &["1_structure/alpha0_excess"]),
            ("p", &["1_structure/width_excess_p", "1_structure/alpha0_excess_p"]),
        ],
    ),
    (
        "E and its controls",
        &[
            ("E, published", &["2_E/E", "2_E/E_shuffled"]),
            (
                "E, stable",
                &[
                    "2_E/E_stable",
                    "2_E/E_stable_shuffled",
                    "2_E/E_norm_matched",
                    "2_E/E_rescaled_start",
                ],
            ),
        ],
    ),
    ("Training", &[("loss", &["3_train/loss", "3_train/val_loss", "3_train/eval_loss"])]),
];

#[cfg(test)]
mod tests {
    use super::super::super::columns::columns;
    use super::*;

    #[test]
    fn charts_show_columns_that_exist() {
        let tags: Vec<String> = columns()
            .filter_map(|column| Some(format!("{}/{}", section(column)?, column.name)))
            .collect();
        for (_, charts) in LAYOUT {
            for tag in charts.iter().flat_map(|(_, tags)| *tags) {
                let logged = tag.starts_with(TRAIN);
                assert!(logged || tags.iter().any(|known| known == tag), "{tag}");
            }
        }
    }
}
