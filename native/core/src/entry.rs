//! Denylist records: a listed value, sealed; and back, checked.
//!
//! Kafka key, 42 bytes: 0x01; the signal's code; the feed's tag (8); the keyed value (16); the keyed record id (16,
//! zeros for none).
//!
//! Kafka value: 0x00, the schema id (4, big-endian), and an Avro datum of `schemas/4-denylist-entry.avsc`. Its `sealed`
//! is a perceptual value's ciphertext, a URL entry's width (one byte), and else empty.

use std::fmt;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

use crate::digest::{self, Encoding};
use crate::keys::{FeedTag, Hash, Keys};
use crate::signal::{Signal, Width};
use crate::url::{Canonical, listed_expression};

/// The length of an entry's Kafka key.
pub const KEY_LEN: usize = 42;
const KEY_KIND: u8 = 1;
const HEADER_LEN: usize = 5;
const MAC_LEN: usize = 16;
/// The length of the synthetic IV before a sealed value.
const SIV_LEN: usize = 16;

/// A perceptual value, padded with zeros.
pub type Code = [u8; 32];

/// An entry's Kafka key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    pub signal: Signal,
    pub feed: FeedTag,
    pub value: u128,
    pub record: Hash,
}

impl Key {
    #[must_use]
    pub fn encode(&self) -> [u8; KEY_LEN] {
        let mut key = [0; KEY_LEN];
        key[0] = KEY_KIND;
        key[1] = self.signal.code();
        key[2..10].copy_from_slice(&self.feed);
        key[10..26].copy_from_slice(&self.value.to_be_bytes());
        key[26..].copy_from_slice(&self.record);
        key
    }

    /// # Errors
    /// [`Damaged`], also for a signal that this version doesn't know.
    pub fn decode(key: &[u8]) -> Result<Self, Damaged> {
        let key: &[u8; KEY_LEN] = key.try_into().map_err(|_| Damaged::Key)?;
        let signal = Signal::from_code(key[1])
            .filter(|_| key[0] == KEY_KIND)
            .ok_or(Damaged::Key)?;
        Ok(Self {
            signal,
            feed: std::array::from_fn(|i| key[2 + i]),
            value: u128::from_be_bytes(std::array::from_fn(|i| key[10 + i])),
            record: std::array::from_fn(|i| key[26 + i]),
        })
    }

    /// The entry's term of its feed's checksum.
    #[must_use]
    pub fn term(&self, keys: &Keys, category: &str) -> u128 {
        keys.entry_checksum(&[&self.encode()[..], category.as_bytes()].concat())
    }
}

/// An entry whose authentication holds.
pub struct Entry<'a> {
    pub key: Key,
    pub category: &'a str,
    pub width: Width,
    /// For perceptual signals.
    pub code: Option<Code>,
}

/// What is wrong with a denylist record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damaged {
    Key,
    Value,
    Mac,
    Sealed,
}

impl fmt::Display for Damaged {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Key => "the key of a denylist entry is malformed, or of a later version",
            Self::Value => "the value of a denylist entry is malformed",
            Self::Mac => "the authentication of a denylist entry fails",
            Self::Sealed => "the sealed value of a denylist entry does not open",
        })
    }
}

impl std::error::Error for Damaged {}

/// Seals and opens the entries of one denylist.
#[derive(Clone)]
pub struct Codec {
    keys: std::sync::Arc<Keys>,
    denylist_id: Vec<u8>,
}

impl Codec {
    #[must_use]
    pub fn new(keys: std::sync::Arc<Keys>, denylist_id: &[u8]) -> Self {
        Self {
            keys,
            denylist_id: denylist_id.to_vec(),
        }
    }

    #[must_use]
    pub fn keys(&self) -> &std::sync::Arc<Keys> {
        &self.keys
    }

    /// The authentication of an entry: every part but the last with its length before it, so that none can move.
    fn mac(&self, key: &[u8; KEY_LEN], category: &str, sealed: &[u8]) -> Hash {
        let mut message = Vec::with_capacity(
            self.denylist_id.len() + KEY_LEN + category.len() + sealed.len() + 16,
        );
        for part in [&self.denylist_id[..], key, category.as_bytes()] {
            message.extend_from_slice(&(part.len() as u64).to_be_bytes());
            message.extend_from_slice(part);
        }
        message.extend_from_slice(sealed);
        self.keys.entry_mac(&message)
    }

    /// The Kafka value of an entry. `code`: the raw value of a perceptual signal, else ignored.
    #[must_use]
    pub fn seal(
        &self,
        key: &Key,
        width: Width,
        code: &[u8],
        category: &str,
        schema_id: u32,
    ) -> Vec<u8> {
        let sealed = match key.signal {
            Signal::Url => vec![width.code()],
            signal if signal.is_perceptual() => {
                let headers = [&self.denylist_id[..], &key.feed];
                let sealed = self.keys.perceptual().encrypt(headers, code);
                sealed.expect("AES-SIV takes up to 126 headers")
            }
            _ => Vec::new(),
        };
        let mut value =
            Vec::with_capacity(HEADER_LEN + category.len() + sealed.len() + MAC_LEN + 4);
        value.push(0);
        value.extend_from_slice(&schema_id.to_be_bytes());
        append_blob(category.as_bytes(), &mut value);
        append_blob(&sealed, &mut value);
        value.extend_from_slice(&self.mac(&key.encode(), category, &sealed));
        value
    }

    /// Reads and authenticates an entry.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn open<'a>(&self, key: &[u8], value: &'a [u8]) -> Result<Entry<'a>, Damaged> {
        let decoded = Key::decode(key)?;
        let mut rest = value
            .get(HEADER_LEN..)
            .filter(|_| value[0] == 0)
            .ok_or(Damaged::Value)?;
        let category = std::str::from_utf8(take_blob(&mut rest)?).map_err(|_| Damaged::Value)?;
        let sealed = take_blob(&mut rest)?;
        let mac: [u8; MAC_LEN] = rest.try_into().map_err(|_| Damaged::Value)?;
        // Compared as numbers and as a whole: the time tells nothing of how many bytes are right.
        if u128::from_be_bytes(mac)
            != u128::from_be_bytes(self.mac(&decoded.encode(), category, sealed))
        {
            return Err(Damaged::Mac);
        }
        let (width, code) = match decoded.signal {
            Signal::Url => (open_width(sealed)?, None),
            signal if signal.is_perceptual() => {
                (Width::None, Some(self.open_code(&decoded, sealed)?))
            }
            _ if sealed.is_empty() => (Width::None, None),
            _ => return Err(Damaged::Sealed),
        };
        Ok(Entry {
            key: decoded,
            category,
            width,
            code,
        })
    }

    fn open_code(&self, key: &Key, sealed: &[u8]) -> Result<Code, Damaged> {
        if Some(sealed.len()) != key.signal.digest_len().map(|len| len + SIV_LEN) {
            return Err(Damaged::Sealed);
        }
        let opened = self
            .keys
            .perceptual()
            .decrypt([&self.denylist_id[..], &key.feed], sealed);
        let opened = opened.map_err(|_| Damaged::Sealed)?;
        if self
            .keys
            .value(key.signal, Width::None, &opened, &mut Vec::new())
            != key.value
        {
            return Err(Damaged::Sealed);
        }
        let mut code = [0; 32];
        code[..opened.len()].copy_from_slice(&opened);
        Ok(code)
    }
}

fn open_width(sealed: &[u8]) -> Result<Width, Damaged> {
    match *sealed {
        [code] => Width::from_code(code).filter(|width| *width != Width::None),
        _ => None,
    }
    .ok_or(Damaged::Sealed)
}

/// Turns one feed's listed values into denylist records.
pub struct Sealer {
    codec: Codec,
    feed: FeedTag,
    schema_id: u32,
    canonical: Canonical,
    scratch: Vec<u8>,
}

impl Sealer {
    #[must_use]
    pub fn new(codec: Codec, feed: &str, schema_id: u32) -> Self {
        let feed = codec.keys.feed_tag(feed);
        Self {
            codec,
            feed,
            schema_id,
            canonical: Canonical::default(),
            scratch: Vec::new(),
        }
    }

    #[must_use]
    pub fn codec(&self) -> &Codec {
        &self.codec
    }

    /// The Kafka key and value of a listed value. `is_text`: see [`digest::read`].
    ///
    /// # Errors
    /// The machine-readable reason why the value is set aside.
    pub fn seal(
        &mut self,
        signal: Signal,
        width: Width,
        value: &[u8],
        is_text: bool,
        category: &str,
        record_id: Option<&str>,
    ) -> Result<([u8; KEY_LEN], Vec<u8>), &'static str> {
        let read;
        let value = if signal == Signal::Url {
            listed_expression(value, width, &mut self.canonical).map_err(|fault| fault.reason())?
        } else {
            read = digest::read(signal, Encoding::Auto, value, is_text)
                .map_err(digest::Fault::reason)?;
            if let Some(reason) = matches_too_much(signal, read.as_slice()) {
                return Err(reason);
            }
            read.as_slice()
        };
        let key = Key {
            signal,
            feed: self.feed,
            value: self
                .codec
                .keys
                .value(signal, width, value, &mut self.scratch),
            record: self.codec.keys.record_id(self.feed, record_id),
        };
        Ok((
            key.encode(),
            self.codec
                .seal(&key, width, value, category, self.schema_id),
        ))
    }
}

/// Why a value would match what it should not: what every empty file or flat picture has.
///
/// A perceptual value is flat when it lies within the reach of a uniform picture's, all zeros or all ones: 31 bits of
/// PDQ's 256, 2 of 64.
fn matches_too_much(signal: Signal, value: &[u8]) -> Option<&'static str> {
    if signal.is_perceptual() {
        let ones: u32 = value.iter().map(|byte| byte.count_ones()).sum();
        let reach = if signal == Signal::Pdq { 31 } else { 2 };
        let bits = u32::try_from(value.len()).unwrap_or(0) * 8;
        return (ones.min(bits - ones) <= reach).then_some("flat");
    }
    if value.iter().all(|&byte| byte == 0) {
        return Some("zero");
    }
    let of_nothing = match signal {
        Signal::Md5 | Signal::UrlMd5 => Md5::digest([]).to_vec(),
        Signal::Sha1 | Signal::UrlSha1 => Sha1::digest([]).to_vec(),
        Signal::Sha256 | Signal::UrlSha256 => Sha256::digest([]).to_vec(),
        _ => Sha512::digest([]).to_vec(),
    };
    (value == of_nothing).then_some("empty-file")
}

/// Avro `bytes` or `string`: the length as a zigzag varint, and the bytes.
fn append_blob(blob: &[u8], to: &mut Vec<u8>) {
    let mut rest = (blob.len() as u64) << 1;
    while rest >= 0x80 {
        to.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    to.push(rest as u8);
    to.extend_from_slice(blob);
}

fn take_blob<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Damaged> {
    let mut zigzag = 0_u64;
    for shift in (0..).step_by(7) {
        let (&byte, tail) = rest
            .split_first()
            .filter(|_| shift < 35)
            .ok_or(Damaged::Value)?;
        *rest = tail;
        zigzag |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let len = usize::try_from(zigzag >> 1)
        .ok()
        .filter(|_| zigzag & 1 == 0)
        .ok_or(Damaged::Value)?;
    let (blob, tail) = rest.split_at_checked(len).ok_or(Damaged::Value)?;
    *rest = tail;
    Ok(blob)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use proptest::prelude::*;

    fn sealer(secret: u8, id: u8, feed: &str) -> Sealer {
        Sealer::new(
            Codec::new(Arc::new(Keys::derive(&[secret; 32]).unwrap()), &[id; 16]),
            feed,
            4,
        )
    }

    #[test]
    fn what_is_sealed_opens() {
        let mut sealer = sealer(1, 2, "feed");
        let pdq: Vec<u8> = (0..32).map(|i| i * 7 + 1).collect();
        for (signal, width, value, code) in [
            (Signal::Url, Width::Page, &b"http://example.com/a"[..], None),
            (Signal::Sha512, Width::None, &[9; 64], None),
            (Signal::Pdq, Width::None, &pdq, Some(&pdq[..])),
            (Signal::Phash, Width::None, &pdq[..8], Some(&pdq[..8])),
        ] {
            let (key, sealed) = sealer
                .seal(signal, width, value, false, "csam", Some("record 1"))
                .unwrap();
            assert!(
                !sealed.windows(8).any(|window| window == &value[..8]),
                "nothing is stored as it is"
            );
            let entry = sealer.codec().open(&key, &sealed).unwrap();
            assert_eq!(
                (entry.key.signal, entry.width, entry.category),
                (signal, width, "csam")
            );
            assert_eq!(entry.code.as_ref().map(|code| &code[..value.len()]), code);
            assert_eq!(entry.key.encode(), key);
        }
    }

    #[test]
    fn another_denylist_feed_or_secret_does_not_open_it() {
        let value: Vec<u8> = (1..9).collect();
        let seal = |mut sealer: Sealer| {
            sealer
                .seal(Signal::Phash, Width::None, &value, false, "c", None)
                .unwrap()
        };
        let (key, sealed) = seal(sealer(1, 2, "feed"));
        let codec = sealer(1, 2, "feed").codec().clone();
        assert!(codec.open(&key, &sealed).is_ok());
        assert_eq!(
            sealer(3, 2, "feed").codec().open(&key, &sealed).err(),
            Some(Damaged::Mac)
        );
        assert_eq!(
            sealer(1, 3, "feed").codec().open(&key, &sealed).err(),
            Some(Damaged::Mac)
        );
        let (other, _) = seal(sealer(1, 2, "other"));
        assert_eq!(codec.open(&other, &sealed).err(), Some(Damaged::Mac));
    }

    #[test]
    fn what_would_match_everything_is_set_aside() {
        let mut sealer = sealer(1, 2, "feed");
        let mut seal = |signal, value: &[u8]| {
            sealer
                .seal(signal, Width::None, value, false, "c", None)
                .err()
        };
        assert_eq!(seal(Signal::Md5, &[0; 16]), Some("zero"));
        assert_eq!(
            seal(Signal::Md5, b"d41d8cd98f00b204e9800998ecf8427e"),
            Some("empty-file")
        );
        assert_eq!(seal(Signal::Pdq, &[255; 32]), Some("flat"));
        assert_eq!(
            seal(Signal::Phash, &[0x80, 0, 0, 0, 0, 0, 0, 1]),
            Some("flat")
        );
        assert_eq!(seal(Signal::Phash, &[0x80, 0, 0, 0, 0, 0, 0, 3]), None);
    }

    proptest! {
        #[test]
        fn no_damage_goes_unseen(at in 0_usize..200, flip in 1_u8..=255, cut in 0_usize..200) {
            let mut sealer = sealer(1, 2, "feed");
            let (key, value) = sealer.seal(Signal::Pdq, Width::None, &[0x35; 32], false, "test", None).unwrap();
            let codec = sealer.codec();
            let mut damaged = [&key[..], &value].concat();
            let at = at % damaged.len();
            damaged[at] ^= flip;
            let is_schema_id = (KEY_LEN + 1..KEY_LEN + HEADER_LEN).contains(&at);
            prop_assert_eq!(codec.open(&damaged[..KEY_LEN], &damaged[KEY_LEN..]).is_ok(), is_schema_id);
            prop_assert!(codec.open(&key, &value[..cut % value.len()]).is_err());
            prop_assert!(codec.open(&key, &[&value[..], &[0]].concat()).is_err());
        }

        #[test]
        fn no_bytes_are_too_hostile(key in prop::collection::vec(any::<u8>(), 40..44), value: Vec<u8>) {
            let _ = sealer(1, 2, "feed").codec().open(&key, &value);
        }
    }
}
