//! The expressions under which an event's URL is looked up.

use super::Canonical;
use crate::signal::Width;

/// A set of widths of URL entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Widths(u8);

impl Widths {
    pub const ALL: Self = Self(0b1_1110);

    #[must_use]
    pub const fn with(self, width: Width) -> Self {
        Self(self.0 | 1 << width.code())
    }

    #[must_use]
    pub const fn has(self, width: Width) -> bool {
        self.0 & 1 << width.code() != 0
    }
}

/// All expressions of the wanted widths, from the narrowest to the widest: what comes later covers what came before.
pub struct Expressions<'a> {
    url: &'a Canonical,
    widths: Widths,
    /// What comes next.
    next: Next,
}

#[derive(Clone, Copy)]
enum Next {
    Exact,
    PageWithQuery,
    Page,
    /// The part of host and path that ends here.
    Prefix(usize),
    /// The part of the host that begins here.
    Host(usize),
    End,
}

impl<'a> Expressions<'a> {
    #[must_use]
    pub fn new(url: &'a Canonical, widths: Widths) -> Self {
        Self {
            url,
            widths,
            next: Next::Exact,
        }
    }

    /// The next shorter prefix: one that ends in a slash, then the same without it; the root only with it.
    fn shorter_prefix(&self, end: usize) -> Next {
        let root = self.url.host().len() + 1;
        let text = self.url.text();
        if end <= root {
            Next::Host(0)
        } else if text[end - 1] == b'/' {
            Next::Prefix(end - 1)
        } else {
            let slash = memchr::memrchr(b'/', &text[..end]).unwrap_or(root - 1);
            Next::Prefix(slash + 1)
        }
    }

    fn parent(&self, start: usize) -> Next {
        let host = self.url.host();
        match memchr::memchr(b'.', &host[start..]) {
            Some(dot) if !self.url.is_address() => Next::Host(start + dot + 1),
            _ => Next::End,
        }
    }
}

impl<'a> Iterator for Expressions<'a> {
    type Item = (Width, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (item, next) = match self.next {
                Next::Exact => ((Width::Exact, self.url.text()), Next::PageWithQuery),
                Next::PageWithQuery if self.url.has_query() => {
                    ((Width::Page, self.url.text()), Next::Page)
                }
                Next::PageWithQuery => {
                    self.next = Next::Page;
                    continue;
                }
                Next::Page => (
                    (Width::Page, self.url.host_and_path()),
                    Next::Prefix(self.url.host_and_path().len()),
                ),
                Next::Prefix(_) if !self.widths.has(Width::Prefix) => {
                    self.next = Next::Host(0);
                    continue;
                }
                Next::Prefix(end) => (
                    (Width::Prefix, &self.url.text()[..end]),
                    self.shorter_prefix(end),
                ),
                Next::Host(start) => ((Width::Host, &self.url.host()[start..]), self.parent(start)),
                Next::End => return None,
            };
            self.next = next;
            if self.widths.has(item.0) {
                return Some(item);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expressions(url: &str, widths: Widths) -> Vec<String> {
        let mut canonical = Canonical::default();
        canonical.read(url.as_bytes()).unwrap();
        Expressions::new(&canonical, widths)
            .map(|(width, text)| format!("{} {}", width.name(), String::from_utf8_lossy(text)))
            .collect()
    }

    #[test]
    fn every_width_and_depth_narrowest_first() {
        assert_eq!(
            expressions("http://a.b.example/c/d/?e", Widths::ALL),
            [
                "exact a.b.example/c/d/?e",
                "page a.b.example/c/d/?e",
                "page a.b.example/c/d/",
                "prefix a.b.example/c/d/",
                "prefix a.b.example/c/d",
                "prefix a.b.example/c/",
                "prefix a.b.example/c",
                "prefix a.b.example/",
                "host a.b.example",
                "host b.example",
                "host example",
            ]
        );
        assert_eq!(
            expressions("http://1.2.3.4/a", Widths::ALL),
            [
                "exact 1.2.3.4/a",
                "page 1.2.3.4/a",
                "prefix 1.2.3.4/a",
                "prefix 1.2.3.4/",
                "host 1.2.3.4"
            ]
        );
        assert_eq!(
            expressions("http://[::1]/", Widths::default().with(Width::Host)),
            ["host [::1]"]
        );
        assert_eq!(
            expressions("http://a.example/b", Widths::default().with(Width::Page)),
            ["page a.example/b"]
        );
        assert!(expressions("http://a.example/b", Widths::default()).is_empty());
    }
}
