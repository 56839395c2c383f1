//! Hosts in canonical form.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::Host;

use super::Fault;

/// The most labels of a host.
pub const MAX_LABELS: usize = 128;

/// Appends a parsed host in canonical form. Returns whether it is an address, which has no parent domains.
pub fn append<S: AsRef<str>>(host: &Host<S>, to: &mut Vec<u8>) -> Result<bool, Fault> {
    match host {
        Host::Ipv4(address) => address_v4(*address, to),
        Host::Ipv6(address) => address_v6(*address, to),
        Host::Domain(domain) => domain_name(domain.as_ref(), to),
    }
}

/// The same for a host of another scheme than the web's, which the standard leaves opaque.
pub fn append_opaque(host: &Host<&str>, to: &mut Vec<u8>) -> Result<bool, Fault> {
    match host {
        Host::Domain(opaque) => append(&Host::parse(opaque).map_err(|_| Fault::Invalid)?, to),
        address => append(address, to),
    }
}

fn domain_name(domain: &str, to: &mut Vec<u8>) -> Result<bool, Fault> {
    if domain.starts_with('.') || domain.ends_with('.') || domain.contains("..") {
        // Without those dots it may be an address in one of its many spellings.
        let labels: Vec<&str> = domain
            .split('.')
            .filter(|label| !label.is_empty())
            .collect();
        return append(
            &Host::parse(&labels.join(".")).map_err(|_| Fault::Invalid)?,
            to,
        );
    }
    if domain.split('.').count() > MAX_LABELS {
        return Err(Fault::TooLong);
    }
    to.extend_from_slice(domain.as_bytes());
    Ok(false)
}

fn address_v4(address: Ipv4Addr, to: &mut Vec<u8>) -> Result<bool, Fault> {
    to.extend_from_slice(address.to_string().as_bytes());
    Ok(true)
}

/// An IPv4 address within an IPv6 one (mapped, or NAT64's well-known prefix) is written as what it is.
fn address_v6(address: Ipv6Addr, to: &mut Vec<u8>) -> Result<bool, Fault> {
    let [a, b, c, d, e, f, high, low] = address.segments();
    if matches!(
        [a, b, c, d, e, f],
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0]
    ) {
        return address_v4(
            Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)),
            to,
        );
    }
    to.extend_from_slice(Host::<&str>::Ipv6(address).to_string().as_bytes());
    Ok(true)
}
