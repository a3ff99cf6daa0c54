//! Whom we call: judged when a URL is configured, and again when it is dialled.
//!
//! What is judged at the moment of dialling are the very addresses that are then dialled, so it makes no difference that a name
//! may resolve to something else a moment later.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use domain::webhooks::TargetRefused;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::time::timeout;
use url::{Host, Url};

use crate::allowances::Allowances;
use crate::resolver::Resolver;

/// How a receiver is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// `http`: in the clear, so only to hosts and addresses that an operator named.
    Plain,
    /// `https`.
    Secure,
}

/// Judges targets.
#[derive(Clone)]
pub(crate) struct Guard {
    allowances: Arc<Allowances>,
    resolver: Arc<dyn Resolver>,
    patience: Duration,
}

impl Guard {
    /// One that allows what is public and `allowances`, and waits `patience` for a name to be resolved.
    pub(crate) fn new(allowances: Allowances, resolver: Arc<dyn Resolver>, patience: Duration) -> Self {
        Self { allowances: Arc::new(allowances), resolver, patience }
    }

    /// Reads `text`, and judges all of it that can be judged without a look-up.
    ///
    /// # Errors
    /// [`TargetRefused`].
    pub(crate) fn read(&self, text: &str) -> Result<(Url, Scheme), TargetRefused> {
        let url = Url::parse(text).map_err(|error| refused(format!("is not a URL: {error}")))?;
        let scheme = match url.scheme() {
            "http" => Scheme::Plain,
            "https" => Scheme::Secure,
            other => return Err(refused(format!("must begin with https://, not {other}:"))),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("must not contain a user name or password".to_owned()));
        }
        if url.port() == Some(0) {
            return Err(refused("must not have the port 0".to_owned()));
        }
        let address = match url.host() {
            Some(Host::Domain(name)) if name.trim_end_matches('.').is_empty() => {
                return Err(refused("must have a host".to_owned()));
            }
            // A resolver may take `127..` for something else than a name.
            Some(Host::Domain(name)) if name.strip_suffix('.').unwrap_or(name).split('.').any(str::is_empty) => {
                return Err(refused("must have a host without empty parts".to_owned()));
            }
            Some(Host::Domain(_)) => return Ok((url, scheme)),
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            None => return Err(refused("must have a host".to_owned())),
        };
        self.judge_literal(address, scheme)?;
        Ok((url, scheme))
    }

    /// Judges `text` with every address that its host has now.
    ///
    /// # Errors
    /// [`TargetRefused`].
    pub(crate) async fn check(&self, text: &str) -> Result<(), TargetRefused> {
        let (url, scheme) = self.read(text)?;
        match url.host() {
            Some(Host::Domain(name)) => drop(self.resolve(name, scheme).await?),
            Some(Host::Ipv4(_) | Host::Ipv6(_)) | None => {}
        }
        Ok(())
    }

    fn judge_literal(&self, address: IpAddr, scheme: Scheme) -> Result<(), TargetRefused> {
        if let Some(what) = self.allowances.refusal(address) {
            return Err(refused(format!("{address} is {what}; {ADVICE}")));
        }
        if scheme == Scheme::Plain && !self.allowances.holds(address) {
            return Err(must_be_secure());
        }
        Ok(())
    }

    /// The addresses of `name`, all of which may be dialled.
    async fn resolve(&self, name: &str, scheme: Scheme) -> Result<Vec<IpAddr>, TargetRefused> {
        let is_named = self.allowances.names(name);
        let unresolved = || refused(format!("the name {name} cannot be resolved"));
        let found = timeout(self.patience, self.resolver.addresses(name)).await;
        let addresses = found.ok().and_then(Result::ok).filter(|found| !found.is_empty()).ok_or_else(unresolved)?;
        if is_named {
            return Ok(addresses);
        }
        for address in &addresses {
            if let Some(what) = self.allowances.refusal(*address) {
                return Err(refused(format!("{name} resolves to {address}, which is {what}; {ADVICE}")));
            }
        }
        if scheme == Scheme::Plain && !addresses.iter().all(|address| self.allowances.holds(*address)) {
            return Err(must_be_secure());
        }
        Ok(addresses)
    }

    /// What resolves names for a client that speaks `scheme`.
    pub(crate) fn at_dialling(&self, scheme: Scheme) -> AtDialling {
        AtDialling { guard: self.clone(), scheme }
    }
}

/// What can be done about a refused address.
const ADVICE: &str = "PURSER_WEBHOOK_ALLOW can allow it";

fn refused(why: String) -> TargetRefused {
    TargetRefused(why)
}

fn must_be_secure() -> TargetRefused {
    refused("must begin with https://, unless PURSER_WEBHOOK_ALLOW names the host".to_owned())
}

/// Resolves names for a client of one scheme, and hands out nothing that may not be dialled.
pub(crate) struct AtDialling {
    guard: Guard,
    scheme: Scheme,
}

impl Resolve for AtDialling {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, scheme) = (self.guard.clone(), self.scheme);
        Box::pin(async move {
            let addresses = guard.resolve(name.as_str(), scheme).await?;
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io;

    use async_trait::async_trait;

    use super::*;

    /// Knows some names, and waits for ever for another.
    struct Book(BTreeMap<&'static str, Vec<IpAddr>>);

    #[async_trait]
    impl Resolver for Book {
        async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
            if name == "slow.example" {
                std::future::pending::<()>().await;
            }
            self.0.get(name).cloned().ok_or_else(|| io::Error::other("no such name"))
        }
    }

    fn guard(allowances: &str) -> Guard {
        let book = [
            ("public.example", vec!["93.184.216.34", "2606:2800::1"]),
            ("public.example.", vec!["93.184.216.34"]),
            ("private.example", vec!["10.0.0.1"]),
            ("mixed.example", vec!["93.184.216.34", "127.0.0.1"]),
            ("metadata.example", vec!["169.254.169.254"]),
            ("mapped.example", vec!["::ffff:127.0.0.1"]),
            ("nat64.example", vec!["64:ff9b::a00:1"]),
            ("localhost", vec!["::1", "127.0.0.1"]),
            ("localhost.", vec!["127.0.0.1"]),
            ("empty.example", vec![]),
        ];
        let parsed = |list: Vec<&str>| list.into_iter().map(|address| address.parse().expect("valid")).collect();
        let book = book.map(|(name, addresses)| (name, parsed(addresses)));
        let allowances = Allowances::parse(allowances).expect("it can be read");
        Guard::new(allowances, Arc::new(Book(BTreeMap::from(book))), Duration::from_millis(50))
    }

    async fn check(allowances: &str, url: &str) -> Result<(), String> {
        guard(allowances).check(url).await.map_err(|refused| refused.to_string())
    }

    #[tokio::test]
    async fn an_address_is_refused_in_every_way_to_write_it() {
        let hosts = [
            ("127.0.0.1", "127.0.0.1 is loopback"),
            ("127.0.0.1.", "127.0.0.1 is loopback"),
            ("2130706433", "127.0.0.1 is loopback"),
            ("0x7f000001", "127.0.0.1 is loopback"),
            ("0x7f.1", "127.0.0.1 is loopback"),
            ("0177.0.0.1", "127.0.0.1 is loopback"),
            ("017700000001", "127.0.0.1 is loopback"),
            ("127.1", "127.0.0.1 is loopback"),
            ("127.0.1", "127.0.0.1 is loopback"),
            ("%31%32%37.0.0.1", "127.0.0.1 is loopback"),
            ("１２７.0.0.1", "127.0.0.1 is loopback"),
            ("0", "0.0.0.0 is unspecified"),
            ("10.0.0.1", "10.0.0.1 is private"),
            ("0xa9fea9fe", "169.254.169.254 is link-local"),
            ("2852039166", "169.254.169.254 is link-local"),
            ("[::]", ":: is unspecified"),
            ("[::1]", "::1 is loopback"),
            ("[0:0:0:0:0:0:0:1]", "::1 is loopback"),
            ("[::ffff:127.0.0.1]", "::ffff:127.0.0.1 is loopback"),
            ("[::ffff:7f00:1]", "::ffff:127.0.0.1 is loopback"),
            ("[::127.0.0.1]", "::7f00:1 is reserved"),
            ("[64:ff9b::10.0.0.1]", "64:ff9b::a00:1 is private"),
            ("[2002:7f00:1::]", "2002:7f00:1:: is loopback"),
            ("[2001:0:53aa::1]", "2001:0:53aa::1 is reserved"),
            ("[fd00:ec2::254]", "fd00:ec2::254 is private"),
            ("[fe80::1]", "fe80::1 is link-local"),
        ];
        for (host, expected) in hosts {
            for scheme in ["https", "HTTPS", "http"] {
                let refused = check("", &format!("{scheme}://{host}:8443/hook")).await.expect_err(host);
                assert_eq!(refused, format!("{expected}; PURSER_WEBHOOK_ALLOW can allow it"), "{host}");
            }
        }
    }

    #[tokio::test]
    async fn a_name_is_refused_for_any_of_its_addresses() {
        let hosts = [
            ("private.example", "10.0.0.1, which is private"),
            ("mixed.example", "127.0.0.1, which is loopback"),
            ("metadata.example", "169.254.169.254, which is link-local"),
            ("mapped.example", "::ffff:127.0.0.1, which is loopback"),
            ("nat64.example", "64:ff9b::a00:1, which is private"),
            ("localhost", "::1, which is loopback"),
            ("localhost.", "127.0.0.1, which is loopback"),
        ];
        for (host, expected) in hosts {
            let refused = check("", &format!("https://{host}/")).await.expect_err(host);
            assert_eq!(refused, format!("{host} resolves to {expected}; PURSER_WEBHOOK_ALLOW can allow it"));
        }
        for host in ["unknown.example", "empty.example", "slow.example"] {
            let refused = check("", &format!("https://{host}/")).await.expect_err(host);
            assert_eq!(refused, format!("the name {host} cannot be resolved"));
        }
        assert_eq!(check("", "https://public.example/hook?a=b").await, Ok(()));
        assert_eq!(check("", "hTTps://PUBLIC.example./").await, Ok(()));
        assert_eq!(check("", "https://93.184.216.34/").await, Ok(()));
    }

    #[tokio::test]
    async fn only_a_plain_https_url_is_taken() {
        let bad = [
            ("ftp://public.example/", "must begin with https://, not ftp:"),
            ("file:///etc/passwd", "must begin with https://, not file:"),
            ("gopher://127.0.0.1:6379/_INFO", "must begin with https://, not gopher:"),
            ("javascript:alert(1)", "must begin with https://, not javascript:"),
            ("https://user:word@public.example/", "must not contain a user name or password"),
            ("https://user@public.example/", "must not contain a user name or password"),
            ("https://public.example@127.0.0.1/", "must not contain a user name or password"),
            ("https://public.example:0/", "must not have the port 0"),
            ("https:///", "is not a URL: empty host"),
            ("https://./", "must have a host"),
            ("https://127../", "must have a host without empty parts"),
            ("https://public..example/", "must have a host without empty parts"),
            ("/hook", "is not a URL: relative URL without a base"),
            ("https://[fe80::1%25eth0]/", "is not a URL: invalid IPv6 address"),
            ("https://999.1.1.1/", "is not a URL: invalid IPv4 address"),
            ("https://public.example:99999/", "is not a URL: invalid port number"),
            ("http://public.example/", "must begin with https://, unless PURSER_WEBHOOK_ALLOW names the host"),
            ("http://93.184.216.34/", "must begin with https://, unless PURSER_WEBHOOK_ALLOW names the host"),
        ];
        for (url, expected) in bad {
            assert_eq!(check("", url).await, Err(expected.to_owned()), "{url}");
        }
    }

    #[tokio::test]
    async fn what_is_allowed_may_be_private_and_in_the_clear() {
        for (allowances, url) in [
            ("127.0.0.1", "http://127.0.0.1:9000/h"),
            ("127.0.0.0/8", "http://2130706433/h"),
            ("::1", "http://[::1]:9000/h"),
            ("localhost", "http://localhost:9000/h"),
            ("localhost", "http://LOCALHOST.:9000/h"),
            ("::1, 127.0.0.1", "http://localhost:9000/h"),
            ("10.0.0.0/8", "http://private.example/"),
            ("10.0.0.0/8", "https://private.example/"),
            ("mixed.example", "http://mixed.example/"),
            ("public.example", "http://public.example/"),
        ] {
            assert_eq!(check(allowances, url).await, Ok(()), "{allowances}: {url}");
        }
        for (allowances, url) in [
            ("127.0.0.1", "http://127.0.0.2/"),
            ("127.0.0.1", "https://localhost/"),
            ("localhost", "https://127.0.0.1/"),
            ("127.0.0.1", "http://mixed.example/"),
            ("10.0.0.0/8", "http://public.example/"),
            ("unknown.example", "http://unknown.example/"),
        ] {
            assert!(check(allowances, url).await.is_err(), "{allowances}: {url}");
        }
    }
}
