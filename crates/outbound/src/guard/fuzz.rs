//! Whatever is configured as the URL of a webhook. See `cargo xtask fuzz`.

use std::io;
use std::net::Ipv6Addr;

use async_trait::async_trait;
use bolero::check;

use super::*;

/// What URLs are made of, and what they are made of by those who want to reach what they must not.
const WORDS: [&str; 40] = [
    "https://",
    "http://",
    "HTTPS:\\\\",
    "127",
    ".",
    "0",
    "1",
    "10.0.0.1",
    "192.168",
    "169.254.169.254",
    "[::1]",
    "[",
    "]",
    ":",
    "::",
    "ffff:",
    "64:ff9b::",
    "2002:",
    "fe80",
    "0x7f",
    "0177",
    "2130706433",
    "localhost",
    "example",
    ".com",
    "@",
    "/",
    "\\",
    "?",
    "#",
    "%31",
    "%2e",
    "%00",
    "１",
    "。",
    "ｌ",
    "\u{ad}",
    "\t",
    " ",
    "user:word@",
];

/// The text that the input says: as it is, or by words.
fn written(input: &[u8]) -> String {
    match input.split_first() {
        Some((first, rest)) if 0x80 <= *first => {
            rest.iter().filter_map(|byte| WORDS.get(usize::from(*byte) % WORDS.len())).copied().collect()
        }
        Some(_) | None => String::from_utf8_lossy(input).into_owned(),
    }
}

struct Nobody;

#[async_trait]
impl Resolver for Nobody {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        panic!("{name} was looked up")
    }
}

/// What the standard library knows of it.
fn is_ours(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_broadcast()
        }
        IpAddr::V6(address) => {
            let carried = address.to_ipv4().or_else(|| translated(address));
            address.is_loopback()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || carried.is_some_and(|carried| is_ours(carried.into()))
        }
    }
}

/// What a translator of the network would make of it.
fn translated(address: Ipv6Addr) -> Option<std::net::Ipv4Addr> {
    let [first, second, .., high, low] = address.segments();
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    (first == 0x64 && second == 0xff9b).then(|| [a, b, c, d].into())
}

#[test]
fn no_text_is_a_url_to_an_address_of_ours() {
    let allowances = Allowances::parse("").expect("it can be read");
    let guard = Guard::new(allowances, Arc::new(Nobody), Duration::from_secs(1));
    let read = std::panic::AssertUnwindSafe(|text: &str| guard.read(text).map_err(|refused| refused.to_string()));
    check!(name = "webhook_urls").with_iterations(20_000).with_max_len(64).for_each(|input: &[u8]| {
        let text = written(input);
        let judged = read(&text);
        assert_eq!(judged, read(&text), "{text:?}");
        let (url, scheme) = match judged {
            Ok(target) => target,
            Err(why) => return assert!(!why.is_empty(), "{text:?}"),
        };
        assert!(url.username().is_empty() && url.password().is_none(), "{text:?}");
        match url.host().expect("it has a host") {
            Host::Ipv4(address) => assert!(!is_ours(address.into()) && scheme == Scheme::Secure, "{text:?}"),
            Host::Ipv6(address) => assert!(!is_ours(address.into()) && scheme == Scheme::Secure, "{text:?}"),
            // What a resolver would read as an address is read as one before.
            Host::Domain(name) => {
                let last = name.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
                let is_number = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
                assert!(!is_number && name.parse::<IpAddr>().is_err(), "{text:?} names {name:?}");
            }
        }
        // Read once more as it is written down, it is the same.
        assert_eq!(read(url.as_str()), Ok((url.clone(), scheme)), "{text:?}");
    });
}
