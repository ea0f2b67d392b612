//! How convolutions lie that no chain explains: their groups, and which are transposed.
//!
//! No shape shows the groups of `[out, in/groups, taps..]`. A convolution that reads one channel is
//! depthwise if its name says so, the matrix before it gives as many channels as it has outputs, or it
//! recurs, unless it is the first of all, which reads grey pictures;
//! one that reads 1/g of the channels before it, where no matrix gives as few, has g groups.

use std::collections::{HashMap, HashSet};

use super::Orientation;
use super::select::{Evidence, Matrix};

/// Groups of each matrix, 1 for most.
pub(super) fn groups(matrices: &[Matrix<'_>]) -> Vec<usize> {
    let kernel = |m: &Matrix<'_>| m.taps() > 1 || m.shape().len() > 2;
    let reads_one = |m: &Matrix<'_>| kernel(m) && m.taps() > 1 && m.inputs() == 1;
    let given: HashSet<usize> = matrices.iter().map(Matrix::outputs).collect();
    let single = matrices.iter().filter(|m| reads_one(m)).count();
    let stem = matrices.iter().any(|m| kernel(m) && (2..5).contains(&m.inputs()));
    let first = matrices.iter().position(kernel);
    let mut widths: HashMap<&str, HashSet<usize>> = HashMap::new(); // in the modules around
    let mut alike: HashMap<(String, &[usize]), usize> = HashMap::new(); // in several blocks
    for matrix in matrices {
        if reads_one(matrix) {
            *alike.entry((unnumbered(matrix.path()), matrix.shape())).or_default() += 1;
            continue;
        }
        for module in around(matrix.path()) {
            widths.entry(module).or_default().extend([matrix.inputs(), matrix.outputs()]);
        }
    }
    let of = |(k, matrix): (usize, &Matrix<'_>)| {
        let last = k.checked_sub(1).map(|before| &matrices[before]);
        let last = last.filter(|last| near(last.path(), matrix.path()));
        let (outputs, inputs) = (matrix.outputs(), matrix.inputs());
        if !kernel(matrix) || matrix.orientation == Orientation::InOut || matrix.put_back {
            return 1;
        }
        if reads_one(matrix) {
            let near = || {
                let mut around = around(matrix.path());
                around.any(|module| widths.get(module).is_some_and(|w| w.contains(&outputs)))
            };
            let follows = last.is_some_and(|l| l.outputs() == outputs && l.inputs() > 1);
            let recurs = || alike[&(unnumbered(matrix.path()), matrix.shape())] > 1;
            // The first convolution of all may read grey pictures.
            let begins = first == Some(k) && !stem && last.is_none();
            let listed = || matrix.path().ends_with(|c: char| c.is_ascii_digit());
            let depthwise = sounds_depthwise(matrix.path())
                || follows
                || !(begins && listed()) && recurs()
                || !begins && (single > 1 || stem) && near();
            return if depthwise { outputs } else { 1 };
        }
        // What reads equally many stands next to it.
        let other = |last: &&Matrix<'_>| last.inputs() != inputs || !kernel(last);
        let Some(before) = matrices[..k].iter().rev().find(other) else { return 1 };
        let channels = before.outputs();
        let divides = channels > inputs
            && channels.is_multiple_of(inputs)
            && outputs.is_multiple_of(channels / inputs);
        let follows =
            near(before.path(), matrix.path()) && channels == outputs && matrix.taps() > 1;
        if divides && (follows || !given.contains(&inputs)) { channels / inputs } else { 1 }
    };
    matrices.iter().enumerate().map(of).collect()
}

/// The modules around a tensor, the three nearest.
fn around(path: &str) -> impl Iterator<Item = &str> {
    fn up<'p>(path: &&'p str) -> Option<&'p str> {
        path.rsplit_once('.').map(|(around, _)| around)
    }
    std::iter::successors(up(&path), up).take(3)
}

/// Whether two tensors share one of the two nearest modules.
fn near(one: &str, other: &str) -> bool {
    around(one).take(2).any(|module| around(other).take(2).any(|m| m == module))
}

/// A path without its numbers.
fn unnumbered(path: &str) -> String {
    path.split('.').filter(|s| s.parse::<u32>().is_err()).collect::<Vec<_>>().join(".")
}

fn sounds_depthwise(path: &str) -> bool {
    path.split('.').any(|segment| {
        let segment = segment.to_ascii_lowercase();
        segment.contains("depthwise")
            || segment.contains("dwconv")
            || segment.split('_').any(|word| matches!(word, "dw" | "dilated" | "lepe"))
            || matches!(segment.as_str(), "conv1d" | "conv_1d" | "short_conv" | "cheap_operation")
    })
}

/// Turns kernels that only fit the other way round between their neighbours in a list, or stand
/// next to one that was shown to be transposed and has the same kernel.
pub(super) fn oriented<'a>(matrices: &[Matrix<'a>]) -> Vec<Matrix<'a>> {
    let mut turned = matrices.to_vec();
    let list = |m: &Matrix<'a>| m.path().rsplit_once('.').map_or("", |(list, _)| list);
    let shown: HashSet<(&str, &[usize])> = matrices
        .iter()
        .filter(|m| m.shape().len() > 2 && m.orientation == Orientation::InOut)
        .map(|m| (list(m), &m.shape()[2..]))
        .collect();
    for matrix in &mut turned {
        let usual = matrix.evidence == Evidence::Usual && matrix.shape().len() > 2;
        if usual && shown.contains(&(list(matrix), &matrix.shape()[2..])) {
            *matrix = matrix.turned();
        }
    }
    turned
}
