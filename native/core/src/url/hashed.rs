//! The spellings of a URL under which others may have hashed it.

use url::{Host, Position, Url};

use super::{Canonical, Fault};

/// All of them, distinct: as given; as WHATWG writes it, with and without its fragment; with http and with https, with
/// and without `www.` and the root slash; and the canonical form, bare and with either scheme.
///
/// # Errors
/// [`Fault`], if the URL can't be vouched for.
pub fn hashed_forms(given: &[u8], canonical: &mut Canonical) -> Result<Vec<Vec<u8>>, Fault> {
    canonical.read(given)?;
    let text = std::str::from_utf8(given).map_err(|_| Fault::NotUtf8)?;
    let url = Url::parse(text).map_err(|_| Fault::Invalid)?;
    let mut forms = vec![
        given.to_vec(),
        url.as_str().into(),
        url[..Position::AfterQuery].into(),
    ];
    if matches!(url.scheme(), "http" | "https") {
        let host = &url[Position::BeforeHost..Position::AfterHost];
        let mut hosts = vec![host.to_owned()];
        if let Some(Host::Domain(_)) = url.host() {
            match host.strip_prefix("www.") {
                Some(bare) if !bare.is_empty() => hosts.push(bare.to_owned()),
                _ => hosts.push(format!("www.{host}")),
            }
        }
        let mut tails = vec![&url[Position::AfterHost..Position::AfterQuery]];
        if url.path() == "/" && url.query().is_none() {
            tails.push(&url[Position::AfterHost..Position::BeforePath]);
        }
        let user = &url[Position::BeforeUsername..Position::BeforeHost];
        for scheme in ["http", "https"] {
            for host in &hosts {
                forms.extend(
                    tails
                        .iter()
                        .map(|tail| format!("{scheme}://{user}{host}{tail}").into_bytes()),
                );
            }
        }
    }
    for scheme in ["", "http://", "https://"] {
        forms.push([scheme.as_bytes(), canonical.text()].concat());
    }
    forms.sort_unstable();
    forms.dedup();
    Ok(forms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(url: &str) -> Vec<String> {
        let found = hashed_forms(url.as_bytes(), &mut Canonical::default()).unwrap();
        found
            .into_iter()
            .map(|form| String::from_utf8(form).unwrap())
            .collect()
    }

    #[test]
    fn every_spelling_once() {
        assert_eq!(
            forms("HTTP://www.Example.com"),
            [
                "HTTP://www.Example.com",
                "http://example.com",
                "http://example.com/",
                "http://www.example.com",
                "http://www.example.com/",
                "https://example.com",
                "https://example.com/",
                "https://www.example.com",
                "https://www.example.com/",
                "www.example.com/",
            ]
        );
        let port = forms("https://example.com:8443/a%2E?b#c");
        for form in [
            "https://example.com:8443/a%2E?b#c",
            "http://www.example.com:8443/a%2E?b",
            "example.com/a.?b",
        ] {
            assert!(port.contains(&form.to_owned()), "{form}");
        }
        assert!(
            !forms("http://1.2.3.4/")
                .iter()
                .any(|form| form.contains("www"))
        );
        assert!(hashed_forms(b"nothing", &mut Canonical::default()).is_err());
    }
}
