//! Pictures as PNG files, where the command was built with them.

#[cfg(feature = "png")]
pub use crate::report::PngWriter;

/// Stands in for the real one, and says how to get it.
#[cfg(not(feature = "png"))]
pub enum PngWriter {}

#[cfg(not(feature = "png"))]
impl PngWriter {
    pub fn new() -> anyhow::Result<Self> {
        anyhow::bail!(
            "this neuromfa was built without PNG: build it with the feature png (cargo install --path cli \
             --features png), or write SVG files (--svg)"
        )
    }

    pub fn png(&self, _: &crate::report::SvgFile) -> anyhow::Result<Vec<u8>> {
        match *self {}
    }
}
