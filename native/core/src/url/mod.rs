//! URLs: one canonical form for both sides, and the expressions under which an event's URL is looked up.
//!
//! A URL is parsed as browsers do (the WHATWG URL standard) and then brought to the form of Google's Safe Browsing,
//! "URLs and Hashing". Where the two disagree, the one that leaves no way around an entry wins:
//!
//! - A URL that browsers can't open (an invalid host, no host) has no form, though Safe Browsing would give one.
//! - Escapes are undone until none is left, host, path and query each by itself: `%3F` in a path starts no query.
//! - Dot segments and doubled slashes are resolved again after that.
//! - Besides Safe Browsing's own, `?` and `\` in a path are escaped, so that each form is read in one way only.
//! - A `?` with nothing after it is no query.
//! - Hosts of other schemes than the web's are read like the web's. `file:` URLs have no form: they are on no host.

mod canonical;
mod escape;
mod expressions;
mod hashed;
mod host;
mod listed;

pub use canonical::{Canonical, MAX_COMPONENTS, MAX_LEN};
pub use expressions::{Expressions, Widths};
pub use hashed::hashed_forms;
pub use listed::{Unlistable, listed_expression};

/// The number of this canonical form; a change to it must raise this, for what is stored was hashed under the old one.
pub const CANONICAL_FORM: u32 = 1;

/// Why a URL can't be vouched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    NotUtf8,
    Invalid,
    TooLong,
}

impl Fault {
    /// The machine-readable reason.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotUtf8 => "not-utf8",
            Self::Invalid => "invalid-url",
            Self::TooLong => "url-too-long",
        }
    }
}
