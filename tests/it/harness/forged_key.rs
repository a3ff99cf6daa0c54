//! Keys that nobody issued: of the right form, down to their checksum.

const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The first 21 characters of `key`, with another secret and the checksum that belongs to it.
pub(crate) fn forged_key(key: &str, secret: char) -> String {
    let signed: String = key[..21].chars().chain(std::iter::repeat_n(secret, 32)).collect();
    format!("{signed}{}", checksum_of(&signed))
}

/// The CRC-32 of `text` in base62, left-padded.
pub(crate) fn checksum_of(text: &str) -> String {
    let crc = !text.bytes().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 * (crc & 1)))
    });
    let mut digits = Vec::new();
    let mut rest = crc;
    for _ in 0..6 {
        digits.push(char::from(BASE62[usize::try_from(rest % 62).unwrap()]));
        rest /= 62;
    }
    digits.iter().rev().collect()
}
