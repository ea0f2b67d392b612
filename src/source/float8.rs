//! Floats of 8 bits, and the scales that are stored next to them.
//!
//! | type | value of (s, e, m) |
//! |---|---|
//! | E4M3 (`float8_e4m3fn`) | (−1)ˢ (1 + m/8) 2ᵉ⁻⁷; m 2⁻⁹ where e = 0; e = 15, m = 7 is no number |
//! | E5M2 | the upper byte of an f16 |

use half::f16;

/// The values of E4M3.
pub(super) fn e4m3(bytes: &[u8]) -> Vec<f32> {
    decoded(bytes, |byte| {
        let (exponent, mantissa) = (i32::from(byte >> 3 & 15), f32::from(byte & 7));
        let size = match (exponent, byte & 7) {
            (15, 7) => f32::NAN,
            (0, _) => mantissa * 2f32.powi(-9),
            _ => (1.0 + mantissa / 8.0) * 2f32.powi(exponent - 7),
        };
        if byte & 0x80 == 0 { size } else { -size }
    })
}

/// The values of E5M2.
pub(super) fn e5m2(bytes: &[u8]) -> Vec<f32> {
    decoded(bytes, |byte| f16::from_bits(u16::from(byte) << 8).to_f32())
}

fn decoded(bytes: &[u8], value: impl Fn(u8) -> f32) -> Vec<f32> {
    let table: Vec<f32> = (0..=u8::MAX).map(value).collect();
    bytes.iter().map(|byte| table[usize::from(*byte)]).collect()
}

/// The side of a block that has one scale, where the shapes leave a choice.
const SIDE: usize = 128;

/// The sides of the blocks of a tensor of shape `of` whose scales have the shape `scales`: one for
/// the tensor, for each row, or for each block. None where they do not fit.
pub(super) fn blocks(of: &[usize], scales: &[usize]) -> Option<[usize; 2]> {
    let count: usize = scales.iter().product();
    let rows = of.first().copied().unwrap_or(1);
    let columns = of.iter().skip(1).product::<usize>().max(1);
    if count == 1 {
        return Some([rows.max(1), columns]);
    }
    let (down, across) = match scales {
        [down] => (*down, 1),
        [down, across] => (*down, *across),
        _ => return None,
    };
    let side = |length: usize, parts: usize| match parts {
        0 => None,
        1 => Some(length),
        _ if length.div_ceil(SIDE) == parts => Some(SIDE),
        _ if length.is_multiple_of(parts) => Some(length / parts),
        _ => None,
    };
    Some([side(rows, down)?, side(columns, across)?])
}

/// Multiplies the values of a tensor with `columns` columns by the scales of their blocks.
pub(super) fn scale(
    values: &mut [f32],
    columns: usize,
    scales: &[f32],
    [down, across]: [usize; 2],
) {
    let blocks = columns.div_ceil(across.max(1));
    for (row, values) in values.chunks_mut(columns.max(1)).enumerate() {
        for (column, value) in values.iter_mut().enumerate() {
            let block = row / down.max(1) * blocks + column / across.max(1);
            *value *= scales.get(block).copied().unwrap_or(f32::NAN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_are_those_of_the_formats() {
        let known = [(0x00, 0.0), (0x01, 0.001953125), (0x38, 1.0), (0x7e, 448.0), (0xb8, -1.0)];
        for (byte, value) in known {
            assert_eq!(e4m3(&[byte]), [value], "{byte:x}");
        }
        assert!(e4m3(&[0x7f, 0xff]).iter().all(|value| value.is_nan()));
        for (byte, value) in [(0x3c, 1.0), (0x7b, 57344.0), (0x01, 2f32.powi(-16)), (0xbc, -1.0)] {
            assert_eq!(e5m2(&[byte]), [value], "{byte:x}");
        }
        assert!(e5m2(&[0x7c])[0].is_infinite() && e5m2(&[0x7d])[0].is_nan());
    }

    #[test]
    fn scales_are_of_the_tensor_its_rows_or_its_blocks() {
        assert_eq!(blocks(&[300, 200], &[]), Some([300, 200]));
        assert_eq!(blocks(&[300, 200], &[1]), Some([300, 200]));
        assert_eq!(blocks(&[300, 200], &[300, 1]), Some([1, 200]));
        assert_eq!(blocks(&[300, 200], &[300]), Some([1, 200]));
        assert_eq!(blocks(&[300, 200], &[3, 2]), Some([128, 128]));
        assert_eq!(blocks(&[96, 64], &[3, 2]), Some([32, 32]));
        assert_eq!(blocks(&[96, 64], &[5, 2]), None);
        let mut values = vec![1.0; 12]; // [3, 4]
        scale(&mut values, 4, &[1.0, 2.0, 3.0, 4.0], [2, 3]);
        assert_eq!(values, [1., 1., 1., 2., 1., 1., 1., 2., 3., 3., 3., 4.]);
    }
}
