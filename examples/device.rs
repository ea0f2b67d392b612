//! What a monitor costs when the weights lie on a GPU: how long a due step waits, how many bytes cross
//! the bus, and what counting on the device would take instead.
//!
//! ```text
//! cargo run --release --example device -- --device cuda                 # Pythia 160M
//! cargo run --release --example device -- --device cuda --blocks 24 --width 2048   # 1.4B
//! cargo run --release --example device -- --blocks 2 --width 128 --strided         # a trial on the CPU
//! ```
//!
//! docs/performance.md says what the lines decide. The counts of the device are compared with those of
//! the library, so this is a test of both.

use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Parser;
use neuromfa::Monitor;
use neuromfa::internals::counting::{EdgeLayout, EdgeMatrix, RadiusTable, count_edges};
use neuromfa::mfa::{Method, Values};
use tch::{Cuda, Device, Kind, Tensor};

/// Weights that are binned at once on the device: 40 MB of it.
const BLOCK: i64 = 1 << 20;

#[derive(Parser)]
struct Args {
    /// cpu, cuda, cuda:N or mps.
    #[arg(long, default_value = "cpu", value_parser = device)]
    device: Device,
    #[arg(long, default_value_t = 12)]
    blocks: usize,
    #[arg(long, default_value_t = 768)]
    width: i64,
    /// Store the weights in bf16.
    #[arg(long)]
    bf16: bool,
    /// Lay each matrix column by column: then it is copied on the CPU too.
    #[arg(long)]
    strided: bool,
    /// Due steps, and rounds of the parts.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
}

fn device(name: &str) -> Result<Device, String> {
    match name.split_once(':') {
        None if name == "cpu" => Ok(Device::Cpu),
        None if name == "cuda" => Ok(Device::Cuda(0)),
        None if name == "mps" => Ok(Device::Mps),
        Some(("cuda", n)) => n.parse().map(Device::Cuda).map_err(|e| format!("{n}: {e}")),
        _ => Err("cpu, cuda, cuda:N or mps".to_owned()),
    }
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let (device, width) = (args.device, args.width);
    let kind = if args.bf16 { Kind::BFloat16 } else { Kind::Float };
    tch::manual_seed(1);
    let mut weights = Vec::new();
    for block in 0..args.blocks {
        for (name, rows, columns) in [
            ("attention.query_key_value", 3 * width, width),
            ("attention.dense", width, width),
            ("mlp.dense_h_to_4h", 4 * width, width),
            ("mlp.dense_4h_to_h", width, 4 * width),
        ] {
            let tensor = Tensor::randn([rows, columns], (Kind::Float, device)) * 0.0228;
            let tensor = tensor.to_kind(kind);
            let tensor = if args.strided { tensor.tr().contiguous().tr() } else { tensor };
            weights.push((format!("gpt_neox.layers.{block}.{name}.weight"), tensor));
        }
    }
    let bytes: usize = weights.iter().map(|(_, w)| w.numel() * kind.elt_size_in_bytes()).sum();
    println!("{device:?}, {kind:?}: {} matrices, {:.1} MB", weights.len(), bytes as f64 / 1e6);

    let attach = || -> anyhow::Result<(Monitor, f64, tempfile::TempDir)> {
        let folder = tempfile::tempdir()?;
        let tensors = weights.iter().map(|(name, w)| (name.clone(), w.shallow_clone()));
        wait_for(device);
        let start = Instant::now();
        let monitor = Monitor::builder(folder.path()).every(1).quiet().attach_tensors(tensors)?;
        Ok((monitor, start.elapsed().as_secs_f64(), folder))
    };
    let mut processor = Vec::new();
    let attached = median(args.rounds, || {
        let before = processor_time();
        let (monitor, seconds, _folder) = attach()?;
        processor.push(processor_time().zip(before).map_or(0.0, |(after, before)| after - before));
        monitor.finish()?;
        Ok(seconds)
    })?;
    say("attach, step 0 included", attached, bytes);
    let mean = processor.iter().sum::<f64>() / processor.len() as f64;
    println!("  {:.0} ms of processor time on average", mean * 1e3);
    let (mut monitor, _, _folder) = attach()?;
    let due = median(args.rounds, || {
        for (_, weight) in &weights {
            let _ = weight.shallow_clone().neg_(); // every layer has changed, its counts are the same
        }
        wait_for(device);
        let start = Instant::now();
        let _ = monitor.tick(&[])?;
        let waited = start.elapsed().as_secs_f64();
        monitor.flush()?;
        Ok(waited)
    })?;
    monitor.finish()?;
    say("a due step, all on", due, bytes);

    let copied = median(args.rounds, || {
        timed(device, || {
            weights
                .iter()
                .map(|(_, w)| w.to_device(Device::Cpu).contiguous().numel())
                .sum::<usize>()
        })
    })?;
    say("copy into fresh memory", copied, bytes);
    let mut kept: Vec<Tensor> = Vec::new();
    for (_, weight) in &weights {
        let memory = Tensor::empty(weight.size(), (kind, Device::Cpu));
        let locked = matches!(device, Device::Cuda(_)).then(|| memory.f_pin_memory(device));
        kept.push(locked.and_then(Result::ok).unwrap_or(memory));
    }
    let copied = median(args.rounds, || {
        timed(device, || {
            kept.iter_mut().zip(&weights).for_each(|(memory, (_, weight))| memory.copy_(weight));
        })
    })?;
    say("copy into kept memory", copied, bytes);

    let bins = Bins::new(device, kind);
    let mut counts = Vec::new();
    let counted = median(args.rounds, || {
        timed(device, || counts = weights.iter().map(|(_, w)| bins.count(w)).collect())
    })?;
    let moved = counts.iter().map(|counts| counts.numel() * 8).sum();
    say("counting on the device", counted, moved);
    for ((name, weight), counts) in weights.iter().zip(&counts) {
        check(weight, counts).with_context(|| name.clone())?;
    }
    println!("  its counts are those of the library");
    if device != Device::Mps {
        let mut sums = Vec::new();
        let summed = median(args.rounds, || {
            timed(device, || sums = weights.iter().map(|(_, w)| sums_of_distances(w)).collect())
        })?;
        say("sums of distances in order, on the device", summed, 0);
        let mut pairs = weights.iter().zip(&sums);
        let same = pairs.all(|((_, weight), sums)| are_in_order(weight, sums));
        println!("  their bits are {}those of additions in order", if same { "" } else { "NOT " });
    }
    Ok(())
}

fn say(what: &str, seconds: f64, bytes: usize) {
    let rate = bytes as f64 / seconds / 1e9;
    println!("{what}: {:.1} ms; {:.1} MB, {rate:.1} GB/s", seconds * 1e3, bytes as f64 / 1e6);
}

/// The median of some rounds after one that is not counted.
fn median(rounds: usize, mut round: impl FnMut() -> anyhow::Result<f64>) -> anyhow::Result<f64> {
    round()?;
    let mut all = (0..rounds).map(|_| round()).collect::<anyhow::Result<Vec<_>>>()?;
    all.sort_by(f64::total_cmp);
    all.get(rounds / 2).copied().context("--rounds must be 1 or more")
}

fn timed<T>(device: Device, work: impl FnOnce() -> T) -> anyhow::Result<f64> {
    wait_for(device);
    let start = Instant::now();
    work();
    wait_for(device);
    Ok(start.elapsed().as_secs_f64())
}

/// Processor time of this program so far, where /proc tells it, at 100 ticks a second.
fn processor_time() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let ticks = stat.rsplit_once(')')?.1.split(' ').skip(12).take(2);
    Some(ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0)
}

fn wait_for(device: Device) {
    if let Device::Cuda(k) = device {
        Cuda::synchronize(k as i64);
    }
}

/// Where the slots change, as patterns of |w|, and the slot from each pattern on.
struct Bins {
    pattern: Kind, // the integers that the patterns are
    mask: i64,
    steps: Tensor,
    slots: Tensor,
    all: i64,
}

impl Bins {
    fn new(device: Device, kind: Kind) -> Self {
        let method = Method::default();
        let (pattern, shift) =
            if kind == Kind::BFloat16 { (Kind::Int16, 16) } else { (Kind::Int, 0) };
        let infinite = 0x7f80_0000u32 >> shift;
        let slot = |bits: u32| match bits {
            _ if bits >= infinite => 0,
            _ => method.slot_of_weight(f64::from(f32::from_bits(bits << shift))),
        };
        let (mut steps, mut slots) = (Vec::new(), vec![slot(0) as i64]);
        // Slots fall as |w| grows: between two patterns of one slot there is no other, except that
        // weights at both ends have slot 0. 1 lies between these ends.
        let one = 0x3f80_0000u32 >> shift;
        for (mut low, end) in [(0, one - 1), (one - 1, infinite)] {
            while slot(low) != slot(end) {
                let (mut below, mut at) = (low, end);
                while at - below > 1 {
                    let middle = below + (at - below) / 2;
                    if slot(middle) == slot(low) { below = middle } else { at = middle }
                }
                steps.push(at as i32);
                slots.push(slot(at) as i64);
                low = at;
            }
        }
        Self {
            pattern,
            mask: if shift == 0 { 0x7fff_ffff } else { 0x7fff },
            steps: Tensor::from_slice(&steps).to_kind(pattern).to_device(device),
            slots: Tensor::from_slice(&slots).to_device(device),
            all: method.slots() as i64,
        }
    }

    /// The counts of each column, `[columns, slots]`, in the computer's memory.
    fn count(&self, weight: &Tensor) -> Tensor {
        let (rows, columns) = weight.size2().expect("a matrix");
        let cells = columns * self.all;
        let mut counts = Tensor::zeros([cells], (Kind::Int64, weight.device()));
        let first = Tensor::arange(columns, (Kind::Int64, weight.device())) * self.all;
        for start in (0..rows).step_by((BLOCK / columns).max(1) as usize) {
            let some = weight.narrow(0, start, (BLOCK / columns).max(1).min(rows - start));
            let bits = some.view_dtype(self.pattern).bitwise_and(self.mask);
            let step = bits.bucketize(&self.steps, true, true).reshape([-1]);
            let slot = self.slots.index_select(0, &step).reshape([-1, columns]) + &first;
            counts += slot.reshape([-1]).bincount(None::<&Tensor>, cells);
        }
        counts.to_device(Device::Cpu).view([columns, self.all])
    }
}

/// Σ of the kept distances of each column, row after row, as the library sums them.
fn sums_of_distances(weight: &Tensor) -> Tensor {
    let (rows, columns) = weight.size2().expect("a matrix");
    let mut sum = Tensor::zeros([1, columns], (Kind::Double, weight.device()));
    let some_rows = (BLOCK / 4 / columns).max(1);
    for start in (0..rows).step_by(some_rows as usize) {
        let some = weight.narrow(0, start, some_rows.min(rows - start)).to_kind(Kind::Double);
        let distances = some.abs().reciprocal();
        let kept = distances.gt(1.0).logical_and(&distances.le(150.0));
        let kept = distances.where_scalarother(&kept, 0.0);
        let sums = Tensor::cat(&[&sum, &kept], 0).cumsum(0, Kind::Double);
        sum = sums.narrow(0, -1, 1).copy();
    }
    sum.to_device(Device::Cpu)
}

/// Whether these sums have the bits of additions one after the other, as in the library.
fn are_in_order(weight: &Tensor, sums: &Tensor) -> bool {
    let (values, columns) = values(weight);
    let mut expected = vec![0.0; columns];
    for row in values.chunks_exact(columns) {
        for (sum, value) in expected.iter_mut().zip(row) {
            let distance = 1.0 / f64::from(value.abs());
            *sum += if distance > 1.0 && distance <= 150.0 { distance } else { 0.0 };
        }
    }
    let sums = Vec::<f64>::try_from(sums.reshape([-1])).expect("sums in f64");
    sums.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits())
}

/// The values, widened exactly, and the number of columns.
fn values(weight: &Tensor) -> (Vec<f32>, usize) {
    let here = weight.to_device(Device::Cpu).to_kind(Kind::Float).reshape([-1]);
    let columns = weight.size()[1] as usize;
    (Vec::try_from(here).expect("values in f32"), columns)
}

/// Compares counts of the device with those of the library.
fn check(weight: &Tensor, counts: &Tensor) -> anyhow::Result<()> {
    let (values, columns) = values(weight);
    let layout = EdgeLayout::out_in(values.len() / columns, columns, 1);
    let matrix = EdgeMatrix::new(Values::F32(&values), layout).context("its layout")?;
    let table = RadiusTable::new(&Method::default());
    let mut expected = vec![0; counts.numel()];
    count_edges(&table, &[matrix], &mut expected);
    let counts = Vec::<i64>::try_from(counts.reshape([-1]))?;
    ensure!(counts.iter().zip(&expected).all(|(a, b)| *a == i64::from(*b)), "other counts");
    Ok(())
}
