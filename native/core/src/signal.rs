//! The kinds of values that can be checked, and how widely an entry of a URL list matches.

/// A kind of value that can be checked. The discriminants stand in denylist records: they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Signal {
    Url = 1,
    Md5 = 2,
    Sha1 = 3,
    Sha256 = 4,
    Sha512 = 5,
    UrlMd5 = 6,
    UrlSha1 = 7,
    UrlSha256 = 8,
    Pdq = 9,
    Phash = 10,
    Dhash = 11,
    Ahash = 12,
    Whash = 13,
}

impl Signal {
    /// All signals, by code.
    pub const ALL: [Self; 13] = [
        Self::Url,
        Self::Md5,
        Self::Sha1,
        Self::Sha256,
        Self::Sha512,
        Self::UrlMd5,
        Self::UrlSha1,
        Self::UrlSha256,
        Self::Pdq,
        Self::Phash,
        Self::Dhash,
        Self::Ahash,
        Self::Whash,
    ];
    /// Lists of URLs that others have hashed.
    pub const HASHED_URLS: [Self; 3] = [Self::UrlMd5, Self::UrlSha1, Self::UrlSha256];
    /// One more than the highest code: the length of arrays indexed by [`Signal::code`].
    pub const CODES: usize = 14;

    /// The code in denylist records.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code).checked_sub(1)?).copied()
    }

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
            Self::UrlMd5 => "url_md5",
            Self::UrlSha1 => "url_sha1",
            Self::UrlSha256 => "url_sha256",
            Self::Pdq => "pdq",
            Self::Phash => "phash",
            Self::Dhash => "dhash",
            Self::Ahash => "ahash",
            Self::Whash => "whash",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.name() == name)
    }

    /// Whether values match within a Hamming distance.
    #[must_use]
    pub const fn is_perceptual(self) -> bool {
        self.code() >= Self::Pdq.code()
    }

    /// The length of a value in bytes; `None` for URLs, which have no fixed one.
    #[must_use]
    pub const fn digest_len(self) -> Option<usize> {
        match self {
            Self::Url => None,
            Self::Md5 | Self::UrlMd5 => Some(16),
            Self::Sha1 | Self::UrlSha1 => Some(20),
            Self::Sha256 | Self::UrlSha256 | Self::Pdq => Some(32),
            Self::Sha512 => Some(64),
            Self::Phash | Self::Dhash | Self::Ahash | Self::Whash => Some(8),
        }
    }

    /// The largest Hamming distance that a feed may ask for, in bits.
    #[must_use]
    pub const fn distance_limit(self) -> u32 {
        match self {
            Self::Pdq => 31,
            Self::Phash | Self::Dhash | Self::Ahash | Self::Whash => 10,
            _ => 0,
        }
    }

    /// The distance for feeds that don't say, in bits. Small for 64 bits, where 10 would match a tenth of the web.
    #[must_use]
    pub const fn default_distance(self) -> u32 {
        match self {
            Self::Pdq => 31,
            Self::Phash | Self::Dhash | Self::Ahash | Self::Whash => 4,
            _ => 0,
        }
    }
}

/// How widely an entry matches. The discriminants stand in denylist records: they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Width {
    /// For all signals but `url`.
    None = 0,
    Exact = 1,
    Page = 2,
    Prefix = 3,
    Host = 4,
}

impl Width {
    /// The widths of URL entries, narrowest first.
    pub const URL: [Self; 4] = [Self::Exact, Self::Page, Self::Prefix, Self::Host];

    /// The code in denylist records.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::None),
            1 => Some(Self::Exact),
            2 => Some(Self::Page),
            3 => Some(Self::Prefix),
            4 => Some(Self::Host),
            _ => None,
        }
    }

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Exact => "exact",
            Self::Page => "page",
            Self::Prefix => "prefix",
            Self::Host => "host",
        }
    }

    /// One of the widths of URL entries.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::URL.into_iter().find(|width| width.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_one_to_one() {
        for signal in Signal::ALL {
            assert_eq!(Signal::from_code(signal.code()), Some(signal));
            assert_eq!(Signal::from_name(signal.name()), Some(signal));
            assert!(usize::from(signal.code()) < Signal::CODES);
            assert!(signal.default_distance() <= signal.distance_limit());
        }
        assert_eq!(Signal::from_code(0), None);
        assert_eq!(Signal::from_code(14), None);
        for width in Width::URL {
            assert_eq!(Width::from_code(width.code()), Some(width));
            assert_eq!(Width::from_name(width.name()), Some(width));
        }
        assert_eq!(Width::from_name("none"), None);
    }
}
