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

fn masked_checksum(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// The data in their frame.
pub(super) fn frame(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked_checksum(&length), data, &masked_checksum(data)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The frame that TensorFlow's own files begin with: the event of `brain.Event:2`, which holds
    /// 24 bytes.
    #[test]
    fn the_frame_of_24_bytes_begins_as_in_any_event_file() {
        let framed = frame(&[0; 24]);
        assert_eq!(framed[..12], [0x18, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22]);
        assert_eq!(framed.len(), 8 + 4 + 24 + 4);
    }
}
