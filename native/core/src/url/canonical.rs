//! The canonical form of a URL.

use url::Url;

use super::escape::{Part, escape, is_escaped, unescape};
use super::{Fault, host};

/// The longest URL, in bytes.
pub const MAX_LEN: usize = 8192;
/// The most components of a path.
pub const MAX_COMPONENTS: usize = 128;

/// A URL in canonical form: host, path and query. Reading another one reuses its memory.
#[derive(Default)]
pub struct Canonical {
    text: Vec<u8>,
    host_end: usize,
    path_end: usize,
    is_address: bool,
    scratch: Vec<u8>,
}

impl Canonical {
    /// Brings a URL to canonical form.
    ///
    /// # Errors
    /// [`Fault`]; what it held before is then lost.
    pub fn read(&mut self, url: &[u8]) -> Result<(), Fault> {
        if url.len() > MAX_LEN {
            return Err(Fault::TooLong);
        }
        let url = std::str::from_utf8(url).map_err(|_| Fault::NotUtf8)?;
        match Split::of_plain(url) {
            Some(plain) => self.read_plain(&plain),
            None => self.read_any(url),
        }
    }

    /// Host, path and, if there is one, `?` and query. ASCII.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    #[must_use]
    pub fn host(&self) -> &[u8] {
        &self.text[..self.host_end]
    }

    #[must_use]
    pub fn host_and_path(&self) -> &[u8] {
        &self.text[..self.path_end]
    }

    #[must_use]
    pub fn path(&self) -> &[u8] {
        &self.text[self.host_end..self.path_end]
    }

    #[must_use]
    pub fn has_query(&self) -> bool {
        self.path_end < self.text.len()
    }

    /// Whether the host is an address, so that it has no parent domains.
    #[must_use]
    pub fn is_address(&self) -> bool {
        self.is_address
    }

    fn read_any(&mut self, url: &str) -> Result<(), Fault> {
        let url = Url::parse(url).map_err(|_| Fault::Invalid)?;
        if url.scheme() == "file" {
            return Err(Fault::Invalid);
        }
        let host = url.host().ok_or(Fault::Invalid)?;
        self.text.clear();
        self.is_address = if is_web(url.scheme()) {
            host::append(&host, &mut self.text)?
        } else {
            host::append_opaque(&host, &mut self.text)?
        };
        self.finish(url.path().as_bytes(), url.query().unwrap_or("").as_bytes())
    }

    fn read_plain(&mut self, url: &Split<'_>) -> Result<(), Fault> {
        self.text.clear();
        self.text.extend_from_slice(url.host);
        self.text.make_ascii_lowercase();
        self.is_address = false;
        self.finish(url.path, url.query)
    }

    /// Appends path and query to the host that `text` holds.
    fn finish(&mut self, path: &[u8], query: &[u8]) -> Result<(), Fault> {
        self.host_end = self.text.len();
        if self.host_end == 0 {
            return Err(Fault::Invalid);
        }
        self.append_path(path)?;
        self.path_end = self.text.len();
        if !query.is_empty() {
            self.text.push(b'?');
            if any(query, |byte| is_escaped(byte, Part::Query)) {
                self.scratch.clear();
                unescape(query, &mut self.scratch);
                escape(&self.scratch, Part::Query, &mut self.text);
            } else {
                self.text.extend_from_slice(query);
            }
        }
        Ok(())
    }

    fn append_path(&mut self, path: &[u8]) -> Result<(), Fault> {
        let path = if memchr::memchr(b'%', path).is_some() {
            self.scratch.clear();
            unescape(path, &mut self.scratch);
            &self.scratch
        } else {
            path
        };
        let path = path.strip_prefix(b"/").unwrap_or(path);
        if is_final(path) {
            if memchr::memchr_iter(b'/', path).count() >= MAX_COMPONENTS {
                return Err(Fault::TooLong);
            }
            self.text.push(b'/');
            self.text.extend_from_slice(path);
            return Ok(());
        }
        let mut components: Vec<&[u8]> = Vec::new();
        let mut rest = path.split(|&byte| byte == b'/').peekable();
        while let Some(component) = rest.next() {
            match component {
                b"." => {}
                b".." => drop(components.pop()),
                other => {
                    components.push(other);
                    continue;
                }
            }
            if rest.peek().is_none() {
                components.push(b"");
            }
        }
        let ends_in_slash = components.last().is_none_or(|last| last.is_empty());
        components.retain(|component| !component.is_empty());
        if components.len() + usize::from(ends_in_slash) > MAX_COMPONENTS {
            return Err(Fault::TooLong);
        }
        for component in components {
            self.text.push(b'/');
            escape(component, Part::Path, &mut self.text);
        }
        if ends_in_slash {
            self.text.push(b'/');
        }
        Ok(())
    }
}

/// Whether the path, without the slash at its start, is in canonical form but for its length.
fn is_final(path: &[u8]) -> bool {
    !path.starts_with(b".")
        && !path.starts_with(b"/")
        && !any(path, |byte| is_escaped(byte, Part::Path))
        && !any_pair(path, |byte, next| {
            (byte == b'/') & ((next == b'/') | (next == b'.'))
        })
}

/// Whether any byte is such a one. Always looks at all, so that the compiler can look at many at once.
fn any(bytes: &[u8], is_such: impl Fn(u8) -> bool) -> bool {
    bytes
        .iter()
        .fold(false, |found, &byte| found | is_such(byte))
}

/// Whether any two bytes, one after the other, are such ones; as [`any`].
fn any_pair(bytes: &[u8], are_such: impl Fn(u8, u8) -> bool) -> bool {
    let pairs = bytes.iter().zip(bytes.iter().skip(1));
    pairs.fold(false, |found, (&byte, &next)| found | are_such(byte, next))
}

/// The schemes that the standard calls special, which share one syntax.
pub(super) fn is_web(scheme: &str) -> bool {
    matches!(scheme, "http" | "https" | "ws" | "wss" | "ftp")
}

/// The parts of a URL that the standard's parser would only copy or escape, so that it needn't run.
struct Split<'a> {
    host: &'a [u8],
    path: &'a [u8],
    query: &'a [u8],
}

impl<'a> Split<'a> {
    fn of_plain(url: &'a str) -> Option<Self> {
        let rest = url
            .strip_prefix("https://")
            .or_else(|| url.strip_prefix("http://"))?
            .as_bytes();
        let host_end = memchr::memchr3(b'/', b'?', b'#', rest).unwrap_or(rest.len());
        let (host, rest) = rest.split_at(host_end);
        if !is_plain_host(host) {
            return None;
        }
        // The parser drops some white space and controls, and takes a backslash for a slash.
        if any(rest, |byte| {
            (byte <= 0x20) | (byte == 0x7f) | (byte == b'\\')
        }) {
            return None;
        }
        let rest = &rest[..memchr::memchr(b'#', rest).unwrap_or(rest.len())];
        let path_end = memchr::memchr(b'?', rest).unwrap_or(rest.len());
        let (path, query) = rest.split_at(path_end);
        // It resolves dot segments, escaped ones too, before the escapes are undone.
        if any_pair(path, |byte, next| {
            (byte == b'/') & ((next == b'.') | (next == b'%'))
        }) {
            return None;
        }
        Some(Self {
            host,
            path,
            query: query.strip_prefix(b"?").unwrap_or(query),
        })
    }
}

/// Whether the parser would only bring the host to lower case: letters, digits and hyphens, no address. Punycode has two
/// hyphens in a row.
fn is_plain_host(host: &[u8]) -> bool {
    let last_label = memchr::memrchr(b'.', host).map_or(0, |dot| dot + 1);
    host.get(last_label).is_some_and(u8::is_ascii_alphabetic)
        && !host.starts_with(b".")
        && !any(host, |byte| {
            !(byte.is_ascii_alphanumeric() | (byte == b'-') | (byte == b'.'))
        })
        && !any_pair(host, |byte, next| {
            (byte == next) & ((byte == b'-') | (byte == b'.'))
        })
        && memchr::memchr_iter(b'.', host).count() < host::MAX_LABELS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub fn canonical(url: &str) -> Result<String, Fault> {
        let mut canonical = Canonical::default();
        canonical.read(url.as_bytes())?;
        Ok(String::from_utf8(canonical.text).unwrap())
    }

    /// What stays of a URL when the parser does run.
    fn slow(url: &str) -> Result<(Vec<u8>, usize, usize, bool), Fault> {
        let mut canonical = Canonical::default();
        canonical.read_any(url)?;
        Ok((
            canonical.text,
            canonical.host_end,
            canonical.path_end,
            canonical.is_address,
        ))
    }

    #[test]
    fn as_safe_browsing_publishes() {
        // "URLs and Hashing", section "Canonicalization"; the ones left out have hosts that no browser accepts.
        for (url, expected) in [
            ("http://host/%25%32%35", "host/%25"),
            ("http://host/%25%32%35%25%32%35", "host/%25%25"),
            ("http://host/%2525252525252525", "host/%25"),
            ("http://host/asdf%25%32%35asd", "host/asdf%25asd"),
            ("http://host/%%%25%32%35asd%%", "host/%25%25%25asd%25%25"),
            ("http://www.google.com/", "www.google.com/"),
            (
                "http://%31%36%38%2e%31%38%38%2e%39%39%2e%32%36/%2E%73%65%63%75%72%65/%77%77%77%2E%65%62%61%79%2E%63%6F%6D/",
                "168.188.99.26/.secure/www.ebay.com/",
            ),
            (
                "http://195.127.0.11/uploads/%20%20%20%20/.verify/.eBaysecure=updateuserdataxplimnbqmn-xplmvalidateinfoswqpcmlx=hgplmcx/",
                "195.127.0.11/uploads/%20%20%20%20/.verify/.eBaysecure=updateuserdataxplimnbqmn-xplmvalidateinfoswqpcmlx=hgplmcx/",
            ),
            (
                "http://host.com/%257Ea%2521b%2540c%2523d%2524e%25f%255E00%252611%252A22%252833%252944_55%252B",
                "host.com/~a!b@c%23d$e%25f^00&11*22(33)44_55+",
            ),
            ("http://3279880203/blah", "195.127.0.11/blah"),
            ("http://www.google.com/blah/..", "www.google.com/"),
            ("http://www.evil.com/blah#frag", "www.evil.com/blah"),
            ("http://www.GOOgle.com/", "www.google.com/"),
            ("http://www.google.com.../", "www.google.com/"),
            (
                "http://www.google.com/foo\tbar\rbaz\n2",
                "www.google.com/foobarbaz2",
            ),
            ("http://www.google.com/q?", "www.google.com/q"), // theirs keeps the question mark
            ("http://www.google.com/q?r?", "www.google.com/q?r?"),
            ("http://www.google.com/q?r?s", "www.google.com/q?r?s"),
            ("http://evil.com/foo#bar#baz", "evil.com/foo"),
            ("http://evil.com/foo;", "evil.com/foo;"),
            ("http://evil.com/foo?bar;", "evil.com/foo?bar;"),
            ("http://notrailingslash.com", "notrailingslash.com/"),
            ("http://www.gotaport.com:1234/", "www.gotaport.com/"),
            ("  http://www.google.com/  ", "www.google.com/"),
            (
                "http://host.com//twoslashes?more//slashes",
                "host.com/twoslashes?more//slashes",
            ),
            ("https://www.securesite.com/", "www.securesite.com/"),
            ("http://host.com/ab%23cd", "host.com/ab%23cd"),
        ] {
            assert_eq!(canonical(url).as_deref(), Ok(expected), "{url}");
        }
    }

    #[test]
    fn no_way_around() {
        for (url, expected) in [
            (
                "https://user:secret@EXAMPLE.com:8443/a?b#c",
                "example.com/a?b",
            ),
            ("http://example.com/a/%252e%252e/b", "example.com/b"),
            ("http://example.com/a/%2e%2E/b", "example.com/b"),
            ("http://example.com/a%2f..%2fb", "example.com/b"),
            ("http://example.com/a/.%252e", "example.com/"),
            ("http://example.com/a%3Fb?c%3Fd", "example.com/a%3Fb?c?d"),
            ("http://example.com\\a\\..\\b", "example.com/b"),
            ("http://example.com/a%5Cb", "example.com/a%5Cb"),
            ("http:\\\\example.com/", "example.com/"),
            ("http:example.com/a", "example.com/a"),
            ("http://..example..com../", "example.com/"),
            ("http://1.2.3.4./", "1.2.3.4/"),
            ("http://1.2.3.4../", "1.2.3.4/"),
            ("http://0x7f.1/", "127.0.0.1/"),
            ("http://017700000001/", "127.0.0.1/"),
            ("http://[2001:0DB8:0:0::1]/", "[2001:db8::1]/"),
            ("http://[::ffff:1.2.3.4]/", "1.2.3.4/"),
            ("http://[64:ff9b::102:304]/", "1.2.3.4/"),
            ("http://ex%61mple.com/", "example.com/"),
            ("http://B\u{fc}cher.example/", "xn--bcher-kva.example/"),
            ("http://example\u{3002}com/", "example.com/"),
            ("git://EX%41MPLE.com/x", "example.com/x"),
            ("x://1.2.3.4", "1.2.3.4/"),
            ("ftp://example.com/", "example.com/"),
            (
                "http://example.com/A+b%20c?Z=1&a=2",
                "example.com/A+b%20c?Z=1&a=2",
            ),
            ("http://example.com/\u{e9}", "example.com/%C3%A9"),
        ] {
            assert_eq!(canonical(url).as_deref(), Ok(expected), "{url}");
        }
    }

    #[test]
    fn what_cannot_be_vouched_for() {
        let long = format!("http://example.com/{}", "a".repeat(MAX_LEN));
        let deep = format!("http://example.com/{}", "a/".repeat(MAX_COMPONENTS));
        let wide = format!("http://{}com/", "a.".repeat(MAX_COMPONENTS));
        for (url, expected) in [
            ("", Fault::Invalid),
            ("example.com/a", Fault::Invalid),
            ("mailto:someone@example.com", Fault::Invalid),
            ("data:text/plain,a", Fault::Invalid),
            ("file:///etc/hosts", Fault::Invalid),
            ("file://example.com/a", Fault::Invalid),
            ("http://", Fault::Invalid),
            ("http://./", Fault::Invalid),
            ("http://a b/", Fault::Invalid),
            ("http://host%23.com/", Fault::Invalid),
            ("http://1.2.3.256/", Fault::Invalid),
            ("http://1.2.3.4.5../", Fault::Invalid),
            ("http://[::1/", Fault::Invalid),
            ("http://example.com:99999/", Fault::Invalid),
            (&long, Fault::TooLong),
            (&deep, Fault::TooLong),
            (&wide, Fault::TooLong),
        ] {
            assert_eq!(canonical(url), Err(expected), "{url}");
        }
        let nearly = format!("http://example.com/{}", "a/".repeat(MAX_COMPONENTS - 1));
        assert!(canonical(&nearly).is_ok());
        assert_eq!(
            Canonical::default().read(b"http://example.com/\xff"),
            Err(Fault::NotUtf8)
        );
    }

    fn urls() -> impl Strategy<Value = String> {
        let host =
            "[a-zA-Z0-9.-]{0,8}|[a-z]{1,5}\\.[a-z]{2,3}|[0-9.x]{1,9}|xn--[a-z0-9]{0,5}|\\PC{0,4}";
        let tail = "(/|[/.]|%2[eEfF5]|%25|[a-z?#;&=+%0-9\\\\~\"<>^`{|}' \t!@:*\u{7f}\u{e9}]){0,14}";
        (
            "(https?|HTTP|ftp|x|file)",
            "(://|:|:/|:\\\\\\\\)",
            host,
            tail,
        )
            .prop_map(|(scheme, colon, host, tail)| format!("{scheme}{colon}{host}{tail}"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn the_short_cut_changes_nothing(url in urls()) {
            if let Some(plain) = Split::of_plain(&url) {
                let mut quick = Canonical::default();
                let found = quick.read_plain(&plain)
                    .map(|()| (quick.text, quick.host_end, quick.path_end, quick.is_address));
                prop_assert_eq!(found, slow(&url));
            }
        }

        #[test]
        fn the_form_is_its_own_form(url in urls()) {
            if let Ok(form) = canonical(&url) {
                prop_assert_eq!(canonical(&format!("http://{form}")), Ok(form.clone()));
                prop_assert!(form.is_ascii());
            }
        }

        #[test]
        fn no_bytes_are_too_hostile(url: Vec<u8>, text in "\\PC{0,60}") {
            let mut canonical = Canonical::default();
            let _ = canonical.read(&url);
            let _ = canonical.read(text.as_bytes());
            let _ = canonical.read(format!("http://{text}").as_bytes());
        }
    }
}
