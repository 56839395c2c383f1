//! URLs as lists write them.

use super::{Canonical, Fault};
use crate::signal::Width;

/// Why a listed URL is set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlistable {
    Url(Fault),
    /// The width would stretch the entry: to a whole host although it has a path, or to any query.
    WiderThanWidth,
}

impl Unlistable {
    /// The machine-readable reason.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Url(Fault::NotUtf8) => "not-utf8",
            Self::Url(Fault::Invalid | Fault::TooLong) => "invalid-url",
            Self::WiderThanWidth => "wider-than-width",
        }
    }
}

/// The expression under which an entry of the width is stored. A missing scheme is added, for lists often leave it out,
/// but only before a host: `mailto:a@example.com` must not become an entry for the whole of example.com.
///
/// A host with an asterisk is invalid: kept as it is, it would match nothing.
///
/// # Errors
/// [`Unlistable`].
pub fn listed_expression<'a>(
    url: &[u8],
    width: Width,
    canonical: &'a mut Canonical,
) -> Result<&'a [u8], Unlistable> {
    match canonical.read(url) {
        Ok(()) => {}
        Err(Fault::Invalid) => {
            let schemeless = without_scheme(url).ok_or(Unlistable::Url(Fault::Invalid))?;
            let with_scheme = [b"http://", schemeless].concat();
            canonical.read(&with_scheme).map_err(Unlistable::Url)?;
        }
        Err(fault) => return Err(Unlistable::Url(fault)),
    }
    if canonical.host().contains(&b'*') {
        return Err(Unlistable::Url(Fault::Invalid));
    }
    match width {
        Width::Prefix if canonical.has_query() => Err(Unlistable::WiderThanWidth),
        Width::Host if canonical.has_query() || canonical.path() != b"/" => {
            Err(Unlistable::WiderThanWidth)
        }
        Width::Host => Ok(canonical.host()),
        _ => Ok(canonical.text()),
    }
}

/// What `http://` can stand before: a host, a port perhaps, and whatever comes after. Two slashes before it are dropped.
fn without_scheme(url: &[u8]) -> Option<&[u8]> {
    let url = url.trim_ascii();
    let url = url.strip_prefix(b"//").unwrap_or(url);
    let authority = url.split(|byte| b"/\\?#".contains(byte)).next()?;
    // White space and controls too: the parser drops some, and may then find another authority.
    if authority.is_empty() || authority.iter().any(|&byte| byte <= 0x20 || byte == b'@') {
        return None;
    }
    let host_end = match memchr::memchr(b']', authority) {
        Some(bracket) if authority[0] == b'[' => bracket + 1,
        _ => memchr::memchr(b':', authority).unwrap_or(authority.len()),
    };
    match &authority[host_end..] {
        [] => Some(url),
        [b':', port @ ..] if !port.is_empty() && port.iter().all(u8::is_ascii_digit) => Some(url),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(url: &str, width: Width) -> Result<String, Unlistable> {
        let mut canonical = Canonical::default();
        listed_expression(url.as_bytes(), width, &mut canonical)
            .map(|text| String::from_utf8_lossy(text).into_owned())
    }

    #[test]
    fn lists_may_leave_out_the_scheme() {
        for (url, width, expected) in [
            ("Example.com", Width::Host, "example.com"),
            ("https://example.com/", Width::Host, "example.com"),
            ("//example.com/a", Width::Page, "example.com/a"),
            ("example.com:8080/a?b", Width::Exact, "example.com/a?b"),
            (" 1.2.3.4 ", Width::Host, "1.2.3.4"),
            ("example.com/a/", Width::Prefix, "example.com/a/"),
            ("example.com/@a:b", Width::Page, "example.com/@a:b"),
            (
                "example.com?a=http://b@c",
                Width::Exact,
                "example.com/?a=http://b@c",
            ),
            ("[::1]:80", Width::Host, "[::1]"),
            ("[::1]", Width::Host, "[::1]"),
        ] {
            assert_eq!(listed(url, width).as_deref(), Ok(expected), "{url}");
        }
    }

    #[test]
    fn an_entry_is_never_stretched() {
        assert_eq!(
            listed("example.com/a", Width::Host),
            Err(Unlistable::WiderThanWidth)
        );
        assert_eq!(
            listed("example.com/?a", Width::Host),
            Err(Unlistable::WiderThanWidth)
        );
        assert_eq!(
            listed("example.com/a?b", Width::Prefix),
            Err(Unlistable::WiderThanWidth)
        );
        assert_eq!(
            listed("*.example.com", Width::Host),
            Err(Unlistable::Url(Fault::Invalid))
        );
        for url in ["file://example.com/a", "x:///a", "http://"] {
            let invalid = Err(Unlistable::Url(Fault::Invalid));
            assert_eq!(listed(url, Width::Page), invalid, "{url}");
        }
        assert_eq!(
            listed("", Width::Host),
            Err(Unlistable::Url(Fault::Invalid))
        );
    }

    #[test]
    fn what_is_no_url_never_names_a_host() {
        for url in [
            "mailto:a@example.com",
            "mailto:a@example.com?subject=b",
            "javascript:alert(1)@example.com",
            "a@example.com",
            "//a@example.com",
            "a:b@example.com/c",
            "a@example.com\\b",
            "/\t/a@example.com",
            "//\t/a@example.com",
            "///a@example.com",
            "\\\\a@example.com",
            "a%40example.com",
            "a\u{ff20}example.com",
            "data:text/plain,a",
            "urn:isbn:0123456789",
            "example.com:",
            "example.com:80a",
            "example.com:80:80",
            "[::1]80",
            "/a/b.png",
            "?a",
            "#a",
        ] {
            for width in [Width::Exact, Width::Page, Width::Prefix, Width::Host] {
                let invalid = Err(Unlistable::Url(Fault::Invalid));
                assert_eq!(listed(url, width), invalid, "{url}");
            }
        }
    }
}
