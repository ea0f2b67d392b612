//! Numbers in cells.

/// The shortest text that reads back to the same f64, and shows that it is one: `0.0`, not `0`. Very
/// large and small numbers have an exponent.
pub fn number(value: f64) -> String {
    let plain = value == 0.0 || !value.is_finite() || (1e-5..1e16).contains(&value.abs());
    match plain {
        true if value.is_finite() && value.fract() == 0.0 => format!("{value:.1}"),
        true => value.to_string(),
        false => format!("{value:e}"),
    }
}

pub(super) fn optional(value: Option<f64>) -> String {
    value.map(number).unwrap_or_default()
}

pub(super) fn time(seconds: f64) -> String {
    format!("{seconds:.3}")
}
