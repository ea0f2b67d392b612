//! Pictures as PNG files, where the command was built with them.

#[cfg(feature = "png")]
pub use crate::report::PngWriter;

/// Replaces the real writer in builds without PNG, with an error that says how to get it.
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
