//! A link of a chain of matrices.

use super::select::Matrix;

/// One matrix of a chain: from layer to layer, where 0 is what the first matrix reads.
#[derive(Clone, Copy)]
pub(super) struct Link<'a> {
    pub matrix: Matrix<'a>,
    pub source: usize,
    pub target: usize,
}

/// Each link with the next one, where that reads what it gives.
pub(super) fn successive<'l, 'a>(
    links: &'l [Link<'a>],
) -> impl Iterator<Item = (&'l Link<'a>, &'l Link<'a>)> {
    let pairs = links.windows(2).map(|pair| (&pair[0], &pair[1]));
    pairs.filter(|(one, next)| one.target == next.source)
}

/// Says that one link is read as what follows another, and why that is in doubt.
pub(super) fn doubted((one, next): (&Link<'_>, &Link<'_>), why: &str) -> String {
    let [one, next] = [&one.matrix, &next.matrix];
    format!(
        "`{}` {:?} is read as what follows `{}` {:?}, because their widths chain{why}: check it with \
         inspect.",
        next.name(),
        next.shape(),
        one.name(),
        one.shape(),
    )
}

impl Link<'_> {
    /// The path of its matrix, as the name of the layer that it leads to.
    pub fn path(&self) -> String {
        self.matrix.path().to_owned()
    }
}
