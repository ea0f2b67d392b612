//! Numbers as a person reads them, and as JSON can hold them.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// All digits, without a long row of zeros.
pub(super) fn plain(x: f64) -> String {
    let readable = x == 0.0 || !x.is_finite() || (1e-5..1e16).contains(&x.abs());
    if readable { x.to_string() } else { format!("{x:e}") }
}

/// Six significant digits.
pub(super) fn rounded(x: f64) -> String {
    plain(format!("{x:.5e}").parse().unwrap_or(x))
}

/// JSON has no infinity; it is written as the text "inf" or "-inf".
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Other(String),
}

pub(super) fn serialize<S: Serializer>(x: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if x.is_finite() { Number::Finite(*x) } else { Number::Other(x.to_string()) }
        .serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    match Number::deserialize(deserializer)? {
        Number::Finite(x) => Ok(x),
        Number::Other(text) => text.parse().map_err(D::Error::custom),
    }
}
