//! What may be dialled although it is not public: an operator's exceptions, for receivers in their own network.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use thiserror::Error;
use url::Host;

use crate::address::{as_dialled, refusal};

/// Networks and hosts that may be dialled, and with `http://`, whatever their addresses are. None unless they are named.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allowances {
    nets: Vec<IpNet>,
    /// In lower case, without a dot at their end.
    hosts: BTreeSet<String>,
}

/// A setting that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "'{0}' is no network (10.0.0.0/8), address (10.0.0.1) or host name (receiver.internal); no port, scheme or wildcard"
)]
pub struct InvalidAllowance(String);

impl Allowances {
    /// Reads networks, addresses and host names between commas, such as `10.0.0.0/8, receiver.internal, ::1`.
    ///
    /// # Errors
    /// [`InvalidAllowance`] for the first that is none of them.
    pub fn parse(setting: &str) -> Result<Self, InvalidAllowance> {
        let mut allowances = Self::default();
        for entry in setting.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            allowances.add(entry)?;
        }
        Ok(allowances)
    }

    fn add(&mut self, entry: &str) -> Result<(), InvalidAllowance> {
        if let Ok(net) = IpNet::from_str(entry) {
            self.nets.push(net.trunc());
            return Ok(());
        }
        if let Ok(address) = IpAddr::from_str(entry) {
            self.nets.push(address.into());
            return Ok(());
        }
        let is_name = |host: &str| {
            let is_of_name = |character: char| character.is_alphanumeric() || matches!(character, '-' | '_' | '.');
            host.chars().all(is_of_name) && !host.contains("..") && !host.starts_with('.')
        };
        match Host::parse(entry) {
            Ok(Host::Domain(name)) if is_name(&name) => drop(self.hosts.insert(plain(&name).to_owned())),
            Ok(Host::Ipv4(address)) => self.nets.push(IpAddr::V4(address).into()),
            Ok(Host::Ipv6(address)) => self.nets.push(IpAddr::V6(address).into()),
            Ok(Host::Domain(_)) | Err(_) => return Err(InvalidAllowance(entry.to_owned())),
        }
        Ok(())
    }

    /// Whether whatever `name` resolves to may be dialled.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.hosts.contains(plain(name))
    }

    /// Whether `address` is named, alone or in a network.
    pub(crate) fn holds(&self, address: IpAddr) -> bool {
        let dialled = as_dialled(address);
        self.nets.iter().any(|net| net.contains(&address) || net.contains(&dialled))
    }

    /// What `address` is, if it may not be dialled.
    pub(crate) fn refusal(&self, address: IpAddr) -> Option<&'static str> {
        refusal(address).filter(|_| !self.holds(address))
    }
}

/// The name without the dot that says that it is complete.
fn plain(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowances(setting: &str) -> Allowances {
        Allowances::parse(setting).expect("it can be read")
    }

    fn refused(setting: &str, address: &str) -> Option<&'static str> {
        allowances(setting).refusal(address.parse().expect("it is an address"))
    }

    #[test]
    fn nothing_is_allowed_unless_it_is_named() {
        assert_eq!(allowances(""), Allowances::default());
        assert_eq!(allowances(" , "), Allowances::default());
        assert_eq!(refused("", "127.0.0.1"), Some("loopback"));
        assert_eq!(refused("", "8.8.8.8"), None);
    }

    #[test]
    fn a_network_allows_its_addresses_in_any_form_and_no_others() {
        assert_eq!(refused("10.0.0.0/8", "10.1.2.3"), None);
        assert_eq!(refused("10.1.2.3/8", "10.0.0.1"), None);
        assert_eq!(refused("10.0.0.0/8", "::ffff:10.1.2.3"), None);
        assert_eq!(refused("10.0.0.0/8", "192.168.0.1"), Some("private"));
        assert_eq!(refused("10.0.0.0/8", "64:ff9b::10.1.2.3"), Some("private"));
        assert_eq!(refused("127.0.0.1", "127.0.0.2"), Some("loopback"));
        assert_eq!(refused("127.0.0.1, ::1", "::1"), None);
        assert_eq!(refused("[::1]", "::1"), None);
        assert_eq!(refused("fd00::/8", "fd12::1"), None);
    }

    #[test]
    fn a_host_is_allowed_however_it_is_written() {
        let allowances = allowances("Receiver.Local, under_score.internal,localhost.");
        for name in ["receiver.local", "receiver.local.", "under_score.internal", "localhost", "localhost."] {
            assert!(allowances.names(name), "{name}");
        }
        for name in ["local", "a.receiver.local", "receiver.local.example"] {
            assert!(!allowances.names(name), "{name}");
        }
    }

    #[test]
    fn what_is_no_allowance_is_named_in_one_line() {
        let bad = [
            "localhost:9000",
            "http://localhost",
            "*.local",
            "*",
            "10.0.0.0/33",
            "a b",
            "127.0.0.1:80",
            "[::1",
            "a..b",
            ".",
            "user@host",
            "10.0.0.0/8;localhost",
        ];
        for entry in bad {
            let error = Allowances::parse(&format!("::1, {entry}")).expect_err(entry);
            assert!(error.to_string().starts_with(&format!("'{entry}' is no network")), "{error}");
            assert!(!error.to_string().contains('\n'));
        }
    }
}
