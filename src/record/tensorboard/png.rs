//! A PNG file of few colours.

use super::frame::{crc, table};

/// The polynomial of PNG's checksums, lowest bit first.
const TABLE: [u32; 256] = table(0xedb8_8320);

/// The file of an image whose pixels are numbers of colours below 16, row by row.
pub(super) fn png(width: usize, pixels: &[u8], colours: &[[u8; 3]]) -> Vec<u8> {
    let height = pixels.len() / width;
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        let named = [&kind[..], data].concat();
        file.extend((data.len() as u32).to_be_bytes());
        file.extend(&named);
        file.extend(crc(&TABLE, &named).to_be_bytes());
    };
    let size = [width, height].map(|n| (n as u32).to_be_bytes()).concat();
    // Four bits a pixel, a palette; deflate, no filter, not interlaced.
    chunk(b"IHDR", &[&size[..], &[4, 3, 0, 0, 0]].concat());
    chunk(b"PLTE", colours.as_flattened());
    let packed = |pair: &[u8]| pair[0] << 4 | pair.get(1).copied().unwrap_or(0);
    let rows =
        pixels.chunks(width).flat_map(|row| [0].into_iter().chain(row.chunks(2).map(packed)));
    let rows: Vec<u8> = rows.collect();
    chunk(b"IDAT", &miniz_oxide::deflate::compress_to_vec_zlib(&rows, 9));
    chunk(b"IEND", &[]);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_by_hand() {
        let file = png(3, &[0, 1, 2, 2, 1, 0], &[[255; 3], [0, 0, 255], [0; 3]]);
        assert_eq!(file[..8], *b"\x89PNG\r\n\x1a\n");
        assert_eq!(
            file[8..33],
            *b"\0\0\0\x0dIHDR\0\0\0\x03\0\0\0\x02\x04\x03\0\0\0\x6f\x5a\x7b\x29"
        );
        // The last chunk is the same in every file.
        assert_eq!(file[file.len() - 12..], *b"\0\0\0\0IEND\xae\x42\x60\x82");
        let at = file.windows(4).position(|name| name == b"IDAT").unwrap();
        let length = u32::from_be_bytes(file[at - 4..at].try_into().unwrap()) as usize;
        let data = &file[at + 4..at + 4 + length];
        let rows = miniz_oxide::inflate::decompress_to_vec_zlib(data).unwrap();
        assert_eq!(rows, [0, 0x01, 0x20, 0, 0x21, 0x00]);
    }
}
