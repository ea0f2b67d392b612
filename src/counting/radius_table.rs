//! From an f32 weight to its radius without a division.
//!
//! The slot of a weight is a step function of the bits of |w|. The table finds the float at which
//! each step lies by bisection on the plain f64 code ([`Method::slot_of_weight`]), and cuts the bit
//! patterns into buckets so small that each holds one step at most. A look-up is then a shift, one
//! table entry and one compare, and agrees with the f64 code on every f32. Subnormal weights, whose
//! neighbours differ by whole octaves, use the f64 code itself.
//!
//! A rescaled table gives the slot of w·factor, with the factor and the product rounded to f32, for
//! the norm-matched control: this is how torch multiplies an f32 tensor by a number. The slot is
//! still a monotone function of |w|, so the look-up costs the same.

use std::sync::OnceLock;

use super::edges::EdgeLayout;
use super::kernel::{Instructions, Kernel};
use crate::mfa::Method;

/// Bits of +∞; at and above it lie the infinities and NaN (sign cleared).
const INFINITE: u32 = 0x7f80_0000;
const ONE: u32 = 0x3f80_0000;
const SMALLEST_NORMAL: u32 = 0x0080_0000;

#[derive(Clone, Copy, Debug)]
struct Bucket {
    threshold: u32, // patterns at or above it have `above`
    below: u16,
    above: u16,
}

/// Slots of f32 weights by table.
#[derive(Clone, Debug)]
pub struct RadiusTable {
    method: Method,
    factor: Option<f32>, // finite, ≥ 0
    kernel: Option<Kernel>,
    steps: OnceLock<Steps>, // made when a weight is first looked up: kernels need none
}

/// Where the slots change.
#[derive(Clone, Debug)]
struct Steps {
    shift: u32,
    base: i32, // bucket 0 holds the patterns with (bits >> shift) ≤ base
    buckets: Vec<Bucket>,
}

impl RadiusTable {
    /// The table of a method: a few thousand entries for the published range.
    pub fn new(method: &Method) -> Self {
        Self::of(method, None)
    }

    /// The table of weights that are multiplied by `factor`, rounded to f32, and rounded to f32
    /// again before they are counted; none unless [`Self::can_rescale`].
    pub fn rescaled(method: &Method, factor: f64) -> Option<Self> {
        Self::can_rescale(factor).then(|| Self::of(method, Some(factor as f32)))
    }

    /// The table of weights that are multiplied by 0: all of them are out of range.
    pub fn of_none(method: &Method) -> Self {
        Self::of(method, Some(0.0))
    }

    /// Whether weights can be multiplied by this factor: rounded to f32, it is finite and above 0.
    pub fn can_rescale(factor: f64) -> bool {
        let factor = factor as f32;
        factor.is_finite() && factor > 0.0
    }

    fn of(method: &Method, factor: Option<f32>) -> Self {
        let kernel = Kernel::best(method);
        Self { method: method.clone(), factor, kernel, steps: OnceLock::new() }
    }

    fn steps(&self) -> &Steps {
        self.steps.get_or_init(|| Steps::find(&self.method, self.factor))
    }

    /// This table for counting with these instructions; none where the machine lacks them or the
    /// method is not one that they serve.
    #[doc(hidden)]
    pub fn with_instructions(mut self, instructions: Instructions) -> Option<Self> {
        self.kernel = Kernel::with(instructions, &self.method);
        (self.kernel.is_some() || instructions == Instructions::Plain).then_some(self)
    }

    /// Whether a kernel counts some layouts faster than this table.
    pub(super) fn has_kernel(&self) -> bool {
        self.kernel.is_some() && self.factor.is_none()
    }

    /// The kernel that counts `sources` sources of a layout faster than this table, if there is
    /// one.
    pub(super) fn kernel_for(&self, layout: &EdgeLayout, sources: usize) -> Option<Kernel> {
        self.kernel.filter(|kernel| self.has_kernel() && kernel.serves(layout, sources))
    }

    /// The factor by which weights are multiplied, if any.
    pub(super) fn factor(&self) -> Option<f32> {
        self.factor
    }

    /// The method whose radii these are.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The slot of a weight, by the f64 code itself.
    #[inline]
    pub(super) fn slot_of_wide(&self, weight: f64) -> usize {
        self.method.slot_of_weight(rescale(weight, self.factor))
    }

    /// The slot of a weight given by the bits of |w| (sign cleared); 0 for infinities and NaN.
    #[inline]
    pub(super) fn slot_of_bits(&self, bits: u32) -> usize {
        if bits < SMALLEST_NORMAL {
            return self.slot_of_wide(f64::from(f32::from_bits(bits)));
        }
        let Steps { shift, base, buckets } = self.steps();
        let key = (bits >> shift) as i32 - base;
        let bucket = buckets[(key.max(0) as usize).min(buckets.len() - 1)];
        usize::from(if bits >= bucket.threshold { bucket.above } else { bucket.below })
    }
}

impl Steps {
    fn find(method: &Method, factor: Option<f32>) -> Self {
        let weight = |bits: u32| rescale(f64::from(f32::from_bits(bits)), factor);
        let slot = |bits: u32| {
            if bits < INFINITE { method.slot_of_weight(weight(bits)) as u16 } else { 0 }
        };
        // Every transfer function is monotone on each side of |w| = 1.
        let one = match factor {
            None => ONE,
            Some(_) => first_at_least_one(&weight),
        };
        let mut steps = Vec::new();
        let key = |bits: u32| ordered_slot(method, weight(bits));
        find_steps(&key, SMALLEST_NORMAL, one, &mut steps);
        find_steps(&key, one, INFINITE - 1, &mut steps);
        if slot(INFINITE - 1) != 0 {
            steps.push(INFINITE);
        }
        let shift = (0..=23)
            .rev()
            .find(|shift| steps.windows(2).all(|s| s[0] >> shift != s[1] >> shift))
            .unwrap_or(0);
        let base = steps.first().map_or(0, |first| (first >> shift) as i32 - 1);
        let last = steps.last().map_or(0, |last| (last >> shift) as i32 + 1);
        let mut buckets: Vec<Bucket> = Vec::with_capacity((last - base + 1) as usize);
        let mut next = steps.iter().copied().peekable();
        let mut current = slot(SMALLEST_NORMAL);
        for key in base..=last {
            let bucket = match next.next_if(|step| (step >> shift) as i32 == key) {
                Some(threshold) => Bucket { threshold, below: current, above: slot(threshold) },
                None => Bucket { threshold: u32::MAX, below: current, above: current },
            };
            current = bucket.above;
            buckets.push(bucket);
        }
        Self { shift, base, buckets }
    }
}

#[inline]
fn rescale(weight: f64, factor: Option<f32>) -> f64 {
    factor.map_or(weight, |factor| f64::from((weight * f64::from(factor)) as f32))
}

/// The first pattern whose weight, which grows with it, is 1 or more; clamped to normal numbers.
fn first_at_least_one(weight: &impl Fn(u32) -> f64) -> u32 {
    let (mut low, mut high) = (SMALLEST_NORMAL, INFINITE - 1);
    while low < high {
        let middle = low + (high - low) / 2;
        if weight(middle) < 1.0 { low = middle + 1 } else { high = middle }
    }
    low
}

/// A key that is monotone in the distance, so that bisection misses no step: the slot, with
/// different values for the two ends of the range.
fn ordered_slot(method: &Method, weight: f64) -> usize {
    let parameters = method.parameters();
    let distance = parameters.transfer.distance(weight);
    if distance > parameters.max_distance {
        method.slots()
    } else {
        method.slot_of_distance(distance)
    }
}

/// Appends, in ascending order, each pattern in (low, high] whose key differs from that of the
/// pattern before it.
fn find_steps(key: &impl Fn(u32) -> usize, low: u32, high: u32, steps: &mut Vec<u32>) {
    if key(low) == key(high) {
        return;
    }
    if high - low == 1 {
        steps.push(high);
        return;
    }
    let middle = low + (high - low) / 2;
    find_steps(key, low, middle, steps);
    find_steps(key, middle, high, steps);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mfa::{Parameters, Transfer};

    fn methods() -> Vec<Method> {
        let base = Parameters::default;
        [
            base(),
            Parameters { transfer: Transfer::Coth, ..base() },
            Parameters { transfer: Transfer::Log, radius_step: 0.01, ..base() },
            Parameters { radius_step: 0.1, max_distance: 200.0, min_distance: 0.05, ..base() },
        ]
        .map(|p| p.check().unwrap())
        .to_vec()
    }

    fn tables() -> Vec<RadiusTable> {
        let plain = |method| RadiusTable::new(method);
        let rescaled = |(method, factor)| RadiusTable::rescaled(method, factor).unwrap();
        let methods = methods();
        let factors = [0.7, 1.37, 1.0, 1e-30, 2e20];
        let pairs = methods.iter().flat_map(|method| factors.map(|factor| (method, factor)));
        let of_none = methods.iter().map(RadiusTable::of_none);
        methods.iter().map(plain).chain(pairs.map(rescaled)).chain(of_none).collect()
    }

    fn assert_agrees(table: &RadiusTable, bits: u32) {
        let weight = f32::from_bits(bits);
        let stored = table.factor.map_or(weight, |f| weight * f);
        let plain = table.method().slot_of_weight(f64::from(stored));
        assert_eq!(table.slot_of_bits(bits), plain, "{weight:e} ({bits:#x})");
    }

    #[test]
    fn agrees_with_the_f64_code_around_every_step_and_on_a_comb() {
        for table in tables() {
            for bucket in &table.steps().buckets {
                let t = bucket.threshold;
                if t < INFINITE {
                    for bits in t.saturating_sub(2)..=(t + 2).min(INFINITE - 1) {
                        assert_agrees(&table, bits);
                    }
                }
            }
            for bits in (0..INFINITE).step_by(10_007) {
                assert_agrees(&table, bits);
            }
        }
    }

    #[test]
    fn infinities_and_nan_are_left_out() {
        for table in tables() {
            for bits in [INFINITE, INFINITE + 1, 0x7fff_ffff] {
                assert_eq!(table.slot_of_bits(bits), 0);
            }
        }
    }

    #[test]
    fn a_factor_that_is_no_number_of_32_bits_rescales_nothing() {
        for factor in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-46, 1e39] {
            assert!(RadiusTable::rescaled(&Method::default(), factor).is_none(), "{factor}");
        }
    }

    #[test]
    fn weights_times_0_are_out_of_range() {
        for method in &methods() {
            let table = RadiusTable::of_none(method);
            assert!((0..=INFINITE).step_by(10_007).all(|bits| table.slot_of_bits(bits) == 0));
            assert!([0.1, -1e300, f64::MAX].iter().all(|weight| table.slot_of_wide(*weight) == 0));
        }
    }

    #[test]
    fn the_smallest_kept_weight_is_known() {
        let table = RadiusTable::new(&Method::default());
        assert_eq!(table.slot_of_bits(0x3bda_740e), 150);
        assert_eq!(table.slot_of_bits(0x3bda_740d), 0);
    }

    #[test]
    #[ignore = "all 2³¹ patterns: 10 s with optimisation"]
    fn agrees_with_the_f64_code_on_every_pattern() {
        use rayon::prelude::*;
        let table = RadiusTable::new(&Method::default());
        (0..INFINITE).into_par_iter().for_each(|bits| assert_agrees(&table, bits));
    }
}
