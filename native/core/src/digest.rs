//! Digests and perceptual hashes, however they are written, to bytes.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use crate::signal::Signal;

/// The longest digest, in bytes.
pub const MAX_LEN: usize = 64;

/// How a field writes its digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Bytes of the right length are the digest; all else is text, hexadecimal or base64 by its length.
    Auto,
    Hex,
    Base64,
    Bytes,
}

impl Encoding {
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "auto" => Some(Self::Auto),
            "hex" => Some(Self::Hex),
            "base64" => Some(Self::Base64),
            "bytes" => Some(Self::Bytes),
            _ => None,
        }
    }
}

/// Why a value is no digest of its signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Length,
    Hex,
    Base64,
}

impl Fault {
    /// The machine-readable reason.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Length => "invalid-length",
            Self::Hex => "invalid-hex",
            Self::Base64 => "invalid-base64",
        }
    }
}

/// A digest's bytes, without an allocation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    bytes: [u8; MAX_LEN],
    len: usize,
}

impl Digest {
    fn new(bytes: &[u8]) -> Self {
        let mut digest = Self {
            bytes: [0; MAX_LEN],
            len: bytes.len(),
        };
        digest.bytes[..bytes.len()].copy_from_slice(bytes);
        digest
    }

    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Reads a digest. `is_text`: whether the source says that it is text, so that `Auto` never takes it for raw bytes.
///
/// Text may be surrounded by ASCII white space; hexadecimal may be of either case; base64 may use the standard or the
/// URL-safe alphabet, with its padding or without any (RFC 4648).
///
/// # Errors
/// [`Fault`]. `signal` must have a digest length, else every value is of the wrong length.
pub fn read(
    signal: Signal,
    encoding: Encoding,
    value: &[u8],
    is_text: bool,
) -> Result<Digest, Fault> {
    let len = signal.digest_len().ok_or(Fault::Length)?;
    match encoding {
        Encoding::Bytes => exact(value, len),
        Encoding::Auto if !is_text && value.len() == len => Ok(Digest::new(value)),
        Encoding::Hex => hex(value.trim_ascii(), len),
        Encoding::Base64 => base64(value.trim_ascii(), len),
        Encoding::Auto => {
            let text = value.trim_ascii();
            if text.len() == 2 * len {
                hex(text, len)
            } else if text.len() == len.div_ceil(3) * 4 || text.len() == (len * 4).div_ceil(3) {
                base64(text, len)
            } else {
                Err(Fault::Length)
            }
        }
    }
}

fn exact(value: &[u8], len: usize) -> Result<Digest, Fault> {
    if value.len() == len {
        Ok(Digest::new(value))
    } else {
        Err(Fault::Length)
    }
}

const NOT_HEX: u8 = 0xff;
/// The value of a hexadecimal digit.
pub(crate) const HEX_DIGIT: [u8; 256] = {
    let mut table = [NOT_HEX; 256];
    let mut i = 0;
    while i < 16 {
        table[b"0123456789abcdef"[i] as usize] = i as u8;
        table[b"0123456789ABCDEF"[i] as usize] = i as u8;
        i += 1;
    }
    table
};

fn hex(text: &[u8], len: usize) -> Result<Digest, Fault> {
    if text.len() != 2 * len {
        let odd = text.len() & 1 == 1;
        let bad = text
            .iter()
            .any(|&digit| HEX_DIGIT[usize::from(digit)] == NOT_HEX);
        return Err(if odd || bad {
            Fault::Hex
        } else {
            Fault::Length
        });
    }
    let mut digest = Digest {
        bytes: [0; MAX_LEN],
        len,
    };
    let mut all = 0;
    for (byte, pair) in digest.bytes.iter_mut().zip(text.chunks_exact(2)) {
        let (high, low) = (
            HEX_DIGIT[usize::from(pair[0])],
            HEX_DIGIT[usize::from(pair[1])],
        );
        all |= high | low;
        *byte = high << 4 | low & 0xf;
    }
    if all & 0xf0 == 0 {
        Ok(digest)
    } else {
        Err(Fault::Hex)
    }
}

fn base64(text: &[u8], len: usize) -> Result<Digest, Fault> {
    // No digest is longer in base64 than this, and no text that is can be decoded without an allocation.
    const MAX_TEXT: usize = MAX_LEN.div_ceil(3) * 4;
    let known = |c: &u8| c.is_ascii_alphanumeric() || b"+/-_=".contains(c);
    if text.len() > MAX_TEXT {
        return Err(if text.iter().all(known) {
            Fault::Length
        } else {
            Fault::Base64
        });
    }
    let mut standard = [0; MAX_TEXT];
    for (to, &from) in standard.iter_mut().zip(text) {
        *to = match from {
            b'-' => b'+',
            b'_' => b'/',
            other => other,
        };
    }
    let standard = &standard[..text.len()];
    let engine = if standard.ends_with(b"=") {
        &STANDARD
    } else {
        &STANDARD_NO_PAD
    };
    let mut decoded = [0; MAX_TEXT];
    let found = engine
        .decode_slice(standard, &mut decoded)
        .map_err(|_| Fault::Base64)?;
    exact(&decoded[..found], len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn auto(signal: Signal, text: &str) -> Result<Vec<u8>, Fault> {
        read(signal, Encoding::Auto, text.as_bytes(), true).map(|digest| digest.as_slice().to_vec())
    }

    #[test]
    fn every_writing_gives_the_same_bytes() {
        let expected: Vec<u8> = (0xf0..=0xff).collect();
        for text in [
            "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
            "F0F1f2f3F4F5F6F7F8F9FAFBFCFDFEFF\r\n",
            "8PHy8/T19vf4+fr7/P3+/w==",
            "8PHy8/T19vf4+fr7/P3+/w",
            "8PHy8_T19vf4-fr7_P3-_w",
            " 8PHy8_T19vf4-fr7_P3-_w==",
        ] {
            assert_eq!(auto(Signal::Md5, text).unwrap(), expected);
        }
        let raw = read(Signal::Md5, Encoding::Auto, &expected, false).unwrap();
        assert_eq!(raw.as_slice(), expected);
    }

    #[test]
    fn faults_are_told_apart() {
        let zeros = "0".repeat(32);
        assert_eq!(auto(Signal::Md5, &zeros[1..]), Err(Fault::Length));
        assert_eq!(
            auto(Signal::Md5, &zeros.replacen('0', "g", 1)),
            Err(Fault::Hex)
        );
        assert_eq!(
            auto(Signal::Md5, "8PHy8/T19vf4+fr7/P3+/w=!"),
            Err(Fault::Base64)
        );
        assert_eq!(
            auto(Signal::Md5, "8PHy8/T19vf4+fr7/P3+/x=="),
            Err(Fault::Base64),
            "bits beyond the last byte"
        );
        assert_eq!(
            auto(Signal::Md5, &zeros[16..]),
            Err(Fault::Length),
            "sixteen characters are no raw bytes"
        );
        let of =
            |encoding, text: &str| read(Signal::Md5, encoding, text.as_bytes(), true).map(|_| ());
        assert_eq!(of(Encoding::Hex, "00"), Err(Fault::Length));
        assert_eq!(of(Encoding::Hex, "000"), Err(Fault::Hex));
        assert_eq!(of(Encoding::Base64, "AAAA"), Err(Fault::Length));
        assert_eq!(of(Encoding::Base64, &"A".repeat(1000)), Err(Fault::Length));
        assert_eq!(of(Encoding::Base64, &"!".repeat(1000)), Err(Fault::Base64));
        assert_eq!(of(Encoding::Bytes, "00"), Err(Fault::Length));
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(code in 0_u8..16, bytes: Vec<u8>, is_text: bool, encoding in 0_usize..4) {
            let encoding = [Encoding::Auto, Encoding::Hex, Encoding::Base64, Encoding::Bytes][encoding];
            if let Some(signal) = Signal::from_code(code) {
                if let Ok(digest) = read(signal, encoding, &bytes, is_text) {
                    prop_assert_eq!(Some(digest.as_slice().len()), signal.digest_len());
                }
            }
        }
    }
}
