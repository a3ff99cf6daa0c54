//! Which addresses are not on the public internet, in all the forms in which an address can be written.
//!
//! A form that carries an IPv4 address within an IPv6 one is judged by what it carries. What no table knows is refused as
//! well: of IPv6, only what is given out for global use is public.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// A range of IPv4 and what it is.
const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8, what: &'static str) -> (Ipv4Net, &'static str) {
    (Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits), what)
}

/// A range of IPv6, by the first four of its groups, and what it is.
const fn v6(groups: [u16; 4], bits: u8, what: &'static str) -> (Ipv6Net, &'static str) {
    let [a, b, c, d] = groups;
    (Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), bits), what)
}

/// What is refused of IPv4: the special purposes of RFC 6890, those that are global and reachable left out.
const REFUSED_V4: [(Ipv4Net, &str); 16] = [
    v4(0, 0, 0, 0, 8, "unspecified"),
    v4(10, 0, 0, 0, 8, "private"),
    v4(100, 64, 0, 0, 10, "shared by a carrier (CGNAT)"),
    v4(127, 0, 0, 0, 8, "loopback"),
    v4(169, 254, 0, 0, 16, "link-local"),
    v4(172, 16, 0, 0, 12, "private"),
    v4(192, 0, 0, 0, 24, "reserved"),
    v4(192, 0, 2, 0, 24, "for documentation"),
    v4(192, 88, 99, 0, 24, "reserved"),
    v4(192, 168, 0, 0, 16, "private"),
    v4(198, 18, 0, 0, 15, "for benchmarks"),
    v4(198, 51, 100, 0, 24, "for documentation"),
    v4(203, 0, 113, 0, 24, "for documentation"),
    v4(224, 0, 0, 0, 4, "multicast"),
    v4(255, 255, 255, 255, 32, "broadcast"),
    v4(240, 0, 0, 0, 4, "reserved"),
];

/// What is refused of IPv6. The first range that holds an address names it.
const REFUSED_V6: [(Ipv6Net, &str); 9] = [
    v6([0x64, 0xff9b, 1, 0], 48, "translated locally (NAT64)"),
    v6([0x100, 0, 0, 0], 63, "reserved"),
    v6([0xfc00, 0, 0, 0], 7, "private"),
    v6([0xfe80, 0, 0, 0], 10, "link-local"),
    v6([0xfec0, 0, 0, 0], 10, "site-local"),
    v6([0xff00, 0, 0, 0], 8, "multicast"),
    v6([0x2001, 0, 0, 0], 23, "reserved"),
    v6([0x2001, 0xdb8, 0, 0], 32, "for documentation"),
    v6([0x3fff, 0, 0, 0], 20, "for documentation"),
];

/// What is given out of IPv6 for global use.
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0, 0], 3, "").0;

/// IPv4 as such, within IPv6.
const MAPPED: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96);
/// IPv4 behind a translator of the network.
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0], 96, "").0;
/// IPv4 at the other end of a tunnel.
const SIX_TO_FOUR: Ipv6Net = v6([0x2002, 0, 0, 0], 16, "").0;

/// What `address` is, if it is not one of the public internet.
pub(crate) fn refusal(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => refusal_of_v4(address),
        IpAddr::V6(address) => refusal_of_v6(address),
    }
}

/// `address` as it is dialled: IPv4 within IPv6 is dialled as IPv4.
pub(crate) fn as_dialled(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

fn refusal_of_v4(address: Ipv4Addr) -> Option<&'static str> {
    REFUSED_V4.iter().find(|(net, _)| net.contains(&address)).map(|(_, what)| *what)
}

fn refusal_of_v6(address: Ipv6Addr) -> Option<&'static str> {
    if address.is_unspecified() {
        return Some("unspecified");
    }
    if address.is_loopback() {
        return Some("loopback");
    }
    let [.., a, b, c, d] = address.octets();
    if MAPPED.contains(&address) || NAT64.contains(&address) {
        return refusal_of_v4(Ipv4Addr::new(a, b, c, d));
    }
    if SIX_TO_FOUR.contains(&address) {
        let [_, _, a, b, c, d, ..] = address.octets();
        return refusal_of_v4(Ipv4Addr::new(a, b, c, d));
    }
    let named = REFUSED_V6.iter().find(|(net, _)| net.contains(&address)).map(|(_, what)| *what);
    named.or((!GLOBAL_V6.contains(&address)).then_some("reserved"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<&'static str> {
        refusal(text.parse().expect("it is an address"))
    }

    #[test]
    fn what_is_not_public_is_refused_and_named() {
        let refused = [
            ("0.0.0.0", "unspecified"),
            ("0.1.2.3", "unspecified"),
            ("10.0.0.1", "private"),
            ("100.64.0.1", "shared by a carrier (CGNAT)"),
            ("100.127.255.255", "shared by a carrier (CGNAT)"),
            ("127.0.0.1", "loopback"),
            ("127.255.255.255", "loopback"),
            ("169.254.169.254", "link-local"),
            ("172.16.0.1", "private"),
            ("172.31.255.255", "private"),
            ("192.0.0.8", "reserved"),
            ("192.0.2.1", "for documentation"),
            ("192.88.99.1", "reserved"),
            ("192.168.1.1", "private"),
            ("198.18.0.1", "for benchmarks"),
            ("198.19.255.255", "for benchmarks"),
            ("198.51.100.1", "for documentation"),
            ("203.0.113.1", "for documentation"),
            ("224.0.0.1", "multicast"),
            ("239.255.255.255", "multicast"),
            ("240.0.0.1", "reserved"),
            ("255.255.255.255", "broadcast"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::2", "reserved"),
            ("100::1", "reserved"),
            ("100:0:0:1::1", "reserved"),
            ("2001::1", "reserved"),
            ("2001:1::1", "reserved"),
            ("2001:20::1", "reserved"),
            ("2001:db8::1", "for documentation"),
            ("3fff::1", "for documentation"),
            ("5f00::1", "reserved"),
            ("fc00::1", "private"),
            ("fd12:3456::1", "private"),
            ("fe80::1", "link-local"),
            ("fec0::1", "site-local"),
            ("ff02::1", "multicast"),
        ];
        for (address, what) in refused {
            assert_eq!(of(address), Some(what), "{address}");
        }
    }

    #[test]
    fn an_address_within_another_is_judged_as_itself() {
        let refused = [
            ("::ffff:127.0.0.1", "loopback"),
            ("::ffff:a9fe:a9fe", "link-local"),
            ("64:ff9b::10.0.0.1", "private"),
            ("64:ff9b::7f00:1", "loopback"),
            ("64:ff9b:1::808:808", "translated locally (NAT64)"),
            ("2002:7f00:1::1", "loopback"),
            ("2002:c0a8:101::", "private"),
            ("2002:a9fe:a9fe::1", "link-local"),
            ("::127.0.0.1", "reserved"),
            ("::8.8.8.8", "reserved"),
        ];
        for (address, what) in refused {
            assert_eq!(of(address), Some(what), "{address}");
        }
        for address in ["::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"] {
            assert_eq!(of(address), None, "{address}");
        }
    }

    #[test]
    fn what_is_public_is_not_refused() {
        let public = [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "128.0.0.1",
            "172.15.0.1",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.0.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00:1450::1",
        ];
        for address in public {
            assert_eq!(of(address), None, "{address}");
        }
    }
}
