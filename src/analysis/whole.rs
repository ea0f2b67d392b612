//! Whole tensors as they are counted.

use crate::mfa::Values;
use crate::network::{Connection, Orientation};
use crate::source::{Source, SourceError, Tensor};

/// A whole tensor, in the order in which its connection is counted: matrices `[stacked, inputs,
/// outputs/stacked]` that read the same inputs are put side by side.
pub(in crate::analysis) fn read_whole<'s>(
    source: &'s dyn Source,
    connection: &Connection,
) -> Result<Tensor<'s>, SourceError> {
    let tensor = source.tensor(&connection.parameter)?;
    let Connection { stacked, inputs, outputs, .. } = *connection;
    let whole = tensor.values().len() == connection.weights();
    if stacked == 1 || connection.orientation == Orientation::OutIn || !whole {
        return Ok(tensor);
    }
    let run = outputs / stacked;
    fn interleaved<W: Copy>(values: &[W], [stacked, inputs, run]: [usize; 3]) -> Vec<W> {
        let of = |input: usize| {
            (0..stacked).flat_map(move |k| &values[(k * inputs + input) * run..][..run])
        };
        (0..inputs).flat_map(of).copied().collect()
    }
    let sizes = [stacked, inputs, run];
    Ok(match tensor.values() {
        Values::F32(v) => interleaved(v, sizes).into(),
        Values::F64(v) => interleaved(v, sizes).into(),
        Values::F16(v) => interleaved(v, sizes).into(),
        Values::Bf16(v) => interleaved(v, sizes).into(),
    })
}
