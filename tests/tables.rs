//! The tables of the docs agree with the code, and with a run.

mod loops;

use std::path::Path;

use loops::{Table, set_weights, weights_at};
use neuromfa::internals::analysis::{Concern, WarningKind};
use neuromfa::internals::record::{Column, Kind, View, columns, hop_columns, layer_columns};
use neuromfa::{Architecture, Monitor, Samples};

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// A table in Markdown, without the columns that are empty.
fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = rows.collect();
    let used = |k: &usize| rows.iter().any(|cells| !cells[*k].is_empty());
    let used: Vec<usize> = (0..N).filter(used).collect();
    let cell = |cell: &str| if cell.is_empty() { " |".to_owned() } else { format!(" {cell} |") };
    let line = |of: &dyn Fn(usize) -> String| {
        format!("|{}\n", used.iter().map(|&k| cell(&of(k))).collect::<String>())
    };
    let mut text = line(&|k| head[k].to_owned()) + &format!("|{}\n", "---|".repeat(used.len()));
    rows.iter().for_each(|cells| text += &line(&|k| cells[k].replace('|', "\\|")));
    text
}

/// Compares the table below `<!-- table: NAME -->`, up to the next empty line.
fn check(page_name: &str, name: &str, expected: &str) {
    let text = page(page_name);
    let mark = format!("<!-- table: {name} -->\n");
    let (_, rest) = text.split_once(&mark).unwrap_or_else(|| {
        panic!("docs/{page_name} has no table of {name}. Add:\n\n{mark}{expected}")
    });
    let found = rest.split("\n\n").next().unwrap_or_default().trim_end();
    assert!(
        found == expected.trim_end(),
        "the table of {name} in docs/{page_name} is not that of the code. Replace it by:\n\n\
         {mark}{expected}"
    );
}

fn columns_table<R: 'static>(columns: impl Iterator<Item = &'static Column<R>>) -> String {
    let head = ["column", "what it is", "values", "how it is computed", "empty", "shown by"];
    let row = |column: &Column<R>| {
        let needs: Vec<&str> = column.needs.iter().map(|need| need.as_str()).collect();
        let without = (!needs.is_empty()).then(|| format!("without {}", needs.join(" or ")));
        let absent = (!column.absent.is_empty()).then(|| format!("if {}", column.absent));
        let empty: Vec<String> = without.into_iter().chain(absent).collect();
        let shown = column.views.iter().map(|view| match view {
            View::Show(_) => "show",
            View::Report => "report",
            View::Headline => "live, watch",
            View::Live(_) => "live",
            View::Sensitivity => "sensitivity",
            View::Layers => "TensorBoard by layer",
        });
        [
            format!("`{}`", column.name),
            column.meaning.to_owned(),
            column.range.to_owned(),
            column.equation.to_owned(),
            empty.join("; "),
            shown.collect::<Vec<_>>().join(", "),
        ]
    };
    table(head, columns.map(row))
}

#[test]
fn the_docs_have_the_columns_of_emergence_csv() {
    let tables: [(&str, &[Kind]); 6] = [
        ("alpha0 and width", &[Kind::Alpha0, Kind::Width]),
        ("structure", &[Kind::Structure]),
        ("E", &[Kind::E]),
        ("size of the weights", &[Kind::Norm]),
        ("what the estimators rest on", &[Kind::Fit]),
        ("the row itself", &[Kind::Row, Kind::Cost, Kind::Note]),
    ];
    for (name, kinds) in tables {
        let of_kind = columns().filter(|column| kinds.contains(&column.kind));
        check("quantities.md", name, &columns_table(of_kind));
    }
    let all = tables.iter().flat_map(|(_, kinds)| kinds.iter());
    assert!(columns().all(|column| all.clone().any(|kind| *kind == column.kind)));
}

#[test]
fn the_docs_have_the_columns_of_layers_csv_and_hops_csv() {
    // The measures of structure are those of emergence.csv.
    let own = layer_columns().filter(|column| {
        !columns().any(|c| {
            (c.name, c.meaning, c.equation) == (column.name, column.meaning, column.equation)
        })
    });
    check("quantities.md", "layers.csv", &columns_table(own));
    check("hops.md", "hops.csv", &columns_table(hop_columns()));
    let tags = layer_columns().filter(|column| column.views.contains(&View::Layers));
    let tags: Vec<&str> = tags.map(|column| column.name).collect();
    let cell =
        format!("| `6_layers/NAME/LAYER` | scalar | of each neuron layer: {} |", tags.join(", "));
    assert!(page("views.md").contains(&cell), "docs/views.md should have the line\n{cell}");
}

#[test]
fn the_docs_have_the_warnings() {
    let row = |kind: &WarningKind| {
        let concerns = match kind.concern() {
            Concern::Conclusion => "conclusion",
            Concern::Published => "published E",
        };
        let meaning = kind.meaning().to_owned();
        [format!("`{}`", kind.code()), kind.when(), meaning, concerns.to_owned()]
    };
    let head = ["code", "warns when", "what it means", "concerns"];
    check("quantities.md", "warnings", &table(head, WarningKind::ALL.iter().map(row)));
}

#[test]
fn the_docs_have_the_architectures_in_the_order_in_which_they_are_tried() {
    let text = page("architectures.md");
    let described: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let named = Architecture::ALL.into_iter().filter(|a| *a != Architecture::Custom);
    assert_eq!(described, named.map(Architecture::as_str).collect::<Vec<_>>());
}

#[test]
fn a_run_has_the_columns_of_the_tables() {
    let dir = tempfile::tempdir().unwrap();
    let weights = weights_at(0);
    let samples = Samples { neurons: 16, samples: 4, seed: 7 };
    let builder = Monitor::builder(dir.path()).every(10).sampled(samples).hops(2).threads(1);
    let mut monitor = builder.attach_source(weights.clone()).unwrap();
    set_weights(&weights, 10);
    let _ = monitor.step(10, &[("loss", 0.5)]).unwrap();
    monitor.finish().unwrap();
    let found = |name: &str| Table::read(dir.path(), name).columns;
    let mut emergence = found("emergence.csv");
    assert_eq!(emergence.remove(2), "loss", "what the loop logs comes after the time");
    assert_eq!(emergence, columns().map(|column| column.name).collect::<Vec<_>>());
    let after_step = |file: &str| {
        let mut columns = found(file);
        assert_eq!(columns.remove(0), "step");
        columns
    };
    let (layers, hops) = (after_step("layers.csv"), after_step("hops.csv"));
    assert_eq!(layers, layer_columns().map(|column| column.name).collect::<Vec<_>>());
    assert_eq!(hops, hop_columns().map(|column| column.name).collect::<Vec<_>>());
}

#[test]
fn every_column_says_what_it_is() {
    fn check<R: 'static>(columns: impl Iterator<Item = &'static Column<R>>) {
        let mut names = Vec::new();
        for column in columns {
            assert!(!column.meaning.is_empty(), "{} has no meaning", column.name);
            assert!(!column.meaning.ends_with('.'), "{}: a cell has no full stop", column.name);
            assert!(!names.contains(&column.name), "{} is there twice", column.name);
            names.push(column.name);
        }
    }
    check(columns());
    check(layer_columns());
    check(hop_columns());
}
