//! The frames of an event file: TFRecord.
//!
//! ```text
//! length of the data      u64, little end first
//! its checksum            u32, of the eight bytes of the length
//! data
//! its checksum            u32
//! ```
//!
//! A checksum is CRC-32C (Castagnoli), masked: (crc ≫ 15 | crc ≪ 17) + 0xa282ead8, so that data
//! which hold checksums have none that look alike.

/// The Castagnoli polynomial, lowest bit first.
const TABLE: [u32; 256] = table(0x82f6_3b78);

/// What each byte does to a checksum, for a polynomial with its lowest bit first.
const fn table(polynomial: u32) -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (polynomial * (crc & 1));
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

/// The checksum of some bytes.
fn crc(table: &[u32; 256], bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| table[usize::from(crc as u8 ^ byte)] ^ (crc >> 8);
    !bytes.iter().fold(!0, step)
}

fn masked_checksum(bytes: &[u8]) -> [u8; 4] {
    crc(&TABLE, bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// The data in their frame.
pub(super) fn frame(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked_checksum(&length), data, &masked_checksum(data)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_rfc_3720() {
        // Appendix B.4, and the check value of the catalogue of CRCs.
        assert_eq!(crc(&TABLE, &[0; 32]), 0x8a91_36aa);
        assert_eq!(crc(&TABLE, &[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc(&TABLE, &std::array::from_fn::<u8, 32, _>(|k| k as u8)), 0x46dd_794e);
        assert_eq!(crc(&TABLE, b"123456789"), 0xe306_9283);
    }

    /// The frame that TensorFlow's own files begin with: the event of `brain.Event:2`, which holds
    /// 24 bytes.
    #[test]
    fn the_frame_of_24_bytes_begins_as_in_any_event_file() {
        let framed = frame(&[0; 24]);
        assert_eq!(framed[..12], [0x18, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22]);
        assert_eq!(framed.len(), 8 + 4 + 24 + 4);
    }
}
