//! The keys of one denylist, derived from its secret by HKDF-SHA-256 (RFC 5869), one a purpose.

use std::hash::Hasher;

use aes_siv::KeyInit;
use aes_siv::siv::Aes256Siv;
use hkdf::Hkdf;
use sha2::Sha256;
use siphasher::sip128::{Hasher128, SipHasher24};

use crate::signal::{Signal, Width};

/// The shortest secret, in bytes.
pub const MIN_SECRET: usize = 32;
/// A keyed hash.
pub type Hash = [u8; 16];
/// Stands for a feed in the Kafka keys of its entries.
pub type FeedTag = [u8; 8];
/// The keyed record id of a record without one.
pub const NO_RECORD_ID: Hash = [0; 16];

/// The keys of one denylist. Has no `Debug`, so that it can't end up in a message.
#[derive(Clone)]
pub struct Keys {
    exact: SipHasher24,
    perceptual: [u8; 64],
    entry_mac: SipHasher24,
    status_mac: SipHasher24,
    entry_checksum: SipHasher24,
    policy_checksum: SipHasher24,
    entry_tag: SipHasher24,
    record_id: SipHasher24,
    feed_tag: SipHasher24,
    id: Hash,
}

impl Keys {
    /// Derives all keys; `None` if the secret is shorter than [`MIN_SECRET`].
    #[must_use]
    pub fn derive(secret: &[u8]) -> Option<Self> {
        if secret.len() < MIN_SECRET {
            return None;
        }
        let hkdf = Hkdf::<Sha256>::new(None, secret);
        Some(Self {
            exact: prf(&hkdf, "exact value"),
            perceptual: expand(&hkdf, "perceptual value"),
            entry_mac: prf(&hkdf, "entry mac"),
            status_mac: prf(&hkdf, "status mac"),
            entry_checksum: prf(&hkdf, "entry checksum"),
            policy_checksum: prf(&hkdf, "policy checksum"),
            entry_tag: prf(&hkdf, "entry tag"),
            record_id: prf(&hkdf, "record id"),
            feed_tag: prf(&hkdf, "feed tag"),
            id: expand(&hkdf, "key id"),
        })
    }

    /// Names the secret and tells nothing of it.
    #[must_use]
    pub fn id(&self) -> Hash {
        self.id
    }

    /// The keyed hash of a canonical value, under its signal and width. `scratch` is overwritten.
    #[must_use]
    pub fn value(&self, signal: Signal, width: Width, value: &[u8], scratch: &mut Vec<u8>) -> u128 {
        scratch.clear();
        scratch.extend_from_slice(&[signal.code(), width.code()]);
        scratch.extend_from_slice(value);
        u128::from_be_bytes(self.exact.hash(scratch).as_bytes())
    }

    /// The keyed hashes of beginnings of `text`, which end at `ends`, in that order: ends must ascend.
    ///
    /// Gives what [`Keys::value`] gives for each of them, but reads the text once.
    pub fn beginnings<'a>(
        &self,
        signal: Signal,
        width: Width,
        text: &'a [u8],
        ends: impl Iterator<Item = usize> + 'a,
    ) -> impl Iterator<Item = u128> + 'a {
        let mut hasher = self.exact;
        hasher.write(&[signal.code(), width.code()]);
        let mut read = 0;
        ends.map(move |end| {
            hasher.write(&text[read..end]);
            read = end;
            u128::from_be_bytes(hasher.finish128().as_bytes())
        })
    }

    /// The cipher of perceptual values (RFC 5297).
    #[must_use]
    pub fn perceptual(&self) -> Aes256Siv {
        Aes256Siv::new(&self.perceptual.into())
    }

    /// Authenticates a denylist entry.
    #[must_use]
    pub fn entry_mac(&self, message: &[u8]) -> Hash {
        self.entry_mac.hash(message).as_bytes()
    }

    /// Authenticates a status record.
    #[must_use]
    pub fn status_mac(&self, message: &[u8]) -> Hash {
        self.status_mac.hash(message).as_bytes()
    }

    /// An entry's term of its feed's checksum.
    #[must_use]
    pub fn entry_checksum(&self, message: &[u8]) -> u128 {
        u128::from_be_bytes(self.entry_checksum.hash(message).as_bytes())
    }

    /// A policy's term of its feed's checksum.
    #[must_use]
    pub fn policy_checksum(&self, message: &[u8]) -> u128 {
        u128::from_be_bytes(self.policy_checksum.hash(message).as_bytes())
    }

    /// The opaque tag under which quarantine records name an entry.
    #[must_use]
    pub fn entry_tag(&self, feed: FeedTag, value: u128) -> Hash {
        let mut message = [0; 24];
        message[..8].copy_from_slice(&feed);
        message[8..].copy_from_slice(&value.to_be_bytes());
        self.entry_tag.hash(&message).as_bytes()
    }

    /// Hides a partner's record id; [`NO_RECORD_ID`] for none.
    #[must_use]
    pub fn record_id(&self, feed: FeedTag, record_id: Option<&str>) -> Hash {
        record_id.map_or(NO_RECORD_ID, |id| {
            self.record_id
                .hash(&[&feed[..], id.as_bytes()].concat())
                .as_bytes()
        })
    }

    #[must_use]
    pub fn feed_tag(&self, feed: &str) -> FeedTag {
        let hash = self.feed_tag.hash(feed.as_bytes()).as_bytes();
        std::array::from_fn(|i| hash[i])
    }
}

fn expand<const N: usize>(hkdf: &Hkdf<Sha256>, purpose: &str) -> [u8; N] {
    let mut key = [0; N];
    let info = format!("crawlsieve denylist 1: {purpose}");
    hkdf.expand(info.as_bytes(), &mut key)
        .expect("HKDF-SHA-256 gives up to 8,160 bytes");
    key
}

fn prf(hkdf: &Hkdf<Sha256>, purpose: &str) -> SipHasher24 {
    SipHasher24::new_with_key(&expand(hkdf, purpose))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn siphash_128_as_published() {
        // Reference implementation's vectors: key 00..0f, messages of 0, 1 and 63 bytes 00, 01, ...
        let key: [u8; 16] = std::array::from_fn(|i| u8::try_from(i).unwrap());
        let hasher = SipHasher24::new_with_key(&key);
        for (len, expected) in [
            (0_u8, "a3817f04ba25a8e66df67214c7550293"),
            (1, "da87c1d86b99af44347659119b22fc45"),
            (63, "5150d1772f50834a503e069a973fbd7c"),
        ] {
            let message: Vec<u8> = (0..len).collect();
            assert_eq!(hasher.hash(&message).as_bytes().to_vec(), hex(expected));
        }
    }

    #[test]
    fn hkdf_as_in_rfc_5869_a3() {
        let hkdf = Hkdf::<Sha256>::new(None, &[0x0b; 22]);
        let mut okm = [0; 42];
        hkdf.expand(&[], &mut okm).unwrap();
        let expected =
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8";
        assert_eq!(okm.to_vec(), hex(expected));
    }

    #[test]
    fn aes_siv_as_in_rfc_5297_a1() {
        use aes_siv::siv::Aes128Siv;
        let key: [u8; 32] = hex("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
            .try_into()
            .unwrap();
        let header = hex("101112131415161718191a1b1c1d1e1f2021222324252627");
        let sealed = Aes128Siv::new(&key.into())
            .encrypt([&header], &hex("112233445566778899aabbccddee"))
            .unwrap();
        assert_eq!(
            sealed,
            hex("85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c")
        );
    }

    #[test]
    fn every_purpose_has_its_own_key() {
        let keys = Keys::derive(&[7; 32]).unwrap();
        let message = b"the same";
        let outputs = [
            keys.exact.hash(message).as_bytes(),
            keys.entry_mac(message),
            keys.status_mac(message),
            keys.entry_checksum(message).to_be_bytes(),
            keys.policy_checksum(message).to_be_bytes(),
            keys.entry_tag.hash(message).as_bytes(),
            keys.record_id.hash(message).as_bytes(),
            keys.feed_tag.hash(message).as_bytes(),
            keys.id(),
        ];
        let distinct: std::collections::HashSet<_> = outputs.iter().collect();
        assert_eq!(distinct.len(), outputs.len());
        assert!(Keys::derive(&[7; 31]).is_none());
        assert_ne!(Keys::derive(&[8; 32]).unwrap().id(), keys.id());
    }

    #[test]
    fn a_value_is_bound_to_signal_and_width() {
        let keys = Keys::derive(&[7; 32]).unwrap();
        let mut scratch = Vec::new();
        let page = keys.value(Signal::Url, Width::Page, b"a/", &mut scratch);
        assert_ne!(
            page,
            keys.value(Signal::Url, Width::Exact, b"a/", &mut scratch)
        );
        assert_ne!(
            page,
            keys.value(Signal::Md5, Width::Page, b"a/", &mut scratch)
        );
        assert_eq!(
            page,
            keys.value(Signal::Url, Width::Page, b"a/", &mut scratch)
        );
    }

    proptest! {
        #[test]
        fn beginnings_hash_as_values(
            text in proptest::collection::vec(any::<u8>(), 0..80),
            cuts in proptest::collection::btree_set(0..80_usize, 0..12),
            repeat: bool,
        ) {
            let keys = Keys::derive(&[7; 32]).unwrap();
            let mut ends: Vec<usize> = cuts.into_iter().filter(|&end| end <= text.len()).collect();
            if repeat {
                ends.extend(ends.last().copied());
            }
            let found: Vec<u128> = keys
                .beginnings(Signal::Url, Width::Prefix, &text, ends.iter().copied())
                .collect();
            let mut scratch = Vec::new();
            let expected: Vec<u128> = ends
                .iter()
                .map(|&end| keys.value(Signal::Url, Width::Prefix, &text[..end], &mut scratch))
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}
