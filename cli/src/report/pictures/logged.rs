//! What the loop logged at each step, read row by row: metrics.csv, or emergence.csv where the loop
//! logged nothing in the former.

use std::path::{Path, PathBuf};

use neuromfa::RecordError;
use neuromfa::internals::record::{EMERGENCE, METRICS, ROLLED_BACK, Rows};

use super::axis::Axis;
use super::panel::Values;
use super::sheet::{finite, logged};

/// A logged quantity over steps, thinned out: each point is the mean of the finite values of as many
/// consecutive rows.
#[derive(Debug)]
pub(super) struct Means {
    pub(super) x: Vec<f64>,
    /// Seconds since the run began; none if a row lacks its time.
    pub(super) seconds: Option<Vec<f64>>,
    pub(super) y: Values,
    /// Rows of a point.
    pub(super) each: usize,
    /// The last finite value.
    pub(super) last: Option<f64>,
}

/// The table of what the loop logged.
#[derive(Debug)]
pub(super) struct Logged {
    path: PathBuf,
    columns: Vec<String>,
    rows: usize,
    /// Of the first row and of the last one.
    pub(super) times: [Option<f64>; 2],
    /// The steps at which weights were set back to those of an earlier step.
    pub(super) rolled_back: Vec<f64>,
}

impl Logged {
    /// # Errors
    /// [`RecordError`] when a table of the folder cannot be read.
    pub(super) fn read(folder: &Path) -> Result<Self, RecordError> {
        let metrics = folder.join(METRICS);
        let of_loop = metrics.exists().then(|| Self::of(metrics)).transpose()?;
        let own = of_loop.as_ref().is_some_and(|table| !table.names().is_empty());
        let (times, rolled_back) =
            of_loop.as_ref().map_or_else(Default::default, |t| (t.times, t.rolled_back.clone()));
        match of_loop.filter(|_| own) {
            Some(table) => Ok(table),
            None => Ok(Self { times, rolled_back, ..Self::of(folder.join(EMERGENCE))? }),
        }
    }

    fn of(path: PathBuf) -> Result<Self, RecordError> {
        let mut table = Rows::open(&path)?;
        let [time, back] = ["wall_time", ROLLED_BACK].map(|name| table.column(name));
        let columns = table.columns().to_vec();
        let (mut rows, mut times, mut rolled_back) = (0, [None; 2], Vec::new());
        while let Some(row) = table.read()? {
            let number = |column: Option<usize>| finite(&row.cells[column?]);
            times = [if rows == 0 { number(time) } else { times[0] }, number(time)];
            rolled_back.extend(number(back).map(|_| row.step as f64));
            rows += 1;
        }
        Ok(Self { path, columns, rows, times, rolled_back })
    }

    /// The names of what was logged.
    pub(super) fn names(&self) -> Vec<&str> {
        logged(&self.columns)
    }

    /// The logged quantity that is the loss, if one is.
    pub(super) fn loss(&self) -> Option<&str> {
        let logged = self.names();
        let named = ["loss", "train_loss", "training_loss", "loss/train", "train/loss"];
        let by_name = named.iter().find_map(|name| logged.iter().find(|c| *c == name));
        by_name.or_else(|| logged.iter().find(|c| c.to_lowercase().contains("loss"))).copied()
    }

    /// A quantity as an axis; none if it was not logged.
    pub(super) fn axis(&self, name: &str) -> Result<Option<Axis>, RecordError> {
        let Some(column) = self.names().contains(&name).then(|| self.column(name)).flatten() else {
            return Ok(None);
        };
        let mut values = Vec::new();
        for row in Rows::open(&self.path)? {
            let row = row?;
            values.extend(finite(&row.cells[column]).map(|value| (row.step as f64, value)));
        }
        Ok(Some(Axis::logged(name, values)))
    }

    /// A quantity at up to `points` points of an axis, in a run that began at this time.
    pub(super) fn means(
        &self,
        name: &str,
        points: usize,
        axis: &Axis,
        start: Option<f64>,
    ) -> Result<Means, RecordError> {
        let each = self.rows.div_ceil(points.max(1)).max(1);
        let mut means =
            Means { x: vec![], seconds: start.map(|_| vec![]), y: vec![], each, last: None };
        let (column, time) = (self.column(name), self.column("wall_time"));
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let mut rows = Rows::open(&self.path)?;
        loop {
            let [mut x, mut seconds, mut there] = [(); 3].map(|()| Vec::with_capacity(each));
            while x.len() < each
                && let Some(row) = rows.read()?
            {
                let number = |column: Option<usize>| finite(&row.cells[column?]);
                x.push(axis.at(row.step as f64));
                seconds.extend(number(time).zip(start).map(|(time, start)| time - start));
                there.extend(number(column));
            }
            if x.is_empty() {
                return Ok(means);
            }
            means.x.push(mean(&x));
            means.y.push((!there.is_empty()).then(|| mean(&there)));
            means.seconds = means.seconds.take().filter(|_| seconds.len() == x.len());
            means.seconds.iter_mut().for_each(|all| all.push(mean(&seconds)));
            means.last = there.last().copied().or(means.last);
        }
    }

    fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }
}
