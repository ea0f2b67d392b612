//! Numbers in cells.

/// The shortest text that reads back to the same f64; very large and small numbers with an
/// exponent.
pub fn number(value: f64) -> String {
    let plain = value == 0.0 || !value.is_finite() || (1e-5..1e16).contains(&value.abs());
    if plain { value.to_string() } else { format!("{value:e}") }
}

pub(super) fn optional(value: Option<f64>) -> String {
    value.map(number).unwrap_or_default()
}

pub(super) fn time(seconds: f64) -> String {
    format!("{seconds:.3}")
}
