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

/// The expression under which an entry of the width is stored. A missing scheme is added: lists often leave it out.
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
        Err(Fault::Invalid) if !names_scheme(url) => {
            let with_scheme = [b"http://", url.trim_ascii()].concat();
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

/// Whether what comes before the first slash is a scheme and its colon.
fn names_scheme(url: &[u8]) -> bool {
    let before_slash = url.split(|&byte| byte == b'/').next();
    before_slash.is_some_and(|text| text.ends_with(b":"))
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
}
