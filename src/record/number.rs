//! Numbers in cells.

/// The shortest text that reads back to the same f64, and shows that it is one: `0.0`, not `0`. Very
/// large and small numbers have an exponent.
pub fn number(value: f64) -> String {
    match value.abs() {
        0.0 | 1e-5..1e16 => zmij::Buffer::new().format_finite(value).to_owned(),
        size if size.is_finite() => format!("{value:e}"),
        _ => value.to_string(),
    }
}

pub(super) fn optional(value: Option<f64>) -> String {
    value.map(number).unwrap_or_default()
}

pub(super) fn time(seconds: f64) -> String {
    format!("{seconds:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same by the standard library.
    fn plain(value: f64) -> String {
        let plain = value == 0.0 || !value.is_finite() || (1e-5..1e16).contains(&value.abs());
        match plain {
            true if value.is_finite() && value.fract() == 0.0 => format!("{value:.1}"),
            true => value.to_string(),
            false => format!("{value:e}"),
        }
    }

    #[test]
    fn numbers_are_the_shortest_that_read_back() {
        let chosen = [0.0, -0.0, 1.0, 0.1, -12.5, 1e-5, 9.999e-6, 1e15, 1e16, 123456789012345680.0];
        let extreme =
            [f64::MIN_POSITIVE, 5e-324, f64::MAX, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
        let mut bits = 0x9e37_79b9_7f4a_7c15u64;
        let mut next = || {
            bits = bits.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            bits
        };
        // All exponents, and what a run has.
        let any: Vec<f64> = (0..20_000).map(|_| f64::from_bits(next())).collect();
        let usual = (0..20_000).map(|_| (next() >> 11) as f64 / (1u64 << 53) as f64 * 20.0 - 10.0);
        for value in chosen.into_iter().chain(extreme).chain(any.clone()).chain(usual) {
            let (text, plain) = (number(value), plain(value));
            // Where two are as close, either may be taken.
            assert!(
                text == plain || value.abs() > 1e9 && text.len() == plain.len(),
                "{text} {plain}"
            );
            assert!(value.is_nan() || text.parse() == Ok(value), "{text}");
        }
    }
}
