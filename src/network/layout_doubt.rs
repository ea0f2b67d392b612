//! Warnings about matrices that may lie the other way round: `[in, out]` where `[out, in]` is read.

use super::select::{Evidence, Matrix};

/// Says which tensors were read as `[in, out, taps..]`, since only so they chain.
pub(super) fn turned(before: &[Matrix<'_>], after: &[Matrix<'_>]) -> Option<String> {
    let changed = before.iter().zip(after).filter(|(a, b)| a.orientation != b.orientation);
    let changed: Vec<&Matrix<'_>> = changed.map(|(_, b)| b).collect();
    let [first, rest @ ..] = changed.as_slice() else {
        return None;
    };
    let (name, kind) = (first.name(), kind(first));
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    Some(format!(
        "`{name}` {:?}{more} {} read as {kind}, since the network chains only so. If that is wrong: \
         .orient(\"{name}\", Orientation::OutIn), --orient {name}=out-in.",
        first.shape(),
        if rest.is_empty() { "is" } else { "are" },
    ))
}

fn kind(matrix: &Matrix<'_>) -> &'static str {
    match matrix.shape().len() {
        2 => "[in, out]",
        _ => "[in, out, taps..], as transposed convolutions are stored",
    }
}

/// Says that nothing shows how plain tensors lie (not those of a layer, which end in `weight`): they
/// are all square, or there is only one.
pub(super) fn standing_alone(matrices: &[Matrix<'_>]) -> Option<String> {
    let unclear = |m: &Matrix<'_>| is_plain(m) && m.excluded.is_none();
    let [first, rest @ ..] = matrices else {
        return None;
    };
    let alone = rest.is_empty() || matrices.iter().all(Matrix::is_square);
    let which = if first.is_square() { "its shape does not show" } else { "nothing shows" };
    (alone && matrices.iter().all(unclear)).then(|| {
        let name = first.name();
        format!(
            "`{name}` {:?} is read as [out, in], but {which} which dimension is which. If it is \
             multiplied from the right, as in xs.mm(&w): .orient(\"{name}\", Orientation::InOut), \
             --orient {name}=in-out.",
            first.shape(),
        )
    })
}

/// Whether a tensor is no layer's `weight`, which is stored `[out, in]`, and nothing else shows how
/// it lies.
pub(super) fn is_plain(matrix: &Matrix<'_>) -> bool {
    let leaf = matrix.reads.rsplit('.').next().unwrap_or_default();
    matrix.evidence == Evidence::Usual && !leaf.contains("weight")
}

/// Says that a square kernel may be a transposed convolution, by its name.
pub(super) fn may_be_transposed(kernels: &[Matrix<'_>]) -> Option<String> {
    let doubtful = |m: &&Matrix<'_>| {
        let unclear = m.evidence == Evidence::Usual && m.excluded.is_none();
        unclear && m.is_square() && m.path().split('.').any(sounds_transposed)
    };
    let mut found: Vec<&Matrix<'_>> = kernels.iter().filter(doubtful).collect();
    let mut by = "by its name";
    if found.is_empty() {
        // Kernels of even size are usual in generators, and nothing else shows how they lie.
        let even = |m: &&Matrix<'_>| {
            let unclear = m.evidence == Evidence::Usual && m.excluded.is_none() && m.is_square();
            unclear && m.taps() > 1 && m.shape()[2..].iter().all(|n| n % 2 == 0)
        };
        found = kernels.iter().filter(even).collect();
        by = "by the size of its kernel";
        if found.len() < kernels.len() {
            return None;
        }
    }
    let [first, rest @ ..] = found.as_slice() else {
        return None;
    };
    let name = first.name();
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    Some(format!(
        "`{name}` {:?}{more} may be a transposed convolution, {by}, but it is square, so its \
         shape does not show whether its inputs come first. It is read as [out, in, taps..]. If it is \
         transposed: .orient(\"{name}\", Orientation::InOut), --orient {name}=in-out.",
        first.shape(),
    ))
}

/// Whether a segment of a name is one that upsampling layers have: `up1`, `upconv`, `tr2`, `dec3`.
fn sounds_transposed(segment: &str) -> bool {
    let segment = segment.to_ascii_lowercase();
    let stem = segment.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_');
    matches!(
        stem,
        "decoder"
            | "generator"
            | "up"
            | "tr"
            | "ct"
            | "dec"
            | "upsample"
            | "upscale"
            | "upconv"
            | "up_conv"
    )
}
