//! Random names and passwords.

use std::fmt::Write;

/// As many random bytes as asked for, in hexadecimal: unguessable, and plain in every URL, path and SQL identifier.
pub(crate) fn hexadecimal<const BYTES: usize>() -> String {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).expect("the operating system has randomness");
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all that is written");
        text
    })
}

/// A random number of 16 bits.
pub(crate) fn number() -> u16 {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).expect("the operating system has randomness");
    u16::from_ne_bytes(bytes)
}
