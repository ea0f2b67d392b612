//! Data of the tasks. The seed chooses the split, the wrong labels and the noise.

use tch::{Device, Kind, Tensor};

use crate::plan::Family;

/// Inputs and what is to be learned.
pub type Set = (Tensor, Tensor);

/// The data of a run.
pub struct Data {
    pub training: Set,
    pub validation: Set,
    pub test: Set,
    /// Of the output.
    pub outputs: i64,
}

/// Characters that the next one is predicted from.
pub const CONTEXT: i64 = 12;
/// Different characters: ASCII, the last one for all others.
pub const CHARACTERS: i64 = 128;
/// Pixels to a side of an image.
pub const SIDE: i64 = 16;
const MODULUS: i64 = 23;

impl Data {
    /// After `tch::manual_seed`.
    pub fn of(family: Family) -> Self {
        match family {
            Family::Characters => characters(),
            Family::Wine => wine(0.0),
            Family::Wine20 => wine(0.2),
            Family::Wine40 => wine(0.4),
            Family::Modular => modular(),
            Family::Teacher => teacher(),
            Family::Shapes => shapes(),
        }
    }
}

fn shuffled(n: i64) -> Tensor {
    Tensor::randperm(n, (Kind::Int64, Device::Cpu))
}

fn normal(size: &[i64]) -> Tensor {
    Tensor::randn(size, (Kind::Float, Device::Cpu))
}

/// The first of them for training, the next for validation, the others for the test.
fn split(x: &Tensor, y: &Tensor, training: i64, validation: i64, outputs: i64) -> Data {
    let n = y.size()[0];
    let part = |from: i64, to: i64| (x.narrow(0, from, to - from), y.narrow(0, from, to - from));
    Data {
        training: part(0, training),
        validation: part(training, training + validation),
        test: part(training + validation, n),
        outputs,
    }
}

/// Sources of this repository, in blocks of 1024 characters: half of them for training, a quarter each for
/// validation and test.
fn characters() -> Data {
    let text = concat!(
        include_str!("../../src/mfa/parameters.rs"),
        include_str!("../../src/mfa/partition/mod.rs"),
        include_str!("../../src/mfa/partition/moments.rs"),
        include_str!("../../src/mfa/partition/table.rs"),
        include_str!("../../src/mfa/path_estimate.rs"),
        include_str!("../../src/mfa/min_plus.rs"),
        include_str!("../../src/mfa/regression.rs"),
        include_str!("../../src/mfa/neuron.rs"),
    );
    let last = CHARACTERS - 1;
    let tokens: Vec<i64> = text.chars().map(|c| (u32::from(c) as i64).min(last)).collect();
    let tokens = Tensor::from_slice(&tokens);
    let blocks = tokens.size()[0] / 1024;
    let blocks = tokens.narrow(0, 0, 1024 * blocks).view([blocks, 1024]);
    let count = blocks.size()[0];
    let blocks = blocks.index_select(0, &shuffled(count));
    // Every place of a block with a whole context before it; of validation and test one in eight.
    let windows = |from: i64, to: i64, stride: i64| {
        let windows = blocks.narrow(0, from, to - from).unfold(1, CONTEXT + 1, stride);
        let windows = windows.reshape([-1, CONTEXT + 1]);
        let next = windows.select(1, CONTEXT).contiguous();
        (windows.narrow(1, 0, CONTEXT).contiguous(), next)
    };
    let (half, rest) = (count / 2, count * 3 / 4);
    Data {
        training: windows(0, half, 1),
        validation: windows(half, rest, 8),
        test: windows(rest, count, 8),
        outputs: CHARACTERS,
    }
}

/// 1599 wines with 11 measurements, half of them for training.
fn wine(wrong: f64) -> Data {
    const GRADES: i64 = 6; // from 3
    let table = linfa_datasets::winequality();
    let wines: Vec<f32> = table.records().iter().map(|&value| value as f32).collect();
    let grades: Vec<i64> = table.targets().iter().map(|&grade| grade as i64 - 3).collect();
    let order = shuffled(grades.len() as i64);
    let wines = Tensor::from_slice(&wines).view([-1, 11]).index_select(0, &order);
    let grades = Tensor::from_slice(&grades).index_select(0, &order);
    let first = wines.narrow(0, 0, 800);
    let wines = (&wines - first.mean_dim(0, false, None)) / first.std_dim(0, true, false);
    // Another grade, at random, for some of the wines that are not in the test.
    let n = grades.size()[0];
    let other = (&grades + Tensor::randint_low(1, GRADES, [n], (Kind::Int64, Device::Cpu)))
        .remainder(GRADES);
    let seen = Tensor::arange(n, (Kind::Int64, Device::Cpu)).less(1200);
    let is_wrong = Tensor::rand([n], (Kind::Float, Device::Cpu)).less(wrong).logical_and(&seen);
    split(&wines, &other.where_self(&is_wrong, &grades), 800, 400, GRADES)
}

/// All pairs of numbers below 23, three fifths of them for training.
fn modular() -> Data {
    let pairs = shuffled(MODULUS * MODULUS);
    let (a, b) = (pairs.divide_scalar_mode(MODULUS, "floor"), pairs.remainder(MODULUS));
    let sums = (&a + &b).remainder(MODULUS);
    let x = Tensor::cat(&[a.one_hot(MODULUS), b.one_hot(MODULUS)], 1).to_kind(Kind::Float);
    let n = MODULUS * MODULUS;
    split(&x, &sums, n * 3 / 5, n / 5, MODULUS)
}

/// 16 inputs, a teacher with 8 hidden neurons; noise as large as the teacher's spread.
fn teacher() -> Data {
    let (n, seen) = (1400, 400);
    let x = normal(&[n, 16]);
    let hidden = (x.matmul(&normal(&[16, 8])) / 2.0).tanh();
    let y = hidden.matmul(&normal(&[8, 1]));
    let y = (&y - y.mean(None)) / y.std(true);
    let noise = normal(&[n, 1]);
    let _ = noise.narrow(0, seen, n - seen).zero_();
    split(&x, &(y + noise), 200, 200, 1)
}

/// Images with one of six shapes at a random place, in noise.
fn shapes() -> Data {
    const KINDS: i64 = 6;
    let n = 1200;
    let float = (Kind::Float, Device::Cpu);
    let kinds = Tensor::randint(KINDS, [n], (Kind::Int64, Device::Cpu));
    let place = |low: f64, high: f64| Tensor::rand([n, 1, 1], float) * (high - low) + low;
    let (row, column, size) = (place(5.0, 10.0), place(5.0, 10.0), place(2.5, 4.5));
    let grid = Tensor::arange(SIDE, float);
    let (y, x) = (grid.view([1, SIDE, 1]) - row, grid.view([1, 1, SIDE]) - column);
    let (ax, ay) = (x.abs(), y.abs());
    let square = ax.maximum(&ay) - &size;
    let disk = (x.square() + y.square()).sqrt() - &size;
    let diamond = &ax + &ay - &size;
    let cross = ax.minimum(&ay).maximum(&(&square + 0.7));
    let ring = disk.abs() - 0.8;
    let bars = (&ay - 1.5).abs().maximum(&(&ax - &size)) - 0.8;
    let all = [square, disk, diamond, cross - 0.7, ring, bars];
    let all: Vec<Tensor> = all.iter().map(|shape| shape.expand([n, SIDE, SIDE], true)).collect();
    let index = kinds.view([1, n, 1, 1]).expand([1, n, SIDE, SIDE], true);
    let shape = Tensor::stack(&all, 0).gather(0, &index, false).squeeze_dim(0);
    let images = (shape * -2.0).sigmoid() + normal(&[n, SIDE, SIDE]) * 0.3;
    split(&images.unsqueeze(1), &kinds, 400, 400, KINDS)
}
