//! Small networks without structure, and with a known one.

use neuromfa::network::Parameter;
use neuromfa::source::{Memory, SourceError};
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use rand_xoshiro::Xoshiro256PlusPlus;

/// A shape: names, dimensions ([out, in] or [out, in, taps..]) and standard deviations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Four matrices of 128 × 128.
    Mlp,
    /// 64-100-10.
    Small,
    /// 300-1200-40.
    Wide,
    /// 300-2400-40: more sources than a draw deals.
    Share,
    /// Three convolutions: 3, 16, 32 and 32 channels, kernels of 3 × 3.
    Conv,
    /// GPT-NeoX of two blocks, width 128.
    Neox128,
    /// GPT-NeoX of two blocks, width 768.
    Neox768,
    /// As Conv, and a matrix of 32 × 32 equal weights.
    #[allow(dead_code)] // in tests only
    Flat,
}

impl Shape {
    pub const ALL: [Self; 7] =
        [Self::Mlp, Self::Small, Self::Wide, Self::Share, Self::Conv, Self::Neox128, Self::Neox768];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Mlp => "4 x 128^2",
            Self::Small => "64-100-10",
            Self::Wide => "300-1200-40",
            Self::Share => "300-2400-40",
            Self::Conv => "conv 3-16-32-32",
            Self::Neox128 => "neox 2 x 128",
            Self::Neox768 => "neox 2 x 768",
            Self::Flat => "conv 3-16-32-32 and equal weights",
        }
    }

    fn tensors(self) -> Vec<(Parameter, f64)> {
        // PyTorch's layout; the standard deviation is 1/√(inputs of a target) unless said.
        let chain = |widths: &[usize], taps: &[usize]| {
            let pairs = widths.windows(2).enumerate();
            let one = |(k, pair): (usize, &[usize])| {
                let mut shape = vec![pair[1], pair[0]];
                shape.extend(taps);
                let inputs: usize = shape[1..].iter().product();
                (Parameter::new(format!("{k}.weight"), shape), 1.0 / (inputs as f64).sqrt())
            };
            pairs.map(one).collect()
        };
        match self {
            Self::Mlp => chain(&[128; 5], &[]),
            Self::Small => chain(&[64, 100, 10], &[]),
            Self::Wide => chain(&[300, 1200, 40], &[]),
            Self::Share => chain(&[300, 2400, 40], &[]),
            Self::Conv => chain(&[3, 16, 32, 32], &[3, 3]),
            Self::Neox128 => neox(2, 128),
            Self::Neox768 => neox(2, 768),
            Self::Flat => {
                let flat = (Parameter::new("3.weight", [32, 32, 3, 3]), 0.0);
                Self::Conv.tensors().into_iter().chain([flat]).collect()
            }
        }
    }
}

/// GPT-NeoX's blocks, with its initialisation.
fn neox(blocks: usize, d: usize) -> Vec<(Parameter, f64)> {
    let (small, wang) =
        ((2.0 / (5.0 * d as f64)).sqrt(), 2.0 / (blocks as f64 * (d as f64).sqrt()));
    let block = |i: usize| {
        [
            ("attention.query_key_value", [3 * d, d], small),
            ("attention.dense", [d, d], wang),
            ("mlp.dense_h_to_4h", [4 * d, d], small),
            ("mlp.dense_4h_to_h", [d, 4 * d], wang),
        ]
        .map(|(name, shape, std)| {
            (Parameter::new(format!("gpt_neox.layers.{i}.{name}.weight"), shape), std)
        })
    };
    (0..blocks).flat_map(block).collect()
}

/// How the weights change between two looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Nothing: the same file twice.
    Same,
    /// Fresh weights of the same spread.
    Fresh,
    /// Fresh weights of 1.5 times the spread.
    FreshWider,
    /// Every weight grows by the same factor, 1.5 at the end.
    Growth,
    /// Each weight walks at random: at the end by half of its standard deviation.
    Walk,
    /// Each weight drifts up or down at one speed, as with Adam: at the end by half of its standard
    /// deviation.
    Drift,
    /// Structure: the weights of each source neuron times a lognormal factor of this spread, and all
    /// weights times `scale`.
    Lognormal { spread: f64, scale: f64 },
}

impl Kind {
    /// Runs without structure.
    pub const NULL: [Self; 6] =
        [Self::Same, Self::Fresh, Self::FreshWider, Self::Growth, Self::Walk, Self::Drift];

    pub fn name(self) -> String {
        match self {
            Self::Same => "same file twice".to_owned(),
            Self::Fresh => "fresh weights".to_owned(),
            Self::FreshWider => "fresh, 1.5 x spread".to_owned(),
            Self::Growth => "growth by 1.5".to_owned(),
            Self::Walk => "random walk".to_owned(),
            Self::Drift => "drift per weight".to_owned(),
            Self::Lognormal { spread, scale } => {
                format!("lognormal {} %, scale {scale}", 100.0 * spread)
            }
        }
    }
}

/// A network whose weights change from look to look.
pub struct Run {
    pub weights: Memory,
    tensors: Vec<(Parameter, f64)>,
    first: Vec<Vec<f32>>,
    now: Vec<Vec<f32>>,
    kind: Kind,
    looks: usize, // after the first
    rng: Xoshiro256PlusPlus,
    drift: Vec<Vec<f32>>,
}

impl Run {
    /// The weights of step 0, which change for this many more looks.
    pub fn new(shape: Shape, kind: Kind, looks: usize, seed: u64) -> Result<Self, SourceError> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let tensors = shape.tensors();
        let first: Vec<Vec<f32>> =
            tensors.iter().map(|(p, std)| gaussian(p, *std, &mut rng)).collect();
        let drift = match kind {
            Kind::Drift => first.iter().map(|w| signs(w.len(), &mut rng)).collect(),
            _ => Vec::new(),
        };
        let weights = Memory::new();
        let run = Self { weights, tensors, now: first.clone(), first, kind, looks, rng, drift };
        run.show()?;
        Ok(run)
    }

    /// Changes the weights to those of the `look`-th look, 1 to all of them; looks come in order.
    pub fn look(&mut self, look: usize) -> Result<(), SourceError> {
        let progress = look as f64 / self.looks as f64;
        for k in 0..self.tensors.len() {
            let (parameter, std) = &self.tensors[k];
            let (first, now) = (&self.first[k], &mut self.now[k]);
            let scaled = |factor: f64| first.iter().map(|w| w * factor as f32).collect();
            match self.kind {
                Kind::Same => {}
                Kind::Fresh => *now = gaussian(parameter, *std, &mut self.rng),
                Kind::FreshWider => *now = gaussian(parameter, 1.5 * std, &mut self.rng),
                Kind::Growth => *now = scaled(1.0 + 0.5 * progress),
                Kind::Walk => {
                    let step =
                        gaussian(parameter, 0.5 * std / (self.looks as f64).sqrt(), &mut self.rng);
                    now.iter_mut().zip(&step).for_each(|(w, step)| *w += step);
                }
                Kind::Drift => {
                    let by = (0.5 * std * progress) as f32;
                    let moved = first.iter().zip(&self.drift[k]).map(|(w, sign)| w + by * sign);
                    *now = moved.collect();
                }
                Kind::Lognormal { spread, scale } => {
                    *now = scaled(scale);
                    let (inputs, taps) =
                        (parameter.shape[1], parameter.shape[2..].iter().product::<usize>());
                    let factors: Vec<f32> = (0..inputs)
                        .map(|_| (spread * self.rng.sample::<f64, _>(StandardNormal)).exp() as f32)
                        .collect();
                    let source = |at: usize| at / taps % inputs;
                    now.iter_mut().enumerate().for_each(|(at, w)| *w *= factors[source(at)]);
                }
            }
        }
        self.show()
    }

    fn show(&self) -> Result<(), SourceError> {
        let mut all = self.tensors.iter().zip(&self.now);
        all.try_for_each(|((p, _), now)| self.weights.set(&p.name, &p.shape, now.clone()))
    }
}

fn gaussian(parameter: &Parameter, std: f64, rng: &mut Xoshiro256PlusPlus) -> Vec<f32> {
    let n = parameter.shape.iter().product();
    if std == 0.0 {
        return vec![0.05; n];
    }
    (0..n).map(|_| rng.sample::<f32, _>(StandardNormal) * std as f32).collect()
}

fn signs(n: usize, rng: &mut Xoshiro256PlusPlus) -> Vec<f32> {
    (0..n).map(|_| if rng.random() { 1.0 } else { -1.0 }).collect()
}
