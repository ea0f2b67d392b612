//! Distance matrices.
//!
//! ```text
//! d(i, j) = min over the edges e from i to j of f(w_e)
//! ```
//!
//! f is the [`super::Transfer`] function. Without an edge (a weight of exactly zero is none) the distance is
//! infinite. Every distance is ≥ 0.

use rayon::prelude::*;

/// Distances from some neurons (rows) to others (columns).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distances {
    columns: usize,
    values: Vec<f64>, // rows × columns, ≥ 0, never NaN
    least: Vec<f64>,  // of each row
}

impl Distances {
    /// A matrix without edges, whose values reuse `memory`.
    pub fn none(rows: usize, columns: usize, mut memory: Vec<f64>) -> Self {
        memory.clear();
        memory.resize(rows * columns, f64::INFINITY);
        Self { columns, values: memory, least: vec![f64::INFINITY; rows] }
    }

    /// The matrix with these rows.
    ///
    /// # Panics
    /// When rows differ in length, or a distance is negative or NaN.
    pub fn from_rows<R: AsRef<[f64]>>(rows: &[R]) -> Self {
        let columns = rows.first().map_or(0, |row| row.as_ref().len());
        assert!(rows.iter().all(|row| row.as_ref().len() == columns), "rows of one length");
        let values: Vec<f64> = rows.iter().flat_map(|row| row.as_ref()).copied().collect();
        assert!(values.iter().all(|d| *d >= 0.0), "distances are at least 0");
        let mut distances = Self { columns, values, least: vec![0.0; rows.len()] };
        distances.find_least();
        distances
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.least.len()
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The distances from one neuron.
    ///
    /// # Panics
    /// When `row` is not below [`Self::rows`].
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.columns..(row + 1) * self.columns]
    }

    /// The least distance of each row.
    pub fn least(&self) -> &[f64] {
        &self.least
    }

    /// The memory of its values, for another matrix.
    pub fn into_memory(self) -> Vec<f64> {
        self.values
    }

    /// Changes the matrix row by row: `fill` gets the row's number and the row, in which it leaves
    /// distances (≥ 0, not NaN), and memory of its thread. Runs in the caller's rayon pool.
    pub fn fill_rows<S: Send>(
        &mut self,
        init: impl Fn() -> S + Sync + Send,
        fill: impl Fn(&mut S, usize, &mut [f64]) + Sync + Send,
    ) {
        let columns = self.columns.max(1);
        let rows = self.values.par_chunks_mut(columns).enumerate();
        rows.for_each_init(init, |scratch, (k, row)| fill(scratch, k, row));
        self.find_least();
    }

    /// Changes the matrix some rows at a time: `fill` gets the number of the first row, and the rows as in
    /// [`Self::fill_rows`].
    pub(crate) fn fill_tiles(
        &mut self,
        rows: usize,
        fill: impl Fn(usize, &mut [f64]) + Sync + Send,
    ) {
        let tiles = self.values.par_chunks_mut((rows * self.columns).max(1)).enumerate();
        tiles.for_each(|(tile, values)| fill(tile * rows, values));
        self.find_least();
    }

    fn find_least(&mut self) {
        if self.columns > 0 {
            let rows = self.values.par_chunks_exact(self.columns);
            let least = |row: &[f64]| row.iter().copied().fold(f64::INFINITY, f64::min);
            rows.map(least).collect_into_vec(&mut self.least);
        }
    }
}
