//! Percent-escapes.

use crate::digest::HEX_DIGIT;

/// Undoes escapes until none is left, in one pass over `from`, and appends the result to `to`.
///
/// Undoing one escape can complete another (`%2%35`), but never spoils one, for an escape is a `%` and two digits: so
/// any order gives the same result, also the one that looks at the last three bytes written.
pub fn unescape(from: &[u8], to: &mut Vec<u8>) {
    let start = to.len();
    for &byte in from {
        to.push(byte);
        while let [.., b'%', high, low] = to[start..] {
            let (high, low) = (HEX_DIGIT[usize::from(high)], HEX_DIGIT[usize::from(low)]);
            if (high | low) & 0xf0 != 0 {
                break;
            }
            to.truncate(to.len() - 3);
            to.push(high << 4 | low);
        }
    }
}

/// Which bytes a part of a URL must not contain as they are.
#[derive(Clone, Copy)]
pub enum Part {
    Path,
    Query,
}

/// Whether Safe Browsing's form, or ours beyond it, escapes the byte.
pub const fn is_escaped(byte: u8, part: Part) -> bool {
    let in_path = matches!(part, Part::Path) & ((byte == b'?') | (byte == b'\\'));
    (byte <= 0x20) | (byte >= 0x7f) | (byte == b'#') | (byte == b'%') | in_path
}

/// Appends `from`, escaped.
pub fn escape(from: &[u8], part: Part, to: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in from {
        if is_escaped(byte, part) {
            to.extend_from_slice(&[
                b'%',
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]);
        } else {
            to.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn once(from: &[u8]) -> Vec<u8> {
        let digit = |c: u8| (c as char).to_digit(16).map(|d| d as u8);
        let mut to = Vec::new();
        let mut i = 0;
        while i < from.len() {
            let pair = from
                .get(i + 1..i + 3)
                .and_then(|pair| Some(digit(pair[0])? * 16 + digit(pair[1])?));
            match (from[i], pair) {
                (b'%', Some(byte)) => {
                    to.push(byte);
                    i += 3;
                }
                (byte, _) => {
                    to.push(byte);
                    i += 1;
                }
            }
        }
        to
    }

    proptest! {
        #[test]
        fn one_pass_equals_passes_until_nothing_changes(text in "[%0-9a-fA-F/x]{0,60}") {
            let mut expected = text.clone().into_bytes();
            loop {
                let next = once(&expected);
                if next == expected {
                    break;
                }
                expected = next;
            }
            let mut found = Vec::new();
            unescape(text.as_bytes(), &mut found);
            prop_assert_eq!(&found, &expected);
            let (mut escaped, mut again) = (Vec::new(), Vec::new());
            escape(&found, Part::Path, &mut escaped);
            unescape(&escaped, &mut again);
            prop_assert_eq!(again, found);
        }
    }
}
