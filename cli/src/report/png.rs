//! Pictures as PNG files, through resvg.

use std::sync::Arc;

use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::fontdb::Database;
use resvg::usvg::{Options, Tree};

use super::SvgFile;

/// Dots to the inch.
const DENSITY: f32 = 300.0;

/// An inch in SVG's pixels.
const INCH: f32 = 96.0;

/// Fonts that replace Helvetica, most similar first; another font if none of them is installed.
const FAMILIES: [&str; 7] = [
    "Helvetica",
    "Arial",
    "Liberation Sans",
    "Nimbus Sans",
    "DejaVu Sans",
    "Noto Sans",
    "FreeSans",
];

/// A picture that cannot be drawn as PNG.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PngError {
    /// The system has no font.
    #[error(
        "no font was found, so that the words of a picture would be missing: install one (Debian: \
         fonts-liberation or fonts-dejavu-core), or take SVG files"
    )]
    NoFont,
    /// The error of resvg.
    #[error("cannot draw the picture {name}: {why}")]
    Drawing {
        /// The picture's name.
        name: String,
        /// The reason.
        why: String,
    },
}

/// Draws pictures with the system's fonts.
#[derive(Debug)]
pub struct PngWriter {
    options: Options<'static>,
}

impl PngWriter {
    /// Looks for the system's fonts.
    ///
    /// # Errors
    /// [`PngError::NoFont`] where there is none.
    pub fn new() -> Result<Self, PngError> {
        let mut fonts = Database::new();
        fonts.load_system_fonts();
        Self::with_fonts(fonts)
    }

    fn with_fonts(mut fonts: Database) -> Result<Self, PngError> {
        let has = |family: &str| {
            fonts.faces().any(|face| face.families.iter().any(|(name, _)| name == family))
        };
        let known = FAMILIES.into_iter().find(|family| has(family)).map(str::to_owned);
        let any = || Some(fonts.faces().next()?.families.first()?.0.clone());
        let family = known.or_else(any).ok_or(PngError::NoFont)?;
        fonts.set_sans_serif_family(&family);
        let fontdb = Arc::new(fonts);
        Ok(Self { options: Options { font_family: family, fontdb, ..Options::default() } })
    }

    /// A picture as a PNG file: 300 dots to the inch (1417 across), on white.
    ///
    /// # Errors
    /// [`PngError::Drawing`] when resvg refuses.
    pub fn png(&self, picture: &SvgFile) -> Result<Vec<u8>, PngError> {
        let fail = |why: String| PngError::Drawing { name: picture.name.clone(), why };
        let tree = Tree::from_str(&picture.svg, &self.options).map_err(|e| fail(e.to_string()))?;
        let size = tree.size();
        let scale = DENSITY / INCH;
        let [width, height] =
            [size.width(), size.height()].map(|side| (side * scale).round() as u32);
        let pixmap = Pixmap::new(width, height);
        let mut pixmap = pixmap.ok_or_else(|| fail(format!("{width} × {height} dots")))?;
        pixmap.fill(Color::WHITE);
        resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixmap.as_mut());
        pixmap.encode_png().map_err(|e| fail(e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_fonts_it_says_what_to_install() {
        let error = PngWriter::with_fonts(Database::new()).unwrap_err().to_string();
        assert!(error.contains("fonts-liberation") && error.contains("SVG"), "{error}");
    }
}
