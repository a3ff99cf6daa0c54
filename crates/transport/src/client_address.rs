//! From where a client asks: its own address, or the one that a proxy in front of us tells, if that proxy is to be believed.
//!
//! Anybody can send such a header. Each proxy appends whom it was asked by, so the list is believed from its end, and only as far
//! as those who wrote it are listed by the operator. Only the one header that the operator names is looked at: a proxy that
//! writes the one passes on the other as it came.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::{FORWARDED, HeaderMap, X_FORWARDED_FOR};
use actix_web::web::Data;
use ipnet::IpNet;
use thiserror::Error;

/// In which header proxies tell whom they were asked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`: addresses between commas.
    #[default]
    XForwardedFor,
    /// `Forwarded`, as RFC 7239 has it.
    Forwarded,
}

/// The proxies that are believed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    header: ProxyHeader,
}

/// Why a list of proxies could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{0}' is neither a network such as 10.0.0.0/8 nor an address")]
pub struct UnreadableProxies(String);

impl TrustedProxies {
    /// Those in `list`, networks and addresses between commas, which tell by `header`.
    ///
    /// # Errors
    /// When something in it is neither.
    pub fn parse(list: &str, header: ProxyHeader) -> Result<Self, UnreadableProxies> {
        let listed = list.split(',').map(str::trim).filter(|listed| !listed.is_empty());
        let networks = listed.map(|listed| {
            let network = listed.parse().or_else(|_| listed.parse().map(|address: IpAddr| IpNet::from(address)));
            network.map_err(|_| UnreadableProxies(listed.to_owned()))
        });
        Ok(Self { networks: networks.collect::<Result<_, _>>()?, header })
    }

    fn believes(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// The client of a request with `headers` that came from `peer`: the last one that was told by somebody who is believed.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.believes(client) {
            return client;
        }
        let name = match self.header {
            ProxyHeader::XForwardedFor => X_FORWARDED_FOR,
            ProxyHeader::Forwarded => FORWARDED,
        };
        let lines: Vec<_> = headers.get_all(name).collect();
        for line in lines.into_iter().rev() {
            for entry in line.as_bytes().rsplit(|byte| *byte == b',') {
                let told = std::str::from_utf8(entry).ok().and_then(|entry| self.told_in(entry));
                // Who wrote this entry is believed, but there is nothing to believe.
                let Some(told) = told else { return client };
                client = told;
                if !self.believes(client) {
                    return client;
                }
            }
        }
        client
    }

    fn told_in(&self, entry: &str) -> Option<IpAddr> {
        match self.header {
            ProxyHeader::XForwardedFor => address_in(entry),
            ProxyHeader::Forwarded => {
                let mut pairs = entry.split(';').filter_map(|pair| pair.split_once('='));
                address_in(pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?.1)
            }
        }
    }
}

/// From where `request` was sent; `None` when it did not come over a network.
pub(crate) fn of(request: &HttpRequest) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    let proxies = request.app_data::<Data<TrustedProxies>>();
    Some(proxies.map_or_else(|| peer.to_canonical(), |proxies| proxies.client(peer, request.headers())))
}

/// The address in `text`, which may be quoted, in brackets, and have a port.
fn address_in(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let address: IpAddr = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (address, rest) = bracketed.split_once(']')?;
            if !rest.is_empty() && !rest.strip_prefix(':').is_some_and(is_port) {
                return None;
            }
            IpAddr::V6(address.parse().ok()?)
        }
        None => match text.parse() {
            Ok(address) => address,
            Err(_) => {
                let (address, port) = text.split_once(':')?;
                IpAddr::V4(address.parse().ok().filter(|_| is_port(port))?)
            }
        },
    };
    Some(address.to_canonical())
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn client(header: ProxyHeader, peer: &str, lines: &[(&str, &str)]) -> String {
        let proxies = TrustedProxies::parse("10.0.0.0/8, 192.0.2.1,2001:db8::/32", header).expect("readable");
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        proxies.client(peer.parse().expect("an address"), &headers).to_string()
    }

    fn by_x(peer: &str, lines: &[&str]) -> String {
        let lines: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
        client(ProxyHeader::XForwardedFor, peer, &lines)
    }

    fn by_forwarded(peer: &str, lines: &[&str]) -> String {
        let lines: Vec<_> = lines.iter().map(|line| ("forwarded", *line)).collect();
        client(ProxyHeader::Forwarded, peer, &lines)
    }

    #[test]
    fn a_client_that_is_no_listed_proxy_is_itself_whatever_it_says() {
        for lines in [&[][..], &["203.0.113.7"], &["10.0.0.1, 203.0.113.7"], &["203.0.113.7", "10.0.0.1"]] {
            assert_eq!(by_x("198.51.100.9", lines), "198.51.100.9", "{lines:?}");
        }
        let headers = [("forwarded", "for=203.0.113.7"), ("x-real-ip", "203.0.113.7")];
        assert_eq!(client(ProxyHeader::Forwarded, "198.51.100.9", &headers), "198.51.100.9");
        let nobody = TrustedProxies::default();
        assert_eq!(nobody.client([127, 0, 0, 1].into(), &HeaderMap::new()).to_string(), "127.0.0.1");
    }

    #[test]
    fn a_listed_proxy_is_believed_about_the_last_one_that_it_names_and_about_nobody_before() {
        assert_eq!(by_x("10.0.0.1", &["203.0.113.7"]), "203.0.113.7");
        // The client wrote the first ones itself.
        assert_eq!(by_x("10.0.0.1", &["1.1.1.1, 10.9.9.9, 203.0.113.7"]), "203.0.113.7");
        assert_eq!(by_x("10.0.0.1", &["1.1.1.1", "203.0.113.7"]), "203.0.113.7");
        assert_eq!(by_x("10.0.0.1", &["203.0.113.7, 192.0.2.1", "10.0.0.2"]), "203.0.113.7");
        assert_eq!(by_x("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3", "all are proxies: the farthest");
        assert_eq!(by_x("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn what_is_no_address_ends_the_list() {
        for garbage in [
            "",
            " ",
            "unknown",
            "unix:",
            "unix:/run/nginx.sock",
            "_hidden",
            "203.0.113.7:port",
            "203.0.113.7:99999",
            "203.0.113.999",
            "[2001:db8::1",
            "[2001:db8::1]x",
            "[203.0.113.7]",
            "203.0.113.7/8",
            "localhost",
            "\u{661}.1.1.1",
        ] {
            assert_eq!(by_x("10.0.0.1", &[&format!("1.1.1.1, {garbage}")]), "10.0.0.1", "{garbage}");
            assert_eq!(by_x("10.0.0.1", &[&format!("1.1.1.1, {garbage},10.0.0.2")]), "10.0.0.2", "{garbage}");
        }
        let invalid = HeaderValue::from_bytes(b"1.1.1.1, \xff").expect("a value");
        let mut headers = HeaderMap::new();
        headers.append(X_FORWARDED_FOR, invalid);
        let proxies = TrustedProxies::parse("10.0.0.1", ProxyHeader::XForwardedFor).expect("readable");
        assert_eq!(proxies.client([10, 0, 0, 1].into(), &headers).to_string(), "10.0.0.1");
    }

    #[test]
    fn addresses_are_the_same_however_they_are_written() {
        for (written, address) in [
            ("203.0.113.7:4711", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("[::ffff:203.0.113.7]:80", "203.0.113.7"),
            ("2001:DB9::1", "2001:db9::1"),
            ("[2001:db9::1]", "2001:db9::1"),
            ("[2001:db9::1]:443", "2001:db9::1"),
            ("\"203.0.113.7\"", "203.0.113.7"),
        ] {
            assert_eq!(by_x("10.0.0.1", &[written]), address, "{written}");
            assert_eq!(by_x("::ffff:10.0.0.1", &[written]), address, "{written}");
        }
        assert_eq!(by_x("2001:db8::5", &["203.0.113.7"]), "203.0.113.7");
    }

    #[test]
    fn only_the_named_header_is_looked_at() {
        let both = [("x-forwarded-for", "1.1.1.1"), ("forwarded", "for=203.0.113.7")];
        assert_eq!(client(ProxyHeader::Forwarded, "10.0.0.1", &both), "203.0.113.7");
        assert_eq!(client(ProxyHeader::XForwardedFor, "10.0.0.1", &both), "1.1.1.1");
    }

    #[test]
    fn forwarded_is_read_as_its_rfc_has_it() {
        for (line, address) in [
            ("for=203.0.113.7", "203.0.113.7"),
            ("For=\"203.0.113.7:4711\";proto=https;by=10.0.0.1", "203.0.113.7"),
            ("proto=http; FOR=\"[2001:db9::1]:80\"", "2001:db9::1"),
            ("for=1.1.1.1, for=203.0.113.7", "203.0.113.7"),
            ("for=1.1.1.1, for=203.0.113.7;proto=http, for=10.0.0.2", "203.0.113.7"),
            ("for=1.1.1.1, proto=https", "10.0.0.1"),
            ("for=1.1.1.1, for=unknown", "10.0.0.1"),
            // A quote that the client left open does not reach into what the proxy wrote.
            ("for=\"1.1.1.1, for=203.0.113.7", "203.0.113.7"),
        ] {
            assert_eq!(by_forwarded("10.0.0.1", &[line]), address, "{line}");
        }
    }

    #[test]
    fn a_list_that_cannot_be_read_says_where() {
        for (list, named) in [("10.0.0.0/8,proxy", "proxy"), ("10.0.0.0/33", "10.0.0.0/33"), ("1.2.3", "1.2.3")] {
            let refused = TrustedProxies::parse(list, ProxyHeader::default()).expect_err("unreadable");
            assert!(refused.to_string().contains(&format!("'{named}'")), "{refused}");
        }
        assert_eq!(TrustedProxies::parse(" , ", ProxyHeader::default()), Ok(TrustedProxies::default()));
    }
}
